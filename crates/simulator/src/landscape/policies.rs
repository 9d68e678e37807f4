//! The policies and event patterns of the landscape: the files of `deploy/iam` and `deploy/events`,
//! their placeholders filled in.

use amiferry_core::ids::{AccountId, Arn, Region};

use super::{
    EXTERNAL_ID, SOURCE_ACCOUNT, SOURCE_QUEUE, SOURCE_REGION, STAGING_BUCKET, TARGET_QUEUE,
    VAULT_ACCOUNT, VAULT_BUCKET, VAULT_REGION,
};

/// The longest lock that the vault bucket accepts, in days.
const MAX_RETENTION_DAYS: &str = "3650";

/// Everyone of the vault account: workers and tests act as its root until their roles are made.
const ANYONE_OF_THE_VAULT: &str = "arn:aws:iam::222222222222:*";

/// A file of `deploy`, as it was when the simulator was built.
macro_rules! file {
    ($path:literal) => {
        include_str!(concat!("../../../../deploy/", $path))
    };
}

/// AMIs that become available or fail.
pub(super) const IMAGE_STATES: &str = file!("events/image-states.json");

/// The text of a file with its placeholders filled in: `own` first, then what is the same for all.
/// Policy variables such as `${aws:PrincipalAccount}` are no placeholders.
fn filled(text: &str, own: &[(&str, &str)]) -> String {
    let bus = vault_bus_arn();
    let rules = format!("arn:aws:events:{SOURCE_REGION}:{SOURCE_ACCOUNT}:rule/amiferry-*");
    let source_queue = format!("arn:aws:sqs:{SOURCE_REGION}:{SOURCE_ACCOUNT}:{SOURCE_QUEUE}");
    let vault_queue = format!("arn:aws:sqs:{VAULT_REGION}:{VAULT_ACCOUNT}:{TARGET_QUEUE}");
    let break_glass = format!("arn:aws:iam::{VAULT_ACCOUNT}:role/amiferry-break-glass");
    let common: [(&str, &str); 15] = [
        ("BreakGlassRole", &break_glass),
        ("ExternalId", EXTERNAL_ID),
        ("MaxRetentionDays", MAX_RETENTION_DAYS),
        ("Rules", &rules),
        ("SourceAccount", SOURCE_ACCOUNT),
        ("SourceAccounts", SOURCE_ACCOUNT),
        ("SourceQueue", &source_queue),
        ("SourceRegion", SOURCE_REGION),
        ("StagingBucket", STAGING_BUCKET),
        ("VaultAccount", VAULT_ACCOUNT),
        ("VaultBucket", VAULT_BUCKET),
        ("VaultBus", &bus),
        ("VaultQueue", &vault_queue),
        ("VaultReaders", ANYONE_OF_THE_VAULT),
        ("VaultRegion", VAULT_REGION),
    ];
    let mut text = text.to_owned();
    for (name, value) in own.iter().chain(&common) {
        text = text.replace(&format!("${{{name}}}"), value);
    }
    text
}

fn vault_bus_arn() -> String {
    format!("arn:aws:events:{VAULT_REGION}:{VAULT_ACCOUNT}:event-bus/default")
}

/// Objects that appear in the staging bucket, as the source's rule matches them.
pub(super) fn staged() -> String {
    filled(file!("events/staged.json"), &[])
}

/// The same events as the vault's rule matches them: of every source.
pub(super) fn forwarded() -> String {
    filled(file!("events/forwarded.json"), &[])
}

/// What the source worker may do.
pub(super) fn source_worker(staging_key: &Arn) -> String {
    filled(file!("iam/source-worker.json"), &[("StagingKey", staging_key.as_str())])
}

/// What the read role may do: describe, and nothing that changes anything.
pub(super) fn read_role() -> &'static str {
    file!("iam/source-read.json")
}

