//! Mutators of JSON that stay JSON, or nearly: types, numbers, names, nesting, texts, identities.

use crate::Mutator;
use crate::json::{self, Json};

/// For any JSON object.
pub const ALL: &[Mutator] = &[
    Mutator { name: "wrong type in each place", refused: false, make: wrong_type },
    Mutator { name: "odd number in each place", refused: false, make: odd_number },
    Mutator { name: "no number at all in each place", refused: true, make: no_number },
    Mutator { name: "a name twice", refused: true, make: name_twice },
    Mutator { name: "nested too deep in each place", refused: true, make: too_deep },
    Mutator { name: "hostile text in each place", refused: false, make: hostile_text },
    Mutator { name: "something behind each text", refused: false, make: affixed },
    Mutator { name: "a field left out", refused: false, make: left_out },
    Mutator { name: "a name in other letters", refused: false, make: renamed },
    Mutator { name: "an unknown field", refused: false, make: unknown_field },
    Mutator { name: "half a surrogate in each text", refused: true, make: half_surrogate },
    Mutator { name: "spoofed identity", refused: false, make: spoofed },
];

/// For a body with a text of 40 characters at least, such as a key.
pub const LARGE: &[Mutator] =
    &[Mutator { name: "a megabyte in each text", refused: true, make: megabyte }];

/// Steps from the outermost value to one inside it.
type Place = Vec<usize>;

fn places(value: &Json, here: &mut Place, found: &mut Vec<Place>) {
    found.push(here.clone());
    let mut inside = |inner: &Json, index: usize| {
        here.push(index);
        places(inner, here, found);
        here.pop();
    };
    match value {
        Json::List(items) => items.iter().enumerate().for_each(|(i, item)| inside(item, i)),
        Json::Object(fields) => {
            fields.iter().enumerate().for_each(|(i, (_, value))| inside(value, i));
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Raw(_) => {}
    }
}

fn at<'a>(value: &'a mut Json, place: &[usize]) -> Option<&'a mut Json> {
    place.iter().try_fold(value, |value, index| match value {
        Json::List(items) => items.get_mut(*index),
        Json::Object(fields) => fields.get_mut(*index).map(|(_, value)| value),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Raw(_) => None,
    })
}

/// Every body that a change of one value makes; the change gives each value's replacements.
fn each_place(body: &str, change: impl Fn(&Json) -> Vec<Json>) -> Vec<Vec<u8>> {
    let Some(value) = json::read(body) else { return Vec::new() };
    let mut found = Vec::new();
    places(&value, &mut Vec::new(), &mut found);
    let mut bodies = Vec::new();
    for place in found {
        let mut copy = value.clone();
        let Some(before) = at(&mut copy, &place).map(|inner| inner.clone()) else { continue };
        for replacement in change(&before) {
            if let Some(inner) = at(&mut copy, &place) {
                *inner = replacement;
            }
            bodies.push(copy.write().into_bytes());
        }
    }
    bodies
}

fn raw(tokens: &[&str]) -> Vec<Json> {
    tokens.iter().map(|token| Json::Raw((*token).to_owned())).collect()
}

fn wrong_type(body: &str) -> Vec<Vec<u8>> {
    let others =
        ["null", "true", "0", "\"\"", "\"x\"", "[]", "{}", "[[]]", "[null]", "{\"\":null}"];
    each_place(body, |_| raw(&others))
}

fn odd_number(body: &str) -> Vec<Vec<u8>> {
    let odd = [
        "-0",
        "-1",
        "0.5",
        "1e308",
        "-1e308",
        "5e-324",
        "1e-999",
        "18446744073709551615",
        "18446744073709551616",
        "9223372036854775808",
        "-9223372036854775809",
        "4294967296",
        "1.0",
        "1E0",
        "0.1e1",
        "1e15",
        "100000000000000000000000000000000000000000",
    ];
    each_place(body, |_| raw(&odd))
}

fn no_number(body: &str) -> Vec<Vec<u8>> {
    let none = [
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "1e999",
        "-1e999",
        "01",
        "-01",
        "+1",
        "0x10",
        "1_000",
        ".5",
        "5.",
        "1e",
        "1e+",
        "--1",
        "-",
        "１",
        "0b1",
        "1f",
        "undefined",
        "True",
        "None",
    ];
    each_place(body, |_| raw(&none))
}

