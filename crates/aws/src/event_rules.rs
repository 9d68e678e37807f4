//! Rules of the default event bus, and EventBridge's own judgement of their patterns.

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::Arn;
use amiferry_core::ports::{EventRule, EventRules};
use async_trait::async_trait;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::RuleState;

use crate::call::Call;
use crate::client::Session;

/// Names of one page, the most that there may be.
const PAGE: i32 = 100;

/// Pages that are read: EventBridge admits 300 rules on a bus, and raises that to a few thousand.
const PAGES: usize = 100;

/// The default bus of an account, in the session's Region.
#[derive(Debug, Clone)]
pub struct DefaultBus {
    session: Session,
    client: Client,
    /// What stands before a rule's name in its ARN, for faults.
    rules: String,
}

impl DefaultBus {
    /// The bus of the account and Region of `beside`, which are those of the session.
    pub fn new(session: &Session, beside: &Arn) -> Self {
        let partition = beside.as_str().split(':').nth(1).unwrap_or("aws");
        let account = beside.account().map(|account| account.to_string()).unwrap_or_default();
        let rules = format!("arn:{partition}:events:{}:{account}:rule/", session.region());
        Self { client: session.events(), session: session.clone(), rules }
    }
}

#[async_trait]
impl EventRules for DefaultBus {
    async fn sending_to(&self, target: &Arn) -> Result<Vec<String>, Fault> {
        let call = Call::new("events:ListRuleNamesByTarget", target.as_str());
        let (mut names, mut token) = (Vec::new(), None);
        for _ in 0..PAGES {
            let request = self
                .client
                .list_rule_names_by_target()
                .target_arn(target.as_str())
                .limit(PAGE)
                .set_next_token(token.take());
            let answer = self.session.send(&call, request.send()).await?;
            // A target without rules may have no list.
            names.extend(answer.rule_names.unwrap_or_default());
            token = answer.next_token.filter(|next| !next.is_empty());
            if token.is_none() {
                return Ok(names);
            }
        }
        let detail = format!("the list of rules does not end after {PAGES} pages");
        Err(call.fault(FaultClass::Bug, "UnexpectedAnswer", &detail))
    }

    async fn rule(&self, name: &str) -> Result<Option<EventRule>, Fault> {
        let own = format!("{}{name}", self.rules);
        let call = Call::new("events:DescribeRule", own.as_str());
        let request = self.client.describe_rule().name(name);
        let answer = match self.session.send(&call, request.send()).await {
            Ok(answer) => answer,
            Err(fault) if fault.class == FaultClass::NotFound => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let state = answer.state.ok_or_else(|| call.unexpected("State", None))?;
        Ok(Some(EventRule {
            name: answer.name.unwrap_or_else(|| name.to_owned()),
            arn: answer.arn.unwrap_or(own),
            // A rule that takes more than others is enabled.
            is_enabled: state != RuleState::Disabled,
            pattern: answer.event_pattern.filter(|pattern| !pattern.is_empty()),
        }))
    }

    async fn takes(&self, pattern: &str, event: &str) -> Result<bool, Fault> {
        let call = Call::new("events:TestEventPattern", self.session.region().as_str());
        let request = self.client.test_event_pattern().event_pattern(pattern).event(event);
        Ok(self.session.send(&call, request.send()).await?.result)
    }
}
