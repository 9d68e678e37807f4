//! Whom the policies of keys let end them, row by row, and what is said of it.

use serde_json::{Value, json};

use super::super::Level;
use super::*;

const KEY: &str = "arn:aws:kms:us-west-2:222222222222:key/k";
const ROOT: &str = "arn:aws:iam::222222222222:root";
const GLASS: &str = "arn:aws:iam::222222222222:role/amiferry-break-glass";
const OTHER: &str = "arn:aws:iam::222222222222:role/people/administrator";
const WORKER: &str = "arn:aws:sts::222222222222:assumed-role/vault/worker";

fn judged(statements: &Value) -> Finding {
    let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    key_guard(&KEY.parse().unwrap(), &policy, WORKER)
}

fn allow(principal: Value, action: Value) -> Value {
    json!({ "Sid": "A", "Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*" })
}

/// The account governs the key, as in every usual policy.
fn account() -> Value {
    allow(json!({ "AWS": ROOT }), json!("kms:*"))
}

/// Denies everyone both actions, under a condition.
fn deny(condition: Value) -> Value {
    json!({
        "Sid": "D", "Effect": "Deny", "Principal": "*", "Resource": "*", "Condition": condition,
        "Action": ["kms:ScheduleKeyDeletion", "kms:DisableKey"],
    })
}

/// Denies everyone but these.
fn but(few: Value) -> Value {
    deny(json!({ "ArnNotEquals": { "aws:PrincipalArn": few } }))
}

fn with(statement: &Value, key: &str, value: Value) -> Value {
    let mut changed = statement.clone();
    changed[key] = value;
    changed
}

fn without(statement: &Value, key: &str) -> Value {
    let mut changed = statement.clone();
    changed.as_object_mut().unwrap().remove(key);
    changed
}

#[test]
fn the_policy_of_deploy_keeps_the_key_for_the_break_glass_role() {
    let policy = include_str!("../../../../deploy/iam/vault-key.json")
        .replace("${VaultAccount}", "222222222222")
        .replace("${BreakGlassRole}", GLASS);
    let found = key_guard(&KEY.parse().unwrap(), &policy, WORKER);
    assert_eq!(found.level, Level::Ok, "{found:#?}");
    assert_eq!(
        found.cause,
        format!(
            "it may be deleted and disabled by {GLASS}; its policy may be replaced by whoever the IAM \
             policies of account 222222222222 allow"
        )
    );
}

