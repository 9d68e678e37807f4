//! The sessions of the read role, in which the vault describes the images of one source.

use amiferry_core::ids::{AccountId, Region};
use serde_json::{Value, json};

/// What the read role may do.
const PERMISSIONS: &str = include_str!("../../../deploy/iam/source-read.json");

/// The name of the sessions of a vault, as CloudTrail shows it in the source account. STS takes up to
/// 64 characters (API reference of `AssumeRole`); 49 are enough for every Region.
pub(crate) fn session_name(account: &AccountId, region: &Region) -> String {
    format!("amiferry-{account}-{region}")
}

/// The session policy for a source in `region`: what its role needs to allow, there alone. A role that
/// allows more, or serves several Regions, gives its sessions no more than this.
pub(crate) fn policy(region: &Region) -> String {
    let mut policy: Value = serde_json::from_str(PERMISSIONS).unwrap_or_default();
    let statements = policy.get_mut("Statement").and_then(Value::as_array_mut);
    for statement in statements.into_iter().flatten().filter_map(Value::as_object_mut) {
        let there = json!({ "StringEquals": { "aws:RequestedRegion": region.as_str() } });
        statement.insert("Condition".to_owned(), there);
    }
    policy.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_may_do_what_the_role_needs_in_the_region_of_its_source_and_nothing_else() {
        let policy: Value = serde_json::from_str(&policy(&"eu-west-1".parse().unwrap())).unwrap();
        let role: Value = serde_json::from_str(PERMISSIONS).unwrap();
        let of_role = role["Statement"].as_array().unwrap();
        let narrowed = policy["Statement"].as_array().unwrap();
        assert!(!narrowed.is_empty() && narrowed.len() == of_role.len(), "{policy}");
        for (narrowed, of_role) in narrowed.iter().zip(of_role) {
            assert_eq!(narrowed["Action"], of_role["Action"]);
            assert_eq!(narrowed["Condition"]["StringEquals"]["aws:RequestedRegion"], "eu-west-1");
        }
        assert!(policy.to_string().len() <= 2048, "what STS takes");
    }

    #[test]
    fn a_session_says_which_vault_reads() {
        let name = session_name(&"222222222222".parse().unwrap(), &"us-west-2".parse().unwrap());
        assert_eq!(name, "amiferry-222222222222-us-west-2");
        let longest = "a".repeat(64 - "amiferry-222222222222-".len());
        assert!(longest.len() > "ap-southeast-99".len());
    }
}
