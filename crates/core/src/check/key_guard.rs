//! Who may take the vault's key away, as its policy says. A lock keeps the bytes of a copy, and whoever
//! ends the key makes them worthless.

use serde_json::json;

use super::{Finding, Hop};
use crate::ids::Arn;
use crate::model::KeyGuard;
use crate::refusal::Statement;

/// The role in the statement to paste, as the templates of `deploy` name it.
const BREAK_GLASS: &str = "amiferry-break-glass";

/// What is needed of the key that [`key_guard`] judges.
pub fn key_guard_need(key: &Arn) -> String {
    format!("one principal at most that may delete or disable the key {key}")
}

/// Judges a key's policy. It is well where it lets one named principal at most delete or disable the
/// key, and that is not the `caller`; the smallest statement that leaves only one comes with the rest.
///
/// Who may replace the policy is told and not judged: those who govern the account need that.
pub fn key_guard(key: &Arn, policy: &str, caller: &str) -> Finding {
    let account = key.account().map(|account| account.to_string()).unwrap_or_default();
    let need = key_guard_need(key);
    let guard = match KeyGuard::read(policy, &account) {
        Ok(guard) => guard,
        Err(why) => {
            let cause = format!("the key's policy is not understood: {why}");
            return Finding::unknown(Hop::VaultKey, need, cause, read_it(key));
        }
    };
    let told = guard.to_string();
    match guard.is_kept_from(caller) {
        Some(true) => Finding::ok(Hop::VaultKey, need, told),
        None => Finding::unknown(Hop::VaultKey, need, told, read_it(key)),
        Some(false) => {
            let remedy = "add the statement to the key's policy, with the ARN of your break-glass role: \
                          only that role can then delete or disable the key";
            let statements = vec![keep(key, &account)];
            Finding { statements, ..Finding::warn(Hop::VaultKey, need, told, remedy) }
        }
    }
}

/// The finding about a key of another account, whose policy KMS shows to that account alone.
pub fn foreign_key_guard(key: &Arn) -> Finding {
    let cause =
        "the key belongs to another account, and KMS shows its policy to that account alone";
    Finding::unknown(Hop::VaultKey, key_guard_need(key), cause, read_it(key))
}

fn read_it(key: &Arn) -> String {
    let region = key.region().map(|region| format!(" --region {region}")).unwrap_or_default();
    format!(
        "aws kms get-key-policy --key-id {key}{region} with credentials of the key's account: only one \
         principal should be allowed kms:ScheduleKeyDeletion and kms:DisableKey"
    )
}

fn keep(key: &Arn, account: &str) -> Statement {
    let partition = key.as_str().split(':').nth(1).unwrap_or("aws");
    let role = format!("arn:{partition}:iam::{account}:role/{BREAK_GLASS}");
    Statement {
        into: format!("the policy of key {key}"),
        statement: json!({
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["kms:ScheduleKeyDeletion", "kms:DisableKey"],
            "Resource": "*",
            "Condition": { "ArnNotEquals": { "aws:PrincipalArn": role } },
        }),
    }
}

#[cfg(test)]
#[path = "key_guard_tests.rs"]
mod tests;
