//! What KMS's answers prove about a key, and how a key's policy and its grants are read.

use super::*;

const KEY: &str = "arn:aws:kms:us-west-2:222222222222:key/k";

fn facts(state: Option<KeyState>, probe: &Probe) -> KeyFacts {
    let all = [KeyPurpose::Reading, KeyPurpose::Writing, KeyPurpose::Snapshots];
    let operations = all.into_iter().flat_map(KeyPurpose::operations);
    KeyFacts {
        arn: KEY.parse().unwrap(),
        state,
        aws_managed: None,
        multi_region: None,
        probes: operations.map(|operation| (*operation, probe.clone())).collect(),
    }
}

fn but(operation: KeyOperation, probe: Probe) -> KeyFacts {
    let mut facts = facts(Some(KeyState::Enabled), &Probe::Yes);
    facts.probes.insert(operation, probe);
    facts
}

#[test]
fn a_denied_probe_is_unknown_and_never_usable_or_unusable() {
    let denied = Probe::Unknown("AccessDeniedException".to_owned());
    for state in [Some(KeyState::Enabled), None] {
        let verdict = facts(state, &denied).verdict(KeyPurpose::Writing);
        assert!(matches!(verdict, KeyVerdict::Unknown(_)), "{verdict}");
    }
}

#[test]
fn the_state_decides_before_the_probes() {
    for (state, words) in [
        (KeyState::Disabled, "is disabled"),
        (KeyState::PendingDeletion, "is pending deletion"),
        (KeyState::Absent, "does not exist"),
        (KeyState::Other("PendingImport".into()), "is in state PendingImport"),
    ] {
        let verdict = facts(Some(state), &Probe::Yes).verdict(KeyPurpose::Writing);
        assert_eq!(verdict, KeyVerdict::Unusable(format!("key {KEY} {words}")));
    }
    let updating = facts(Some(KeyState::Other("Updating".into())), &Probe::Yes);
    assert_eq!(updating.verdict(KeyPurpose::Snapshots), KeyVerdict::Usable);
}

#[test]
fn an_operation_concerns_only_the_purposes_that_need_it() {
    use KeyOperation as Op;
    use KeyPurpose::{Reading, Snapshots, Writing};
    for (operation, concerned) in [
        (Op::DescribeKey, &[Snapshots][..]),
        (Op::CreateGrant, &[Snapshots]),
        (Op::Encrypt, &[Snapshots]),
        (Op::ReEncrypt, &[Snapshots]),
        (Op::GenerateDataKeyWithoutPlaintext, &[Snapshots]),
        (Op::GenerateDataKey, &[Writing]),
        (Op::Decrypt, &[Reading, Writing, Snapshots]),
    ] {
        for purpose in [Reading, Writing, Snapshots] {
            let is_concerned = concerned.contains(&purpose);
            let no = but(operation, Probe::No("why".to_owned())).verdict(purpose);
            let unknown = but(operation, Probe::Unknown("why".to_owned())).verdict(purpose);
            let mut unasked = facts(Some(KeyState::Enabled), &Probe::Yes);
            unasked.probes.remove(&operation);
            let unasked = unasked.verdict(purpose);
            assert_eq!(matches!(no, KeyVerdict::Unusable(_)), is_concerned, "{operation:?}");
            assert_eq!(matches!(unknown, KeyVerdict::Unknown(_)), is_concerned, "{operation:?}");
            assert_eq!(matches!(unasked, KeyVerdict::Unknown(_)), is_concerned, "{operation:?}");
            if is_concerned {
                for verdict in [no, unknown, unasked] {
                    let words = verdict.to_string();
                    assert!(words.contains(operation.action()) && words.contains(KEY), "{words}");
                }
            }
        }
    }
}

#[test]
fn a_refusal_outweighs_what_is_not_proven() {
    let mut facts = but(KeyOperation::DescribeKey, Probe::Unknown("first".to_owned()));
    facts.probes.insert(KeyOperation::Encrypt, Probe::No("statement S denies it".to_owned()));
    let words = facts.verdict(KeyPurpose::Snapshots).to_string();
    assert_eq!(words, format!("no: kms:Encrypt on {KEY} is refused: statement S denies it"));
}

#[test]
fn a_multi_region_key_that_is_not_here_asks_for_its_replica() {
    let mut facts = facts(Some(KeyState::Absent), &Probe::Yes);
    facts.arn = "arn:aws:kms:us-west-2:222222222222:key/mrk-1".parse().unwrap();
    let words = facts.verdict(KeyPurpose::Writing).to_string();
    assert!(words.contains("has no replica in this Region"), "{words}");
}

