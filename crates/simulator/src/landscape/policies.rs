//! The policy documents and event patterns of the landscape.

use amiferry_core::ids::{AccountId, Arn, Region};
use serde_json::json;

use super::{EXTERNAL_ID, SOURCE_ACCOUNT, STAGING_BUCKET, VAULT_ACCOUNT, VAULT_BUCKET};

/// AMIs that become available or fail.
pub(super) const IMAGE_STATES: &str = r#"{
    "source": ["aws.ec2"],
    "detail-type": ["EC2 AMI State Change"],
    "detail": { "State": ["available", "failed"] }
}"#;

/// What the read role may do: describe, and nothing that changes anything.
pub(super) const READ_ROLE_PERMISSIONS: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [{
        "Sid": "Describe",
        "Effect": "Allow",
        "Action": ["ec2:DescribeImages", "ec2:DescribeImageAttribute", "ec2:DescribeSnapshots", "ec2:DescribeStoreImageTasks"],
        "Resource": "*"
    }]
}"#;

/// Objects that appear in the staging bucket.
pub(super) fn staged() -> String {
    json!({
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "account": [SOURCE_ACCOUNT],
        "detail": { "bucket": { "name": [STAGING_BUCKET] } },
    })
    .to_string()
}

/// The trust policy of the read role: the vault account may assume it, with the external id.
pub(super) fn read_role_trust() -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{VAULT_ACCOUNT}:root") },
            "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "sts:ExternalId": EXTERNAL_ID } },
        }],
    })
    .to_string()
}

/// The trust policy of roles in the vault account: its own people and schedules.
pub(super) fn restore_role_trust() -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{VAULT_ACCOUNT}:root") },
            "Action": "sts:AssumeRole",
        }],
    })
    .to_string()
}

/// What the restore operator may do: read the vault, restore and protect images, write further
/// records, share images. It deletes nothing, and reaches no other account.
pub(super) fn restore_role(region: &Region, key: &Arn) -> String {
    let via = json!({ "StringEquals": { "kms:ViaService": [
        format!("s3.{region}.amazonaws.com"), format!("ec2.{region}.amazonaws.com"),
    ] } });
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ReadTheVault",
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketObjectLockConfiguration"],
                "Resource": format!("arn:aws:s3:::{VAULT_BUCKET}"),
            },
            {
                "Sid": "ReadObjectsAndRecords",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:GetObjectRetention"],
                "Resource": format!("arn:aws:s3:::{VAULT_BUCKET}/*"),
            },
            {
                "Sid": "WriteFurtherRecords",
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:PutObjectRetention"],
                "Resource": format!("arn:aws:s3:::{VAULT_BUCKET}/*/record-*.json"),
            },
            {
                "Sid": "RestoreAndProtect",
                "Effect": "Allow",
                "Action": [
                    "ec2:DescribeImages", "ec2:DescribeImageAttribute", "ec2:DescribeSnapshots",
                    "ec2:GetEbsEncryptionByDefault", "ec2:GetEbsDefaultKmsKeyId",
                    "ec2:CreateRestoreImageTask", "ec2:CreateTags",
                    "ec2:EnableImageDeregistrationProtection", "ec2:ModifyImageAttribute",
                    "ebs:StartSnapshot", "ebs:PutSnapshotBlock", "ebs:CompleteSnapshot",
                ],
                "Resource": "*",
            },
            { "Sid": "AskAboutTheKey", "Effect": "Allow", "Action": "kms:DescribeKey", "Resource": key },
            {
                "Sid": "UseTheKeyThroughS3AndEc2",
                "Effect": "Allow",
                "Action": [
                    "kms:Decrypt", "kms:GenerateDataKey*", "kms:Encrypt", "kms:ReEncrypt*",
                    "kms:CreateGrant", "kms:DescribeKey",
                ],
                "Resource": key,
                "Condition": via,
            },
        ],
    })
    .to_string()
}

