//! What a configuration file may say, and how a mistake in it is shown.

mod destinations;
mod doubts;
mod listen;
mod mistakes;

use std::collections::BTreeMap;

use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, "amiferry.toml", &BTreeMap::new())
}

/// The example with one text replaced, which must occur.
fn with(from: &str, to: &str) -> Result<Config, ConfigError> {
    assert!(EXAMPLE.contains(from), "the example has no {from:?}");
    parse(&EXAMPLE.replacen(from, to, 1))
}

#[test]
fn the_example_is_accepted_and_shows_the_defaults() {
    let example = parse(EXAMPLE).unwrap();
    let shown = format!("{:?}", example.workers);
    assert_eq!(shown, format!("{:?}", Workers::default()));
    assert_eq!(example.policies.0.len(), 2);
}

#[test]
fn the_example_explains_every_key_that_can_be_unknown() {
    let unknown = |text: &str| {
        let mut messages =
            parse(text).unwrap_err().problems.into_iter().map(|problem| problem.message);
        messages.find(|message| message.starts_with("unknown field")).unwrap()
    };
    for table in ["[[source]]", "[[vault]]", "[[destination]]", "[[policy]]", "[workers]", "[aws]"]
    {
        let message = unknown(&format!("{table}\nno_such_key_here = 1\n"));
        let keys: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
        assert!(!keys.is_empty(), "{message}");
        for key in keys {
            assert!(EXAMPLE.contains(&format!("{key} = ")), "the example lacks {key}");
        }
    }
}

#[test]
fn a_person_who_has_only_the_vault_needs_only_its_part_of_the_file() {
    let vaults = |text: &str| Config::parse_vaults(text, "amiferry.toml", &BTreeMap::new());
    let whole = vaults(EXAMPLE).unwrap();
    assert_eq!((whole.vaults.len(), whole.policies.0.len()), (1, 2));
    let (_, rest) = EXAMPLE.split_once("[[vault]]").unwrap();
    let (vault, _) = rest.split_once("[[policy]]").unwrap();
    let alone = format!("[[vault]]{vault}");
    assert!(parse(&alone).is_err(), "a worker needs more");
    let config = vaults(&alone).unwrap();
    assert_eq!((config.vaults.len(), config.sources.len()), (1, 0));
    // What is wrong elsewhere is left out, and said.
    let broken = EXAMPLE.replacen("name = \"production\"", "name = \"?\"", 1);
    assert_ne!(broken, EXAMPLE);
    let config = vaults(&broken).unwrap();
    assert_eq!((config.vaults.len(), config.policies.0.len()), (1, 0));
    let said = &config.warnings.problems[0].message;
    assert!(said.starts_with("only [[vault]], [[destination]] and [aws] are used"), "{said}");
    // What is wrong in its own part is not.
    for broken in [
        alone.replacen("account = \"222222222222\"", "account = \"2\"", 1),
        "[[source]]".to_owned(),
        String::new(),
        "not toml".to_owned(),
    ] {
        assert!(vaults(&broken).is_err(), "{broken}");
    }
}

#[test]
fn defaults_fill_what_is_left_out() {
    let short = EXAMPLE
        .lines()
        .take_while(|line| !line.starts_with("[workers]"))
        .filter(|line| {
            !["staging_prefix", "store_quota", "restore_quota", "lock_mode", "prefix"]
                .iter()
                .any(|key| line.starts_with(key))
        })
        .collect::<Vec<_>>()
        .join("\n");
    let config = parse(&short).unwrap();
    assert_eq!(config.sources[0].staging_prefix, "amiferry");
    assert_eq!(config.sources[0].store_quota_gb.get(), 1200);
    assert_eq!(config.vaults[0].restore_quota_gb.get(), 600);
    assert_eq!(config.vaults[0].lock_mode, RetentionMode::Governance);
    assert_eq!(config.workers.sweep_interval, Span::from_secs(900));
}

