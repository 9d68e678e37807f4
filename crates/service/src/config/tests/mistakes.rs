//! Every mistake that a configuration is refused for, each at its place.

use super::*;

#[test]
fn every_mistake_is_named_at_its_line() {
    for (from, to, line, message) in [
        ("account = \"111111111111\"", "account = \"1111\"", "account = ", "12 digits"),
        ("store_quota_gb = 1200", "store_quota_gb = 0", "store_quota_gb", "nonzero"),
        (
            "us-east-1.amazonaws.com",
            "us-east-2.amazonaws.com",
            "queue_url",
            "not in Region us-east-1",
        ),
        ("com/111111111111/a", "com/333333333333/a", "queue_url", "not in account 111111111111"),
        ("iam::111111111111", "iam::222222222222", "read_role_arn", "not in the source account"),
        ("role/amiferry", "user/amiferry", "read_role_arn", "not the ARN of a role"),
        ("staging_prefix = \"amiferry\"", "staging_prefix = \"/a\"", "staging_prefix", "slash"),
        ("kms:us-west-2", "kms:us-east-1", "key_arn", "not in the vault's Region us-west-2"),
        (
            ":key/11111111-2222-3333-4444-555555555555",
            ":alias/a",
            "key_arn",
            "not the ARN of a KMS key",
        ),
        (
            "target_regions = [\"us-west-2\"]",
            "target_regions = [\"eu-west-1\"]",
            "target_regions",
            "no [[vault]] in the target Region eu-west-1",
        ),
        (
            "target_regions = [\"us-west-2\"]",
            "target_regions = []",
            "target_regions",
            "copies to no vault",
        ),
        (
            "# vaults = [\"222222222222/us-west-2\"]",
            "vaults = [\"us-west-2\"]",
            "vaults",
            "is not a vault: expected account/region",
        ),
        (
            "target_regions = [\"us-west-2\"]",
            "vaults = [\"222222222222/eu-west-1\", \"333333333333/us-west-2\"]",
            "vaults",
            "copies to no [[vault]] that is configured",
        ),
        (
            "# vaults = [\"222222222222/us-west-2\"]",
            "vaults = [\"222222222222/us-west-2\", \"222222222222/us-west-2\"]",
            "vaults",
            "vaults names 222222222222/us-west-2 twice",
        ),
        (
            "# accounts = [\"111111111111\"]",
            "accounts = [\"111111111111\", \"111111111111\"]",
            "accounts",
            "accounts names 111111111111 twice",
        ),
        ("# accounts = [\"111111111111\"]", "accounts = []", "accounts", "names none"),
        ("# regions = [\"us-east-1\"]", "regions = [\"USA\"]", "regions", "is not a Region"),
        (
            "# exclude = { tags = { backup = \"never\" }, names = [\"scratch-*\"] }",
            "exclude = {}",
            "exclude",
            "exclude needs tags or names",
        ),
        (
            "family = { tag = \"application\" }",
            "family = { instance = false }",
            "family = ",
            "instance = false says nothing",
        ),
        (
            "# keep = { last = 3,",
            "keep = { last = 0 } # ",
            "keep = ",
            "the rules of keep keep nothing",
        ),
        ("# keep = { last = 3,", "keep = { minimum = 3 } # ", "keep = ", "keep nothing"),
        ("# keep = { last = 3,", "keep = { within = \"0s\" } # ", "keep = ", "longer than nothing"),
        (
            "# keep = { last = 3,",
            "keep = { last = 3, minimum = 0 } # ",
            "keep = ",
            "a minimum of 0 is none",
        ),
        (
            "# keep = { last = 3,",
            "keep = { last = 1, hourly = 3 } # ",
            "keep = ",
            "unknown field `hourly`",
        ),
        ("# keep_ami = { within = \"7d\" }", "keep_ami = {}", "keep_ami", "keep_ami keep nothing"),
        (
            "# profile = \"amiferry-vault-222222222222\"",
            "prune_profile = \"p\"\nprofile = \"p\"",
            "prune_profile",
            "the profile of the vault's worker",
        ),
        (
            "# storage_class = \"STANDARD\"",
            "storage_class = \"ONEZONE_IA\"",
            "storage_class",
            "must outlive the loss of a zone",
        ),
        (
            "# storage_class = \"STANDARD\"",
            "storage_class = \"DEEP_ARCHIVE\"",
            "storage_class",
            "is not read at once",
        ),
        (
            "# storage_class = \"STANDARD\"",
            "storage_class = \"GLACIER_IR\"\nlifecycle_class = \"STANDARD_IA\"",
            "lifecycle_class",
            "moves no object from GLACIER_IR to STANDARD_IA",
        ),
        (
            "# event_bus_arn = \"arn:aws:events:us-west-2:222222222222:event-bus/default\"",
            "event_bus_arn = \"arn:aws:sns:us-west-2:222222222222:pager\"",
            "event_bus_arn",
            "not the ARN of an event bus",
        ),
        (
            "# event_bus_arn = \"arn:aws:events:us-west-2:222222222222:event-bus/default\"",
            "event_bus_arn = \"arn:aws:events:us-east-1:222222222222:event-bus/default\"",
            "event_bus_arn",
            "not in the vault's Region",
        ),
        ("most_percent = 25", "most_percent = 101", "most_percent", "more than all"),
        ("floor = \"24h\"", "floor = \"5m\"", "floor", "protects nothing"),
        ("backfill = \"all\"", "backfill = \"some\"", "backfill", "how many older images"),
        ("backfill = \"all\"", "backfill = -1", "backfill", "how many older images"),
        ("# max_age = \"90d\"", "max_age = \"24h\"", "max_age", "ends before the RPO"),
        (
            "name = \"everything-else\"",
            "name = \"production\"",
            "name = ",
            "two policies are named",
        ),
        ("retention = \"35d\"", "retention = \"12h\"", "retention", "ends before the RPO"),
        ("rpo = \"24h\"", "rpo = \"soon\"", "rpo", "not a length of time"),
        (
            "# families = [\"orders-db\", \"checkout\"]",
            "families = [\"shop\", \"shop\"]",
            "families = ",
            "\"shop\" cannot be listed: this family is listed twice",
        ),
        (
            "# families = [\"orders-db\", \"checkout\"]",
            "families = [\"_other\"]",
            "families = ",
            "stands for all families that are not listed",
        ),
        (
            "# families = [\"orders-db\", \"checkout\"]",
            "families = [\"\"]",
            "families = ",
            "no tag can have this value",
        ),
        (
            "family = { fixed = \"everything-else\" }",
            "family = { fixed = \"everything-else\" }\nfamilies = [\"shop\"]",
            "families = ",
            "which already has a name",
        ),
        (
            "family = { fixed = \"everything-else\" }",
            "family = { fixed = \"_other\" }",
            "family = ",
            "stands for all families that are not listed",
        ),
        ("burst = 50", "burst = 0", "store_calls", "nonzero"),
        ("burst = 50", "burst = 10001", "store_calls", "more than EC2 admits"),
        ("refill = \"10s\"", "refill = \"1ms\"", "store_calls", "EC2 has no rate of one call"),
        ("refill = \"10s\"", "refill = \"2h\"", "store_calls", "EC2 has no rate of one call"),
        (
            "store_calls = { burst",
            "store_calls = { bursts",
            "store_calls",
            "unknown field `bursts`",
        ),
        (
            "restore_calls = { burst = 50",
            "restore_calls = { burst = 10001",
            "restore_calls",
            "more than EC2 admits",
        ),
        ("weight = 1", "weight = 0", "weight", "nonzero"),
        ("daily_gb = 50000", "daily_gb = 0", "daily_gb", "nonzero"),
        ("daily_images = 2000", "daily_images = -1", "daily_images", "nonzero"),
        (
            "# profile = \"amiferry-source-111111111111\"",
            "profile = \"\"",
            "profile",
            "without a name",
        ),
        (
            "# source_profile = \"amiferry-source\"",
            "source_profile = \"\"",
            "source_profile",
            "without a name",
        ),
        ("# part_size_mib = 128", "part_size_mib = 4", "part_size_mib", "S3 refuses"),
        ("127.0.0.1:9465", "127.0.0.1:9464", "target_listen", "the same address"),
        (
            "# endpoint_url = \"http://127.0.0.1:4566\"",
            "endpoint_url = \"http://example.org\"",
            "endpoint_url",
            "neither AWS",
        ),
        ("amiferry-vault-222222222222", "amiferry-staging-111111111111", "bucket", "used twice"),
        ("external_id_env", "external_id = \"x\"\nexternal_id_env", "external_id_env", "both"),
        ("[aws]", "[aws", "[aws", ""),
    ] {
        let error = with(from, to).unwrap_err();
        let problem = &error.problems[0];
        assert!(problem.message.contains(message), "{to}: {error}");
        let place = problem.place.as_ref().unwrap();
        assert!(place.source.starts_with(line), "{to}: {place:?}");
    }
}