/// What a prune may do: read the vault, write the two records by which something is given up, and delete
/// images, their snapshots and versions of objects. It bypasses no lock, restores nothing, and reaches
/// no other account.
pub(super) fn prune_role(region: &Region, key: &Arn) -> String {
    let via = json!({ "StringEquals": { "kms:ViaService": format!("s3.{region}.amazonaws.com") } });
    let ours = json!({ "StringEquals": { "aws:ResourceTag/amiferry:managed": "true" } });
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ReadTheVault",
                "Effect": "Allow",
                "Action": [
                    "s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketObjectLockConfiguration",
                    "s3:ListBucketMultipartUploads",
                ],
                "Resource": format!("arn:aws:s3:::{VAULT_BUCKET}"),
            },
            {
                "Sid": "ReadObjectsAndRecords",
                "Effect": "Allow",
                "Action": [
                    "s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention",
                    "s3:GetObjectLegalHold",
                ],
                "Resource": format!("arn:aws:s3:::{VAULT_BUCKET}/*"),
            },
            {
                "Sid": "RecordWhatIsGivenUp",
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:PutObjectRetention"],
                "Resource": [
                    format!("arn:aws:s3:::{VAULT_BUCKET}/*/record-*-pruned.json"),
                    format!("arn:aws:s3:::{VAULT_BUCKET}/*/record-*-retired.json"),
                ],
            },
            {
                "Sid": "DeleteVersionsOfObjectsAndUploads",
                "Effect": "Allow",
                "Action": [
                    "s3:DeleteObjectVersion", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload",
                ],
                "Resource": format!("arn:aws:s3:::{VAULT_BUCKET}/*/image.bin"),
            },
            {
                "Sid": "AskWhatIsThereAndInUse",
                "Effect": "Allow",
                "Action": [
                    "ec2:DescribeImages", "ec2:DescribeImageAttribute", "ec2:DescribeSnapshots",
                    "ec2:GetEbsEncryptionByDefault", "ec2:GetEbsDefaultKmsKeyId",
                    "ec2:DescribeImageReferences", "ec2:DescribeInstances",
                    "ec2:DescribeLaunchTemplates", "ec2:DescribeLaunchTemplateVersions",
                    "ssm:DescribeParameters", "ssm:GetParameters",
                    "imagebuilder:ListImageRecipes", "imagebuilder:GetImageRecipe",
                    "imagebuilder:ListContainerRecipes", "imagebuilder:GetContainerRecipe",
                ],
                "Resource": "*",
            },
            {
                "Sid": "RemoveWhatAmiferryMade",
                "Effect": "Allow",
                "Action": [
                    "ec2:DisableImageDeregistrationProtection", "ec2:DeregisterImage",
                    "ec2:DeleteSnapshot",
                ],
                "Resource": "*",
                "Condition": ours,
            },
            { "Sid": "AskAboutTheKey", "Effect": "Allow", "Action": "kms:DescribeKey", "Resource": key },
            {
                "Sid": "UseTheKeyThroughS3",
                "Effect": "Allow",
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": key,
                "Condition": via,
            },
        ],
    })
    .to_string()
}

/// The vault account may read staged objects, and list them to tell missing from forbidden.
pub(super) fn staging_bucket(bucket: &str) -> String {
    let vault = format!("arn:aws:iam::{VAULT_ACCOUNT}:root");
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "VaultReads",
                "Effect": "Allow",
                "Principal": { "AWS": vault },
                "Action": ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging"],
                "Resource": format!("arn:aws:s3:::{bucket}/*"),
            },
            {
                "Sid": "VaultLists",
                "Effect": "Allow",
                "Principal": { "AWS": vault },
                "Action": ["s3:ListBucket", "s3:GetEncryptionConfiguration"],
                "Resource": format!("arn:aws:s3:::{bucket}"),
            },
        ],
    })
    .to_string()
}

/// No other account reaches the vault bucket, except that a source may list its own prefix: so it
/// knows what is complete, and stores none of it again.
pub(super) fn vault_bucket() -> String {
    let others = json!({ "StringNotEquals": { "aws:PrincipalAccount": VAULT_ACCOUNT } });
    let own_prefix = "amiferry/${aws:PrincipalAccount}/*";
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyTheVault",
                "Effect": "Deny",
                "Principal": "*",
                "NotAction": "s3:ListBucket",
                "Resource": [
                    format!("arn:aws:s3:::{VAULT_BUCKET}"),
                    format!("arn:aws:s3:::{VAULT_BUCKET}/*"),
                ],
                "Condition": others,
            },
            {
                "Sid": "SourcesListTheirOwn",
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{SOURCE_ACCOUNT}:root") },
                "Action": "s3:ListBucket",
                "Resource": format!("arn:aws:s3:::{VAULT_BUCKET}"),
                "Condition": { "StringLike": { "s3:prefix": own_prefix } },
            },
        ],
    })
    .to_string()
}

/// The source account governs the key; the vault account may decrypt what it copies.
pub(super) fn staging_key() -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Account",
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{SOURCE_ACCOUNT}:root") },
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": "VaultDecrypts",
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{VAULT_ACCOUNT}:root") },
                "Action": ["kms:Decrypt", "kms:DescribeKey"],
                "Resource": "*",
            },
        ],
    })
    .to_string()
}

/// The source account may forward events to the vault's bus.
pub(super) fn vault_bus(arn: &str) -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "SourceForwards",
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{SOURCE_ACCOUNT}:root") },
            "Action": "events:PutEvents",
            "Resource": arn,
        }],
    })
    .to_string()
}

/// Only EventBridge of the queue's own account may send to it.
pub(super) fn queue(account: &AccountId, region: &Region, name: &str) -> String {
    let arn = format!("arn:aws:sqs:{region}:{account}:{name}");
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "EventBridge",
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {
                "ArnLike": { "aws:SourceArn": format!("arn:aws:events:{region}:{account}:rule/amiferry-*") },
            },
        }],
    })
    .to_string()
}
