//! Dry runs: KMS checks a call as if it were made, and makes it not.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::Arn;
use amiferry_core::model::{KeyOperation, Probe};
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{DataKeySpec, DryRunModifierType, GrantOperation};

use super::KmsKeys;
use crate::call::Call;

/// What a DryRun ended with.
struct Ended {
    probe: Probe,
    /// The endpoint knows no dry runs, and did what was asked.
    was_executed: bool,
}

impl KmsKeys {
    /// A DryRun of each of these, but of `DescribeKey`, which has none.
    pub(super) async fn probe(
        &self,
        client: &Client,
        key: &Arn,
        operations: &BTreeSet<KeyOperation>,
    ) -> BTreeMap<KeyOperation, Probe> {
        let one = |operation: KeyOperation| async move {
            let is_asked = operations.contains(&operation);
            if is_asked {
                Some((operation, self.dry_run(client, key, operation).await))
            } else {
                None
            }
        };
        // Side by side, because a look may wait for the answers.
        let (encrypt, decrypt, again, generate, later) = tokio::join!(
            one(KeyOperation::Encrypt),
            one(KeyOperation::Decrypt),
            one(KeyOperation::ReEncrypt),
            one(KeyOperation::GenerateDataKey),
            one(KeyOperation::GenerateDataKeyWithoutPlaintext),
        );
        let mut probes = BTreeMap::new();
        let mut knows_dry_runs = true;
        for (operation, ended) in [encrypt, decrypt, again, generate, later].into_iter().flatten() {
            knows_dry_runs &= !ended.was_executed;
            probes.insert(operation, ended.probe);
        }
        // A grant would stay: it is asked for only where no other DryRun was executed.
        if operations.contains(&KeyOperation::CreateGrant) {
            let probe = if knows_dry_runs {
                self.dry_run(client, key, KeyOperation::CreateGrant).await.probe
            } else {
                Probe::Unknown("not asked: the endpoint executes DryRuns".to_owned())
            };
            probes.insert(KeyOperation::CreateGrant, probe);
        }
        probes
    }

    async fn dry_run(&self, client: &Client, key: &Arn, operation: KeyOperation) -> Ended {
        let (id, modifier) = (key.as_str(), DryRunModifierType::IgnoreCiphertext);
        let of = |operation| Call::new(operation, id);
        match operation {
            KeyOperation::Encrypt => {
                let call = of("kms:Encrypt");
                let request = client.encrypt().key_id(id).plaintext(Blob::new([0])).dry_run(true);
                ended(&call, self.session.send(&call, request.send()).await)
            }
            KeyOperation::Decrypt => {
                let call = of("kms:Decrypt");
                let request = client.decrypt().key_id(id).dry_run(true).dry_run_modifiers(modifier);
                ended(&call, self.session.send(&call, request.send()).await)
            }
            KeyOperation::ReEncrypt => {
                let call = of("kms:ReEncrypt");
                let request = client.re_encrypt().source_key_id(id).destination_key_id(id);
                let request = request.dry_run(true).dry_run_modifiers(modifier);
                ended(&call, self.session.send(&call, request.send()).await)
            }
            KeyOperation::GenerateDataKey => {
                let call = of("kms:GenerateDataKey");
                let request = client.generate_data_key().key_id(id).dry_run(true);
                let request = request.key_spec(DataKeySpec::Aes256);
                ended(&call, self.session.send(&call, request.send()).await)
            }
            KeyOperation::DescribeKey => {
                let probe = Probe::Unknown("kms:DescribeKey has no DryRun".to_owned());
                Ended { probe, was_executed: false }
            }
            KeyOperation::GenerateDataKeyWithoutPlaintext => {
                let call = of("kms:GenerateDataKeyWithoutPlaintext");
                let request = client.generate_data_key_without_plaintext().key_id(id).dry_run(true);
                let request = request.key_spec(DataKeySpec::Aes256);
                ended(&call, self.session.send(&call, request.send()).await)
            }
            KeyOperation::CreateGrant => {
                let call = of("kms:CreateGrant");
                let grantee = format!("arn:{}:iam::{}:root", partition(id), self.account);
                let request = client.create_grant().key_id(id).grantee_principal(grantee);
                let request = request.operations(GrantOperation::Decrypt).dry_run(true);
                ended(&call, self.session.send(&call, request.send()).await)
            }
        }
    }
}

/// How a DryRun fails is the answer; nothing but KMS's own words that it would work proves it.
fn ended<T>(call: &Call, answer: Result<T, Fault>) -> Ended {
    let Err(fault) = answer else {
        let words = format!("{} was executed, although it was a DryRun", call.operation);
        return Ended { probe: Probe::Unknown(words), was_executed: true };
    };
    let probe = if fault.code == "DryRunOperationException" {
        Probe::Yes
    } else {
        match fault.class {
            FaultClass::KeyUnusable | FaultClass::NotFound => Probe::No(words(&fault)),
            // `kms:ViaService` and `kms:GrantIsForAWSResource` deny direct calls although EC2 and S3
            // could use the key. A partition or emulator without DryRun, or one that does not answer
            // now, proves nothing either.
            _ => Probe::Unknown(words(&fault)),
        }
    };
    Ended { probe, was_executed: false }
}

/// A fault in few words.
pub(super) fn words(fault: &Fault) -> String {
    format!("{} ({}: {})", fault.operation, fault.code, fault.detail)
}

fn partition(arn: &str) -> &str {
    arn.split(':').nth(1).unwrap_or("aws")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(class: FaultClass, code: &str) -> Probe {
        let call = Call::new("kms:Decrypt", "k");
        let ended = ended::<()>(&call, Err(call.fault(class, code, "words")));
        assert!(!ended.was_executed);
        ended.probe
    }

    #[test]
    fn how_a_dry_run_fails_is_the_answer() {
        assert_eq!(probed(FaultClass::Bug, "DryRunOperationException"), Probe::Yes);
        for (class, code) in [
            (FaultClass::KeyUnusable, "DisabledException"),
            (FaultClass::NotFound, "NotFoundException"),
        ] {
            let expected = format!("kms:Decrypt ({code}: words)");
            assert_eq!(probed(class, code), Probe::No(expected));
        }
        for (class, code) in [
            (FaultClass::Denied, "AccessDeniedException"),
            (FaultClass::Invalid, "ValidationException"),
            (FaultClass::Throttled, "ThrottlingException"),
            (FaultClass::Unavailable, "NoAnswer"),
        ] {
            let expected = format!("kms:Decrypt ({code}: words)");
            assert_eq!(probed(class, code), Probe::Unknown(expected));
        }
    }

    #[test]
    fn a_dry_run_that_was_executed_proves_nothing_and_is_told() {
        let ended = ended(&Call::new("kms:Decrypt", "k"), Ok(()));
        assert!(ended.was_executed);
        assert!(matches!(ended.probe, Probe::Unknown(words) if words.contains("was executed")));
    }
}
