//! Bodies of the greatest accepted length, shaped so that a reader that compares all pairs of their
//! parts would not finish.

use std::collections::BTreeMap;

use amiferry_core::event::{self, RejectCode};
use amiferry_hostile::{Outcome, check_config, check_event, check_manifest, config, manifest};
use amiferry_service::config::Config;

const LARGEST: usize = 1 << 20;

/// `head`, then as many pieces as fit with `tail` into a megabyte.
fn filled(head: &str, piece: impl Fn(usize) -> String, tail: &str) -> String {
    let mut body = head.to_owned();
    for index in 0.. {
        let next = piece(index);
        if body.len() + next.len() + tail.len() > LARGEST {
            break;
        }
        body.push_str(&next);
    }
    body.push_str(tail);
    body
}

fn refused(code: RejectCode) -> Result<Outcome, String> {
    Ok(Outcome::Refused(code.to_string()))
}

#[test]
fn a_message_of_twenty_thousand_images_is_refused_and_one_of_a_thousand_is_read() {
    let head = r#"{"source":"aws.backup","detail-type":"Recovery Point State Change","region":"us-east-1","detail":{"status":"COMPLETED"},"resources":["#;
    let arn = |index: usize| {
        let comma = if index == 0 { "" } else { "," };
        format!("{comma}\"arn:aws:ec2:us-east-1::image/ami-{index:017x}\"")
    };
    let body = filled(head, arn, "]}");
    assert!(body.matches("image/").count() > 15_000);
    assert_eq!(check_event(body.as_bytes()), refused(RejectCode::TooMany));
    for (count, expected) in [(1000, Ok(Outcome::Accepted)), (1001, refused(RejectCode::TooMany))] {
        let arns: String = (0..count).map(arn).collect();
        assert_eq!(check_event(format!("{head}{arns}]}}").as_bytes()), expected, "{count}");
    }
}

#[test]
fn a_message_of_thousands_of_records_is_refused() {
    let record = |index: usize| {
        let comma = if index == 0 { "" } else { "," };
        format!(
            "{comma}{{\"eventSource\":\"aws:s3\",\"eventName\":\"ObjectCreated:Put\",\"s3\":{{\
             \"bucket\":{{\"name\":\"staging-example\"}},\
             \"object\":{{\"key\":\"amiferry/us-east-1/ami-{index:08x}.bin\"}}}}}}"
        )
    };
    let body = filled("{\"Records\":[", record, "]}");
    assert_eq!(check_event(body.as_bytes()), refused(RejectCode::TooMany));
    assert!(event::parse("{\"Records\":[]}").unwrap().hints.is_empty());
}

#[test]
fn a_megabyte_of_names_lists_escapes_or_digits_is_read_or_refused() {
    let image = "{\"image_id\":\"ami-0123456789abcdef0\",\"x\":";
    for body in [
        filled(&format!("{image}{{\"\":0"), |i| format!(",\"{i}\":0"), "}}"),
        filled(&format!("{image}{{\"\":0"), |i| format!(",\"{}{i}\":0", "k".repeat(300)), "}}"),
        filled(&format!("{image}[0"), |_| ",0".to_owned(), "]}"),
        filled(&format!("{image}[[]"), |_| ",[[[[{}]]]]".to_owned(), "]}"),
        filled(&format!("{image}\""), |_| "\\u202e".to_owned(), "\"}"),
        filled(&format!("{image}\""), |_| "\\ud83d\\ude00".to_owned(), "\"}"),
        filled(&format!("{image}0."), |_| "9".to_owned(), "}"),
        filled(image, |_| " ".to_owned(), "0}"),
    ] {
        let end: String = body.chars().rev().take(20).collect();
        assert_eq!(check_event(body.as_bytes()), Ok(Outcome::Accepted), "…{end}");
    }
    let digits = filled(image, |_| "9".to_owned(), "}");
    assert_eq!(check_event(digits.as_bytes()), refused(RejectCode::NotJson));
    let escaped = filled(
        "{\"Records\":[{\"eventSource\":\"aws:s3\",\"eventName\":\"ObjectCreated:\",\"s3\":{\
         \"bucket\":{\"name\":\"staging-example\"},\"object\":{\"key\":\"",
        |_| "%25".to_owned(),
        "\"}}}]}",
    );
    assert_eq!(check_event(escaped.as_bytes()), refused(RejectCode::BadField));
}

#[test]
fn a_manifest_of_a_megabyte_of_tags_or_snapshots_is_judged() {
    let valid = manifest::valid().unwrap();
    for (at, piece) in [
        ("\"tags\": {", "\"t$\":\"v\","),
        ("\"snapshots\": [", "\"snap-0aaaaaaa\","),
        (
            "\"devices\": [",
            "{\"name\":\"$\",\"virtual_name\":null,\"from_snapshot\":true,\"size_gib\":1,\"volume_type\":null,\"iops\":null,\"throughput\":null,\"delete_on_termination\":null},",
        ),
    ] {
        let (head, tail) = valid.split_once(at).unwrap();
        let fill = |index: usize| piece.replace('$', &index.to_string());
        let body = filled(&format!("{head}{at}"), fill, tail);
        assert!(body.len() > LARGEST - 300);
        check_manifest(body.as_bytes()).unwrap();
    }
}

#[test]
fn a_configuration_in_which_thousands_of_things_are_wrong_shows_the_first_of_them() {
    let valid = config::valid();
    let vault = "[[vault]]\naccount = \"222222222222\"\nregion = \"us-west-2\"\nqueue_url = \"http://localhost/a/q\"\nbucket = \"bbb\"\nkey_arn = \"arn:a:b:::c\"\n";
    let policy = "[[policy]]\nname = \"a\"\nselect = {names=[\"*\"]}\nfamily = {fixed=\"x\"}\ntarget_regions = [\"eu-west-1\",\"eu-west-1\"]\nrpo = \"1h\"\n";
    for piece in [vault, policy] {
        let body = filled(&valid, |_| piece.to_owned(), "");
        let error = Config::parse(&body, "f", &BTreeMap::new()).unwrap_err();
        assert!(error.problems.len() <= 50, "{} problems", error.problems.len());
        assert!(error.to_string().contains("more"), "{error}");
        check_config(body.as_bytes()).unwrap();
    }
    let many = filled("", |index| format!("\"aa-{}-1\",", letters(index)), "");
    let body = valid.replacen("target_regions = [", &format!("target_regions = [{many}"), 1);
    let body = &body[..body.len().min(LARGEST)];
    check_config(body.as_bytes()).unwrap();
    let regions =
        filled("", |index| format!("\"aa-{}-1\",", letters(index)), &" ".repeat(valid.len()));
    let body = valid.replacen(
        "target_regions = [",
        &format!("target_regions = [{}", regions.trim_end()),
        1,
    );
    assert!(body.len() <= LARGEST);
    check_config(body.as_bytes()).unwrap();
}

/// A number in lower-case letters.
fn letters(mut number: usize) -> String {
    let mut word = String::from("x");
    while number > 0 {
        word.push(char::from(b'a' + u8::try_from(number % 26).unwrap()));
        number /= 26;
    }
    word
}
