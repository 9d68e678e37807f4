//! Keys that cannot be used, and encryption by default that is off.

use amiferry_core::code::Code;
use amiferry_core::ids::Arn;
use amiferry_simulator::ec2;
use amiferry_simulator::kms::{self, KeyState};

use super::play::play;
use super::{Asked, End, Failure, PARKED, When, ready};
use crate::restores::{MENDED, S3_ONLY};
use crate::stage::images::But;
use crate::stage::{Role, Stage};

const NO_CREATE_GRANT: &str = include_str!("../cases/vault-key-no-create-grant.json");

fn set_key(stage: &Stage, key: &Arn, to: KeyState) {
    kms::set_key_state(&mut stage.world.lock(), key, to).unwrap();
}

fn set_policy(stage: &Stage, json: &str) {
    kms::set_policy(&mut stage.world.lock(), &stage.landscape.vault_key, json).unwrap();
}

fn encrypt_by_default(stage: &Stage, key: Option<&Arn>) {
    let (account, region) = &stage.landscape.vault;
    ec2::set_default_encryption(&mut stage.world.lock(), account, region, key.cloned());
}

pub const TABLE: &[Failure] = &[
    Failure {
        what: "the vault's key is disabled",
        code: Code::KeyUnusable,
        harm: |stage, _| set_key(stage, &stage.landscape.vault_key, KeyState::Disabled),
        end: End::Mended("enable the key", |stage, _| {
            set_key(stage, &stage.landscape.vault_key, KeyState::Enabled);
        }),
        ..PARKED
    },
    Failure {
        what: "the vault's key is to be deleted",
        code: Code::KeyUnusable,
        harm: |stage, _| set_key(stage, &stage.landscape.vault_key, KeyState::PendingDeletion),
        end: End::Mended("cancel the deletion and enable the key", |stage, _| {
            set_key(stage, &stage.landscape.vault_key, KeyState::Enabled);
        }),
        ..PARKED
    },
    Failure {
        what: "the staging bucket's key is disabled",
        when: When::Staged,
        asked: Asked::NotAssessed,
        exit: 3,
        code: Code::KeyUnusable,
        harm: |stage, _| set_key(stage, &stage.landscape.staging_key, KeyState::Disabled),
        end: End::Mended("enable the key", |stage, _| {
            set_key(stage, &stage.landscape.staging_key, KeyState::Enabled);
        }),
        ..PARKED
    },
    Failure {
        what: "the vault's key denies grants, so EC2 cannot restore",
        code: Code::KeyUnusable,
        harm: |stage, _| set_policy(stage, NO_CREATE_GRANT),
        end: End::Mended("take the statement that denies out of the key's policy", |stage, _| {
            set_policy(stage, MENDED);
        }),
        ..PARKED
    },
    Failure {
        what: "the key of EBS encryption by default is gone",
        code: Code::KeyUnusable,
        harm: |stage, _| {
            let (account, region) = stage.landscape.vault.clone();
            let (now, gone) = (stage.world.now(), kms::KeySpec::default());
            let key =
                kms::create_key(&mut stage.world.lock(), now, &account, &region, &gone).unwrap();
            encrypt_by_default(stage, Some(&key));
            kms::delete_key(&mut stage.world.lock(), &key).unwrap();
        },
        end: End::Mended("set encryption by default to the vault's key", |stage, _| {
            encrypt_by_default(stage, Some(&stage.landscape.vault_key));
        }),
        ..PARKED
    },
    Failure {
        what: "EBS encryption by default is off in the target Region",
        code: Code::EncryptionByDefaultOff,
        harm: |stage, _| encrypt_by_default(stage, None),
        end: End::Mended("turn it on with the vault's key", |stage, _| {
            encrypt_by_default(stage, Some(&stage.landscape.vault_key));
        }),
        ..PARKED
    },
    Failure {
        what: "the vault's key serves S3 only, so every restore fails",
        code: Code::RestoresPaused,
        harm: |stage, _| set_policy(stage, S3_ONLY),
        end: End::Mended("let the vault's account use the key", |stage, _| {
            set_policy(stage, MENDED);
        }),
        ..PARKED
    },
    Failure {
        what: "the key of the source image is disabled while EC2 stores it",
        when: When::Storing,
        code: Code::StoreFailed,
        worker: Role::Source,
        image: |stage| ready().encrypted(&stage.landscape.workload_key),
        harm: |stage, _| set_key(stage, &stage.landscape.workload_key, KeyState::Disabled),
        end: End::Mended("enable the key", |stage, _| {
            set_key(stage, &stage.landscape.workload_key, KeyState::Enabled);
        }),
        ..PARKED
    },
];

#[test]
fn keys_that_cannot_be_used_are_told_everywhere_and_the_remedy_leads_out() {
    play(TABLE);
}