#[test]
fn numbers_that_no_machine_has_room_for_are_refused() {
    for (key, default, most) in [
        ("batch", "100", 10_000_u64),
        ("effects_in_flight", "8", 10_000),
        ("copies_in_flight", "2", 1_000),
        ("parts_in_flight", "16", 10_000),
        ("backlog", "1000", 1_000_000),
        ("store_quota_gb", "1200", 1_000_000_000),
        ("restore_quota_gb", "600", 1_000_000_000),
        ("daily_gb", "50000", 1_000_000_000),
        ("daily_images", "2000", 1_000_000),
        ("weight", "1", 1_000),
    ] {
        let set = |number: u64| with(&format!("{key} = {default}"), &format!("{key} = {number}"));
        assert!(set(most).is_ok(), "{key} = {most}");
        for number in [most + 1, u64::MAX] {
            let place = set(number).unwrap_err().problems.remove(0).place.unwrap();
            assert!(place.source.starts_with(key), "{place:?}");
        }
    }
}

/// The messages of all problems, each with its line.
fn problems(text: &str) -> Vec<(usize, String)> {
    let error = parse(text).unwrap_err();
    let shown = |p: &Problem| (p.place.as_ref().map_or(0, |place| place.line), p.message.clone());
    error.problems.iter().map(shown).collect()
}