#[test]
fn what_only_one_source_or_vault_needs_has_the_default_of_ec2_or_of_all() {
    let plain = parse(EXAMPLE).unwrap();
    let own = CallRate::default();
    assert_eq!((plain.sources[0].store_calls, plain.vaults[0].restore_calls), (own, own));
    let short = EXAMPLE
        .lines()
        .filter(|line| {
            !["store_calls", "restore_calls", "weight", "daily_"]
                .iter()
                .any(|key| line.starts_with(key))
        })
        .collect::<Vec<_>>()
        .join("\n");
    let short = parse(&short).unwrap();
    let source = &short.sources[0];
    assert_eq!((source.store_calls, short.vaults[0].restore_calls), (own, own));
    assert_eq!((source.weight.get(), source.daily_gb.get()), (1, 50_000));
    assert_eq!(source.daily_images.get(), 2_000);
    let calls = "store_calls = { burst = 50, refill = \"10s\" }";
    let some = with(calls, "store_calls = { burst = 200 }").unwrap().sources[0].store_calls;
    assert_eq!(some, CallRate { burst: 200, ..own });
    let some = with(calls, "store_calls.refill = \"2500ms\"").unwrap().sources[0].store_calls;
    assert_eq!(some, CallRate { refill: "2500ms".parse().unwrap(), ..own });
}

#[test]
fn a_profile_is_that_of_the_source_or_vault_or_of_all() {
    let profiles = |text: &str| {
        let config = parse(text).unwrap();
        let source = config.source_profile(&config.sources[0]).map(str::to_owned);
        (source, config.vault_profile(&config.vaults[0]).map(str::to_owned))
    };
    let named = |source: &str, vault: &str| (Some(source.to_owned()), Some(vault.to_owned()));
    assert_eq!(profiles(EXAMPLE), (None, None));
    let of_all = EXAMPLE.replace("# source_profile", "source_profile");
    let of_all = of_all.replace("# vault_profile", "vault_profile");
    assert_eq!(profiles(&of_all), named("amiferry-source", "amiferry-vault"));
    let own = of_all.replace("# profile", "profile");
    let expected = named("amiferry-source-111111111111", "amiferry-vault-222222222222");
    assert_eq!(profiles(&own), expected);
}

#[test]
fn an_unknown_key_is_shown_at_its_place_with_the_nearest_name() {
    let error = with("store_quota_gb = 1200", "store_qouta_gb = 1200").unwrap_err().to_string();
    let expected = "amiferry.toml:15:1: unknown field `store_qouta_gb`, expected one of";
    assert!(error.starts_with(expected), "{error}");
    assert!(error.contains("15 | store_qouta_gb = 1200\n   | ^^^^^^^^^^^^^^\n"), "{error}");
    assert!(error.contains("did you mean `store_quota_gb`?\n"), "{error}");
}

#[test]
fn a_key_of_another_table_is_told_where_it_belongs() {
    for (from, to, table) in [
        ("# vault_profile", "prune_profile = \"p\"\n# vault_profile", "[[vault]]"),
        ("store_quota_gb", "source_profile = \"p\"\nstore_quota_gb", "[aws]"),
    ] {
        let refused = with(from, to).unwrap_err().to_string();
        assert!(refused.contains(&format!("= it belongs in {table}")), "{refused}");
        assert!(!refused.contains("did you mean"), "{refused}");
    }
}

#[test]
fn a_policy_names_its_vaults_by_region_or_one_by_one() {
    let config = with("target_regions = [\"us-west-2\"]", "vaults = [\"222222222222/us-west-2\"]");
    let config = config.unwrap();
    let [named, every] = &config.policies.0[..] else { panic!("not two policies") };
    assert!(named.target_regions.is_empty());
    assert!(named.covers(&config.vaults[0].id()) && every.covers(&config.vaults[0].id()));
    let neither = parse(&EXAMPLE.replace("target_regions = [\"us-west-2\"]\n", "")).unwrap_err();
    let lines: Vec<usize> =
        neither.problems.iter().map(|p| p.place.as_ref().unwrap().line).collect();
    let tables: Vec<usize> = EXAMPLE
        .replace("target_regions = [\"us-west-2\"]\n", "")
        .lines()
        .enumerate()
        .filter(|(_, line)| *line == "[[policy]]")
        .map(|(index, _)| index + 1)
        .collect();
    assert_eq!(lines, tables, "{neither}");
}

