//! What must hold for every text, not only for handwritten cases.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

/// Any JSON of moderate depth.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(".{0,10}", inner, 0..5)
                .prop_map(|object| Value::Object(object.into_iter().collect())),
        ]
    })
}

/// Every place inside a JSON value, as pointers.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                places(inner, &format!("{here}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                places(inner, &format!("{here}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// Adds fields to every object of a value, under names that no shape uses.
fn pad(value: &mut Value, extra: &Map<String, Value>) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(|inner| pad(inner, extra));
            // `{}` is a value of its own in AWS Backup's events: "not known yet".
            if !object.is_empty() {
                object.extend(extra.clone());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| pad(inner, extra)),
        _ => {}
    }
}

/// What holds for any body at all; hints that pin to an object are exact.
fn check_any_body(body: &str) -> Result<(), TestCaseError> {
    match parse(body) {
        Err(reject) => {
            prop_assert!(reject.detail.chars().count() <= MAX_DETAIL_CHARS);
            prop_assert!(!reject.detail.is_empty());
            prop_assert!(!reject.detail.chars().any(char::is_control));
        }
        Ok(parsed) => {
            for hint in &parsed.hints {
                if let Hint::Object(object) = hint
                    && let Ok(Some(image)) = scope().pin_object(object)
                {
                    prop_assert_eq!(&scope().staged_key(&image), &object.key);
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_panic_and_every_refusal_is_safe_to_show(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        check_any_body(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn no_json_panics(value in any_json()) {
        check_any_body(&value.to_string())?;
        check_any_body(&in_sns(&value.to_string()))?;
    }

    #[test]
    fn no_value_in_any_place_of_any_shape_panics(
        index in 0..FIXTURES.len(),
        place in any::<prop::sample::Index>(),
        value in any_json(),
    ) {
        let mut body = fixture(FIXTURES[index].0);
        let mut found = Vec::new();
        places(&body, "", &mut found);
        *body.pointer_mut(place.get::<String>(&found)).unwrap() = value;
        check_any_body(&body.to_string())?;
    }

    #[test]
    fn no_cut_through_a_body_is_accepted(
        index in 0..FIXTURES.len(),
        place in any::<prop::sample::Index>(),
    ) {
        let body = FIXTURES[index].1.trim_end();
        let cut = body.get(..place.index(body.len())).unwrap_or_default();
        prop_assert_eq!(refusal(cut), Some(RejectCode::NotJson));
    }

    #[test]
    fn unknown_fields_anywhere_change_nothing(
        index in 0..FIXTURES.len(),
        extra in prop::collection::btree_map("x-[a-z]{1,8}", any_json(), 1..4),
    ) {
        let mut body = fixture(FIXTURES[index].0);
        let plain = parse(&body.to_string()).unwrap();
        pad(&mut body, &extra.into_iter().collect());
        prop_assert_eq!(parse(&body.to_string()).unwrap(), plain);
    }

    #[test]
    fn a_pinned_key_is_the_exact_staged_key(
        prefix in "(amiferry/|AMIFERRY/|/|\\.\\./|)",
        region in "(us-east-1|us-west-2|us-east-1/\\.\\.|)",
        separator in "(/|//|%2F|)",
        id in "(ami|AMI|snap)-([0-9a-f]{8}|[0-9a-f]{17}|[0-9A-F]{8}|[0-9a-f]{9})",
        suffix in "(\\.bin|\\.BIN|\\.bin/|\\.bin | \\.bin|)",
    ) {
        let key = format!("{prefix}{region}{separator}{id}{suffix}");
        let body = altered("s3_object_created", "/detail/object/key", json!(key));
        let Hint::Object(hint) = parse(&body).unwrap().hints.remove(0) else { unreachable!() };
        let exact = id.parse::<ImageId>().is_ok_and(|image| scope().staged_key(&image).as_str() == key);
        let pinned = scope().pin_object(&hint);
        prop_assert_eq!(matches!(pinned, Ok(Some(_))), exact, "{}", key);
    }
}
