//! Versions of objects.

use amiferry_core::fault::Fault;
use amiferry_core::ids::{AccountId, BucketName};
use amiferry_core::ports::{KeyVersion, Listing, Versions};
use async_trait::async_trait;

use super::objects::listed_key;
use super::{S3Objects, following};
use crate::call::Call;

#[async_trait]
impl Versions for S3Objects {
    async fn versions(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        prefix: &str,
        token: Option<String>,
    ) -> Result<(Listing<KeyVersion>, Option<String>), Fault> {
        let call = Call::new("s3:ListObjectVersions", format!("{bucket}/{prefix}"));
        let (version, key) = match token.as_deref().map(split) {
            Some((version, key)) => (version, Some(key)),
            None => (None, None),
        };
        let request = self
            .sweeps
            .list_object_versions()
            .bucket(bucket.as_str())
            .prefix(prefix)
            .expected_bucket_owner(owner.as_str())
            .set_key_marker(key)
            .set_version_id_marker(version);
        let answer = self.session.send(&call, request.send()).await?;
        let versions = answer.versions.unwrap_or_default().into_iter();
        let versions = versions.map(|version| (version.key, false, version.version_id));
        let markers = answer.delete_markers.unwrap_or_default().into_iter();
        let markers = markers.filter(|marker| marker.is_latest == Some(true));
        let markers = markers.map(|marker| (marker.key, true, marker.version_id));
        let listed = |(key, hides, version): (Option<String>, bool, Option<String>)| {
            listed_key(key.as_deref()).map(|key| KeyVersion { key, hides, version })
        };
        let keys = versions.chain(markers).map(listed).collect();
        let next = answer.next_key_marker.filter(|key| !key.is_empty());
        let next = next.map(|key| joined(answer.next_version_id_marker.as_deref(), &key));
        let next = following(answer.is_truncated, next, || call.unexpected("NextKeyMarker", None))?;
        Ok((keys, next))
    }
}

/// The two markers of a page as one token. A version id has no blank; a key may have any.
fn joined(version: Option<&str>, key: &str) -> String {
    format!("{} {key}", version.unwrap_or_default())
}

fn split(token: &str) -> (Option<String>, String) {
    let (version, key) = token.split_once(' ').unwrap_or(("", token));
    (Some(version.to_owned()).filter(|version| !version.is_empty()), key.to_owned())
}
