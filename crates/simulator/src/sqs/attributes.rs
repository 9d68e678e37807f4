//! Queue attributes: their ranges, and their text form on the wire.

use amiferry_core::ids::Arn;
use serde_json::{Value, json};

use super::error;
use crate::iam::Policy;
use crate::wire::ApiError;

/// The largest message, and the largest batch, in bytes.
pub const LARGEST_MESSAGE: u32 = 1_048_576;

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue, of the same account and Region.
    pub target: Arn,
    /// After this many receives, the next attempt moves the message.
    pub max_receive_count: u32,
}

/// What `SetQueueAttributes` sets; times in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// `VisibilityTimeout`.
    pub visibility: u32,
    /// `DelaySeconds`.
    pub delay: u32,
    /// `MessageRetentionPeriod`.
    pub retention: u32,
    /// `MaximumMessageSize`, in bytes.
    pub maximum_size: u32,
    /// `ReceiveMessageWaitTimeSeconds`.
    pub wait: u32,
    /// `RedrivePolicy`.
    pub redrive: Option<Redrive>,
    /// `RedriveAllowPolicy`, as given.
    pub redrive_allow: Option<String>,
    /// `Policy`, as given and parsed.
    pub policy: Option<(String, Policy)>,
    /// `KmsMasterKeyId`.
    pub kms_key: Option<String>,
    /// `KmsDataKeyReusePeriodSeconds`.
    pub kms_reuse: u32,
    /// `SqsManagedSseEnabled`.
    pub managed_encryption: bool,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            visibility: 30,
            delay: 0,
            retention: 345_600,
            maximum_size: LARGEST_MESSAGE,
            wait: 0,
            redrive: None,
            redrive_allow: None,
            policy: None,
            kms_key: None,
            kms_reuse: 300,
            managed_encryption: true,
        }
    }
}

impl Attributes {
    /// The attributes that [`Attributes::set`] takes and [`Attributes::get`] gives.
    pub const NAMES: [&str; 11] = [
        "VisibilityTimeout",
        "DelaySeconds",
        "MessageRetentionPeriod",
        "MaximumMessageSize",
        "ReceiveMessageWaitTimeSeconds",
        "RedrivePolicy",
        "RedriveAllowPolicy",
        "Policy",
        "KmsMasterKeyId",
        "KmsDataKeyReusePeriodSeconds",
        "SqsManagedSseEnabled",
    ];

    /// Sets one attribute from its text; an empty text removes a policy or key.
    ///
    /// # Errors
    /// `InvalidAttributeName` or `InvalidAttributeValue`, naming attribute and reason.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        let given = || (!value.is_empty()).then(|| value.to_owned());
        match name {
            "VisibilityTimeout" => self.visibility = number(name, value, 0, 43_200)?,
            "DelaySeconds" => self.delay = number(name, value, 0, 900)?,
            "MessageRetentionPeriod" => self.retention = number(name, value, 60, 1_209_600)?,
            "MaximumMessageSize" => {
                self.maximum_size = number(name, value, 1024, LARGEST_MESSAGE)?;
            }
            "ReceiveMessageWaitTimeSeconds" => self.wait = number(name, value, 0, 20)?,
            "RedrivePolicy" => self.redrive = given().map(|text| redrive(&text)).transpose()?,
            "RedriveAllowPolicy" => {
                if let Some(text) = given() {
                    RedriveAllow::parse(&text)?;
                }
                self.redrive_allow = given();
            }
            "Policy" => {
                let parse = |text: String| match Policy::parse(&text) {
                    Ok(policy) => Ok((text, policy)),
                    Err(why) => Err(error::attribute_value(name, &why)),
                };
                self.policy = given().map(parse).transpose()?;
            }
            "KmsMasterKeyId" => self.kms_key = given(),
            "KmsDataKeyReusePeriodSeconds" => self.kms_reuse = number(name, value, 60, 86_400)?,
            "SqsManagedSseEnabled" => {
                self.managed_encryption = value
                    .parse()
                    .map_err(|_| error::attribute_value(name, "it must be true or false"))?;
            }
            "FifoQueue" => {
                let why = "the simulated SQS has standard queues only; leave the attribute out";
                return Err(error::attribute_value(name, why));
            }
            _ => return Err(error::attribute_name(name)),
        }
        Ok(())
    }

    /// The text of one attribute; `None` if it is not set, or not known here.
    pub fn get(&self, name: &str) -> Option<String> {
        match name {
            "VisibilityTimeout" => Some(self.visibility.to_string()),
            "DelaySeconds" => Some(self.delay.to_string()),
            "MessageRetentionPeriod" => Some(self.retention.to_string()),
            "MaximumMessageSize" => Some(self.maximum_size.to_string()),
            "ReceiveMessageWaitTimeSeconds" => Some(self.wait.to_string()),
            "RedrivePolicy" => self.redrive.as_ref().map(|redrive| {
                json!({
                    "deadLetterTargetArn": redrive.target,
                    "maxReceiveCount": redrive.max_receive_count,
                })
                .to_string()
            }),
            "RedriveAllowPolicy" => self.redrive_allow.clone(),
            "Policy" => self.policy.as_ref().map(|(text, _)| text.clone()),
            "KmsMasterKeyId" => self.kms_key.clone(),
            "KmsDataKeyReusePeriodSeconds" => {
                self.kms_key.as_ref().map(|_| self.kms_reuse.to_string())
            }
            "SqsManagedSseEnabled" => {
                Some((self.managed_encryption && self.kms_key.is_none()).to_string())
            }
            _ => None,
        }
    }
}