#[test]
fn a_key_that_the_account_or_everyone_may_end_is_warned_of() {
    let iam = "whoever the IAM policies of account 222222222222 allow";
    let aws = |names: Value| json!({ "AWS": names });
    let all = "every principal of the account";
    for (statements, words) in [
        (json!([account()]), iam),
        // One statement needs no list, and an account no ARN.
        (account(), iam),
        (json!([allow(aws(json!("222222222222")), json!("kms:*"))]), iam),
        (json!([allow(aws(json!([OTHER, ROOT])), json!(["kms:Encrypt", "KMS:schedule*"]))]), iam),
        (json!([allow(aws(json!(ROOT)), json!("kms:Dis?bleKey"))]), "disabled by whoever"),
        (json!([allow(aws(json!(ROOT)), json!("*"))]), iam),
        (json!([allow(json!("*"), json!("kms:*"))]), all),
        (json!([allow(aws(json!("*")), json!("kms:*"))]), all),
        (json!([without(&with(&account(), "NotAction", json!("kms:Create*")), "Action")]), iam),
        (json!([without(&with(&account(), "NotPrincipal", aws(json!(GLASS))), "Principal")]), all),
        // A condition on anything but the principal may be met.
        (
            json!([with(
                &account(),
                "Condition",
                json!({ "Bool": { "aws:MultiFactorAuthPresent": true } })
            )]),
            iam,
        ),
        // A deny that spares too many, or of other actions, or of another resource.
        (
            json!([account(), but(json!("arn:aws:iam::222222222222:role/*"))]),
            "that fits arn:aws:iam",
        ),
        (json!([account(), but(json!([GLASS, OTHER]))]), "break-glass and arn:aws:iam"),
        (json!([account(), with(&but(json!(GLASS)), "Action", json!("kms:DisableKey"))]), iam),
        (
            json!([account(), with(&but(json!(GLASS)), "Resource", json!("arn:aws:kms:::key/x"))]),
            iam,
        ),
        (json!([account(), with(&but(json!(GLASS)), "Principal", aws(json!(OTHER)))]), iam),
        // Several named principals, and the worker itself.
        (json!([allow(aws(json!([GLASS, OTHER])), json!("kms:*"))]), "break-glass and arn:"),
        (
            json!([
                allow(aws(json!(GLASS)), json!("kms:DisableKey")),
                allow(aws(json!(OTHER)), json!("kms:Schedule*"))
            ]),
            "deleted by arn:aws:iam::222222222222:role/people/administrator, and disabled by arn",
        ),
        (
            json!([allow(aws(json!("arn:aws:iam::222222222222:role/path/vault")), json!("kms:*"))]),
            "role/path/vault",
        ),
        (json!([account(), but(json!("arn:aws:iam::222222222222:role/vault"))]), "role/vault"),
    ] {
        let found = judged(&statements);
        assert_eq!(found.level, Level::Warn, "{statements}: {found:#?}");
        assert!(found.cause.contains(words), "{statements}: {found:#?}");
        // What comes with it leads out.
        let [paste] = &found.statements[..] else { panic!("{found:#?}") };
        assert_eq!(paste.into, format!("the policy of key {KEY}"));
        let mut mended = statements.as_array().cloned().unwrap_or_else(|| vec![statements.clone()]);
        mended.push(paste.statement.clone());
        let found = judged(&json!(mended));
        assert_eq!(found.level, Level::Ok, "{statements}: {found:#?}");
    }
}

#[test]
fn a_key_that_one_named_principal_or_none_may_end_is_well() {
    let named = |name: &str| json!({ "AWS": name });
    let condition = |operator: &str, key: &str, value: &str| json!({ operator: { key: value } });
    let arn = "aws:PrincipalArn";
    for (statements, words) in [
        (json!([account(), but(json!([GLASS]))]), GLASS),
        (json!([account(), deny(condition("StringNotLike", "aws:principalarn", GLASS))]), GLASS),
        (json!([account(), deny(condition("ArnNotLikeIfExists", arn, GLASS))]), GLASS),
        (json!([account(), with(&but(json!(GLASS)), "Principal", named(ROOT))]), GLASS),
        // Two denials spare only whom both spare.
        (json!([account(), but(json!([GLASS, OTHER])), but(json!([GLASS, "x"]))]), GLASS),
        (
            json!([
                account(),
                but(json!([GLASS, OTHER])),
                but(json!("arn:aws:iam::*:role/amiferry-*"))
            ]),
            GLASS,
        ),
        (json!([account(), without(&but(json!(GLASS)), "Condition")]), "disabled by no principal"),
        (
            json!([
                account(),
                without(&with(&but(json!(GLASS)), "NotAction", json!("kms:Encrypt")), "Action")
            ]),
            GLASS,
        ),
        (json!([allow(named(GLASS), json!("kms:*"))]), GLASS),
        (json!([with(&account(), "Condition", condition("ArnEquals", arn, GLASS))]), GLASS),
        (
            json!([allow(json!("*"), json!("kms:Encrypt")), allow(named(GLASS), json!("kms:*"))]),
            GLASS,
        ),
        (
            json!([
                allow(json!({ "AWS": [GLASS, OTHER] }), json!("kms:*")),
                json!({ "Effect": "Deny", "Principal": named(OTHER), "Action": "kms:*", "Resource": "*" }),
            ]),
            GLASS,
        ),
        (
            json!([allow(named(ROOT), json!("kms:Put*"))]),
            "by no principal; its policy may be replaced by whoever",
        ),
        (json!([]), "disabled by no principal"),
    ] {
        let found = judged(&statements);
        assert_eq!(found.level, Level::Ok, "{statements}: {found:#?}");
        assert!(found.cause.contains(words), "{statements}: {found:#?}");
        assert!(!found.cause.contains(OTHER), "{statements}: {found:#?}");
    }
}

