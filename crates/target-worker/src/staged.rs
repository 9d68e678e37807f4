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
    /// The staged object that was listed last. In the order of keys its note follows it, maybe on the
    /// next page.
    object: Option<ImageId>,
}

impl Staged {
    /// EC2 shows these images.
    pub fn shows(&mut self, images: impl IntoIterator<Item = ImageId>) {
        self.shown.extend(images);
    }

    /// The images in a page of keys that have a staged object and a note, and that EC2 does not show.
    /// Without a note nothing can be decided about an image that is gone.
    pub fn gone(
        &mut self,
        scope: &SourceScope,
        keys: impl IntoIterator<Item = ObjectKey>,
    ) -> Vec<ImageId> {
        let mut gone = Vec::new();
        for key in keys {
            if let Some(image) = scope.image_of(&key) {
                self.object = Some(image);
            } else if let Some(image) = self.object.take_if(|image| scope.note_key(image) == key) {
                gone.push(image);
            }
        }
        gone.retain(|image| !self.shown.contains(image));
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIRED: &str = "ami-00000000000000001";
    const SHOWN: &str = "ami-00000000000000002";
    const ALONE: &str = "ami-00000000000000003";

    fn scope() -> SourceScope {
        SourceScope {
            account: "111111111111".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            staging_bucket: "staging".parse().unwrap(),
            staging_prefix: "images".to_owned(),
        }
    }

    fn keys(names: &[String]) -> Vec<ObjectKey> {
        names.iter().map(|name| format!("images/us-east-1/{name}").parse().unwrap()).collect()
    }

    fn pages(pages: &[&[String]]) -> Vec<String> {
        let mut staged = Staged::default();
        staged.shows([SHOWN.parse().unwrap()]);
        let pages = pages.iter().flat_map(|page| staged.gone(&scope(), keys(page)));
        pages.map(|image| image.to_string()).collect()
    }

    #[test]
    fn an_image_that_is_not_shown_is_found_by_its_object_and_its_note() {
        let both = [format!("{PAIRED}.bin"), format!("{PAIRED}.json")];
        assert_eq!(pages(&[&both]), [PAIRED]);
        assert_eq!(pages(&[&both[..1], &both[1..]]), [PAIRED], "the pages end between them");
        let with_another = [both[0].clone(), format!("{PAIRED}.bin.old"), both[1].clone()];
        assert_eq!(pages(&[&with_another]), [PAIRED], "another key lies between them");
    }

    #[test]
    fn images_that_ec2_shows_and_files_without_the_other_are_not_found() {
        let shown = [format!("{SHOWN}.bin"), format!("{SHOWN}.json")];
        assert!(pages(&[&shown]).is_empty());
        let alone = [format!("{ALONE}.bin"), format!("{PAIRED}.json")];
        assert!(pages(&[&alone]).is_empty());
        let elsewhere = [format!("old/{PAIRED}.bin"), format!("old/{PAIRED}.json")];
        assert!(pages(&[&elsewhere]).is_empty());
    }
}
