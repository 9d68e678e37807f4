//! What a person is told about each kind of refusal.

use super::*;

const VAULT: &str = "arn:aws:sts::222222222222:assumed-role/vault/amiferry";

fn fault(
    class: FaultClass,
    operation: &'static str,
    resource: &str,
    code: &str,
    detail: &str,
) -> Fault {
    Fault {
        class,
        operation,
        resource: resource.to_owned(),
        code: code.to_owned(),
        detail: detail.to_owned(),
        request_id: None,
    }
}

fn denied(operation: &'static str, resource: &str, detail: &str) -> Fault {
    fault(FaultClass::Denied, operation, resource, "AccessDenied", detail)
}

fn told(fault: &Fault, caller: Option<&str>, words: &[&str]) {
    let remedy = remedy(fault, caller).unwrap_or_default();
    for word in words {
        assert!(remedy.contains(word), "{word:?} is not in {remedy:?}");
    }
}

#[test]
fn what_aws_names_is_named_with_the_policy_to_change() {
    let on = |resource: &str, why: &str, action: &str| {
        format!(
            "User: {VAULT} is not authorized to perform: {action} on resource: {resource} {why}"
        )
    };
    #[rustfmt::skip]
    let rows = [
        ("because no identity-based policy allows the s3:GetObject action",
         vec!["allow arn:aws:sts::222222222222:assumed-role/vault/amiferry s3:GetObject on arn:aws:s3:::b/k in a policy of"]),
        ("because no resource-based policy allows the s3:GetObject action",
         vec!["allow", "in the bucket's policy", "aws:PrincipalOrgID that of account 222222222222"]),
        ("with an explicit deny in a resource-based policy",
         vec!["narrow the statement that denies", "in the bucket's policy", "outweighs every allow"]),
        ("with an explicit deny in an identity-based policy: arn:aws:iam::222222222222:policy/p",
         vec!["narrow the statement", "in the policy arn:aws:iam::222222222222:policy/p"]),
        ("with an explicit deny in a service control policy",
         vec!["narrow the statement", "service control policies of the principal's organization"]),
        ("because no resource control policy allows the s3:GetObject action",
         vec!["allow", "resource control policies of the resource's organization"]),
        ("because no VPC endpoint policy allows the s3:GetObject action",
         vec!["allow", "in the policy of the VPC endpoint"]),
        ("because no permissions boundary allows the s3:GetObject action",
         vec!["allow", "in the permissions boundary of arn:aws:sts::222222222222"]),
        ("because no session policy allows the s3:GetObject action",
         vec!["allow", "in the session policy of arn:aws:sts::222222222222"]),
    ];
    for (why, words) in rows {
        let detail = on("\"arn:aws:s3:::b/k\"", why, "s3:GetObject");
        told(&denied("s3:GetObject", "b/k", &detail), None, &words);
        if why.starts_with("with an explicit deny") {
            let remedy = remedy(&denied("s3:GetObject", "b/k", &detail), None).unwrap();
            assert!(!remedy.starts_with("allow"), "{remedy}");
        }
    }
}

#[test]
fn the_key_behind_a_refused_object_is_named_with_the_condition_it_needs() {
    let key = "arn:aws:kms:us-east-1:111111111111:key/1234";
    let detail = format!(
        "User: {VAULT} is not authorized to perform: kms:Decrypt on resource: {key} because no \
         resource-based policy allows the kms:Decrypt action"
    );
    let words =
        ["kms:Decrypt on", key, "the key's policy", "kms:ViaService s3.us-east-1.amazonaws.com"];
    told(&denied("s3:GetObject", "b/k", &detail), None, &words);

    let hidden = format!(
        "User: {VAULT} is not authorized to perform: kms:Decrypt on the resource associated with \
         this ciphertext because the resource does not exist in this Region, no resource-based \
         policies allow access, or a resource-based policy explicitly denies access"
    );
    let words =
        ["kms:Decrypt on the KMS key of the object", "the key's policy", "if the resource is gone"];
    told(&denied("s3:GetObject", "b/k", &hidden), None, &words);
}

