//! The handwritten cases, each with its reason and the code it is refused under.

use amiferry_hostile::{
    Checked, Outcome, check_config, check_event, check_manifest, check_note, check_tags, config,
    event, manifest, note, tags,
};
use serde_json::Value;

/// One line of a file in `cases/`: `code | base | change | why`.
struct Case {
    code: String,
    base: String,
    change: String,
    why: String,
}

fn cases(file: &'static str) -> Vec<Case> {
    let line = |line: &str| {
        let parts: Vec<String> = line.split(" | ").map(|part| part.trim().to_owned()).collect();
        let [code, base, change, why] = <[String; 4]>::try_from(parts)
            .unwrap_or_else(|parts| panic!("not four parts: {parts:?}"));
        assert!(why.len() > 5, "{line} does not say why");
        Case { code, base, change, why }
    };
    let is_case = |line: &&str| !line.is_empty() && !line.starts_with('#');
    file.lines().filter(is_case).map(line).collect()
}

/// Applies a change: `raw "…"` is the whole body as a JSON string; `/a/b = JSON` sets the value at
/// a pointer; `/a/b -` leaves it out; `"old" => "new"` replaces the first such text.
fn apply(base: &str, change: &str) -> String {
    if let Some(body) = change.strip_prefix("raw ") {
        return serde_json::from_str(body).unwrap_or_else(|error| panic!("{change}: {error}"));
    }
    if let Some((old, new)) = change.split_once(" => ") {
        let text = |quoted: &str| serde_json::from_str::<String>(quoted).unwrap();
        let old = text(old);
        assert!(base.contains(&old), "{old:?} does not occur");
        return base.replacen(&old, &text(new), 1);
    }
    let mut body: Value = serde_json::from_str(base).unwrap();
    let (pointer, value) = match change.split_once(" = ") {
        Some((pointer, value)) => (pointer, Some(serde_json::from_str::<Value>(value).unwrap())),
        None => (change.strip_suffix(" -").unwrap(), None),
    };
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {pointer}"));
    match (parent, value) {
        (Value::Object(object), Some(value)) => drop(object.insert(field.to_owned(), value)),
        (Value::Object(object), None) => {
            assert!(object.remove(field).is_some(), "there is no {pointer}");
        }
        (Value::Array(items), Some(value)) => items[field.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{pointer} lies in {other}"),
    }
    body.to_string()
}

fn hold(
    file: &'static str,
    least: usize,
    base: impl Fn(&str) -> String,
    check: fn(&[u8]) -> Checked,
) {
    let cases = cases(file);
    let mut wrong = Vec::new();
    for Case { code, base: name, change, why } in &cases {
        let body = apply(&base(name), change);
        let found = check(body.as_bytes());
        if found != Ok(Outcome::Refused(code.clone())) {
            wrong.push(format!("{code} is due: {why}: {change}: {found:?}"));
        }
    }
    println!("{} cases by hand", cases.len());
    assert!(wrong.is_empty(), "{} are wrong: {wrong:#?}", wrong.len());
    assert!(cases.len() >= least, "only {} cases", cases.len());
}

#[test]
fn each_message_is_refused_under_its_code() {
    let base = |name: &str| match name.strip_prefix("sns ") {
        Some(inner) => serde_json::json!({
            "Type": "Notification",
            "TopicArn": "arn:aws:sns:us-east-1:111111111111:images",
            "Message": event::valid(inner).unwrap(),
        })
        .to_string(),
        None if name == "-" => String::new(),
        // Its first record alone: some of the others are about other keys.
        None if name == "s3_notification" => {
            let mut body: Value = serde_json::from_str(event::valid(name).unwrap()).unwrap();
            body["Records"].as_array_mut().unwrap().truncate(1);
            assert_eq!(check_event(body.to_string().as_bytes()), Ok(Outcome::Accepted));
            body.to_string()
        }
        None => event::valid(name).unwrap().to_owned(),
    };
    hold(include_str!("../../cases/events.txt"), 100, base, check_event);
}

#[test]
fn each_manifest_is_refused_under_its_code() {
    let valid = manifest::valid().unwrap();
    hold(include_str!("../../cases/manifests.txt"), 60, |_| valid.clone(), check_manifest);
}

#[test]
fn each_note_is_refused_under_its_code() {
    let valid = note::valid().unwrap();
    hold(include_str!("../../cases/notes.txt"), 45, |_| valid.clone(), check_note);
}

#[test]
fn each_configuration_is_refused() {
    let valid = config::valid();
    hold(include_str!("../../cases/configurations.txt"), 50, |_| valid.clone(), check_config);
}

#[test]
fn each_set_of_tags_is_refused_under_its_code() {
    hold(include_str!("../../cases/tags.txt"), 30, |_| tags::VALID.to_owned(), check_tags);
}
