//! EC2 of one account and Region: one file for each port, and `translate`, which turns the SDK's
//! shapes into the core's.

mod details;
mod images;
mod protection;
mod removal;
mod restore_tasks;
mod sharing;
mod store_tasks;
mod translate;
mod usage;

use std::sync::OnceLock;

use amiferry_core::fault::Fault;
use amiferry_core::ids::AccountId;
use amiferry_core::planted::{Bug, has};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::Filter;
use aws_smithy_types::retry::RetryConfig;

use crate::call::Call;
use crate::client::Session;

pub(crate) use translate::key_arn;

/// Values of one filter, set by EC2.
const FILTER_VALUES: usize = 200;

/// Images of one account in the Region of a session.
///
/// A client takes some 16 KB, and a vault may have a thousand sources: each is made when it is first
/// used.
#[derive(Debug, Clone)]
pub struct Ec2Images {
    session: Session,
    account: AccountId,
    queries: OnceLock<Client>,
    attributes: OnceLock<Client>,
    sweeps: OnceLock<Client>,
    effects: OnceLock<Client>,
}

impl Ec2Images {
    /// The images that `account` owns, as `session` sees them.
    pub fn new(session: &Session, account: AccountId) -> Self {
        Self {
            session: session.clone(),
            account,
            queries: OnceLock::new(),
            attributes: OnceLock::new(),
            sweeps: OnceLock::new(),
            effects: OnceLock::new(),
        }
    }

    fn queries(&self) -> &Client {
        self.queries.get_or_init(|| Client::from_conf(self.session.ec2("describe").build()))
    }

    /// Asks about one image at a time, which EC2 limits first.
    fn attributes(&self) -> &Client {
        self.attributes.get_or_init(|| Client::from_conf(self.session.ec2("attributes").build()))
    }

    /// Pages through the whole account, on a budget of retries that looks do not depend on.
    fn sweeps(&self) -> &Client {
        self.sweeps.get_or_init(|| Client::from_conf(self.session.ec2("sweep").build()))
    }

    /// Makes one attempt only: the create calls have no client token, so after a lost answer the
    /// worker has to look before it repeats the call.
    fn effects(&self) -> &Client {
        let once = RetryConfig::standard().with_max_attempts(1);
        let config = || self.session.ec2("tasks").retry_config(once).build();
        self.effects.get_or_init(|| Client::from_conf(config()))
    }

    /// A call about all of the account and Region.
    fn call(&self, operation: &'static str) -> Call {
        Call::new(operation, format!("{} in {}", self.account, self.session.region()))
    }
}

/// A short name for the resources of a call with many ids.
fn few(ids: &[String]) -> String {
    match ids {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}

/// The answer to a DryRun, which ends in an error where all is well (EC2 API, *DryRun*).
fn allowed<T>(answer: Result<T, Fault>) -> Result<(), Fault> {
    match answer {
        Err(fault) if fault.code != "DryRunOperation" => Err(fault),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn filter(name: &str, values: &[String]) -> Filter {
    Filter::builder().name(name).set_values(Some(values.to_vec())).build()
}

/// The token of the next page. EC2 ends a series with an absent or an empty one.
fn next(token: Option<String>) -> Option<String> {
    token.filter(|token| !token.is_empty() && !has(Bug::FirstPageOnly))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_about_many_ids_names_the_first_and_counts_the_rest() {
        let ids = ["ami-1", "ami-2", "ami-3"].map(str::to_owned);
        assert_eq!(few(&ids), "ami-1 and 2 more");
        assert_eq!(few(&ids[..1]), "ami-1");
    }
}