#[test]
fn a_denial_that_is_not_understood_counts_for_nothing_and_is_named() {
    let glass = json!({ "aws:PrincipalArn": GLASS });
    for condition in [
        json!({ "Bool": { "aws:MultiFactorAuthPresent": "false" } }),
        json!({ "ArnNotEquals": glass, "Bool": { "aws:MultiFactorAuthPresent": "false" } }),
        json!({ "ArnNotEquals": { "aws:PrincipalArn": GLASS, "aws:SourceArn": "x" } }),
        json!({ "ForAnyValue:ArnNotEquals": glass }),
        json!({ "ArnEquals": glass }),
        json!({ "ArnNotEquals": {} }),
        json!("x"),
    ] {
        let found = judged(&json!([account(), deny(condition.clone())]));
        assert_eq!(found.level, Level::Warn, "{condition}: {found:#?}");
        assert!(found.cause.contains("statement D, which denies kms:DisableKey"), "{found:#?}");
    }
    let found = judged(&json!([
        allow(json!({ "AWS": GLASS }), json!("kms:*")),
        without(&with(&but(json!(GLASS)), "NotPrincipal", json!({ "AWS": GLASS })), "Principal"),
    ]));
    assert_eq!(found.level, Level::Ok, "it can only narrow: {found:#?}");
    assert!(found.cause.contains("not counted: statement D"), "{found:#?}");
}

#[test]
fn what_is_not_understood_of_a_policy_is_never_well() {
    let federated = json!({ "Federated": "cognito-identity.amazonaws.com" });
    for (statements, words) in [
        (json!([allow(federated, json!("kms:*"))]), "the Federated principal cognito"),
        (
            json!([allow(json!("someone"), json!("kms:*"))]),
            "statement A names its principals in no",
        ),
        (
            json!([allow(json!({ "AWS": 5 }), json!("kms:*"))]),
            "statement A names its principals in no",
        ),
        (json!([without(&account(), "Principal")]), "statement A names its principals in no"),
        (json!([without(&account(), "Action")]), "statement A names no actions"),
        (json!([with(&account(), "Effect", json!("allow"))]), "statement A neither allows"),
        (json!([{}]), "a statement names no actions"),
        (json!("x"), "it has no statements"),
    ] {
        let found = judged(&statements);
        assert_eq!(found.level, Level::Unknown, "{statements}: {found:#?}");
        assert!(found.cause.contains(words), "{statements}: {found:#?}");
        let settled_by = found.remedy.unwrap_or_default();
        assert!(settled_by.contains("aws kms get-key-policy"), "{settled_by}");
    }
    let found = key_guard(&KEY.parse().unwrap(), "{", WORKER);
    assert!(found.level == Level::Unknown && found.cause.contains("not JSON"), "{found:#?}");
}

#[test]
fn a_principal_that_is_only_known_by_a_session_or_an_id_is_not_taken_for_denied() {
    for name in ["arn:aws:sts::222222222222:assumed-role/administrator/jo", "AROAEXAMPLE"] {
        let statements = json!([
            allow(json!({ "AWS": name }), json!("kms:*")),
            allow(json!({ "AWS": GLASS }), json!("kms:*")),
            but(json!(GLASS)),
        ]);
        let found = judged(&statements);
        assert!(found.cause.contains(name), "{found:#?}");
        assert_eq!(found.level, Level::Warn, "{found:#?}");
    }
}
