//! Stacks over the wire: what a deployment makes, refuses, changes, takes back and deletes.

use serde_json::Value;

use crate::World;
use crate::testing::{REGION, Reply, call, world};

const ACCOUNT: &str = "111111111111";
const VAULT: &str = include_str!("../../../../../deploy/cloudformation/vault.yaml");
const SOURCE: &str = include_str!("../../../../../deploy/cloudformation/source.yaml");
const QUEUE: &str = "Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: one}}}";

async fn ask(world: &World, action: &str, members: &[(&str, &str)]) -> Reply {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action).extend_pairs(members);
    call(world, ACCOUNT, "cloudformation", &[("host", "127.0.0.1:4566")], &form.finish()).await
}

async fn create(world: &World, template: &str, more: &[(&str, &str)]) -> Reply {
    let mut members = vec![("StackName", "s"), ("TemplateBody", template)];
    members.extend(more);
    ask(world, "CreateStack", &members).await
}

async fn update(world: &World, template: &str) -> Reply {
    ask(world, "UpdateStack", &[("StackName", "s"), ("TemplateBody", template)]).await
}

/// The text of an element of the answer.
fn text(reply: &Reply, element: &str) -> String {
    let after = reply.text.split(&format!("<{element}>")).nth(1).unwrap_or_default();
    after.split(&format!("</{element}>")).next().unwrap_or_default().replace("&quot;", "\"")
}

async fn status(world: &World) -> String {
    text(&ask(world, "DescribeStacks", &[("StackName", "s")]).await, "StackStatus")
}

fn queues(world: &World) -> Vec<String> {
    let state = world.lock();
    let names = ["one", "two", "three"].into_iter().filter(|name| {
        let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}").parse().unwrap();
        crate::sqs::exists(&state, &arn)
    });
    names.map(str::to_owned).collect()
}

const NAMED: (&str, &str) = ("Capabilities.member.1", "CAPABILITY_NAMED_IAM");

fn parameter(number: usize, name: &str, value: &str) -> [(String, String); 2] {
    [
        (format!("Parameters.member.{number}.ParameterKey"), name.to_owned()),
        (format!("Parameters.member.{number}.ParameterValue"), value.to_owned()),
    ]
}

async fn create_with(world: &World, template: &str, parameters: &[(&str, &str)]) -> Reply {
    let numbered = (1..).zip(parameters);
    let members: Vec<(String, String)> =
        numbered.flat_map(|(n, (name, value))| parameter(n, name, value)).collect();
    let mut members: Vec<(&str, &str)> =
        members.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    members.push(NAMED);
    create(world, template, &members).await
}

#[tokio::test]
async fn the_stack_of_the_vault_makes_what_a_worker_needs() {
    let world = world();
    let created = create_with(&world, VAULT, &[("SourceAccounts", "333333333333")]).await;
    assert_eq!(created.status, 200, "{}", created.text);
    let described = ask(&world, "DescribeStacks", &[("StackName", "s")]).await.text;
    assert!(described.contains("<StackStatus>CREATE_COMPLETE</StackStatus>"), "{described}");
    let events = ask(&world, "DescribeStackEvents", &[("StackName", "s")]).await.text;
    assert!(!events.contains("FAILED"), "{events}");
    for said in [
        "queue_url = &quot;http://127.0.0.1:4566/111111111111/amiferry-target&quot;",
        "bucket = &quot;amiferry-vault-111111111111-us-east-1&quot;",
        "arn:aws:iam::111111111111:role/amiferry-vault-worker-us-east-1",
        "aws ec2 enable-ebs-encryption-by-default --region us-east-1",
    ] {
        assert!(described.contains(said), "{said} is not in {described}");
    }
    let state = world.lock();
    let bucket = state.s3.bucket("amiferry-vault-111111111111-us-east-1").unwrap();
    assert!(bucket.object_lock.flatten().is_some() && bucket.policy.is_some() && bucket.bucket_key);
    assert!(bucket.lifecycle.as_ref().unwrap().contains("<DaysAfterInitiation>7<"));
    let secret = state.secrets.values().next().unwrap();
    assert!(format!("{secret:?}").contains("amiferry/external-id"));
    let roles = &state.iam[&ACCOUNT.parse().unwrap()].roles;
    assert_eq!(roles.len(), 4, "{:?}", roles.keys());
}

