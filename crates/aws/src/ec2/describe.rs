//! Asks EC2 about images, snapshots, permissions and the encryption setting.

use amiferry_core::fault::Fault;
use amiferry_core::ids::{Arn, ImageId, SnapshotId};
use amiferry_core::model::{Image, Snapshot};
use aws_sdk_ec2::types::ImageAttributeName;

use super::{Ec2Images, filter, next, translate};
use crate::call::Call;

/// Values of one filter, set by EC2.
const FILTER_VALUES: usize = 200;
/// Images of one page of the whole account.
const PAGE: i32 = 500;

impl Ec2Images {
    /// The account's images whose `name` field has one of `values`. A filter leaves absent ones
    /// out where ids in the request would fail it whole.
    pub(super) async fn images_where(
        &self,
        name: &str,
        values: impl Iterator<Item = String>,
    ) -> Result<Vec<Image>, Fault> {
        let values: Vec<String> = values.collect();
        let mut images = Vec::with_capacity(values.len());
        for chunk in values.chunks(FILTER_VALUES) {
            let call = Call::new("ec2:DescribeImages", few(chunk));
            let mut token = None;
            loop {
                let request = self
                    .queries
                    .describe_images()
                    .owners(self.account.as_str())
                    .include_disabled(true)
                    .filters(filter(name, chunk))
                    .set_next_token(token.take());
                let answer = self.session.send(&call, request.send()).await?;
                for image in answer.images.unwrap_or_default() {
                    images.push(translate::image(&call, image)?);
                }
                token = next(answer.next_token);
                if token.is_none() {
                    break;
                }
            }
        }
        Ok(images)
    }

    pub(super) async fn image_page(
        &self,
        token: Option<String>,
    ) -> Result<(Vec<Image>, Option<String>), Fault> {
        let call = self.call("ec2:DescribeImages");
        let request = self
            .sweeps
            .describe_images()
            .owners(self.account.as_str())
            .include_disabled(true)
            .max_results(PAGE)
            .set_next_token(token);
        let answer = self.session.send(&call, request.send()).await?;
        let images = answer.images.unwrap_or_default().into_iter();
        let images =
            images.map(|image| translate::image(&call, image)).collect::<Result<_, _>>()?;
        Ok((images, next(answer.next_token)))
    }

    pub(super) async fn snapshots_by_id(&self, ids: &[SnapshotId]) -> Result<Vec<Snapshot>, Fault> {
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        let mut snapshots = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(FILTER_VALUES) {
            let call = Call::new("ec2:DescribeSnapshots", few(chunk));
            let mut token = None;
            loop {
                let request = self
                    .queries
                    .describe_snapshots()
                    .filters(filter("snapshot-id", chunk))
                    .set_next_token(token.take());
                let answer = self.session.send(&call, request.send()).await?;
                for snapshot in answer.snapshots.unwrap_or_default() {
                    snapshots.push(translate::snapshot(&call, snapshot)?);
                }
                token = next(answer.next_token);
                if token.is_none() {
                    break;
                }
            }
        }
        Ok(snapshots)
    }

    pub(super) async fn permissions(&self, id: &ImageId) -> Result<Vec<String>, Fault> {
        let call = Call::new("ec2:DescribeImageAttribute", id.as_str());
        let request = self
            .queries
            .describe_image_attribute()
            .image_id(id.as_str())
            .attribute(ImageAttributeName::LaunchPermission);
        let answer = self.session.send(&call, request.send()).await?;
        let given = answer.launch_permissions.unwrap_or_default();
        given
            .into_iter()
            .map(|permission| {
                permission
                    .user_id
                    .or_else(|| permission.group.map(|group| group.as_str().to_owned()))
                    .or(permission.organization_arn)
                    .or(permission.organizational_unit_arn)
                    .ok_or_else(|| call.unexpected("launchPermission", Some("an empty one")))
            })
            .collect()
    }

    pub(super) async fn default_key(&self) -> Result<Option<Arn>, Fault> {
        let call = self.call("ec2:GetEbsEncryptionByDefault");
        let request = self.queries.get_ebs_encryption_by_default();
        let answer = self.session.send(&call, request.send()).await?;
        let on = answer
            .ebs_encryption_by_default
            .ok_or_else(|| call.unexpected("ebsEncryptionByDefault", None))?;
        if !on {
            return Ok(None);
        }
        let call = self.call("ec2:GetEbsDefaultKmsKeyId");
        let request = self.queries.get_ebs_default_kms_key_id();
        let answer = self.session.send(&call, request.send()).await?;
        let key = answer.kms_key_id.ok_or_else(|| call.unexpected("kmsKeyId", None))?;
        let arn = translate::key_arn(&key, self.session.region(), &self.account);
        arn.map(Some).ok_or_else(|| call.unexpected("kmsKeyId", Some(&key)))
    }
}

/// A value for a filter that is to match exactly: `*`, `?` and `\` stand for themselves.
pub(super) fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '*' | '?' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// What a call with many ids is about, short.
pub(super) fn few(ids: &[String]) -> String {
    match ids {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
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

    #[test]
    fn a_fault_about_many_ids_names_the_first_and_counts_the_rest() {
        let ids = ["ami-1", "ami-2", "ami-3"].map(str::to_owned);
        assert_eq!(few(&ids), "ami-1 and 2 more");
        assert_eq!(few(&ids[..1]), "ami-1");
    }
}
