//! Mutators of text in lines of `key = value`: TOML, and the tag files of this crate.

use crate::Mutator;
use crate::tree::HOSTILE;

/// For the configuration.
pub const TOML: &[Mutator] = &[
    Mutator { name: "odd value for each key", refused: false, make: odd_value },
    Mutator { name: "hostile text for each key", refused: false, make: hostile_toml },
    Mutator { name: "a key twice", refused: true, make: key_twice },
    Mutator { name: "an unknown key", refused: true, make: unknown_key },
    Mutator { name: "a line left out", refused: false, make: line_left_out },
    Mutator { name: "a line moved to the end", refused: false, make: line_moved },
    Mutator { name: "nested too deep for each key", refused: true, make: nested_toml },
    Mutator { name: "longer than allowed", refused: true, make: too_long },
    Mutator { name: "foreign start", refused: false, make: foreign_start },
];

/// The mutators of tag lines.
pub const TAGS: &[Mutator] = &[
    Mutator { name: "cut at every byte", refused: false, make: cut },
    Mutator { name: "hostile value for each tag", refused: false, make: hostile_tag },
    Mutator { name: "a tag left out", refused: false, make: line_left_out },
    Mutator { name: "a tag under another name", refused: false, make: tag_renamed },
    Mutator { name: "many more tags", refused: false, make: many_tags },
    Mutator { name: "spoofed tag", refused: true, make: spoofed_tag },
    Mutator { name: "something behind each value", refused: false, make: affixed_tag },
];

/// Every text that a change of one `key = value` line makes.
fn each_line(body: &str, change: impl Fn(&str, &str) -> Vec<String>) -> Vec<Vec<u8>> {
    let lines: Vec<&str> = body.lines().collect();
    let mut bodies = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        for changed in change(key, value) {
            let mut copy: Vec<&str> = lines.clone();
            copy[index] = &changed;
            bodies.push((copy.join("\n") + "\n").into_bytes());
        }
    }
    bodies
}