fn line_of(text: &str, what: &str) -> usize {
    text.lines().position(|line| line.starts_with(what)).unwrap() + 1
}

#[test]
fn mistakes_of_every_kind_are_reported_at_once_in_the_order_of_the_file() {
    let text = EXAMPLE
        .replacen("account = \"111111111111\"", "account = 111111111111", 1)
        .replacen("store_quota_gb = 1200", "store_quota_gb = 0", 1)
        .replacen("weight = 1", "wieght = 1", 1)
        .replacen("kms:us-west-2", "kms:us-east-1", 1)
        .replacen("rpo = \"24h\"", "rpo = \"soon\"", 1)
        .replacen("tier = \"ready\"", "tier = \"raedy\"", 1)
        .replacen("names = [\"*\"] }\n", "names = [\"*\"], tagz = {} }\n", 1)
        .replacen("grace = \"25s\"", "grace = 25", 1)
        .replacen("127.0.0.1:9465", "127.0.0.1:9464", 1);
    let found = problems(&text);
    let expected = [
        ("account = 111111111111", "account ids are text: write \"111111111111\""),
        ("store_quota_gb", "nonzero"),
        ("wieght", "unknown field `wieght`"),
        ("key_arn", "not in the vault's Region us-west-2"),
        ("select", "unknown field `tagz`"),
        ("rpo", "not a length of time"),
        ("tier", "unknown variant `raedy`"),
        ("grace", "invalid type: integer `25`"),
        ("target_listen", "the same address"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((line, message), (key, part)) in found.iter().zip(expected) {
        assert!(message.contains(part), "{part}: {message}");
        assert_eq!(*line, line_of(&text, key), "{message}");
    }
}

#[test]
fn what_depends_on_a_value_that_cannot_be_read_is_not_compared() {
    let text = EXAMPLE.replacen("region = \"us-west-2\"", "region = \"the west\"", 1);
    let found = problems(&text);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].1.contains("is not a Region"), "{found:#?}");
    let missing = EXAMPLE.replacen("account = \"111111111111\"\n", "", 1);
    let found = problems(&missing);
    assert_eq!(found, [(line_of(&missing, "[[source]]"), "missing field `account`".to_owned())]);
}