/// Every field again: the same, with another value, and with the name's first letter escaped.
fn name_twice(body: &str) -> Vec<Vec<u8>> {
    each_place(body, |value| {
        let Json::Object(fields) = value else { return Vec::new() };
        let mut doubled = Vec::new();
        for (name, value) in fields {
            for again in [value.clone(), Json::Null, Json::Text("x".to_owned())] {
                let mut more = fields.clone();
                more.push((name.clone(), again.clone()));
                doubled.push(Json::Object(more));
                let mut before = fields.clone();
                before.insert(0, (name.clone(), again));
                doubled.push(Json::Object(before));
            }
            if let Some(first) = name.chars().next() {
                let start: String = Json::Object(fields.clone()).write();
                let escaped = format!("\\u{:04x}{}", u32::from(first), &name[first.len_utf8()..]);
                let open = start.strip_suffix('}').unwrap_or(&start);
                doubled.push(Json::Raw(format!("{open},\"{escaped}\":{}}}", value.write())));
            }
        }
        doubled
    })
}

fn too_deep(body: &str) -> Vec<Vec<u8>> {
    let nested = |open: &str, close: &str, levels: usize| {
        Json::Raw(format!("{}0{}", open.repeat(levels), close.repeat(levels)))
    };
    each_place(body, |_| {
        vec![
            nested("[", "]", 33),
            nested("{\"a\":", "}", 33),
            nested("[{\"a\":", "}]", 200),
            nested("[", "", 5_000),
            nested("{\"a\":[", "", 1_000),
        ]
    })
}

fn half_surrogate(body: &str) -> Vec<Vec<u8>> {
    each_text(body, |text| {
        let halves = ["\\ud800", "\\udfff", "\\ud83d\\u0041", "\\uD800\\uD800", "\\u12", "\\x41"];
        let text = Json::Text(text.to_owned()).write();
        let open = text.strip_suffix('"').unwrap_or(&text).to_owned();
        halves.iter().map(|half| Json::Raw(format!("{open}{half}\""))).collect()
    })
}

fn each_text(body: &str, change: impl Fn(&str) -> Vec<Json>) -> Vec<Vec<u8>> {
    each_place(body, |value| match value {
        Json::Text(text) => change(text),
        _ => Vec::new(),
    })
}

/// Texts that end, escape, reorder, climb or select where they are used unchecked.
pub const HOSTILE: &[&str] = &[
    "",
    " ",
    "\0",
    "\n",
    "\r\nx-amz-acl: public-read",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "\u{202e}nib.0fedcba9876543210-ima",
    "\u{2066}ami-01234567\u{2069}",
    "\u{200b}",
    "\u{feff}ami-01234567",
    "ami-01234567\u{200d}",
    "\u{e0041}\u{e0042}",
    "../../etc/passwd",
    "amiferry/../us-east-1/ami-01234567.bin",
    "amiferry/us-east-1/../../other/ami-01234567.bin",
    "%2e%2e%2f",
    "amiferry%252Fus-east-1%252Fami-01234567.bin",
    "amiferry%2Fus-east-1%2Fami-01234567.bin",
    "amiferry/us-east-1/ami-01234567.bin%00.txt",
    "amiferry+us-east-1+ami-01234567.bin",
    "%",
    "%u0041",
    "%ff%fe",
    "%c0%ae",
    "arn:aws:ec2:us-east-1::image/ami-01234567",
    "arn:aws:ec2:eu-west-1:999999999999:image/ami-01234567",
    "arn:aws:ec2:::image/../ami-01234567",
    "arn:aws:ec2:us-east-1::image/ami-01234567/x",
    "ami-01234567",
    "ami-0123456789abcdef0",
    "AMI-01234567",
    "ami-０１２３４５６７",
    "аmi-01234567",
    "snap-01234567",
    "111111111111",
    "１１１１１１１１１１１１",
    "999999999999",
    "us-east-1",
    "US-EAST-1",
    "us-east-1a",
    "staging-example",
    "Staging-Example",
    "staging-example.s3.amazonaws.com",
    "arn:aws:s3:::staging-example",
    "COMPLETED",
    "available",
    "aws.ec2",
    "aws.",
    "' OR '1'='1",
    "$(id)",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "<!--#exec-->",
    "--help",
    "*",
    "2026-13-45T99:99:99Z",
    "+262142-12-31T23:59:60Z",
    "é\u{301}\u{301}\u{301}\u{301}",
    "\u{fdd0}\u{ffff}",
];

fn hostile_text(body: &str) -> Vec<Vec<u8>> {
    each_text(body, |_| {
        let long = "x".repeat(3000);
        let mut texts: Vec<Json> = HOSTILE.iter().map(|t| Json::Text((*t).to_owned())).collect();
        texts.push(Json::Text(long));
        texts.push(Json::Text("\u{202e}".repeat(700)));
        texts
    })
}

