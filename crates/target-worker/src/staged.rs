//! Finds what is staged of images that EC2 no longer shows. Where the message about such an object is
//! lost, only a sweep can.

use std::collections::BTreeSet;

use amiferry_core::event::SourceScope;
use amiferry_core::ids::{ImageId, ObjectKey};

/// What a walk over one source has seen so far.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    /// Images that EC2 shows, also those that cannot be read.
    shown: BTreeSet<ImageId>,
}

impl Staged {
    /// EC2 shows these images.
    pub fn shows(&mut self, images: impl IntoIterator<Item = ImageId>) {
        self.shown.extend(images);
    }

    /// The images in a page of keys that have a staged object and that EC2 does not show. Whether there
    /// is a note of them, a look asks: who holds the source could hide it from the list.
    pub fn gone(
        &self,
        scope: &SourceScope,
        keys: impl IntoIterator<Item = ObjectKey>,
    ) -> Vec<ImageId> {
        let staged = keys.into_iter().filter_map(|key| scope.image_of(&key));
        staged.filter(|image| !self.shown.contains(image)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GONE: &str = "ami-00000000000000001";
    const SHOWN: &str = "ami-00000000000000002";

    fn scope() -> SourceScope {
        SourceScope {
            account: "111111111111".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            staging_bucket: "staging".parse().unwrap(),
            staging_prefix: "images".to_owned(),
        }
    }

    fn gone(names: &[String]) -> Vec<String> {
        let mut staged = Staged::default();
        staged.shows([SHOWN.parse().unwrap()]);
        let keys = names.iter().map(|name| format!("images/us-east-1/{name}").parse().unwrap());
        staged.gone(&scope(), keys).iter().map(ImageId::to_string).collect()
    }

    #[test]
    fn an_image_that_is_not_shown_is_found_by_its_staged_object_with_or_without_a_note() {
        assert_eq!(gone(&[format!("{GONE}.bin"), format!("{GONE}.json")]), [GONE]);
        assert_eq!(gone(&[format!("{GONE}.bin")]), [GONE]);
    }

    #[test]
    fn images_that_ec2_shows_notes_alone_and_other_files_are_not_found() {
        assert!(gone(&[format!("{SHOWN}.bin"), format!("{SHOWN}.json")]).is_empty());
        assert!(gone(&[format!("{GONE}.json"), format!("{GONE}.bin.old")]).is_empty());
        assert!(gone(&[format!("old/{GONE}.bin")]).is_empty());
    }
}
