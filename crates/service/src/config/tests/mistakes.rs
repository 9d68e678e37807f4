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
