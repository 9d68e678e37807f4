//! The condition keys that the simulation supplies.
//!
//! A policy with any other key is refused when it is set: a key without a value would make a `Deny`
//! silently ineffective. As in AWS, a key of one service is absent from requests to other services,
//! and a key that AWS lists for some actions is absent from other actions; evaluation decides that,
//! and it is no error.

/// Keys that some service supplies.
const KEYS: &[&str] = &[
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:MultiFactorAuthPresent",
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalIsAWSService",
    "aws:PrincipalOrgID",
    "aws:PrincipalServiceName",
    "aws:PrincipalType",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    "aws:ResourceOrgID",
    "aws:SecureTransport",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceIdentity",
    "aws:SourceOrgID",
    "aws:TagKeys",
    "aws:TokenIssueTime",
    "aws:userid",
    "aws:username",
    "aws:ViaAWSService",
    "ec2:CreateAction",
    "ec2:Region",
    "events:source",
    "kms:CallerAccount",
    "kms:EncryptionContextKeys",
    "kms:GrantIsForAWSResource",
    "kms:ViaService",
    "s3:delimiter",
    "s3:if-match",
    "s3:if-none-match",
    "s3:max-keys",
    "s3:object-lock-legal-hold",
    "s3:object-lock-mode",
    "s3:object-lock-remaining-retention-days",
    "s3:ObjectCreationOperation",
    "s3:prefix",
    "s3:ResourceAccount",
    "s3:signatureversion",
    "s3:TlsVersion",
    "s3:VersionId",
    "s3:x-amz-acl",
    "s3:x-amz-copy-source",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm",
    "s3:x-amz-storage-class",
    "sts:ExternalId",
    "sts:RoleSessionName",
    "sts:SourceIdentity",
    "sts:TransitiveTagKeys",
];

/// Keys that carry a name after this prefix.
const PREFIXES: &[&str] =
    &["aws:PrincipalTag/", "aws:RequestTag/", "aws:ResourceTag/", "kms:EncryptionContext:"];

/// Whether the simulation supplies a key. Keys ignore case.
///
/// # Errors
/// Names the key that it does not know.
pub(super) fn check(key: &str) -> Result<(), String> {
    let known = KEYS.iter().any(|known| known.eq_ignore_ascii_case(key))
        || PREFIXES.iter().any(|prefix| {
            key.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        });
    if known {
        Ok(())
    } else {
        Err(format!("the simulated IAM does not know the condition key {key}"))
    }
}