fn odd_value(body: &str) -> Vec<Vec<u8>> {
    let odd = [
        "",
        "nan",
        "inf",
        "-inf",
        "-0",
        "-1",
        "0",
        "0.5",
        "1e999",
        "18446744073709551616",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "0xFF",
        "01",
        "1_0",
        "4294967296",
        "true",
        "\"\"",
        "''",
        "[]",
        "{}",
        "[[]]",
        "{ a = 1 }",
        "\"x\"",
        "[\"x\"]",
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "\"1\"",
        "\"\"\"\nx\n\"\"\"",
        "\"unclosed",
        "[1, ",
        "{ tags = {}, names = [] }",
        "\"0s\"",
        "\"-1h\"",
        "\"1 month\"",
        "\"9999999w\"",
        "\"PT1H\"",
        "\"1h\" x",
    ];
    each_line(body, |key, _| odd.iter().map(|value| format!("{key}= {value}")).collect())
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn hostile_toml(body: &str) -> Vec<Vec<u8>> {
    let more = [
        "https://sqs.us-east-1.amazonaws.com.evil.example/111111111111/q",
        "https://evil.example/111111111111/q",
        "http://169.254.169.254/latest/meta-data",
        "https://sqs.us-east-1.amazonaws.com@evil.example/111111111111/q",
        "file:///etc/passwd",
        "0.0.0.0:9464",
        "[::]:9464",
        "127.0.0.1:99999",
        "arn:aws:iam::999999999999:role/x",
        "arn:aws:iam::111111111111:role/",
        "arn:aws:iam::111111111111:root",
        "arn:aws:kms:us-west-2:222222222222:alias/x",
        "arn:aws:kms:*:222222222222:key/x",
    ];
    each_line(body, |key, _| {
        let mut texts: Vec<String> = HOSTILE.iter().chain(&more).map(|t| quoted(t)).collect();
        texts.push(quoted(&"x".repeat(3000)));
        texts.push(quoted(&"\u{202e}".repeat(700)));
        // Written as it is, without an escape.
        texts.push("\"\u{202e}\u{200b}\"".to_owned());
        texts.push("\"\u{1b}[2J\"".to_owned());
        texts.into_iter().map(|text| format!("{key}= {text}")).collect()
    })
}

fn key_twice(body: &str) -> Vec<Vec<u8>> {
    each_line(body, |key, value| {
        vec![
            format!("{key}={value}\n{key}={value}"),
            format!("{key}={value}\n\"{}\" = 1", key.trim()),
            format!("{key}={value}\n{}.x = 1", key.trim()),
        ]
    })
}

fn unknown_key(body: &str) -> Vec<Vec<u8>> {
    let long = "k".repeat(200_000);
    // Backticks are what serde's message sets names in: the search for the nearest one reads it.
    let ticks = format!("\"{long}`x`{long}\"");
    let names =
        ["x", "\"\"", "\"\u{202e}\"", "\"\\u0000\"", "\"a`b`c\"", "Region", "\"région\"", "a.b.c"];
    let mut bodies = each_line(body, |key, value| {
        names.iter().map(|name| format!("{key}={value}\n{name} = 1")).collect()
    });
    bodies.push(format!("{body}{ticks} = 1\n").into_bytes());
    bodies.push(format!("{body}{long} = 1\n").into_bytes());
    bodies.push(format!("{body}[{long}]\n").into_bytes());
    bodies
}

fn line_left_out(body: &str) -> Vec<Vec<u8>> {
    let lines: Vec<&str> = body.lines().collect();
    let without = |index: usize| {
        let mut copy = lines.clone();
        copy.remove(index);
        (copy.join("\n") + "\n").into_bytes()
    };
    (0..lines.len()).filter(|i| !lines[*i].starts_with('#')).map(without).collect()
}

fn line_moved(body: &str) -> Vec<Vec<u8>> {
    let lines: Vec<&str> = body.lines().collect();
    let moved = |index: usize| {
        let mut copy = lines.clone();
        let line = copy.remove(index);
        copy.push(line);
        (copy.join("\n") + "\n").into_bytes()
    };
    (0..lines.len()).filter(|i| !lines[*i].starts_with('#')).map(moved).collect()
}

fn nested_toml(body: &str) -> Vec<Vec<u8>> {
    each_line(body, |key, _| {
        vec![
            format!("{key}= {}{}", "[".repeat(200), "]".repeat(200)),
            format!("{key}= {}1{}", "{a=".repeat(200), "}".repeat(200)),
            format!("{key}= {}", "[".repeat(20_000)),
            format!("{}.{}= 1", key.trim(), vec!["a"; 5_000].join(".")),
        ]
    })
}

fn too_long(body: &str) -> Vec<Vec<u8>> {
    let more = (1 << 20) - body.len() + 1;
    vec![
        format!("{body}#{}", "x".repeat(more)).into_bytes(),
        format!("{body}{}", "\n".repeat(more)).into_bytes(),
        format!("{body}{}", "\u{202e}".repeat(more)).into_bytes(),
    ]
}

fn foreign_start(body: &str) -> Vec<Vec<u8>> {
    let starts = ["\u{feff}", "\0", "\u{200b}", "{}", "x", "[", "=", "\"", "\u{1b}", "\r"];
    starts.iter().map(|start| format!("{start}{body}").into_bytes()).collect()
}

fn cut(body: &str) -> Vec<Vec<u8>> {
    let bytes = body.as_bytes();
    (0..bytes.len()).map(|end| bytes[..end].to_vec()).collect()
}

fn hostile_tag(body: &str) -> Vec<Vec<u8>> {
    each_line(body, |key, _| {
        let mut values: Vec<String> =
            HOSTILE.iter().map(|text| format!("{key}={}", text.replace('\n', " "))).collect();
        values.push(format!("{key}={}", "x".repeat(3000)));
        values.push(format!("{key}={}", "\u{202e}".repeat(700)));
        values
    })
}

fn tag_renamed(body: &str) -> Vec<Vec<u8>> {
    each_line(body, |key, value| {
        let names = [
            key.to_uppercase(),
            format!("aws:{key}"),
            format!("amiferry:{key}"),
            format!("{key} "),
            format!("\u{200b}{key}"),
            key.replace(':', "："),
            key.replace("amiferry", "amiferrу"),
            key.trim_start_matches("amiferry:").to_owned(),
        ];
        names.into_iter().map(|name| format!("{name}={value}")).collect()
    })
}

fn many_tags(body: &str) -> Vec<Vec<u8>> {
    (30..60)
        .map(|count| {
            let more: String = (0..count).map(|index| format!("k{index}=v\n")).collect();
            format!("{body}{more}").into_bytes()
        })
        .collect()
}

/// Another identity in each tag that tells whose restore it is.
fn spoofed_tag(body: &str) -> Vec<Vec<u8>> {
    let telling = ["managed", "source-account", "source-region", "source-image", "manifest"];
    each_line(body, |key, value| {
        if !telling.iter().any(|name| key == format!("amiferry:{name}")) {
            return Vec::new();
        }
        let others = [
            "999999999999",
            "222222222222",
            "us-west-2",
            "ami-0fffffffffffffff0",
            "True",
            "1",
            "",
            "s3://evil/manifest.json",
            "\u{202e}",
            "*",
        ];
        let mut lines: Vec<String> = others.iter().map(|other| format!("{key}={other}")).collect();
        lines.push(format!("{key}={value} "));
        lines.push(format!("{key}={}", value.to_uppercase()));
        lines.push(format!("{key}={value}\u{200b}"));
        lines.push(format!("{key}={value}/../x"));
        lines.retain(|line| *line != format!("{key}={value}"));
        lines
    })
}

fn affixed_tag(body: &str) -> Vec<Vec<u8>> {
    let affixes = [" ", "\0", "\u{202e}", "\u{200b}", "/", "%00", "\\", "'", "*", "é", "\u{feff}"];
    each_line(body, |key, value| {
        affixes
            .iter()
            .flat_map(|affix| [format!("{key}={value}{affix}"), format!("{key}={affix}{value}")])
            .collect()
    })
}