#[test]
fn a_refusal_without_a_reason_names_the_actions_that_iam_knows_and_the_resource_as_arn() {
    for (operation, resource, words) in [
        ("s3:ListObjectsV2", "b/amiferry/", vec!["s3:ListBucket on arn:aws:s3:::b in"]),
        ("s3:HeadBucket", "b", vec!["s3:ListBucket on arn:aws:s3:::b in"]),
        (
            "s3:GetObjectLockConfiguration",
            "b",
            vec!["s3:GetBucketObjectLockConfiguration on arn:aws:s3:::b"],
        ),
        ("s3:GetBucketEncryption", "b", vec!["s3:GetEncryptionConfiguration on arn:aws:s3:::b"]),
        (
            "s3:HeadObject",
            "b/k/ami-1.bin",
            vec![
                "s3:GetObject",
                "on arn:aws:s3:::b/k/ami-1.bin;",
                "kms:Decrypt on the KMS key of the object",
            ],
        ),
        (
            "s3:UploadPartCopy",
            "b/k part 12",
            vec!["s3:PutObject on arn:aws:s3:::b/k;", "s3:GetObjectVersion on the staged object"],
        ),
        (
            "sqs:DeleteMessageBatch",
            "https://sqs.us-east-1.amazonaws.com/111111111111/q",
            vec!["sqs:DeleteMessage on arn:aws:sqs:us-east-1:111111111111:q", "the queue's policy"],
        ),
        (
            "ec2:CreateStoreImageTask",
            "ami-1",
            vec!["ec2:CreateStoreImageTask on arn:aws:ec2:*::image/ami-1", "ebs:GetSnapshotBlock"],
        ),
        (
            "ec2:DescribeImages",
            "111111111111 in us-east-1",
            vec!["ec2:DescribeImages on * in its own policies, and"],
        ),
        (
            "kms:DescribeKey",
            "arn:aws:kms:r:1:key/k",
            vec!["kms:DescribeKey on arn:aws:kms:r:1:key/k"],
        ),
    ] {
        let fault = denied(operation, resource, "Access Denied");
        told(&fault, Some(VAULT), &words);
        told(&fault, Some(VAULT), &["AWS does not say which policy", VAULT]);
        let unknown = remedy(&fault, None).unwrap();
        assert!(unknown.contains("allow the caller "), "{unknown}");
    }
}

#[test]
fn a_denied_role_points_at_its_trust_policy_and_nothing_else_does() {
    let role = "arn:aws:iam::111111111111:role/read";
    let assume = |code: &str, detail: &str| {
        fault(FaultClass::Credentials, "sts:AssumeRole", role, code, detail)
    };
    let detail =
        format!("User: {VAULT} is not authorized to perform: sts:AssumeRole on resource: {role}");
    let words = ["in the trust policy of", role, VAULT, "external id"];
    told(&assume("AccessDenied", &detail), None, &words);

    let off = "STS is not activated in this region for account:222222222222.";
    let invalid = "The security token included in the request is invalid.";
    let unvalidated = "AWS was not able to validate the provided access credentials";
    let direct = |operation, code, detail| {
        fault(FaultClass::Credentials, operation, "111111111111 in us-east-1", code, detail)
    };
    for (fault, words) in [
        (
            assume("RegionDisabledException", off),
            vec!["enable the Region for that account, or STS"],
        ),
        (
            direct("ec2:DescribeImages", "AuthFailure", unvalidated),
            vec!["enable the Region", "clock"],
        ),
        (
            direct("sts:GetCallerIdentity", "InvalidClientTokenId", invalid),
            vec!["enable the Region", "clock"],
        ),
        (direct("ec2:DescribeImages", "RequestExpired", ""), vec!["clock"]),
        (
            direct("ec2:DescribeImages", "CredentialsNotFound", ""),
            vec!["the credentials and the profile"],
        ),
    ] {
        told(&fault, Some(VAULT), &words);
        let remedy = remedy(&fault, Some(VAULT)).unwrap();
        assert!(!remedy.contains("trust policy"), "{remedy}");
    }
}

#[test]
fn a_refusal_that_no_permission_ends_asks_for_none() {
    for (code, detail, words) in [
        ("InvalidObjectState", "", "RestoreObject"),
        ("AccessDenied", "VPC endpoints do not support cross-region requests", "NAT"),
        (
            "AccessDenied",
            "Access Denied because object protected by object lock.",
            "lock of arn:aws:s3:::b/k",
        ),
        ("OptInRequired", "", "enable the Region"),
    ] {
        let fault = fault(FaultClass::Invalid, "s3:PutObjectRetention", "b/k", code, detail);
        let remedy = remedy(&fault, None).unwrap();
        assert!(remedy.contains(words) && !remedy.contains("allow "), "{remedy}");
    }
    // 21-refusals.json of the field.
    for (class, code, detail) in [
        (FaultClass::Denied, "AuthFailure", "Not authorized for images: [ami-1]"),
        (
            FaultClass::Invalid,
            "InvalidRequest",
            "You do not have permission to access the storage of this ami",
        ),
    ] {
        let fault = fault(class, "ec2:CreateStoreImageTask", "ami-1", code, detail);
        told(
            &fault,
            Some(VAULT),
            &["owns arn:aws:ec2:*::image/ami-1", "share the image and its snapshots"],
        );
    }
    let page = fault(FaultClass::Denied, "s3:GetObject", "b/k", "Http403", "<html>Blocked</html>");
    told(&page, None, &["proxy or firewall", "s3:GetObject"]);
    let busy = fault(FaultClass::Throttled, "s3:GetObject", "b/k", "SlowDown", "");
    assert_eq!(remedy(&busy, None), None);
}

