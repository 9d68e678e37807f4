//! The IAM actions that each call of amiferry needs: the one place that says so.
//!
//! An operation and its action often differ: `ListObjectsV2` needs `s3:ListBucket`, and there is no
//! action `s3:HeadBucket`. `docs/permissions.md` and AWS's own list of actions are compared with
//! this table by tests.

use On::{
    Anything, Bucket, EventBus, EventRules, Image, Key, KeyOfObject, KeyOfQueue, KeysOfSnapshots,
    Object, Queue, Role, Snapshots, SourceObject, TaskBucket, TaskObject,
};

/// What an action has to be allowed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The bucket of the call.
    Bucket,
    /// The object of the call.
    Object,
    /// The object that a part is copied from.
    SourceObject,
    /// The KMS key that encrypts the object.
    KeyOfObject,
    /// The queue of the call.
    Queue,
    /// The KMS key that encrypts the queue.
    KeyOfQueue,
    /// The KMS key of the call.
    Key,
    /// The image of the call.
    Image,
    /// The bucket that EC2 writes to or reads from for a task.
    TaskBucket,
    /// The object that EC2 writes or reads for a task.
    TaskObject,
    /// The snapshots that EC2 reads or creates for a task.
    Snapshots,
    /// The KMS keys of those snapshots.
    KeysOfSnapshots,
    /// The role that is assumed.
    Role,
    /// The event bus of the call.
    EventBus,
    /// All rules of the bus: a check asks about each that sends to a queue.
    EventRules,
    /// Everything: IAM cannot restrict the action to a resource.
    Anything,
}

/// One action that a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The action as IAM spells it.
    pub action: &'static str,
    /// On what.
    pub on: On,
}

/// A call, and what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiCall {
    /// `service:Operation`, as a fault names the call.
    pub operation: &'static str,
    /// The actions; the first is the one that the call is about. The KMS actions are needed only
    /// where a KMS key encrypts the resource.
    pub needs: &'static [Need],
}

/// The needs of an operation; none for an operation that amiferry does not call.
pub fn needs_of(operation: &str) -> &'static [Need] {
    CALLS.iter().find(|call| call.operation == operation).map_or(&[], |call| call.needs)
}

/// An action as IAM spells it, whatever its case: SQS writes it in lower case into its messages.
pub(super) fn spelled(action: &str) -> &str {
    let needs = CALLS.iter().flat_map(|call| call.needs);
    needs.map(|need| need.action).find(|known| known.eq_ignore_ascii_case(action)).unwrap_or(action)
}

macro_rules! calls {
    ($($operation:literal: $($action:literal on $on:ident),*;)+) => {
        /// Every call of amiferry.
        pub const CALLS: &[ApiCall] = &[$(ApiCall {
            operation: $operation,
            needs: &[$(Need { action: $action, on: $on }),*],
        },)+];
    };
}

