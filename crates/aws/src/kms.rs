//! KMS keys: what describing and dry-running show, with a denial kept apart from a refusal.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{Arn, Region};
use amiferry_core::model::{KeyFacts, KeyState, Probe};
use amiferry_core::ports::Keys;
use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::types::{DataKeySpec, DryRunModifierType, KeyManagerType, KeyMetadata};

use crate::call::Call;
use crate::client::Session;

/// Grants that one page of `ListGrants` may hold.
const PAGE: i32 = 100;

/// Keys as one principal sees them, with one client per Region.
#[derive(Debug)]
pub struct KmsKeys {
    session: Session,
    clients: Mutex<BTreeMap<Region, Client>>,
}

impl KmsKeys {
    /// The keys that `session` can see, in any Region.
    pub fn new(session: &Session) -> Self {
        Self { session: session.clone(), clients: Mutex::new(BTreeMap::new()) }
    }

    fn client(&self, key: &Arn) -> Client {
        let region = key.region().unwrap_or_else(|| self.session.region().clone());
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let made =
            clients.entry(region).or_insert_with_key(|region| self.session.in_region(region).kms());
        made.clone()
    }

    async fn describe(&self, client: &Client, key: &Arn) -> Result<Option<KeyMetadata>, Fault> {
        let call = Call::new("kms:DescribeKey", key.as_str());
        let request = client.describe_key().key_id(key.as_str());
        match self.session.send(&call, request.send()).await {
            // An answer that says nothing is one that was not given.
            Ok(answer) => Ok(answer.key_metadata),
            Err(fault) if fault.class == FaultClass::Denied => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn can_generate(&self, client: &Client, key: &Arn) -> Result<Probe, Fault> {
        let call = Call::new("kms:GenerateDataKeyWithoutPlaintext", key.as_str());
        let request = client
            .generate_data_key_without_plaintext()
            .key_id(key.as_str())
            .key_spec(DataKeySpec::Aes256)
            .dry_run(true);
        probe(&call, self.session.send(&call, request.send()).await.map(drop))
    }

    async fn can_decrypt(&self, client: &Client, key: &Arn) -> Result<Probe, Fault> {
        let call = Call::new("kms:Decrypt", key.as_str());
        let request = client
            .decrypt()
            .key_id(key.as_str())
            .dry_run(true)
            .dry_run_modifiers(DryRunModifierType::IgnoreCiphertext);
        probe(&call, self.session.send(&call, request.send()).await.map(drop))
    }

    async fn grants(&self, client: &Client, key: &Arn) -> Result<Option<usize>, Fault> {
        let call = Call::new("kms:ListGrants", key.as_str());
        let (mut count, mut marker) = (0, None);
        loop {
            let request =
                client.list_grants().key_id(key.as_str()).limit(PAGE).set_marker(marker.take());
            let answer = match self.session.send(&call, request.send()).await {
                Ok(answer) => answer,
                Err(fault) if fault.class == FaultClass::Denied => return Ok(None),
                Err(fault) => return Err(fault),
            };
            count += answer.grants().len();
            if !answer.truncated {
                return Ok(Some(count));
            }
            marker = answer.next_marker.filter(|next| !next.is_empty());
            // The count is shown and never judged, so no count is better than no answer.
            if marker.is_none() {
                return Ok(None);
            }
        }
    }
}

#[async_trait]
impl Keys for KmsKeys {
    async fn examine(&self, key: &Arn) -> Result<KeyFacts, Fault> {
        let client = self.client(key);
        let metadata = self.describe(&client, key).await?;
        // Side by side, because a look may wait for the answers.
        let (generate, decrypt, grants) = tokio::try_join!(
            self.can_generate(&client, key),
            self.can_decrypt(&client, key),
            self.grants(&client, key),
        )?;
        let manager = metadata.as_ref().and_then(|metadata| metadata.key_manager.as_ref());
        Ok(KeyFacts {
            arn: key.clone(),
            state: metadata
                .as_ref()
                .and_then(|metadata| metadata.key_state.as_ref())
                .map(key_state),
            aws_managed: manager.map(|manager| *manager == KeyManagerType::Aws),
            usable: both(generate, decrypt),
            grants,
        })
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

/// A DryRun always fails; how it fails is the answer.
fn probe(call: &Call, answer: Result<(), Fault>) -> Result<Probe, Fault> {
    let Err(fault) = answer else {
        return Err(call.unexpected("error of a DryRun", None));
    };
    if fault.code == "DryRunOperationException" {
        return Ok(Probe::Yes);
    }
    let words = format!("{} ({}: {})", call.operation, fault.code, fault.detail);
    match fault.class {
        // `kms:ViaService` denies direct calls although EC2 and S3 could use the key.
        FaultClass::Denied => Ok(Probe::Unknown(words)),
        // A partition or emulator without DryRun or without its modifier proves nothing.
        FaultClass::Invalid if fault.code.contains("Validation") => Ok(Probe::Unknown(words)),
        FaultClass::KeyUnusable | FaultClass::NotFound => Ok(Probe::No(words)),
        _ => Err(fault),
    }
}

/// Usable needs both operations; one that is refused decides over one that is unknown.
fn both(first: Probe, second: Probe) -> Probe {
    match (first, second) {
        (no @ Probe::No(_), _) | (_, no @ Probe::No(_)) => no,
        (unknown @ Probe::Unknown(_), _) | (_, unknown @ Probe::Unknown(_)) => unknown,
        (Probe::Yes, Probe::Yes) => Probe::Yes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_dry_run_fails_is_the_answer() {
        let call = Call::new("kms:Decrypt", "k");
        let probed = |class, code| probe(&call, Err(call.fault(class, code, "words")));
        assert_eq!(probed(FaultClass::Bug, "DryRunOperationException"), Ok(Probe::Yes));
        assert!(matches!(
            probed(FaultClass::Denied, "AccessDeniedException"),
            Ok(Probe::Unknown(words)) if words.contains("words")
        ));
        assert!(matches!(
            probed(FaultClass::KeyUnusable, "DisabledException"),
            Ok(Probe::No(words)) if words.contains("DisabledException")
        ));
        assert!(probed(FaultClass::Throttled, "ThrottlingException").is_err());
        assert_eq!(probe(&call, Ok(())).unwrap_err().class, FaultClass::Bug);
    }

    #[test]
    fn a_refusal_outweighs_an_unknown_and_an_unknown_outweighs_a_yes() {
        let (no, unknown) = (Probe::No("n".to_owned()), Probe::Unknown("u".to_owned()));
        for (first, second, expected) in [
            (Probe::Yes, Probe::Yes, &Probe::Yes),
            (Probe::Yes, unknown.clone(), &unknown),
            (unknown.clone(), Probe::Yes, &unknown),
            (unknown.clone(), no.clone(), &no),
            (no.clone(), unknown.clone(), &no),
        ] {
            assert_eq!(&both(first, second), expected);
        }
    }
}
