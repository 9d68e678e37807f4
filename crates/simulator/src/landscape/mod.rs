//! The accounts that `amiferry demo` and `amiferry sim serve` start with: a source and a vault,
//! wired as the design wants them.
//!
//! What stands here is what a person would set up in AWS: queues with dead-letter queues, a
//! staging and a vault bucket, keys, the read role, and the EventBridge rules between them.

mod brisk;
mod config;
mod destination;
mod fleet;
mod neighbour;
mod policies;
mod roles;
mod sources;

use amiferry_core::ids::{AccountId, Arn, Region};
use jiff::Timestamp;

pub use brisk::brisk;
pub use config::Pace;
pub use destination::{DESTINATION_ROLE, Destination};
pub use fleet::{Planned, fleet, release};
pub use neighbour::Neighbour;
pub use roles::{PRUNE_ROLE, RESTORE_ROLE, Roles};
pub use sources::staging_bucket_of;

use crate::s3::lock::{DefaultRetention, LockMode, Period};
use crate::s3::{BucketSpec, Encryption, Notifications};
use crate::sqs::QueueSpec;
use crate::world::State;
use crate::{World, ec2, events, kms, s3, sqs};

/// The account whose images the demo protects.
pub const SOURCE_ACCOUNT: &str = "111111111111";
/// The Region of the demo's source account and staging bucket.
pub const SOURCE_REGION: &str = "us-east-1";
/// The account that holds the demo's copies.
pub const VAULT_ACCOUNT: &str = "222222222222";
/// The target Region.
pub const VAULT_REGION: &str = "us-west-2";
/// The demo's staging bucket, in the source account and Region.
pub const STAGING_BUCKET: &str = "amiferry-staging-111111111111-us-east-1";
/// The demo's vault bucket, in the vault account and Region.
pub const VAULT_BUCKET: &str = "amiferry-vault-222222222222-us-west-2";
/// The name of the source worker's queue; its dead-letter queue has `-dead` behind it.
pub const SOURCE_QUEUE: &str = "amiferry-source";
/// The name of the target worker's queue.
pub const TARGET_QUEUE: &str = "amiferry-target";
/// The role that the vault assumes in the source account.
pub const READ_ROLE: &str = "amiferry-source-read";
/// What the vault presents when it assumes the role. A real one is random and kept secret.
pub const EXTERNAL_ID: &str = "demo-3f9c1f6e0b7a4d52";

/// How often a message is received before it goes to the dead-letter queue.
const RECEIVES: u32 = 5;

/// The landscape's own identifiers, once it is built.
#[derive(Debug, Clone)]
pub struct Landscape {
    /// The source account and Region.
    pub source: (AccountId, Region),
    /// The vault account and Region.
    pub vault: (AccountId, Region),
    /// The key of the staging bucket.
    pub staging_key: Arn,
    /// A customer key that some of the source's images are encrypted with.
    pub workload_key: Arn,
    /// The key of the vault bucket, and of EBS encryption by default in the vault.
    pub vault_key: Arn,
    /// The role that the vault assumes.
    pub read_role: Arn,
}

impl Landscape {
    /// Builds the landscape in a world that does not have it yet.
    ///
    /// # Errors
    /// What could not be made, and why; only a mistake in this module or a second call.
    pub fn build(world: &World) -> Result<Self, String> {
        let now = world.now();
        let mut state = world.lock();
        let source = place(SOURCE_ACCOUNT, SOURCE_REGION)?;
        let vault = place(VAULT_ACCOUNT, VAULT_REGION)?;
        let source_queue = queue(&mut state, now, &source, SOURCE_QUEUE)?;
        let target_queue = queue(&mut state, now, &vault, TARGET_QUEUE)?;
        let key =
            |state: &mut State, (account, region): &(AccountId, Region), alias: &str, policy| {
                let spec = kms::KeySpec {
                    alias: Some(format!("alias/{alias}")),
                    description: format!("amiferry demo: {alias}"),
                    policy,
                };
                kms::create_key(state, now, account, region, &spec)
            };
        let staging_policy = Some(policies::staging_key(None));
        let staging_key = key(&mut state, &source, "amiferry-staging", staging_policy)?;
        let workload_key = key(&mut state, &source, "workloads", None)?;
        let vault_key = key(&mut state, &vault, "amiferry-vault", Some(policies::vault_key()))?;
        ec2::set_default_encryption(&mut state, &vault.0, &vault.1, Some(vault_key.clone()));
        let read_role = roles::read_role(&mut state, &source.0, None)?;
        staging_bucket(&mut state, now, &source, &staging_key)?;
        vault_bucket(&mut state, now, &vault, &vault_key)?;
        rules(&mut state, &source, &vault, &source_queue, &target_queue)?;
        drop(state);
        Ok(Self { source, vault, staging_key, workload_key, vault_key, read_role })
    }
}

