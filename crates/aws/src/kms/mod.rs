//! KMS keys: what describing and dry-running show, with a denial kept apart from a refusal.

mod grants;
mod probe;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{AccountId, Arn, Region};
use amiferry_core::model::{
    Grant, KeyFacts, KeyOperation, KeyPurpose, KeyState, Probe, refusal_of,
};
use amiferry_core::ports::Keys;
use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::types::{KeyManagerType, KeyMetadata};

use crate::call::Call;
use crate::client::Session;

/// Keys as one principal sees them, with one client per Region.
#[derive(Debug)]
pub struct KmsKeys {
    session: Session,
    account: AccountId,
    clients: Mutex<BTreeMap<Region, Client>>,
}

/// What `DescribeKey` tells.
enum Described {
    /// KMS's answer; `None` if it says nothing.
    Told(Option<Box<KeyMetadata>>),
    /// It may exist.
    Denied(String),
    /// It does not exist.
    Absent,
}

impl KmsKeys {
    /// The keys that `session` can see, in any Region; its principal is of `account`.
    pub fn new(session: &Session, account: &AccountId) -> Self {
        let clients = Mutex::new(BTreeMap::new());
        Self { session: session.clone(), account: account.clone(), clients }
    }

    fn client(&self, key: &Arn) -> Client {
        let region = key.region().unwrap_or_else(|| self.session.region().clone());
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let made =
            clients.entry(region).or_insert_with_key(|region| self.session.in_region(region).kms());
        made.clone()
    }

    async fn describe(&self, client: &Client, key: &Arn) -> Result<Described, Fault> {
        let call = Call::new("kms:DescribeKey", key.as_str());
        let request = client.describe_key().key_id(key.as_str());
        match self.session.send(&call, request.send()).await {
            Ok(answer) => Ok(Described::Told(answer.key_metadata.map(Box::new))),
            Err(fault) if fault.class == FaultClass::Denied => {
                Ok(Described::Denied(probe::words(&fault)))
            }
            Err(fault) if fault.class == FaultClass::NotFound => Ok(Described::Absent),
            Err(fault) => Err(fault),
        }
    }

    /// Puts what the key's policy refuses for certain into the place of what a DryRun left open.
    async fn read_policy(&self, key: &Arn, probes: &mut BTreeMap<KeyOperation, Probe>) {
        let is_open = |probe: &Probe| matches!(probe, Probe::Unknown(_));
        // KMS shows a key's policy to its own account only.
        if key.account().as_ref() != Some(&self.account) || !probes.values().any(is_open) {
            return;
        }
        let Ok(policy) = self.policy(key).await else { return };
        for (operation, probe) in probes.iter_mut().filter(|(_, probe)| is_open(probe)) {
            let account = self.account.as_str();
            if let Some(why) = refusal_of(&policy, operation.action(), account) {
                *probe = Probe::No(why);
            }
        }
    }
}

#[async_trait]
impl Keys for KmsKeys {
    async fn examine(&self, key: &Arn, purposes: &[KeyPurpose]) -> Result<KeyFacts, Fault> {
        let client = self.client(key);
        let operations: BTreeSet<KeyOperation> =
            purposes.iter().flat_map(|purpose| purpose.operations()).copied().collect();
        let mut facts = KeyFacts {
            arn: key.clone(),
            state: None,
            aws_managed: None,
            multi_region: None,
            probes: BTreeMap::new(),
        };
        let describing = match self.describe(&client, key).await? {
            Described::Absent => {
                facts.state = Some(KeyState::Absent);
                return Ok(facts);
            }
            Described::Denied(words) => Probe::Unknown(words),
            Described::Told(None) => Probe::Unknown("kms:DescribeKey told nothing".to_owned()),
            Described::Told(Some(metadata)) => {
                facts.arn = metadata.arn().and_then(|arn| arn.parse().ok()).unwrap_or(facts.arn);
                facts.state = metadata.key_state.as_ref().map(key_state);
                facts.aws_managed =
                    metadata.key_manager.as_ref().map(|manager| *manager == KeyManagerType::Aws);
                facts.multi_region = metadata.multi_region;
                Probe::Yes
            }
        };
        facts.probes = self.probe(&client, key, &operations).await;
        if operations.contains(&KeyOperation::DescribeKey) {
            facts.probes.insert(KeyOperation::DescribeKey, describing);
        }
        self.read_policy(&facts.arn, &mut facts.probes).await;
        Ok(facts)
    }

    async fn policy(&self, key: &Arn) -> Result<String, Fault> {
        let call = Call::new("kms:GetKeyPolicy", key.as_str());
        let request = self.client(key).get_key_policy().key_id(key.as_str());
        let answer = self.session.send(&call, request.send()).await?;
        answer.policy.ok_or_else(|| call.unexpected("Policy", None))
    }

    async fn grants(&self, key: &Arn) -> Result<Option<Vec<Grant>>, Fault> {
        self.list_grants(&self.client(key), key).await
    }
}

fn key_state(state: &aws_sdk_kms::types::KeyState) -> KeyState {
    match state.as_str() {
        "Enabled" => KeyState::Enabled,
        "Disabled" => KeyState::Disabled,
        "PendingDeletion" => KeyState::PendingDeletion,
        other => KeyState::Other(other.to_owned()),
    }
}