#[tokio::test]
async fn a_rule_refuses_a_wrong_hand_shake_in_its_own_words_and_nothing_is_made() {
    let world = world();
    let id = "0123456789abcdef";
    for (template, parameters, said) in [
        (VAULT, &[("SourceAccounts", ACCOUNT)][..], "SourceAccounts names this account"),
        (VAULT, &[("SourceAccounts", "12")], "each must be an account id of 12 digits"),
        (VAULT, &[], "Parameters: [SourceAccounts] must have values"),
        (
            SOURCE,
            &[("VaultAccount", ACCOUNT), ("VaultRegion", "us-west-2"), ("ExternalId", id)],
            "VaultAccount is this account",
        ),
        (
            SOURCE,
            &[("VaultAccount", "222222222222"), ("VaultRegion", REGION), ("ExternalId", id)],
            "VaultRegion is this Region",
        ),
        (
            SOURCE,
            &[
                ("VaultAccount", "222222222222"),
                ("VaultRegion", "us-west-2"),
                ("ExternalId", "short"),
            ],
            "at least 16 characters",
        ),
    ] {
        let refused = create_with(&world, template, parameters).await;
        assert_eq!((refused.status, text(&refused, "Code").as_str()), (400, "ValidationError"));
        assert!(text(&refused, "Message").contains(said), "{}", refused.text);
        let gone = ask(&world, "DescribeStacks", &[("StackName", "s")]).await;
        assert_eq!(text(&gone, "Message"), "Stack with id s does not exist");
    }
    assert!(world.lock().iam.is_empty() && world.lock().s3.all().next().is_none());
}

#[tokio::test]
async fn a_role_has_to_be_acknowledged() {
    let world = world();
    let refused = create(
        &world,
        VAULT,
        &[
            ("Parameters.member.1.ParameterKey", "SourceAccounts"),
            ("Parameters.member.1.ParameterValue", "333333333333"),
        ],
    )
    .await;
    assert_eq!(text(&refused, "Code"), "InsufficientCapabilitiesException");
    assert_eq!(text(&refused, "Message"), "Requires capabilities : [CAPABILITY_NAMED_IAM]");
}

#[tokio::test]
async fn what_is_not_simulated_fails_the_stack_by_its_name_and_is_taken_back() {
    for (last, said) in [
        ("{Type: AWS::Lambda::Function}", "AWS::Lambda::Function"),
        ("{Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}", "the property FifoQueue"),
        ("{Type: AWS::SQS::Queue, Properties: {QueueName: one}}", "'one' already exists"),
    ] {
        let world = world();
        let template = format!(
            "Resources:\n  Kept: {{Type: AWS::KMS::Key, DeletionPolicy: Retain}}\n  Q: {{Type: AWS::SQS::Queue, \
             Properties: {{QueueName: one}}}}\n  Z: {last}"
        );
        assert_eq!(create(&world, &template, &[]).await.status, 200);
        assert_eq!(status(&world).await, "ROLLBACK_COMPLETE", "{last}");
        let events = ask(&world, "DescribeStackEvents", &[("StackName", "s")]).await.text;
        let events = events.replace("&apos;", "'");
        assert!(events.contains(said) && events.contains("DELETE_SKIPPED"), "{events}");
        assert_eq!(queues(&world), [""; 0]);
        let refused = update(&world, QUEUE).await;
        assert!(
            text(&refused, "Message").contains("ROLLBACK_COMPLETE state and can not be updated")
        );
        assert_eq!(ask(&world, "DeleteStack", &[("StackName", "s")]).await.status, 200);
        assert_eq!(create(&world, "Resources: {K: {Type: AWS::KMS::Key}}", &[]).await.status, 200);
    }
}

#[tokio::test]
async fn an_update_changes_adds_and_removes_or_says_that_there_is_nothing_to_do() {
    let world = world();
    assert_eq!(create(&world, QUEUE, &[]).await.status, 200);
    let same = update(&world, QUEUE).await;
    assert_eq!(text(&same, "Message"), "No updates are to be performed.");
    let other = QUEUE.replace("QueueName: one", "QueueName: two");
    assert_eq!(update(&world, &other).await.status, 200);
    assert_eq!(
        (status(&world).await.as_str(), queues(&world)),
        ("UPDATE_COMPLETE", vec!["two".to_owned()])
    );
    let more = "Resources: {R: {Type: AWS::SQS::Queue, Properties: {QueueName: three, VisibilityTimeout: 9}}}";
    assert_eq!(update(&world, more).await.status, 200);
    assert_eq!(queues(&world), ["three"]);
    let failing = more.replace("9", "10").replace("}}}", "}}, Z: {Type: AWS::No::Thing}}");
    assert_eq!(update(&world, &failing).await.status, 200);
    assert_eq!(status(&world).await, "UPDATE_ROLLBACK_COMPLETE");
    let same = update(&world, more).await;
    assert_eq!(text(&same, "Message"), "No updates are to be performed.");
    assert_eq!(queues(&world), ["three"]);
}