#[test]
fn what_stands_twice_is_named_whatever_else_in_its_table_cannot_be_read() {
    let source = EXAMPLE.split_once("[[vault]]").map(|(source, _)| source).unwrap();
    let unread = source.replacen("store_quota_gb = 1200", "store_quota_gb = 0", 1);
    let twice = format!("{unread}\n{EXAMPLE}")
        .replacen("name = \"everything-else\"", "name = \"production\"", 1)
        .replacen("rpo = \"7d\"", "rpo = \"soon\"", 1);
    let found = problems(&twice);
    for part in [
        "two policies are named \"production\"",
        "account 111111111111 in Region us-east-1 is configured twice",
        "amiferry-source is used twice",
        "not a length of time",
    ] {
        assert!(found.iter().any(|(_, message)| message.contains(part)), "{part}: {found:#?}");
    }
    // A Region that stands in for one that cannot be read is no second one.
    let unread = source.replacen("region = \"us-east-1\"", "region = \"the east\"", 1);
    let found = problems(&format!("{unread}\n{EXAMPLE}"));
    let is_place = |(_, message): &(usize, String)| message.contains("is configured twice");
    assert!(!found.iter().any(is_place), "{found:#?}");
}

#[test]
fn every_missing_key_and_every_bad_item_of_a_list_is_named() {
    let found = problems("[[source]]\n[[vault]]\naccount = \"1\"\n[[policy]]\n[workres]\n");
    let missing = |name: &str| format!("missing field `{name}`");
    for name in ["account", "region", "queue_url", "staging_bucket", "read_role_arn"] {
        assert!(found.contains(&(1, missing(name))), "{name}: {found:#?}");
    }
    for name in ["region", "queue_url", "bucket", "key_arn"] {
        assert!(found.contains(&(2, missing(name))), "{name}: {found:#?}");
    }
    for name in ["name", "select", "family", "rpo"] {
        assert!(found.contains(&(4, missing(name))), "{name}: {found:#?}");
    }
    assert!(found.iter().any(|(line, why)| *line == 3 && why.contains("12 digits")), "{found:#?}");
    assert!(found.iter().any(|(line, why)| *line == 5 && why.contains("`workres`")), "{found:#?}");
    let listed = EXAMPLE.replacen(
        "# accounts = [\"111111111111\"]",
        "accounts = [1, \"x\", \"111111111111\", \"y\"]",
        1,
    );
    let found = problems(&listed);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].1.contains("write all 12 digits in quotes"), "{found:#?}");
    assert!(found[1].1.contains("\"x\" is not an account id"), "{found:#?}");
    assert!(found[2].1.contains("\"y\" is not an account id"), "{found:#?}");
}

#[test]
fn an_account_id_without_quotes_is_told_how_to_write_it() {
    for (number, message) in [
        ("111111111111", "account ids are text: write \"111111111111\""),
        ("012345671234", "account ids are text: write \"012345671234\""),
        ("12345671234", "account ids are text: write all 12 digits in quotes"),
    ] {
        let text = EXAMPLE.replacen("\"111111111111\"", number, 1);
        assert_eq!(
            problems(&text),
            [(line_of(&text, "account = "), message.to_owned())],
            "{number}"
        );
    }
}