#[test]
fn a_fault_says_what_failed_and_what_to_do() {
    let fault = Fault {
        request_id: Some("r-1".to_owned()),
        ..denied("s3:HeadBucket", "b", "Access Denied")
    };
    let statement = "s3:HeadBucket on b failed (denied, AccessDenied): Access Denied [request r-1]";
    assert_eq!(fault.statement(), statement);
    let whole = fault.to_string();
    assert!(whole.starts_with(&format!("{statement}; to do: AWS does not say")), "{whole}");
    let busy = Fault { class: FaultClass::Throttled, detail: String::new(), ..fault };
    assert_eq!(
        busy.to_string(),
        "s3:HeadBucket on b failed (throttled, AccessDenied) [request r-1]"
    );
}

#[test]
fn the_key_of_an_object_that_is_named_after_awss_words_is_told_with_its_region() {
    let key = "arn:aws:kms:us-east-1:111111111111:key/k";
    let detail = format!(
        "User: {VAULT} is not authorized to perform: kms:Decrypt on the resource associated with \
         this ciphertext because the resource does not exist in this Region, no resource-based \
         policies allow access, or a resource-based policy explicitly denies access \
         ({KEY_OF_OBJECT}{key})"
    );
    let words = [
        &format!("{VAULT} kms:Decrypt on {key} in the key's policy"),
        "kms:ViaService s3.us-east-1.amazonaws.com",
    ];
    told(&denied("s3:GetObject", "b/k", &detail), None, &words);
    // Without it the key is named in words.
    let unnamed = detail.replace(KEY_OF_OBJECT, "");
    told(
        &denied("s3:GetObject", "b/k", &unnamed),
        None,
        &["kms:Decrypt on the KMS key of the object"],
    );
}

#[test]
fn an_sts_that_says_nothing_about_the_credentials_asks_nobody_to_check_them() {
    use FaultClass::{Bug, Denied, Throttled, Unavailable};
    for (class, code, words) in [
        (Unavailable, "NoAnswer", vec!["reach STS", "DNS", "HTTPS_PROXY", "AWS_ENDPOINT_URL"]),
        (Unavailable, "Http407", vec!["not one of STS", "proxy or firewall", "sts:AssumeRole"]),
        (Denied, "Http403", vec!["not one of STS", "proxy or firewall"]),
        (Unavailable, "ServiceUnavailable", vec!["an error of its own", "AWS Health Dashboard"]),
        (Throttled, "Throttling", vec!["by itself", "who else calls STS"]),
        (Bug, "UnexpectedAnswer", vec!["cannot be read", "endpoint"]),
    ] {
        let role = "arn:aws:iam::111111111111:role/read";
        let fault = fault(class, "sts:AssumeRole", role, code, "x");
        told(&fault, None, &words);
        let remedy = remedy(&fault, None).unwrap();
        assert!(!remedy.contains("check the credentials"), "{code}: {remedy}");
        assert!(!remedy.contains("trust policy"), "{code}: {remedy}");
    }
}

#[test]
fn a_certificate_that_no_trusted_authority_signed_names_the_variable_that_trusts_one() {
    let words = "dispatch failure: client error (Connect): invalid peer certificate: UnknownIssuer";
    for operation in ["sts:GetCallerIdentity", "s3:HeadBucket"] {
        for class in [FaultClass::Unavailable, FaultClass::OutcomeUnknown] {
            let fault = fault(class, operation, "x", "NoAnswer", words);
            told(&fault, None, &["SSL_CERT_FILE", "proxy", "clock"]);
        }
    }
    // Words of others, whoever they are, do not lead there.
    let quoted = fault(FaultClass::Invalid, "s3:HeadBucket", "x", "Odd", words);
    assert_eq!(remedy(&quoted, None), None);
}

#[test]
fn a_refused_question_about_a_rule_is_mended_for_every_rule() {
    let rule = "arn:aws:events:us-east-1:111111111111:rule/ours";
    let every = "events:DescribeRule on arn:aws:events:us-east-1:111111111111:rule/*";
    let said = format!(
        "User: {VAULT} is not authorized to perform: events:DescribeRule on resource: {rule} because no \
         identity-based policy allows the events:DescribeRule action"
    );
    for detail in [said.as_str(), ""] {
        told(&denied("events:DescribeRule", rule, detail), Some(VAULT), &["allow", every]);
    }
}
