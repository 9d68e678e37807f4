//! What may excuse a dead letter: which plans can have a role's message received as often as its
//! queue allows. Full quotas, throttling, keys, sessions and owners excuse none.

use amiferry_simulator::faults::Entry;
use amiferry_simulator::landscape::{SOURCE_REGION, VAULT_REGION};
use amiferry_simulator::wire::scope::Service;

use crate::mischief::Mischief;
use crate::plan::Plan;
use crate::stage::Role;

/// After so many receives a message of the landscape's queues becomes a dead letter.
const RECEIVES: usize = 5;

/// How often a worker may die by one entry: when two crashes overlap, the process that came back
/// from one ends for the start after the other.
const DEATHS: usize = 2;

/// Whether messages of a role's queue may come to the dead-letter queue in a run of this plan.
pub fn may_bury_messages(plan: &Plan, role: Role) -> bool {
    let mut received_again = 0;
    for mischief in &plan.mischief {
        match mischief {
            Mischief::Crash { who, .. } if is_of(plan, who, role) => received_again += DEATHS,
            Mischief::Redelivery { role: of, .. } if *of == role => received_again += 1,
            // It is hidden for as long as the worker believes by its own clock, and SQS refuses
            // what is signed at a wrong time.
            Mischief::Clock { who, .. } if is_of(plan, who, role) => return true,
            Mischief::Aws(entry) if cuts_off(entry, role) => return true,
            _ => {}
        }
    }
    received_again >= RECEIVES
}

fn is_of(plan: &Plan, who: &str, role: Role) -> bool {
    plan.workers.iter().any(|(of, name)| *name == who && *of == role)
}

/// Whether calls to the role's queue fail.
fn cuts_off(entry: &Entry, role: Role) -> bool {
    let region = match role {
        Role::Source => SOURCE_REGION,
        Role::Target => VAULT_REGION,
    };
    match entry {
        Entry::Fault(rule) => rule.service.is_none_or(|service| service == Service::Sqs),
        Entry::Outage(outage) => {
            outage.service.is_none_or(|service| service == Service::Sqs)
                && outage.region.as_ref().is_none_or(|of| of.as_str() == region)
        }
        Entry::EventFault(_) => false,
    }
}