#[test]
fn an_account_id_with_a_leading_zero_hides_no_other_mistake() {
    let text = EXAMPLE
        .replacen("\"111111111111\"", "012345671234", 1)
        .replacen("kms:us-west-2", "kms:us-east-1", 1)
        .replacen("weight = 1", "weight = 0", 1);
    let found: Vec<usize> = problems(&text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(found, ["account = ", "weight", "key_arn"].map(|key| line_of(&text, key)));
}

#[test]
fn every_line_that_is_no_toml_is_named() {
    let text = EXAMPLE.replacen("region = \"us-east-1\"", "region = us-east-1", 1).replacen(
        "weight = 1",
        "weight 1",
        1,
    );
    let found = problems(&text);
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert!(lines.contains(&line_of(&text, "region = us")), "{found:#?}");
    assert!(lines.contains(&line_of(&text, "weight 1")), "{found:#?}");
}

#[test]
fn a_file_of_nothing_but_mistakes_is_refused_in_bounded_effort() {
    for text in ["[[source]]\n".repeat(50_000), "[[source]]\nx\n".repeat(50_000)] {
        let found = problems(&text);
        assert!((1..=50).contains(&found.len()), "{}", found.len());
    }
}

#[test]
fn no_mistake_shows_the_password_of_a_url() {
    let endpoint = "# endpoint_url = \"http://127.0.0.1:4566\"";
    let queue = "queue_url = \"https://sqs.us-east-1.amazonaws.com/111111111111/amiferry-source\"";
    for (from, to, shown, fix) in [
        (
            endpoint,
            "endpoint_url = \"https://user:geheim123@proxy.example\"",
            "endpoint_url = \"https://[secret]@proxy.example\"",
            "write it without them",
        ),
        (
            endpoint,
            "endpoint_url = \"http://user:geheim123\" # \"a\"",
            "endpoint_url = \"http://user:[secret]\" # \"a\"",
            "without a user or password",
        ),
        (
            endpoint,
            "endpoint_url = 'user:geheim123@proxy.example'",
            "endpoint_url = '[secret]@proxy.example'",
            "without a user or password",
        ),
        (
            endpoint,
            "endpoint_ulr = \"https://user:geheim123@proxy.example\"",
            "endpoint_ulr = \"https://[secret]@proxy.example\"",
            "endpoint_url",
        ),
        (
            queue,
            "queue_url = \"https://user:geheim123@sqs.us-east-1.amazonaws.com/111111111111/a\"",
            "queue_url = \"https://[secret]@sqs.us-east-1.amazonaws.com/111111111111/a\"",
            "",
        ),
        (queue, "queue_url = \"user:geheim123\"", "queue_url = \"user:[secret]\"", ""),
        (queue, "queue_url = user:geheim123@host # a", "queue_url = [secret]@host # a", ""),
        (
            "store_quota_gb = 1200",
            "store_quota_gb = \"https://user:geheim123@host\"",
            "store_quota_gb = \"https://[secret]@host\"",
            "",
        ),
    ] {
        let refused = with(from, to).unwrap_err();
        let text = refused.to_string();
        assert!(!text.contains("geheim123") && !text.contains("user:geheim"), "{text}");
        assert!(text.contains(shown), "{shown} is not in {text}");
        assert!(text.contains(fix) && !text.contains("allow_insecure_endpoint = true"), "{text}");
        for place in refused.problems.iter().filter_map(|problem| problem.place.as_ref()) {
            assert!(place.column + place.width <= place.source.chars().count() + 1, "{text}");
        }
    }
}

#[test]
fn no_mistake_shows_the_password_of_an_endpoint_of_the_environment() {
    for url in ["http://user:geheim123", "https://user:geheim123@proxy.example", "user:geheim123"] {
        let env = BTreeMap::from([("AWS_ENDPOINT_URL_S3".to_owned(), url.to_owned())]);
        let text = Config::parse(EXAMPLE, "amiferry.toml", &env).unwrap_err().to_string();
        assert!(text.contains("AWS_ENDPOINT_URL_S3"), "{text}");
        assert!(!text.contains("geheim123"), "{text}");
    }
}
