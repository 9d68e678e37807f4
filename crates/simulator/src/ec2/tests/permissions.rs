//! What store and restore need of their caller: at the call, and while the task runs.

use super::*;
use crate::Settings;
use crate::ec2::set_default_encryption;
use crate::ec2::settings::TaskPermissions;
use crate::iam::{RoleSpec, create_role};
use crate::principal::Principal;
use crate::s3::{self, BucketSpec, Encryption};
use crate::sts;
use crate::testing::{pass, world, world_with};

const STORE: &[&str] = &[
    "ec2:CreateStoreImageTask",
    "s3:ListBucket",
    "s3:PutObject",
    "s3:AbortMultipartUpload",
    "ebs:ListSnapshotBlocks",
    "ebs:GetSnapshotBlock",
];
const RESTORE: &[&str] = &[
    "ec2:CreateRestoreImageTask",
    "s3:ListBucket",
    "s3:GetObject",
    "ebs:StartSnapshot",
    "ebs:PutSnapshotBlock",
    "ebs:CompleteSnapshot",
];
const WRITE_KEYS: &[&str] = &["kms:GenerateDataKey", "kms:Decrypt"];

/// Sets what the role `worker` may do: these actions on everything.
fn permit(world: &World, actions: &[&str]) {
    let actions: Vec<String> = actions.iter().map(|action| format!("\"{action}\"")).collect();
    let permissions = format!(
        r#"{{"Statement":{{"Effect":"Allow","Action":[{}],"Resource":"*"}}}}"#,
        actions.join(",")
    );
    let spec = RoleSpec {
        name: "worker",
        trust_json: r#"{"Statement":[]}"#,
        permissions_json: &permissions,
        max_session: 3_600,
    };
    create_role(&mut world.lock(), &account(ACCOUNT), &spec).unwrap();
}

/// One call of a session of that role.
async fn ask(world: &World, action: &str, parameters: &[(&str, &str)]) -> Reply {
    let far = "2027-01-01T00:00:00Z".parse().unwrap();
    let now = world.now();
    let principal = Principal::session(account(ACCOUNT), "worker", "s", far);
    let issued = sts::issue(&mut world.lock(), now, principal);
    let token = [("x-amz-security-token", issued.token.as_str())];
    call_with(world, REGION, &issued.access_key, &token, action, parameters).await
}

fn bucket(world: &World, encryption: Encryption) {
    let now = world.now();
    let spec =
        BucketSpec { encryption, ..BucketSpec::new("bkt", account(ACCOUNT), region(REGION)) };
    s3::create_bucket(&mut world.lock(), now, spec).unwrap();
}

fn without<'a>(actions: &[&'a str], missing: &str) -> Vec<&'a str> {
    actions.iter().copied().filter(|action| *action != missing).collect()
}

#[tokio::test(start_paused = true)]
async fn a_store_needs_each_of_its_permissions_at_the_call() {
    let world = world();
    bucket(&world, Encryption::Aes256);
    let id = image(&world, "web", 8).to_string();
    let request = [("ImageId", id.as_str()), ("Bucket", "bkt/p")];
    for missing in STORE {
        permit(&world, &without(STORE, missing));
        let reply = ask(&world, "CreateStoreImageTask", &request).await;
        assert_code(&reply, 403, "UnauthorizedOperation");
        assert!(reply.text.contains(missing), "{missing} in {}", reply.text);
    }
    permit(&world, STORE);
    let tagged =
        [&request[..], &[("S3ObjectTag.1.Key", "k"), ("S3ObjectTag.1.Value", "v")]].concat();
    let reply = ask(&world, "CreateStoreImageTask", &tagged).await;
    assert!(reply.text.contains("s3:PutObjectTagging"), "{}", reply.text);
    assert_ok(&ask(&world, "CreateStoreImageTask", &request).await);
}

