//! Finds the messages in what `aws sqs receive-message` prints: people who look for a message have
//! that, and not its body alone.

use serde_json::Value;

use super::json;

/// One message of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// SQS's id of it.
    pub id: Option<String>,
    /// The text that a worker would read.
    pub body: String,
}

/// The messages in an answer of `ReceiveMessage`, or in one message of it; `None` for any other
/// text.
pub fn received(text: &str) -> Option<Vec<Received>> {
    let Value::Object(answer) = json::parse(text).ok()? else { return None };
    match answer.get("Messages") {
        Some(Value::Array(messages)) => messages.iter().map(message).collect(),
        Some(_) => None,
        None => Some(vec![message(&Value::Object(answer))?]),
    }
}

fn message(value: &Value) -> Option<Received> {
    // No shape that workers read has both.
    value.get("ReceiptHandle").or_else(|| value.get("MessageId"))?;
    let body = value.get("Body")?.as_str()?.to_owned();
    let id = value.get("MessageId").and_then(Value::as_str).map(str::to_owned);
    Some(Received { id, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: &str, body: &str) -> Received {
        Received { id: Some(id.to_owned()), body: body.to_owned() }
    }

    #[test]
    fn the_messages_of_an_answer_are_found_with_their_ids() {
        let one = r#"{"MessageId": "1", "ReceiptHandle": "x", "Body": "{}"}"#;
        let two = r#"{"MessageId": "2", "ReceiptHandle": "y", "Body": "Hello"}"#;
        assert_eq!(
            received(&format!("{{\"Messages\": [{one}, {two}]}}")),
            Some(vec![of("1", "{}"), of("2", "Hello")])
        );
        assert_eq!(received(one), Some(vec![of("1", "{}")]));
        assert_eq!(received(r#"{"Messages": []}"#), Some(Vec::new()));
    }

    #[test]
    fn other_texts_are_no_answer() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"Body": "{}"}"#,
            r#"{"Messages": 1}"#,
            r#"{"Messages": [{"MessageId": "1"}]}"#,
            r#"{"Type": "Notification", "MessageId": "1", "Message": "{}"}"#,
            r#"{"image_id": "ami-0123456789abcdef0"}"#,
        ] {
            assert_eq!(received(text), None, "{text}");
        }
    }
}