fn affixed(body: &str) -> Vec<Vec<u8>> {
    let affixes = [
        " ",
        "\0",
        "\n",
        "\t",
        "\u{a0}",
        "\u{202e}",
        "\u{200b}",
        "\u{301}",
        "/",
        "//",
        "/.",
        "/..",
        "\\",
        "%00",
        "%20",
        "+",
        "%2F..",
        "?versionId=1",
        "#",
        ";",
        ",",
        ":",
        ".bin",
        ".",
        "0",
        "a",
        "A",
        "'",
        "\"",
        "<",
        "|",
        "\u{feff}",
    ];
    let mut bodies = each_text(body, |text| {
        affixes
            .iter()
            .flat_map(|affix| [format!("{text}{affix}"), format!("{affix}{text}")])
            .map(Json::Text)
            .collect()
    });
    bodies.extend(each_text(body, |text| {
        vec![Json::Text(text.to_uppercase()), Json::Text(text.replace('/', "\\"))]
    }));
    bodies
}

/// All objects that a change of one field makes; `None` leaves the field out.
fn each_field(
    body: &str,
    change: impl Fn(&str, &Json) -> Vec<Option<(String, Json)>>,
) -> Vec<Vec<u8>> {
    each_place(body, |value| {
        let Json::Object(fields) = value else { return Vec::new() };
        let mut objects = Vec::new();
        for (index, (name, value)) in fields.iter().enumerate() {
            for field in change(name, value) {
                let mut changed = fields.clone();
                match field {
                    Some(field) => changed[index] = field,
                    None => drop(changed.remove(index)),
                }
                objects.push(Json::Object(changed));
            }
        }
        objects
    })
}

fn left_out(body: &str) -> Vec<Vec<u8>> {
    each_field(body, |_, _| vec![None])
}

fn renamed(body: &str) -> Vec<Vec<u8>> {
    each_field(body, |name, value| {
        let names = [
            name.to_uppercase(),
            name.replace('a', "а"),
            name.replace(['-', '_'], ""),
            format!("{name} "),
            format!("\u{200b}{name}"),
            format!("{name}\0"),
            name.chars().rev().collect(),
        ];
        names.into_iter().filter(|new| new != name).map(|new| Some((new, value.clone()))).collect()
    })
}

fn unknown_field(body: &str) -> Vec<Vec<u8>> {
    let extra = ["__proto__", "\u{202e}", "", "x\0y", "$ref", "detail-Type", "Detail", "_", "é"];
    each_place(body, |value| {
        let Json::Object(fields) = value else { return Vec::new() };
        let more = |name: &&str| {
            let mut fields = fields.clone();
            fields.push(((*name).to_owned(), Json::Raw("[{\"a\":1e5},null]".to_owned())));
            Json::Object(fields)
        };
        extra.iter().map(more).collect()
    })
}

/// Another account, Region, bucket or image wherever the configured one stands: at one place, and
/// at all of them.
fn spoofed(body: &str) -> Vec<Vec<u8>> {
    let identities: &[(&str, &[&str])] = &[
        (
            "111111111111",
            &[
                "999999999999",
                "222222222222",
                "11111111111",
                "1111111111111",
                "１１１１１１１１１１１１",
                "111111111112",
            ],
        ),
        ("us-east-1", &["us-east-2", "us-west-1", "eu-west-1", "us-east-10", "us-gov-east-1"]),
        (
            "staging-example",
            &["staging-example2", "xstaging-example", "staging.example", "staging-exampIe", "evil"],
        ),
        ("vault-example", &["vault-example2", "vau1t-example", "evil"]),
        (
            "amiferry/",
            &["amiferry2/", "other/", "/amiferry/", "amiferry//", "./amiferry/", "Amiferry/"],
        ),
        (
            "ami-0123456789abcdef0",
            &["ami-0123456789abcdef1", "ami-01234567", "ami-0123456789ABCDEF0"],
        ),
        ("222222222222", &["111111111111", "333333333333"]),
    ];
    let mut bodies = Vec::new();
    for (own, others) in identities {
        for other in *others {
            if body.contains(own) {
                bodies.push(body.replace(own, other).into_bytes());
            }
            for (at, _) in body.match_indices(own) {
                let (before, after) = (&body[..at], &body[at + own.len()..]);
                bodies.push(format!("{before}{other}{after}").into_bytes());
            }
        }
    }
    bodies
}

/// A megabyte of several alphabets in place of the first texts.
fn megabyte(body: &str) -> Vec<Vec<u8>> {
    let Some(value) = json::read(body) else { return Vec::new() };
    let mut found = Vec::new();
    places(&value, &mut Vec::new(), &mut found);
    let mut bodies = Vec::new();
    for (index, place) in found.into_iter().enumerate() {
        let mut copy = value.clone();
        let Some(inner) = at(&mut copy, &place) else { continue };
        if matches!(inner, Json::Text(_)) {
            let piece = ["x", "/", "é", "%41", "\u{202e}", "ami-01234567:"][index % 6];
            *inner = Json::Text(piece.repeat((1 << 20) / piece.len() + 1));
            bodies.push(copy.write().into_bytes());
        }
    }
    bodies
}