#[test]
fn a_policy_refuses_for_certain_only_what_nobody_can_be_allowed() {
    let refused = |statements: &str| {
        let policy = format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#);
        refusal_of(&policy, "kms:CreateGrant", "222222222222")
    };
    let denied = |principal: &str, more: &str| {
        format!(
            r#"[{{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}},
                {{"Sid":"S","Effect":"Deny","Principal":{principal},"Action":["kms:CreateGrant"],"Resource":"*"{more}}}]"#
        )
    };
    let by_statement = Some("statement S of the key's policy denies kms:CreateGrant to everybody");
    let none = Some("no statement of the key's policy allows kms:CreateGrant");
    for (statements, expected) in [
        (denied(r#""*""#, ""), by_statement),
        (denied(r#"{"AWS":"*"}"#, r#","Condition":{}"#), by_statement),
        (denied(r#"{"AWS":["x","arn:aws:iam::222222222222:root"]}"#, ""), by_statement),
        // An exception for what EC2 asks for is the usual form.
        (denied(r#""*""#, r#","Condition":{"Bool":{"kms:GrantIsForAWSResource":"false"}}"#), None),
        (denied(r#"{"AWS":"arn:aws:iam::222222222222:role/x"}"#, ""), None),
        (denied(r#"{"AWS":"arn:aws:iam::333333333333:root"}"#, ""), None),
        (r#"[]"#.to_owned(), none),
        (r#"{"Effect":"Allow","Principal":"*","Action":["kms:Describe*","kms:Get*"],"Resource":"*"}"#.to_owned(), none),
        (r#"{"Effect":"Allow","Principal":"*","NotAction":"kms:Create*","Resource":"*"}"#.to_owned(), none),
        (r#"{"Effect":"Allow","Principal":"*","NotAction":"kms:Delete*","Resource":"*"}"#.to_owned(), None),
        (r#"{"Effect":"Allow","Principal":"*","Action":"KMS:c*grant","Resource":"*","Condition":{"x":{}}}"#.to_owned(), None),
        (r#"{"Effect":"Allow","Principal":"*","Action":"kms:CreateGran?","Resource":"*"}"#.to_owned(), None),
        (r#"{"Effect":"Perhaps","Principal":"*","Action":"kms:*","Resource":"*"}"#.to_owned(), None),
        (r#"{"Effect":"Allow","Principal":"*","Resource":"*"}"#.to_owned(), None),
        (r#""nothing""#.to_owned(), None),
    ] {
        assert_eq!(refused(&statements).as_deref(), expected, "{statements}");
    }
    for text in ["", "{", "[]", "{}"] {
        assert_eq!(refusal_of(text, "kms:CreateGrant", "222222222222"), None, "{text}");
    }
}

#[test]
fn an_action_for_several_is_allowed_where_one_of_them_may_be() {
    for (action, allowed) in
        [("kms:ReEncryptFrom", true), ("kms:Re*", true), ("kms:*", true), ("kms:Decrypt", false)]
    {
        let policy = format!(
            r#"{{"Statement":{{"Effect":"Allow","Principal":"*","Action":"{action}","Resource":"*"}}}}"#
        );
        let refused = refusal_of(&policy, KeyOperation::ReEncrypt.action(), "222222222222");
        assert_eq!(refused.is_none(), allowed, "{action}");
    }
}

fn grant(grantee: Grantee) -> Grant {
    Grant {
        id: "g".to_owned(),
        grantee,
        retiring: None,
        operations: vec!["Decrypt".to_owned(), "CreateGrant".to_owned()],
        context_equals: BTreeMap::new(),
        context_includes: BTreeMap::new(),
        source_arn: None,
    }
}

#[test]
fn a_grant_says_to_whom_it_allows_what_and_under_what_constraint() {
    let principal = "arn:aws:iam::222222222222:role/vault";
    let plain = grant(Grantee::Principal(principal.to_owned()));
    assert_eq!(plain.to_string(), format!("g lets {principal} do Decrypt, CreateGrant"));
    let constrained = Grant {
        context_includes: [("aws:ebs:id".to_owned(), "vol-1".to_owned())].into_iter().collect(),
        source_arn: Some("arn:aws:ec2:*:222222222222:volume/vol-1".to_owned()),
        retiring: Some("ec2.us-west-2.amazonaws.com".to_owned()),
        ..grant(Grantee::Service("ec2.amazonaws.com".to_owned()))
    };
    assert_eq!(
        constrained.to_string(),
        "g lets ec2.amazonaws.com do Decrypt, CreateGrant, only in an encryption context with \
         aws:ebs:id=vol-1, only for arn:aws:ec2:*:222222222222:volume/vol-1, until \
         ec2.us-west-2.amazonaws.com retires it"
    );
    assert!(grant(Grantee::Unnamed).to_string().contains("a grantee that KMS does not name"));
}

#[test]
fn a_grant_is_for_a_session_if_it_names_the_session_or_its_role() {
    let session = "arn:aws:sts::222222222222:assumed-role/vault/amiferry";
    for (grantee, expected) in [
        ("arn:aws:iam::222222222222:role/vault", true),
        (session, true),
        ("arn:aws:iam::222222222222:role/other", false),
        ("arn:aws:iam::333333333333:role/vault", false),
        ("ec2.us-west-2.amazonaws.com", false),
    ] {
        assert_eq!(grant(Grantee::Principal(grantee.to_owned())).is_for(session), expected);
    }
    assert!(!grant(Grantee::Service(session.to_owned())).is_for(session));
}