#[test]
fn a_source_that_is_also_a_vault_is_refused() {
    let text = EXAMPLE.replace("222222222222", "111111111111").replace("us-west-2", "us-east-1");
    let error = parse(&text).unwrap_err().to_string();
    assert!(
        error.contains("account 111111111111 in Region us-east-1 is configured twice"),
        "{error}"
    );
}

#[test]
fn all_cross_checks_are_reported_at_once_in_the_order_of_the_file() {
    let text = EXAMPLE.replacen("kms:us-west-2", "kms:us-east-1", 1).replacen("35d", "1h", 1);
    let error = parse(&text).unwrap_err();
    let lines: Vec<usize> = error.problems.iter().map(|p| p.place.as_ref().unwrap().line).collect();
    assert_eq!(lines.len(), 2, "{error}");
    assert!(lines[0] < lines[1]);
}

#[test]
fn an_empty_file_says_what_is_missing() {
    let error = parse("").unwrap_err();
    let messages: Vec<&str> = error.problems.iter().map(|p| p.message.as_str()).collect();
    assert_eq!(
        messages,
        ["there is no [[source]]", "there is no [[vault]]", "there is no [[policy]]"]
    );
}

#[test]
fn endpoints_of_the_environment_are_checked_like_those_of_the_file() {
    let env = |url: &str| BTreeMap::from([("AWS_ENDPOINT_URL".to_owned(), url.to_owned())]);
    let good = Config::parse(EXAMPLE, "f", &env("http://127.0.0.1:4566")).unwrap();
    assert_eq!(good.aws.endpoint_url.as_deref(), Some("http://127.0.0.1:4566"));
    let error = Config::parse(EXAMPLE, "f", &env("http://example.org")).unwrap_err().to_string();
    assert!(error.starts_with("f: environment variable AWS_ENDPOINT_URL: "), "{error}");
    let allowed =
        EXAMPLE.replace("allow_insecure_endpoint = false", "allow_insecure_endpoint = true");
    assert!(Config::parse(&allowed, "f", &env("http://example.org")).is_ok());
}

#[test]
fn an_external_id_comes_from_file_or_environment_and_is_never_shown() {
    let env = BTreeMap::from([("AMIFERRY_EXTERNAL_ID".to_owned(), "hush-0123456789a".to_owned())]);
    let known = Config::parse(EXAMPLE, "f", &env).unwrap();
    assert_eq!(known.sources[0].external_id.value().unwrap().unwrap().reveal(), "hush-0123456789a");
    assert!(!format!("{known:?}").contains("hush"));

    let unset = parse(EXAMPLE).unwrap();
    let missing = unset.sources[0].external_id.value().unwrap_err().to_string();
    assert!(missing.contains("AMIFERRY_EXTERNAL_ID is not set"), "{missing}");

    for bad in [
        "external_id = 271828",
        "external_id = \"271828",
        "external_id = [\"271828\"]",
        "external_ld = \"271828\"",
        "extrenal_id = \"271828\"",
        "externalid = \"271828\"",
        "\"external-id\" = \"271828\"",
        "external_id_env = \"X\"\nexternal_id.x = \"271828\"",
    ] {
        let error = with("external_id_env = \"AMIFERRY_EXTERNAL_ID\"", bad).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("271828"), "{error}");
    }
}

