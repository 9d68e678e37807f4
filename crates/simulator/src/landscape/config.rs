//! The configuration that fits the landscape, ready for both workers.

use amiferry_core::ids::{AccountId, Region};

use super::{
    EXTERNAL_ID, Landscape, READ_ROLE, SOURCE_QUEUE, TARGET_QUEUE, VAULT_BUCKET, staging_bucket_of,
};

/// How patient the workers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As in production.
    Real,
    /// For a world whose hours are seconds.
    Demo,
}

impl Landscape {
    /// The configuration file for a world behind `endpoint`, such as `http://127.0.0.1:4566`;
    /// `None` for one in the same process.
    pub fn config(&self, endpoint: Option<&str>, pace: Pace) -> String {
        self.config_with_sources(endpoint, pace, &[])
    }

    /// The same with the sources that [`add_sources`](Self::add_sources) answered.
    pub fn config_with_sources(
        &self,
        endpoint: Option<&str>,
        pace: Pace,
        more: &[(AccountId, Region)],
    ) -> String {
        self.config_with(endpoint, pace, more, ["", "", ""])
    }

    /// The same for a world with the demo's images, whose families must be there.
    pub fn config_of_fleet(
        &self,
        endpoint: Option<&str>,
        pace: Pace,
        more: &[(AccountId, Region)],
    ) -> String {
        let families = [
            "families = [\"orders-db\"]\n",
            "families = [\"payments\", \"web\"]\n",
            "families = [\"analytics\", \"render-batch\"]\n",
        ];
        self.config_with(endpoint, pace, more, families)
    }

    fn config_with(
        &self,
        endpoint: Option<&str>,
        pace: Pace,
        more: &[(AccountId, Region)],
        [gold, silver, archive]: [&str; 3],
    ) -> String {
        let (vault_account, vault_region) = &self.vault;
        let sources: String = std::iter::once(&self.source)
            .chain(more)
            .map(|source| source_table(endpoint, source))
            .collect();
        let target_queue = queue_url(endpoint, &self.vault, TARGET_QUEUE);
        let vault_key = &self.vault_key;
        let mut text = format!(
            r#"# The simulated source and vault.
{sources}[[vault]]
account = "{vault_account}"
region = "{vault_region}"
queue_url = "{target_queue}"
bucket = "{VAULT_BUCKET}"
key_arn = "{vault_key}"

[[policy]]
name = "gold"
select = {{ tags = {{ workload = "orders-db" }} }}
family = {{ tag = "workload" }}
{gold}target_regions = ["{vault_region}"]
rpo = "24h"
tier = "ready"
retention = "35d"
priority = 10

[[policy]]
name = "silver"
select = {{ tags = {{ workload = "*" }}, names = ["web-*", "payments-*", "app-*"] }}
family = {{ tag = "workload" }}
{silver}target_regions = ["{vault_region}"]
rpo = "24h"
tier = "ready"

[[policy]]
name = "archive"
select = {{ tags = {{ workload = "*" }} }}
family = {{ tag = "workload" }}
{archive}target_regions = ["{vault_region}"]
rpo = "7d"
tier = "archive"
retention = "90d"
"#
        );
        if pace == Pace::Demo {
            text.push_str(
                r#"
[workers]
sweep_interval = "10s"
poll_interval = "2s"
copies_in_flight = 4
part_size_mib = 1024
source_listen = "127.0.0.1:0"
target_listen = "127.0.0.1:0"
"#,
            );
        }
        if let Some(endpoint) = endpoint {
            text.push_str(&format!("\n[aws]\nendpoint_url = \"{endpoint}\"\n"));
        }
        text
    }
}

fn queue_url(
    endpoint: Option<&str>,
    (account, region): &(AccountId, Region),
    name: &str,
) -> String {
    match endpoint {
        Some(endpoint) => format!("{endpoint}/{account}/{name}"),
        None => format!("https://sqs.{region}.amazonaws.com/{account}/{name}"),
    }
}

fn source_table(endpoint: Option<&str>, source: &(AccountId, Region)) -> String {
    let (account, region) = source;
    let (queue, bucket) =
        (queue_url(endpoint, source, SOURCE_QUEUE), staging_bucket_of(account, region));
    format!(
        r#"[[source]]
account = "{account}"
region = "{region}"
queue_url = "{queue}"
staging_bucket = "{bucket}"
read_role_arn = "arn:aws:iam::{account}:role/{READ_ROLE}"
external_id = "{EXTERNAL_ID}"

"#
    )
}