/// The trust policy of the read role: who of the vault account may assume it, with the external id.
pub(super) fn read_role_trust(readers: Option<&str>) -> String {
    filled(file!("iam/source-read.trust.json"), &named(readers))
}

/// What the vault worker may do.
pub(super) fn vault_worker(key: &Arn) -> String {
    filled(file!("iam/vault-worker.json"), &[("VaultKey", key.as_str())])
}

/// What the restore operator may do.
pub(super) fn vault_restore(key: &Arn) -> String {
    filled(file!("iam/vault-restore.json"), &[("VaultKey", key.as_str())])
}

/// What the restore operator may do beyond that for a destination: copy to it.
pub(super) fn destination_copy(there: &Names<'_>) -> String {
    filled(file!("iam/destination-copy.json"), there)
}

/// What makes images in a destination: the operator itself, or a role of that account.
pub(super) fn destination_restore(there: &Names<'_>) -> String {
    filled(file!("iam/destination-restore.json"), there)
}

/// The trust policy of that role.
pub(super) fn destination_trust() -> String {
    filled(file!("iam/destination.trust.json"), &[])
}

/// The bucket of a destination lets the operator write, also that of another account.
pub(super) fn destination_bucket(there: &Names<'_>) -> String {
    filled(file!("iam/destination-bucket.json"), there)
}

/// The account of a destination governs its key, and the operator encrypts with it.
pub(super) fn destination_key(account: &AccountId) -> String {
    filled(file!("iam/destination-key.json"), &[("DestinationAccount", account.as_str())])
}

/// What a prune may do.
pub(super) fn vault_prune(key: &Arn) -> String {
    filled(file!("iam/vault-prune.json"), &[("VaultKey", key.as_str())])
}

/// What the auditor may do.
pub(super) fn vault_audit(key: &Arn) -> String {
    filled(file!("iam/vault-audit.json"), &[("VaultKey", key.as_str())])
}

/// The trust policy of roles that people of an account assume.
pub(super) fn people_trust(account: &AccountId) -> String {
    filled(file!("iam/people.trust.json"), &[("VaultAccount", account.as_str())])
}

/// The vault account may read staged objects, and list them to tell missing from forbidden.
pub(super) fn staging_bucket(bucket: &str, readers: Option<&str>) -> String {
    let mut own = named(readers);
    own.push(("StagingBucket", bucket));
    filled(file!("iam/staging-bucket.json"), &own)
}

/// The source account governs the key; the vault account may decrypt what it copies.
pub(super) fn staging_key(readers: Option<&str>) -> String {
    filled(file!("iam/staging-key.json"), &named(readers))
}

/// No other account reaches the vault bucket, except that a source may list its own prefix; what is
/// written there is new, under the vault's key, and locked for a bounded time.
pub(super) fn vault_bucket(key: &Arn) -> String {
    filled(file!("iam/vault-bucket.json"), &[("VaultKey", key.as_str())])
}

/// The vault account governs the key, which only one role can disable or delete.
pub(super) fn vault_key() -> String {
    filled(file!("iam/vault-key.json"), &[])
}

/// The source account may forward events to the vault's bus.
pub(super) fn vault_bus() -> String {
    filled(file!("iam/vault-bus.json"), &[])
}

/// Only EventBridge of the queue's own account may send to it.
pub(super) fn queue(account: &AccountId, region: &Region, name: &str) -> String {
    let arn = format!("arn:aws:sqs:{region}:{account}:{name}");
    let rules = format!("arn:aws:events:{region}:{account}:rule/amiferry-*");
    let own = [("Queue", arn.as_str()), ("QueueAccount", account.as_str()), ("Rules", &rules)];
    filled(file!("iam/queue.json"), &own)
}

/// Placeholders and what stands in their places.
pub(super) type Names<'a> = [(&'a str, &'a str)];

fn named(readers: Option<&str>) -> Vec<(&'static str, &str)> {
    readers.map(|readers| ("VaultReaders", readers)).into_iter().collect()
}
