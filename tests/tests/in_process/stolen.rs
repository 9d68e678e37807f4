//! Stolen credentials: what IAM says to each principal's session that tries to harm the vault.

use amiferry_core::ids::{AccountId, Arn};
use amiferry_simulator::iam::{Access, Policy, authorize};
use amiferry_simulator::landscape::{PRUNE_ROLE, READ_ROLE, RESTORE_ROLE, VAULT_BUCKET};
use amiferry_simulator::principal::Principal;

use crate::stage::{Options, Stage, run_test};

/// Something that is tried: the action, what it is tried on, and what the request says.
type Try = (&'static str, On, &'static [(&'static str, &'static str)]);

#[derive(Debug, Clone, Copy)]
enum On {
    Bucket,
    Object,
    /// The record of this name beside the object.
    Record(&'static str),
    Key,
    /// The role of `amiferry prune`.
    PruneRole,
    Image,
    Snapshot,
}

const NEW: (&str, &str) = ("s3:if-none-match", "*");
const CREATES: (&str, &str) = ("s3:ObjectCreationOperation", "true");

/// What no one may do with what the vault holds, whoever's credentials they have.
const HARM: &[Try] = &[
    ("s3:DeleteObject", On::Object, &[]),
    ("s3:DeleteObjectVersion", On::Object, &[]),
    ("s3:BypassGovernanceRetention", On::Object, &[]),
    ("s3:PutObjectLegalHold", On::Object, &[]),
    ("s3:PutObject", On::Object, &[CREATES]),
    (
        "s3:PutObject",
        On::Object,
        &[CREATES, NEW, ("s3:x-amz-server-side-encryption-customer-algorithm", "AES256")],
    ),
    ("s3:PutObject", On::Object, &[CREATES, NEW, ("s3:x-amz-server-side-encryption", "AES256")]),
    (
        "s3:PutObject",
        On::Object,
        &[
            CREATES,
            NEW,
            (
                "s3:x-amz-server-side-encryption-aws-kms-key-id",
                "arn:aws:kms:us-west-2:999999999999:key/theirs",
            ),
        ],
    ),
    (
        "s3:PutObject",
        On::Object,
        &[CREATES, NEW, ("s3:object-lock-remaining-retention-days", "26000")],
    ),
    ("s3:PutObjectRetention", On::Object, &[("s3:object-lock-remaining-retention-days", "26000")]),
    ("s3:PutObject", On::Object, &[CREATES, NEW, ("aws:SecureTransport", "false")]),
    ("s3:PutObject", On::Object, &[CREATES, NEW, ("s3:TlsVersion", "1.1")]),
    ("s3:PutObject", On::Record("record-0001-pruned.json"), &[CREATES, NEW]),
    ("s3:PutObject", On::Record("record-0001-retired.json"), &[CREATES, NEW]),
    ("s3:PutObject", On::Record("record-12345-pruned.json"), &[CREATES, NEW]),
    ("sts:AssumeRole", On::PruneRole, &[]),
    ("s3:DeleteBucket", On::Bucket, &[]),
    ("s3:DeleteBucketPolicy", On::Bucket, &[]),
    ("s3:PutBucketObjectLockConfiguration", On::Bucket, &[]),
    ("s3:PutBucketPolicy", On::Bucket, &[]),
    ("s3:PutBucketVersioning", On::Bucket, &[]),
    ("s3:PutEncryptionConfiguration", On::Bucket, &[]),
    ("s3:PutLifecycleConfiguration", On::Bucket, &[]),
    ("kms:DisableKey", On::Key, &[]),
    ("kms:ScheduleKeyDeletion", On::Key, &[]),
    ("kms:PutKeyPolicy", On::Key, &[]),
    ("kms:Decrypt", On::Key, &[]),
    ("ec2:DeregisterImage", On::Image, &[]),
    ("ec2:DisableImageDeregistrationProtection", On::Image, &[]),
    ("ec2:DisableImage", On::Image, &[]),
    ("ec2:ModifyImageAttribute", On::Image, &[]),
    ("ec2:CreateTags", On::Image, &[]),
    ("ec2:DeleteTags", On::Image, &[]),
    ("ec2:DeleteSnapshot", On::Snapshot, &[]),
    ("ec2:ModifySnapshotAttribute", On::Snapshot, &[]),
];

/// What even the vault's root is denied, until it changes the policy of the bucket or key.
const EVEN_THE_ROOT: &[&str] = &[
    "s3:BypassGovernanceRetention",
    "s3:PutObjectLegalHold",
    "kms:DisableKey",
    "kms:ScheduleKeyDeletion",
];

fn may(stage: &Stage, caller: &Principal, (action, on, says): Try) -> bool {
    let state = stage.world.lock();
    let (vault, region) = &stage.landscape.vault;
    let bucket = state.s3.bucket(VAULT_BUCKET).unwrap();
    let key: &Arn = &stage.landscape.vault_key;
    let key_policy = Policy::parse(&key_policy(stage)).unwrap();
    let bucket_policy = bucket.policy.as_ref().map(|policy| &policy.policy);
    let (resource, policy) = match on {
        On::Bucket => (format!("arn:aws:s3:::{VAULT_BUCKET}"), bucket_policy),
        On::Object => {
            (format!("arn:aws:s3:::{VAULT_BUCKET}/amiferry/a/b/c/image.bin"), bucket_policy)
        }
        On::Record(name) => {
            (format!("arn:aws:s3:::{VAULT_BUCKET}/amiferry/a/b/c/{name}"), bucket_policy)
        }
        On::Key => (key.to_string(), Some(&key_policy)),
        On::PruneRole => {
            let role = &state.iam[vault].roles[PRUNE_ROLE];
            (format!("arn:aws:iam::{vault}:role/{PRUNE_ROLE}"), Some(&role.trust))
        }
        On::Image => (format!("arn:aws:ec2:{region}::image/ami-0123456789abcdef0"), None),
        On::Snapshot => (format!("arn:aws:ec2:{region}::snapshot/snap-0123456789abcdef0"), None),
    };
    let owner: &AccountId = if policy.is_some() { vault } else { &caller.account };
    let context: Vec<(&str, String)> =
        says.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    let access =
        Access { action, resource: &resource, owner, resource_policy: policy, context: &context };
    authorize(&state, caller, &access).is_ok()
}

fn key_policy(stage: &Stage) -> String {
    let (vault, _) = &stage.landscape.vault;
    include_str!("../../../deploy/iam/vault-key.json")
        .replace("${VaultAccount}", vault.as_str())
        .replace("${BreakGlassRole}", &format!("arn:aws:iam::{vault}:role/amiferry-break-glass"))
}

/// A session of every role of the system.
fn principals(stage: &Stage) -> Vec<Principal> {
    let (source, vault) = (&stage.landscape.source.0, &stage.landscape.vault.0);
    let roles = [
        (source, "amiferry-source-worker"),
        (source, READ_ROLE),
        (vault, "amiferry-vault-worker"),
        (vault, "amiferry-vault-audit"),
        (vault, RESTORE_ROLE),
    ];
    let later = stage.world.now() + jiff::SignedDuration::from_hours(1);
    let sessions = roles.map(|(account, role)| {
        let known = stage.world.lock().iam[account].roles.contains_key(role);
        assert!(known, "{role} is not there");
        Principal::session(account.clone(), role, "thief", later)
    });
    sessions.into()
}

#[test]
fn no_stolen_role_harms_what_the_vault_holds() {
    run_test(Options::default(), async |stage| {
        stage.act_in_roles();
        stage.landscape.restore_role(&stage.world).unwrap();
        stage.landscape.prune_role(&stage.world).unwrap();
        let mut done = Vec::new();
        for caller in principals(stage) {
            let tries = HARM.iter().filter(|harm| may(stage, &caller, **harm));
            done.extend(tries.map(|harm| format!("{}: {harm:?}", caller.arn())));
        }
        assert!(done.is_empty(), "{done:#?}");
    });
}

#[test]
fn the_source_reaches_nothing_in_the_vault_but_the_names_under_its_own_prefix() {
    run_test(Options::default(), async |stage| {
        let source = stage.landscape.source.0.clone();
        let root = Principal::root(source);
        stage.landscape.prune_role(&stage.world).unwrap();
        for harm in HARM.iter().filter(|(_, on, _)| !matches!(on, On::Image | On::Snapshot)) {
            assert!(!may(stage, &root, *harm), "{harm:?}");
        }
        for action in ["s3:GetObject", "s3:PutObject", "s3:GetObjectRetention"] {
            assert!(!may(stage, &root, (action, On::Object, &[NEW, CREATES])), "{action}");
        }
        let list = |prefix| may(stage, &root, ("s3:ListBucket", On::Bucket, prefix));
        assert!(list(&[("s3:prefix", "amiferry/111111111111/us-east-1/")]));
        assert!(!list(&[("s3:prefix", "amiferry/222222222222/us-east-1/")]));
        assert!(!list(&[("s3:prefix", "")]));
        assert!(!list(&[]));
    });
}

#[test]
fn the_root_of_the_vault_is_denied_what_destroys_copies_and_the_worker_what_it_does_not_need() {
    run_test(Options::default(), async |stage| {
        stage.act_in_roles();
        let root = Principal::root(stage.landscape.vault.0.clone());
        for harm in HARM.iter().filter(|(action, ..)| EVEN_THE_ROOT.contains(action)) {
            assert!(!may(stage, &root, *harm), "{harm:?}");
        }
        // The tries are denied for what they say, not because everything is.
        let worker = &target_worker(stage);
        let new: Try = ("s3:PutObject", On::Object, &[CREATES, NEW]);
        assert!(may(stage, worker, new));
        for kind in ["record-0001-restored.json", "record-0001-stored.json"] {
            assert!(may(stage, worker, ("s3:PutObject", On::Record(kind), &[CREATES, NEW])));
        }
        stage.landscape.prune_role(&stage.world).unwrap();
        let later = stage.world.now() + jiff::SignedDuration::from_hours(1);
        let vault = stage.landscape.vault.0.clone();
        let pruner = Principal::session(vault, PRUNE_ROLE, "a-schedule", later);
        for kind in ["record-0001-pruned.json", "record-0001-retired.json"] {
            assert!(may(stage, &pruner, ("s3:PutObject", On::Record(kind), &[CREATES, NEW])));
        }
        assert!(may(stage, &root, ("sts:AssumeRole", On::PruneRole, &[])));
        let managed: Try = (
            "ec2:ModifyImageAttribute",
            On::Image,
            &[("aws:ResourceTag/amiferry:managed", "true")],
        );
        assert!(may(stage, worker, managed));
        let via: Try =
            ("kms:Decrypt", On::Key, &[("kms:ViaService", "s3.us-west-2.amazonaws.com")]);
        assert!(may(stage, worker, via));
    });
}

fn target_worker(stage: &Stage) -> Principal {
    let later = stage.world.now() + jiff::SignedDuration::from_hours(1);
    let vault = stage.landscape.vault.0.clone();
    Principal::session(vault, "amiferry-vault-worker", "worker", later)
}