fn place(account: &str, region: &str) -> Result<(AccountId, Region), String> {
    let account = account.parse().map_err(|error| format!("{error}"))?;
    let region = region.parse().map_err(|error| format!("{error}"))?;
    Ok((account, region))
}

fn queue(
    state: &mut State,
    now: Timestamp,
    (account, region): &(AccountId, Region),
    name: &str,
) -> Result<Arn, String> {
    let dead = QueueSpec {
        // Longer than the queue's own: a moved message keeps its first timestamp.
        retention: Some(14 * 24 * 3600),
        ..QueueSpec::named(&format!("{name}-dead"))
    };
    let dead = sqs::create_queue(state, now, account, region, &dead)?;
    let spec = QueueSpec {
        visibility: Some(120),
        redrive: Some((dead, RECEIVES)),
        policy: Some(policies::queue(account, region, name)),
        ..QueueSpec::named(name)
    };
    sqs::create_queue(state, now, account, region, &spec)
}

fn staging_bucket(
    state: &mut State,
    now: Timestamp,
    (account, region): &(AccountId, Region),
    key: &Arn,
) -> Result<(), String> {
    let spec = BucketSpec {
        versioned: true,
        encryption: Encryption::Kms(key.clone()),
        policy: Some(policies::staging_bucket(STAGING_BUCKET, None)),
        notifications: Notifications { event_bridge: true, ..Notifications::default() },
        ..BucketSpec::new(STAGING_BUCKET, account.clone(), region.clone())
    };
    s3::create_bucket(state, now, spec)?;
    if let Some(bucket) = state.s3.bucket_mut(STAGING_BUCKET) {
        bucket.lifecycle = Some(STAGING_RULES.to_owned());
    }
    Ok(())
}

/// The lifecycle rules that `deploy/cloudformation/source.yaml` gives a staging bucket. They do not act.
const STAGING_RULES: &str = "<LifecycleConfiguration><Rule><ID>expire-staged-objects</ID><Filter><Prefix/></Filter>\
     <Status>Enabled</Status><Expiration><Days>7</Days></Expiration>\
     <NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>\
     <AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>\
     </Rule></LifecycleConfiguration>";

fn vault_bucket(
    state: &mut State,
    now: Timestamp,
    (account, region): &(AccountId, Region),
    key: &Arn,
) -> Result<(), String> {
    let retention = DefaultRetention { mode: LockMode::Governance, period: Period::Days(35) };
    let spec = BucketSpec {
        versioned: true,
        encryption: Encryption::Kms(key.clone()),
        policy: Some(policies::vault_bucket(key)),
        object_lock: Some(Some(retention)),
        ..BucketSpec::new(VAULT_BUCKET, account.clone(), region.clone())
    };
    s3::create_bucket(state, now, spec)
}

fn rules(
    state: &mut State,
    source: &(AccountId, Region),
    vault: &(AccountId, Region),
    source_queue: &Arn,
    target_queue: &Arn,
) -> Result<(), String> {
    let bus = |(account, region): &(AccountId, Region)| {
        format!("arn:aws:events:{region}:{account}:event-bus/default")
            .parse::<Arn>()
            .map_err(|error| error.to_string())
    };
    let vault_bus = bus(vault)?;
    events::put_bus_policy(state, &vault.0, &vault.1, &policies::vault_bus())?;
    for (place, name, pattern, target) in [
        (source, "amiferry-images", policies::IMAGE_STATES.to_owned(), source_queue),
        (source, "amiferry-staged", policies::staged(), &vault_bus),
        (vault, "amiferry-staged", policies::forwarded(), target_queue),
        (vault, "amiferry-restored", policies::IMAGE_STATES.to_owned(), target_queue),
    ] {
        events::put_rule(state, &place.0, &place.1, name, &pattern, std::slice::from_ref(target))?;
    }
    Ok(())
}