calls! {
    "sts:GetCallerIdentity": ;
    "sts:AssumeRole": "sts:AssumeRole" on Role;

    "sqs:ReceiveMessage": "sqs:ReceiveMessage" on Queue, "kms:Decrypt" on KeyOfQueue;
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage" on Queue;
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility" on Queue;
    "sqs:GetQueueAttributes": "sqs:GetQueueAttributes" on Queue;
    "sqs:GetQueueUrl": "sqs:GetQueueUrl" on Queue;
    "sqs:SendMessage": "sqs:SendMessage" on Queue, "kms:GenerateDataKey" on KeyOfQueue, "kms:Decrypt" on KeyOfQueue;

    "events:PutEvents": "events:PutEvents" on EventBus;
    "events:ListRuleNamesByTarget": "events:ListRuleNamesByTarget" on Anything;
    "events:DescribeRule": "events:DescribeRule" on EventRules;
    "events:TestEventPattern": "events:TestEventPattern" on Anything;

    "servicequotas:ListServiceQuotas": "servicequotas:ListServiceQuotas" on Anything;

    "ec2:DescribeImages": "ec2:DescribeImages" on Anything;
    "ec2:DescribeImageAttribute": "ec2:DescribeImageAttribute" on Image;
    "ec2:DescribeSnapshots": "ec2:DescribeSnapshots" on Anything;
    "ec2:DescribeStoreImageTasks": "ec2:DescribeStoreImageTasks" on Anything;
    "ec2:GetEbsEncryptionByDefault": "ec2:GetEbsEncryptionByDefault" on Anything;
    "ec2:GetEbsDefaultKmsKeyId": "ec2:GetEbsDefaultKmsKeyId" on Anything;
    "ec2:CreateStoreImageTask": "ec2:CreateStoreImageTask" on Image,
        "ebs:ListSnapshotBlocks" on Snapshots, "ebs:GetSnapshotBlock" on Snapshots,
        "s3:ListBucket" on TaskBucket, "s3:PutObject" on TaskObject, "s3:PutObjectTagging" on TaskObject,
        "s3:GetObject" on TaskObject, "s3:AbortMultipartUpload" on TaskObject,
        "kms:DescribeKey" on KeysOfSnapshots, "kms:Decrypt" on KeysOfSnapshots, "kms:GenerateDataKey" on KeyOfObject;
    "ec2:CreateRestoreImageTask": "ec2:CreateRestoreImageTask" on Image, "ec2:CreateTags" on Image,
        "ebs:StartSnapshot" on Snapshots, "ebs:PutSnapshotBlock" on Snapshots, "ebs:CompleteSnapshot" on Snapshots,
        "s3:ListBucket" on TaskBucket, "s3:GetObject" on TaskObject,
        "kms:Decrypt" on KeyOfObject, "kms:DescribeKey" on KeysOfSnapshots,
        "kms:GenerateDataKeyWithoutPlaintext" on KeysOfSnapshots, "kms:Encrypt" on KeysOfSnapshots,
        "kms:ReEncryptFrom" on KeysOfSnapshots, "kms:ReEncryptTo" on KeysOfSnapshots,
        "kms:CreateGrant" on KeysOfSnapshots;
    "ec2:EnableImageDeregistrationProtection": "ec2:EnableImageDeregistrationProtection" on Image;
    "ec2:ModifyImageAttribute": "ec2:ModifyImageAttribute" on Image;
    "ec2:DescribeImageReferences": "ec2:DescribeImageReferences" on Anything, "ec2:DescribeInstances" on Anything,
        "ec2:DescribeLaunchTemplates" on Anything, "ec2:DescribeLaunchTemplateVersions" on Anything,
        "ssm:DescribeParameters" on Anything, "ssm:GetParameters" on Anything,
        "imagebuilder:ListImageRecipes" on Anything, "imagebuilder:GetImageRecipe" on Anything,
        "imagebuilder:ListContainerRecipes" on Anything, "imagebuilder:GetContainerRecipe" on Anything;
    "ec2:DisableImageDeregistrationProtection": "ec2:DisableImageDeregistrationProtection" on Image;
    "ec2:DeregisterImage": "ec2:DeregisterImage" on Image;
    "ec2:DeleteSnapshot": "ec2:DeleteSnapshot" on Snapshots;

    "s3:HeadBucket": "s3:ListBucket" on Bucket;
    "s3:GetBucketVersioning": "s3:GetBucketVersioning" on Bucket;
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration" on Bucket;
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration" on Bucket;
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration" on Bucket;
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification" on Bucket;
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock" on Bucket;
    "s3:GetBucketOwnershipControls": "s3:GetBucketOwnershipControls" on Bucket;
    "s3:ListObjectsV2": "s3:ListBucket" on Bucket;
    "s3:ListObjectVersions": "s3:ListBucketVersions" on Bucket;
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads" on Bucket;
    "s3:HeadObject": "s3:GetObject" on Object, "s3:GetObjectRetention" on Object, "s3:ListBucket" on Bucket,
        "kms:Decrypt" on KeyOfObject;
    "s3:GetObject": "s3:GetObject" on Object, "s3:ListBucket" on Bucket, "kms:Decrypt" on KeyOfObject;
    "s3:PutObject": "s3:PutObject" on Object, "s3:PutObjectRetention" on Object, "kms:GenerateDataKey" on KeyOfObject;
    "s3:PutObjectRetention": "s3:PutObjectRetention" on Object;
    "s3:GetObjectRetention": "s3:GetObjectRetention" on Object;
    "s3:GetObjectLegalHold": "s3:GetObjectLegalHold" on Object;
    "s3:DeleteObject": "s3:DeleteObjectVersion" on Object;
    "s3:RestoreObject": "s3:RestoreObject" on Object;
    "s3:CreateMultipartUpload": "s3:PutObject" on Object, "s3:PutObjectRetention" on Object,
        "kms:GenerateDataKey" on KeyOfObject, "kms:Decrypt" on KeyOfObject;
    "s3:UploadPartCopy": "s3:PutObject" on Object, "s3:GetObject" on SourceObject, "s3:GetObjectVersion" on SourceObject,
        "kms:GenerateDataKey" on KeyOfObject, "kms:Decrypt" on KeyOfObject;
    "s3:CompleteMultipartUpload": "s3:PutObject" on Object, "kms:Decrypt" on KeyOfObject;
    "s3:AbortMultipartUpload": "s3:AbortMultipartUpload" on Object;
    "s3:ListParts": "s3:ListMultipartUploadParts" on Object, "kms:Decrypt" on KeyOfObject;

    "kms:DescribeKey": "kms:DescribeKey" on Key;
    "kms:GetKeyPolicy": "kms:GetKeyPolicy" on Key;
    "kms:ListGrants": "kms:ListGrants" on Key;
    "kms:Encrypt": "kms:Encrypt" on Key;
    "kms:Decrypt": "kms:Decrypt" on Key;
    "kms:ReEncrypt": "kms:ReEncryptFrom" on Key, "kms:ReEncryptTo" on Key;
    "kms:GenerateDataKey": "kms:GenerateDataKey" on Key;
    "kms:GenerateDataKeyWithoutPlaintext": "kms:GenerateDataKeyWithoutPlaintext" on Key;
    "kms:CreateGrant": "kms:CreateGrant" on Key;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_stands_once_in_the_table() {
        for call in CALLS {
            let same = CALLS.iter().filter(|other| other.operation == call.operation).count();
            assert_eq!(same, 1, "{}", call.operation);
        }
    }

    #[test]
    fn an_operation_whose_action_has_another_name_is_told_by_the_action() {
        for (operation, action) in [
            ("s3:ListObjectsV2", "s3:ListBucket"),
            ("s3:HeadBucket", "s3:ListBucket"),
            ("s3:HeadObject", "s3:GetObject"),
            ("s3:GetObjectLockConfiguration", "s3:GetBucketObjectLockConfiguration"),
            ("s3:GetBucketEncryption", "s3:GetEncryptionConfiguration"),
            ("sqs:DeleteMessageBatch", "sqs:DeleteMessage"),
        ] {
            assert_eq!(needs_of(operation)[0].action, action);
        }
        assert_eq!(needs_of("s3:DeleteObject")[0].action, "s3:DeleteObjectVersion");
        assert!(needs_of("s3:DeleteBucket").is_empty());
        assert_eq!(spelled("sqs:receivemessage"), "sqs:ReceiveMessage");
        assert_eq!(spelled("iam:PassRole"), "iam:PassRole");
    }
}