#[test]
fn an_external_id_that_can_be_guessed_is_refused_and_not_shown() {
    for short in ["", "hush", "hush-0123456789"] {
        let said = format!("has {} characters, which can be guessed", short.len());
        let in_file = format!("external_id = \"{short}\"");
        let in_file = with("external_id_env = \"AMIFERRY_EXTERNAL_ID\"", &in_file).unwrap_err();
        let env = BTreeMap::from([("AMIFERRY_EXTERNAL_ID".to_owned(), short.to_owned())]);
        // An empty variable is as good as none.
        let in_variable = Config::parse(EXAMPLE, "f", &env).err();
        assert_eq!(in_variable.is_none(), short.is_empty());
        for error in [Some(in_file), in_variable].into_iter().flatten() {
            let error = error.to_string();
            assert!(error.contains(&said) && error.contains("openssl rand"), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }
}

#[test]
fn a_selector_names_one_source_or_lists_the_choices() {
    let second = EXAMPLE
        .split_once("[[vault]]")
        .map(|(source, _)| {
            source.replace("us-east-1", "eu-west-1").replace("staging-111", "staging-eu-111")
        })
        .unwrap();
    let config = parse(&format!("{EXAMPLE}\n{second}")).unwrap();
    assert_eq!(config.source(Some("eu-west-1")).unwrap().region.as_str(), "eu-west-1");
    assert_eq!(config.source(Some("111111111111/us-east-1")).unwrap().region.as_str(), "us-east-1");
    assert_eq!(config.vault(None).unwrap().region.as_str(), "us-west-2");
    for (selector, problem) in [
        (None, "several [[source]]"),
        (Some("111111111111"), "2 [[source]] match"),
        (Some("us-west-2"), "no [[source]] matches"),
    ] {
        let error = config.source(selector).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
        assert!(error.ends_with("111111111111/us-east-1, 111111111111/eu-west-1"), "{error}");
    }
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let error = Config::load(Path::new("/nonexistent/amiferry.toml")).unwrap_err().to_string();
    assert!(error.starts_with("/nonexistent/amiferry.toml: the configuration cannot be read"));
}

#[test]
fn a_file_without_end_is_refused_after_its_beginning() {
    let error = Config::load(Path::new("/dev/zero")).unwrap_err().to_string();
    assert!(error.contains("larger than 1048576 bytes"), "{error}");
    let most = usize::try_from(LARGEST).unwrap();
    let mut text = EXAMPLE.to_owned();
    text.push_str(&"\n".repeat(most - text.len()));
    assert!(parse(&text).is_ok());
    text.push('\n');
    assert!(parse(&text).unwrap_err().to_string().contains("larger than"));
}

#[test]
fn a_mistake_is_shown_with_nothing_hidden_and_no_more_than_fits_on_a_screen() {
    let long = "y".repeat(3000);
    for text in [
        "region = \"us-\u{202e}east-1\"",
        "\u{200b}x = \"\u{2066}\" # \u{202e}",
        "[[source]] # \u{202e}\naccount = \"1\" # \u{202e}",
        &format!("{long} = 1"),
        &format!("[aws]\nendpoint_url = \"{long}\"\n{long} = \"{long}\""),
        &format!("[[policy]]\nname = \"{long}\""),
        &format!("[workers]\ngrace = \"{long}\""),
        &format!("{}= \u{202e}", " ".repeat(3000)),
    ] {
        let error = parse(text).unwrap_err();
        let shown = error.to_string();
        assert!(!shown.contains(['\u{202e}', '\u{200b}', '\u{2066}']), "{shown:?}");
        let each = shown.chars().count() / error.problems.len();
        assert!(each < 2500 && error.problems.len() < 12, "{shown}");
        for line in shown.lines() {
            assert!(line.chars().count() < 700, "{line}");
        }
    }
}

#[test]
fn of_many_problems_the_first_are_shown_and_the_others_counted() {
    let wrong = "target_regions = [".to_owned() + &"\"eu-west-1\", ".repeat(100) + "]";
    let error = with("target_regions = [\"us-west-2\"]", &wrong).unwrap_err();
    assert_eq!(error.problems.len(), 50);
    assert!(error.problems.iter().any(|p| p.message == "there are 150 more problems"), "{error}");
}
