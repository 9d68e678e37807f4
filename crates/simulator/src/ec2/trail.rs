//! `AWS API Call via CloudTrail` events of mutating calls, if the account has a trail.

use serde_json::{Map, Value, json};

use super::{Place, time};
use crate::events;
use crate::principal::{Principal, PrincipalKind};
use crate::wire::answer::REQUEST_ID;
use crate::wire::form::Form;
use crate::wire::{Answer, AnswerBody, ApiError};
use crate::world::State;

/// Members of responses that events repeat.
const RESPONSE_MEMBERS: &[&str] = &["imageId", "objectKey", "snapshotId", "volumeId"];

/// One call that a trail records.
pub(super) struct Recorded<'a> {
    pub caller: &'a Principal,
    pub place: &'a Place,
    pub action: &'a str,
    pub form: &'a Form,
}

impl Recorded<'_> {
    /// Puts the call's event on the default bus. Read-only calls have none: rules get them only
    /// where they ask for all management events, which is not simulated.
    ///
    /// Only parameters that are plain values are repeated.
    pub fn announce(&self, state: &mut State, outcome: &Result<Answer, ApiError>) {
        let read_only = ["Describe", "Get", "List"];
        if read_only.iter().any(|start| self.action.starts_with(start)) {
            return;
        }
        let (account, region) = self.place;
        let now = state.now;
        let parameters: Map<String, Value> = self
            .form
            .plain()
            .filter(|(name, _)| !matches!(*name, "Action" | "Version"))
            .map(|(name, value)| (lower_first(name), json!(value)))
            .collect();
        let mut detail = json!({
            "eventVersion": "1.10",
            "userIdentity": identity(state, self.caller),
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "eventSource": "ec2.amazonaws.com",
            "eventName": self.action,
            "awsRegion": region,
            "sourceIPAddress": "127.0.0.1",
            "userAgent": "simulated",
            "requestParameters": parameters,
            "responseElements": null,
            "requestID": REQUEST_ID,
            "eventID": events::new_uuid(&mut state.rng),
            "readOnly": false,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": account,
            "eventCategory": "Management",
        });
        match outcome {
            Ok(answer) => detail["responseElements"] = response(answer),
            Err(error) => {
                detail["errorCode"] = json!(format!("Client.{}", error.code));
                detail["errorMessage"] = json!(error.message);
            }
        }
        let event = json!({
            "detail-type": "AWS API Call via CloudTrail",
            "source": "aws.ec2",
            "resources": [],
            "detail": detail,
        });
        events::emit(state, now, account, region, &event);
    }
}

fn identity(state: &State, caller: &Principal) -> Value {
    let mut identity = json!({
        "type": if caller.kind == PrincipalKind::Root { "Root" } else { "IAMUser" },
        "principalId": crate::iam::user_id(state, caller),
        "arn": caller.arn(),
        "accountId": caller.account,
    });
    if let (Some(role), Some(session)) = (caller.role_arn(), caller.session_context()) {
        identity["type"] = json!("AssumedRole");
        identity["sessionContext"] = json!({
            "sessionIssuer": { "type": "Role", "arn": role, "accountId": caller.account },
            "attributes": { "creationDate": time::written(session.issued), "mfaAuthenticated": "false" },
        });
    }
    identity
}

/// The ids that an answer gives.
fn response(answer: &Answer) -> Value {
    let mut members = Map::new();
    members.insert("requestId".to_owned(), json!(REQUEST_ID));
    if let AnswerBody::Bytes(bytes) = &answer.body {
        let text = String::from_utf8_lossy(bytes);
        for name in RESPONSE_MEMBERS {
            let value = text
                .split_once(&format!("<{name}>"))
                .and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
            if let Some((value, _)) = value {
                members.insert((*name).to_owned(), json!(value));
            }
        }
    }
    Value::Object(members)
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + letters.as_str())
}