#[tokio::test]
async fn a_change_set_shows_what_it_would_do_and_does_it_when_it_is_executed() {
    let world = world();
    let set = |kind: &'static str, template: &'static str| {
        [
            ("StackName", "s"),
            ("ChangeSetName", "c"),
            ("ChangeSetType", kind),
            ("TemplateBody", template),
        ]
    };
    let of = [("StackName", "s"), ("ChangeSetName", "c")];
    assert_eq!(ask(&world, "CreateChangeSet", &set("CREATE", QUEUE)).await.status, 200);
    assert_eq!(status(&world).await, "REVIEW_IN_PROGRESS");
    let shown = ask(&world, "DescribeChangeSet", &of).await;
    assert_eq!(
        (text(&shown, "Status").as_str(), text(&shown, "Action").as_str()),
        ("CREATE_COMPLETE", "Add")
    );
    assert_eq!(queues(&world), [""; 0]);
    assert_eq!(ask(&world, "ExecuteChangeSet", &of).await.status, 200);
    assert_eq!(
        (status(&world).await.as_str(), queues(&world)),
        ("CREATE_COMPLETE", vec!["one".to_owned()])
    );
    assert_eq!(ask(&world, "CreateChangeSet", &set("UPDATE", QUEUE)).await.status, 200);
    let empty = ask(&world, "DescribeChangeSet", &of).await;
    assert_eq!(text(&empty, "Status"), "FAILED");
    assert!(text(&empty, "StatusReason").contains("didn"), "{}", empty.text);
    assert_eq!(text(&ask(&world, "ExecuteChangeSet", &of).await, "Code"), "InvalidChangeSetStatus");
    let again = ask(&world, "CreateChangeSet", &set("CREATE", QUEUE)).await;
    assert_eq!(text(&again, "Code"), "AlreadyExistsException");
}

#[tokio::test]
async fn a_deleted_stack_keeps_what_is_retained_and_is_found_by_its_id_only() {
    let world = world();
    let template = "Resources:
  B: {Type: AWS::S3::Bucket, Properties: {BucketName: bucket-of-s}}
  K: {Type: AWS::KMS::Key, DeletionPolicy: Retain}
  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: one}}";
    let id = text(&create(&world, template, &[]).await, "StackId");
    assert_eq!(ask(&world, "DeleteStack", &[("StackName", "s")]).await.status, 200);
    let gone = ask(&world, "DescribeStacks", &[("StackName", "s")]).await;
    assert_eq!(text(&gone, "Message"), "Stack with id s does not exist");
    let by_id = ask(&world, "DescribeStacks", &[("StackName", &id)]).await;
    assert_eq!(text(&by_id, "StackStatus"), "DELETE_COMPLETE");
    let state = world.lock();
    assert_eq!(crate::kms::overview(&state)[0]["state"], Value::from("Enabled"));
    assert!(state.s3.bucket("bucket-of-s").is_none());
    drop(state);
    assert_eq!(queues(&world), [""; 0]);
}

#[tokio::test]
async fn a_hidden_parameter_is_shown_nowhere_and_templates_are_summed_up() {
    let world = world();
    let parameters = [
        ("VaultAccount", "222222222222"),
        ("VaultRegion", "us-west-2"),
        ("ExternalId", "0123456789abcdef"),
    ];
    let created = create_with(&world, SOURCE, &parameters).await;
    assert_eq!(created.status, 200, "{}", created.text);
    let described = ask(&world, "DescribeStacks", &[]).await.text;
    assert!(
        described.contains("CREATE_COMPLETE") && !described.contains("0123456789abcdef"),
        "{described}"
    );
    let of_stack = ask(&world, "GetTemplateSummary", &[("StackName", "s")]).await.text;
    let of_body = ask(&world, "ValidateTemplate", &[("TemplateBody", SOURCE)]).await.text;
    for said in [of_stack, of_body] {
        assert!(
            said.contains("<ParameterKey>ExternalId</ParameterKey>") && said.contains("NAMED_IAM"),
            "{said}"
        );
    }
    let lacking = create(&world, QUEUE, &[("RoleARN", "arn:aws:iam::1:role/x")]).await;
    assert_eq!(text(&lacking, "Code"), "NotImplemented");
}

#[tokio::test]
async fn the_secret_of_a_stack_can_be_read_and_replaced() {
    let world = world();
    create_with(&world, VAULT, &[("SourceAccounts", "333333333333")]).await;
    let ask = async |operation: &str, body: &str| {
        let target = format!("secretsmanager.{operation}");
        call(&world, ACCOUNT, "secretsmanager", &[("x-amz-target", &target)], body).await
    };
    let id = r#"{"SecretId": "amiferry/external-id"}"#;
    let first = ask("GetSecretValue", id).await.ok();
    let text = first["SecretString"].as_str().unwrap();
    assert!(text.len() == 40 && text.chars().all(|c| c.is_ascii_alphanumeric()), "{text}");
    let put = r#"{"SecretId": "amiferry/external-id", "SecretString": "another"}"#;
    assert_ne!(ask("PutSecretValue", put).await.ok()["VersionId"], first["VersionId"]);
    let by_arn = serde_json::json!({ "SecretId": first["ARN"] }).to_string();
    assert_eq!(ask("GetSecretValue", &by_arn).await.ok()["SecretString"], "another");
    let missing = ask("GetSecretValue", r#"{"SecretId": "none"}"#).await;
    assert_eq!(missing.header("x-amzn-errortype"), "ResourceNotFoundException");
}
