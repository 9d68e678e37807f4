//! `GET /_amiferry/credentials/ACCOUNT/ROLE`: what a task of ECS with that role finds as its credentials.
//!
//! No task runs here, so a worker on this machine takes the place of one. The answer has the members that
//! the SDKs expect of the endpoint of a container, and those of a `credential_process`.

use amiferry_core::ids::AccountId;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Refusal, refuse};
use crate::World;
use crate::iam::{self, Access, authorize};
use crate::principal::{Principal, PrincipalKind, SessionContext};
use crate::sts;

/// Who assumes the role of a task.
const TASKS: &str = "ecs-tasks.amazonaws.com";

/// How long the credentials work: those of tasks are replaced within six hours.
const LASTS: SignedDuration = SignedDuration::from_hours(6);

/// Credentials of the role, if its trust policy lets tasks of its account have it.
pub(super) fn of_task(world: &World, account: &str, role: &str) -> Result<Value, Refusal> {
    let account: AccountId = account.parse().map_err(|error| refuse(400, format!("{error}")))?;
    let now = world.now();
    let mut state = world.lock();
    let arn = format!("arn:aws:iam::{account}:role/{role}");
    let found = iam::role(&state, &account, role);
    let found = found.ok_or_else(|| refuse(404, format!("there is no role {arn}")))?;
    let kind = PrincipalKind::Service(TASKS.to_owned());
    let access = Access {
        action: "sts:AssumeRole",
        resource: &arn,
        owner: &account,
        resource_policy: Some(&found.trust),
        context: &[("aws:SourceAccount", account.to_string())],
    };
    authorize(&state, &Principal { account: account.clone(), kind }, &access)
        .map_err(|denial| refuse(403, denial.message))?;
    let expires = now.saturating_add(LASTS).map_err(|error| refuse(500, error.to_string()))?;
    let context = SessionContext { issued: now, ..SessionContext::default() };
    let (role, session) = (role.to_owned(), "task".to_owned());
    let kind = PrincipalKind::Session { role, session, expires, policy: None, context };
    let credentials = sts::issue(&mut state, now, Principal { account, kind });
    Ok(json!({
        "Version": 1,
        "RoleArn": arn,
        "AccessKeyId": credentials.access_key,
        "SecretAccessKey": credentials.secret_key,
        "SessionToken": credentials.token,
        "Token": credentials.token,
        "Expiration": credentials.expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::RoleSpec;
    use crate::testing::{ACCOUNT, call, world};

    fn role(world: &World, name: &str, principal: &str) {
        let trust = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": {principal}, "Action": "sts:AssumeRole",
                "Condition": {{"StringEquals": {{"aws:SourceAccount": "{ACCOUNT}"}}}}}}}}"#
        );
        let spec = RoleSpec {
            name,
            trust_json: &trust,
            permissions_json: r#"{"Version": "2012-10-17", "Statement": []}"#,
            max_session: 3600,
        };
        iam::create_role(&mut world.lock(), &ACCOUNT.parse().unwrap(), &spec).unwrap();
    }

    #[tokio::test]
    async fn a_task_gets_credentials_of_its_role() {
        let world = world();
        role(&world, "worker", r#"{"Service": "ecs-tasks.amazonaws.com"}"#);
        let given = of_task(&world, ACCOUNT, "worker").unwrap();
        assert_eq!(given["Token"], given["SessionToken"]);
        let token = given["Token"].as_str().unwrap();
        let key = given["AccessKeyId"].as_str().unwrap();
        let headers = [("x-amz-security-token", token)];
        let who = call(&world, key, "sts", &headers, "Action=GetCallerIdentity").await;
        let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/worker/task");
        assert_eq!(who.element("Arn"), Some(arn), "{}", who.text);
    }

    #[test]
    fn who_trusts_no_task_gives_none() {
        let world = world();
        role(&world, "person", r#"{"AWS": "*"}"#);
        for (account, name, status) in
            [(ACCOUNT, "nobody", 404), ("1", "person", 400), ("222222222222", "person", 404)]
        {
            assert_eq!(of_task(&world, account, name).unwrap_err().status, status, "{name}");
        }
        role(&world, "other", r#"{"Service": "lambda.amazonaws.com"}"#);
        assert_eq!(of_task(&world, ACCOUNT, "other").unwrap_err().status, 403);
    }
}