#[tokio::test(start_paused = true)]
async fn a_restore_needs_each_of_its_permissions_at_the_call() {
    let world = world();
    bucket(&world, Encryption::Aes256);
    let id = image(&world, "web", 8).to_string();
    assert_ok(&call(&world, "CreateStoreImageTask", &[("ImageId", &id), ("Bucket", "bkt")]).await);
    pass(&world, 3_600).await;
    let object = format!("{id}.bin");
    let request = [("Bucket", "bkt"), ("ObjectKey", object.as_str()), ("Name", "back")];
    for missing in RESTORE {
        permit(&world, &without(RESTORE, missing));
        let reply = ask(&world, "CreateRestoreImageTask", &request).await;
        assert_code(&reply, 403, "UnauthorizedOperation");
        assert!(reply.text.contains(missing), "{missing} in {}", reply.text);
    }
    permit(&world, RESTORE);
    assert_ok(&ask(&world, "CreateRestoreImageTask", &request).await);
}

#[tokio::test(start_paused = true)]
async fn which_permissions_are_needed_is_a_switch() {
    for (needed, granted, status) in [
        (TaskPermissions::ByDirection, STORE, 200),
        (TaskPermissions::WholeList, STORE, 403),
        (TaskPermissions::Unchecked, &STORE[..1], 200),
        (TaskPermissions::ByDirection, &STORE[..1], 403),
    ] {
        let mut settings = Settings::default();
        settings.ec2.task_permissions = needed;
        let world = world_with(settings);
        bucket(&world, Encryption::Aes256);
        permit(&world, granted);
        let id = image(&world, "web", 8).to_string();
        let reply =
            ask(&world, "CreateStoreImageTask", &[("ImageId", &id), ("Bucket", "bkt")]).await;
        assert_eq!(reply.status, status, "{needed:?} {granted:?} {}", reply.text);
    }
}

#[tokio::test(start_paused = true)]
async fn access_that_is_lost_while_a_task_runs_fails_it_at_its_end() {
    for (lost, word) in [("s3:PutObject", "s3:PutObject"), ("kms:Decrypt", "kms:Decrypt")] {
        let world = world();
        let bucket_key = key(&world, ACCOUNT, REGION);
        bucket(&world, Encryption::Kms(bucket_key));
        let all = [STORE, WRITE_KEYS].concat();
        permit(&world, &all);
        let id = image(&world, "web", 8).to_string();
        let request = [("ImageId", id.as_str()), ("Bucket", "bkt")];
        assert_ok(&ask(&world, "CreateStoreImageTask", &request).await);
        permit(&world, &without(&all, lost));
        pass(&world, 3_600).await;
        let shown = call(&world, "DescribeStoreImageTasks", &[]).await;
        assert_eq!(shown.element("storeTaskState").as_deref(), Some("Failed"));
        let reason = shown.element("storeTaskFailureReason").unwrap();
        assert!(reason.contains(word), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_key_of_restored_snapshots_is_looked_at_when_the_restore_ends() {
    let world = world();
    bucket(&world, Encryption::Aes256);
    let id = image(&world, "web", 8).to_string();
    assert_ok(&call(&world, "CreateStoreImageTask", &[("ImageId", &id), ("Bucket", "bkt")]).await);
    pass(&world, 3_600).await;
    let chosen = key(&world, ACCOUNT, REGION);
    set_default_encryption(&mut world.lock(), &account(ACCOUNT), &region(REGION), Some(chosen));
    let object = format!("{id}.bin");
    let keys = ["kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"];
    for (name, granted, state) in
        [("without", &keys[..1], "failed"), ("with-both", &keys[..], "available")]
    {
        permit(&world, &[RESTORE, granted].concat());
        let request = [("Bucket", "bkt"), ("ObjectKey", object.as_str()), ("Name", name)];
        let reply = ask(&world, "CreateRestoreImageTask", &request).await;
        assert_ok(&reply);
        pass(&world, 3_600).await;
        let made = reply.element("imageId").unwrap();
        let shown = call(&world, "DescribeImages", &[("ImageId.1", &made)]).await;
        assert_eq!(shown.element("imageState").as_deref(), Some(state), "{}", shown.text);
    }
    world.lock().settings.ec2.keys_checked_at_call = true;
    permit(&world, RESTORE);
    let request = [("Bucket", "bkt"), ("ObjectKey", object.as_str()), ("Name", "at-call")];
    let reply = ask(&world, "CreateRestoreImageTask", &request).await;
    assert_code(&reply, 400, "CustomerKeyHasBeenRevoked");
}
