//! Asks EC2 about the images of the account.

use amiferry_core::fault::Fault;
use amiferry_core::ids::ImageId;
use amiferry_core::model::Image;
use amiferry_core::ports::{Images, Listing, Unreadable};
use async_trait::async_trait;
use aws_sdk_ec2::types;

use super::{Ec2Images, FILTER_VALUES, few, filter, next, translate};
use crate::call::Call;

/// Images of one page of the whole account.
const PAGE: i32 = 500;

#[async_trait]
impl Images for Ec2Images {
    async fn describe(&self, ids: &[ImageId]) -> Result<Listing<Image>, Fault> {
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        self.images_where("image-id", &ids, translate::image).await
    }

    async fn named(&self, names: &[String]) -> Result<Listing<Image>, Fault> {
        let below = |name: &String| [escaped(name), format!("{}/*", escaped(name))];
        let names: Vec<String> = names.iter().flat_map(below).collect();
        self.images_where("name", &names, translate::named_image).await
    }

    async fn pending(&self) -> Result<Listing<Image>, Fault> {
        self.images_where("state", &["pending".to_owned()], translate::image).await
    }

    async fn page(&self, token: Option<String>) -> Result<(Listing<Image>, Option<String>), Fault> {
        let call = self.call("ec2:DescribeImages");
        let request = self
            .sweeps()
            .describe_images()
            .owners(self.account.as_str())
            .include_disabled(true)
            .max_results(PAGE)
            .set_next_token(token);
        let answer = self.session.send(&call, request.send()).await?;
        let images = answer.images.unwrap_or_default().into_iter().filter(translate::is_machine);
        Ok((images.map(translate::image).collect(), next(answer.next_token)))
    }
}

impl Ec2Images {
    /// The account's images whose `name` field has one of `values`. A filter leaves absent ones
    /// out where ids in the request would fail it whole.
    pub(super) async fn images_where(
        &self,
        name: &str,
        values: &[String],
        read: fn(types::Image) -> Result<Image, Unreadable>,
    ) -> Result<Listing<Image>, Fault> {
        let mut images = Listing::default();
        for chunk in values.chunks(FILTER_VALUES) {
            let call = Call::new("ec2:DescribeImages", few(chunk));
            let mut token = None;
            loop {
                let request = self
                    .queries()
                    .describe_images()
                    .owners(self.account.as_str())
                    .include_disabled(true)
                    .filters(filter(name, chunk))
                    .set_next_token(token.take());
                let answer = self.session.send(&call, request.send()).await?;
                let found = answer.images.unwrap_or_default().into_iter();
                images.extend(found.filter(translate::is_machine).map(read));
                token = next(answer.next_token);
                if token.is_none() {
                    break;
                }
            }
        }
        Ok(images)
    }
}

/// A value for a filter that is to match exactly: `*`, `?` and `\` stand for themselves.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '*' | '?' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_name_match_only_themselves() {
        for (name, sent) in
            [("plain (1)", "plain (1)"), ("a*b?", r"a\*b\?"), (r"back\slash", r"back\\slash")]
        {
            assert_eq!(escaped(name), sent);
        }
    }
}