/// Which queues may name this one as their dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedriveAllow {
    /// Any of the account and Region; also without a policy.
    All,
    /// None.
    None,
    /// These.
    Queues(Vec<String>),
}

impl RedriveAllow {
    /// Reads a `RedriveAllowPolicy`.
    ///
    /// # Errors
    /// `InvalidAttributeValue`.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let refuse = |why: &str| error::attribute_value("RedriveAllowPolicy", why);
        let policy: Value =
            serde_json::from_str(text).map_err(|error| refuse(&error.to_string()))?;
        let sources = policy.get("sourceQueueArns").and_then(Value::as_array);
        match (policy.get("redrivePermission").and_then(Value::as_str), sources) {
            (Some("allowAll"), None) => Ok(Self::All),
            (Some("denyAll"), None) => Ok(Self::None),
            (Some("byQueue"), Some(arns)) if (1..=10).contains(&arns.len()) => {
                Ok(Self::Queues(arns.iter().filter_map(Value::as_str).map(str::to_owned).collect()))
            }
            _ => Err(refuse(
                "redrivePermission must be allowAll, denyAll, or byQueue with 1 to 10 sourceQueueArns",
            )),
        }
    }

    /// Whether it admits a source queue.
    pub fn admits(&self, source: &Arn) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Queues(arns) => arns.iter().any(|arn| arn == source.as_str()),
        }
    }
}

fn number(name: &str, value: &str, least: u32, most: u32) -> Result<u32, ApiError> {
    value.parse().ok().filter(|number| (least..=most).contains(number)).ok_or_else(|| {
        error::attribute_value(name, &format!("{value:?} is not a number from {least} to {most}"))
    })
}

fn redrive(text: &str) -> Result<Redrive, ApiError> {
    let refuse = |why: &str| error::attribute_value("RedrivePolicy", why);
    let policy: Value = serde_json::from_str(text).map_err(|error| refuse(&error.to_string()))?;
    let target = policy.get("deadLetterTargetArn").and_then(Value::as_str);
    let target =
        target.and_then(|arn| arn.parse::<Arn>().ok()).filter(|arn| arn.service() == "sqs");
    let count = match policy.get("maxReceiveCount") {
        None => Some(10),
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_u64(),
    };
    let count = count.and_then(|count| u32::try_from(count).ok());
    match (target, count) {
        (None, _) => Err(refuse("deadLetterTargetArn must be the ARN of a queue")),
        (Some(target), Some(max_receive_count @ 1..=1000)) => {
            Ok(Redrive { target, max_receive_count })
        }
        (Some(_), _) => Err(refuse("maxReceiveCount must be 1 to 1000")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_comes_back_as_it_was_set() {
        let mut attributes = Attributes::default();
        let policy = r#"{"Version":"2012-10-17","Statement":[]}"#;
        for (name, value) in [
            ("VisibilityTimeout", "43200"),
            ("DelaySeconds", "900"),
            ("MessageRetentionPeriod", "60"),
            ("MaximumMessageSize", "1024"),
            ("ReceiveMessageWaitTimeSeconds", "20"),
            ("Policy", policy),
            ("SqsManagedSseEnabled", "false"),
            (
                "RedrivePolicy",
                r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:111111111111:d","maxReceiveCount":5}"#,
            ),
        ] {
            attributes.set(name, value).unwrap();
            assert_eq!(attributes.get(name).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn values_outside_their_range_are_refused_by_name() {
        for (name, value) in [
            ("VisibilityTimeout", "43201"),
            ("DelaySeconds", "-1"),
            ("MessageRetentionPeriod", "59"),
            ("MaximumMessageSize", "1048577"),
            ("ReceiveMessageWaitTimeSeconds", "21"),
            ("RedrivePolicy", "{}"),
            (
                "RedrivePolicy",
                r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:1:d","maxReceiveCount":"0"}"#,
            ),
            ("Policy", "{"),
            ("SqsManagedSseEnabled", "yes"),
            ("FifoQueue", "true"),
        ] {
            let error = Attributes::default().set(name, value).unwrap_err();
            assert_eq!(error.code, "InvalidAttributeValue", "{name}");
            assert!(error.message.contains(name), "{}", error.message);
        }
        let error = Attributes::default().set("Colour", "red").unwrap_err();
        assert_eq!(error.code, "InvalidAttributeName");
    }
}
