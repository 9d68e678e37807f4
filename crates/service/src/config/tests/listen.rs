//! Where workers may listen, and the token that guards what others reach.

use std::collections::BTreeMap;
use std::fs;

use super::super::*;
use super::{parse, with};
use crate::http::Access;

const TOKEN: &str = "canary-token-0123456789";

/// The example with these lines in place of the addresses.
fn listening(lines: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let usual = "source_listen = \"127.0.0.1:9464\"\ntarget_listen = \"127.0.0.1:9465\"\n";
    let other = "\nlisten_without_token = false\n";
    assert!(EXAMPLE.contains(usual) && EXAMPLE.contains(other));
    let text = EXAMPLE.replacen(other, "\n", 1).replacen(usual, &format!("{lines}\n"), 1);
    let env: BTreeMap<String, String> =
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::parse(&text, "amiferry.toml", &env)
}

#[test]
fn an_address_that_others_reach_needs_a_token_or_a_word_that_it_needs_none() {
    let open = "source_listen = \"0.0.0.0:9464\"";
    let env = [("TOKEN", TOKEN)];
    for (lines, refused) in [
        ("", None),
        ("source_listen = \"127.0.0.2:9464\"\ntarget_listen = \"[::1]:9465\"", None),
        ("source_listen = \"[::ffff:127.0.0.1]:9464\"", None),
        (open, Some("source_listen")),
        ("target_listen = \"10.0.0.1:0\"", Some("target_listen")),
        ("target_listen = \"[::]:9465\"", Some("target_listen")),
        ("target_listen = \"[::ffff:10.0.0.1]:9465\"", Some("target_listen")),
        (&format!("{open}\nlisten_token_env = \"TOKEN\""), None),
        // Set where a worker runs: a report may do without.
        (&format!("{open}\nlisten_token_env = \"ELSEWHERE\""), None),
        (&format!("{open}\nlisten_token_file = \"/no/such/file\""), None),
        (&format!("{open}\nlisten_without_token = true"), None),
        (&format!("{open}\nlisten_without_token = false"), Some("source_listen")),
        ("listen_without_token = true\nlisten_token_env = \"TOKEN\"", Some("listen_without_token")),
        (
            "listen_token_env = \"TOKEN\"\nlisten_token_file = \"/some/file\"",
            Some("listen_token_file"),
        ),
        ("listen_token_env = \"\"", Some("listen_token_env")),
    ] {
        let read = listening(lines, &env);
        match (&read, refused) {
            (Ok(_), None) => {}
            (Err(error), Some(key)) => {
                assert_eq!(error.problems.len(), 1, "{lines}: {error}");
                let place = error.problems[0].place.as_ref().unwrap();
                assert!(place.source.starts_with(key), "{lines}: {error}");
                assert!(error.problems[0].fix.is_some(), "{lines}: {error}");
            }
            _ => panic!("{lines}: {read:?}"),
        }
    }
    let error = listening(open, &[]).unwrap_err().to_string();
    for word in ["0.0.0.0:9464", "not loopback", "listen_token_env", "listen_without_token = true"]
    {
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[test]
fn a_token_that_is_not_where_it_should_be_stops_servers_and_no_reader() {
    let set = listening("listen_token_env = \"TOKEN\"", &[("TOKEN", TOKEN)]).unwrap();
    assert_eq!(set.listen_token.access().unwrap(), Access::Token(Secret::new(TOKEN)));
    assert!(!format!("{set:?}").contains(TOKEN), "a token is shown");
    assert!(!set.warnings.to_string().contains("TOKEN"), "{}", set.warnings);
    let unset = listening("listen_token_env = \"TOKEN\"", &[]).unwrap();
    let missing = unset.listen_token.access().unwrap_err().to_string();
    assert!(
        missing.contains("TOKEN is not set") && missing.contains("listen_token_env"),
        "{missing}"
    );
    let warned = unset.warnings.to_string();
    assert!(warned.contains("warning: the environment variable TOKEN is not set here"), "{warned}");
    assert_eq!(parse(EXAMPLE).unwrap().listen_token.access().unwrap(), Access::Everyone);
}

#[test]
fn a_token_that_can_be_guessed_or_fits_no_header_is_refused_and_not_shown() {
    for bad in ["hush-0123456789", "hush 0123456789abcdef", "hush-0123456789äöü"] {
        let error = listening("listen_token_env = \"TOKEN\"", &[("TOKEN", bad)]).unwrap_err();
        let place = error.problems[0].place.as_ref().unwrap();
        assert!(place.source.starts_with("listen_token_env"), "{error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}

#[test]
fn a_token_in_the_file_itself_is_refused_and_not_shown() {
    for line in [
        "listen_token = \"hush-0123456789abcdef\"",
        "listen_tokne = \"hush-0123456789abcdef\"",
        "listen_token = [\"hush-0123456789abcdef\"]",
        "listen_token.x = \"hush-0123456789abcdef\"",
        "listen_token = \"hush-0123456789abcdef",
    ] {
        let error = with("listen_without_token = false", line).unwrap_err();
        let shown = error.to_string();
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains("a token has no place in this file"), "{shown}");
        assert!(shown.contains("listen_token_env"), "{shown}");
    }
}

#[test]
fn a_page_that_a_person_serves_is_open_on_loopback_and_guarded_elsewhere() {
    let (here, there) = ("127.0.0.1:80".parse().unwrap(), "10.0.0.1:80".parse().unwrap());
    let env = [("TOKEN", TOKEN)];
    let named = listening("listen_token_env = \"TOKEN\"", &env).unwrap();
    let unset = listening("listen_token_env = \"TOKEN\"", &[]).unwrap();
    let none = parse(EXAMPLE).unwrap();
    let open = listening("listen_without_token = true", &[]).unwrap();
    for config in [&named, &unset, &none, &open] {
        assert_eq!(config.access_at(here).unwrap(), Access::Everyone);
    }
    assert_eq!(named.access_at(there).unwrap(), Access::Token(Secret::new(TOKEN)));
    assert_eq!(open.access_at(there).unwrap(), Access::Everyone);
    assert!(matches!(unset.access_at(there), Err(MissingToken::Variable(_))));
    let refused = none.access_at(there).unwrap_err().to_string();
    assert!(refused.contains("10.0.0.1:80 is not loopback"), "{refused}");
}

#[test]
fn a_file_with_the_token_is_read_with_the_configuration_that_names_it() {
    let folder = std::env::temp_dir().join(format!("amiferry-listen-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (config, token) = (folder.join("amiferry.toml"), folder.join("token"));
    let line = format!("listen_token_file = {:?}", token.display().to_string());
    fs::write(&config, EXAMPLE.replacen("listen_without_token = false", &line, 1)).unwrap();
    let missing = Config::load(&config).unwrap();
    assert!(matches!(&missing.listen_token, ListenToken::Missing(MissingToken::File { .. })));
    let warned = missing.warnings.to_string();
    assert!(warned.contains("cannot be read") && warned.contains("listen_token_file"), "{warned}");
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let read = Config::load(&config).unwrap();
    assert_eq!(read.listen_token, ListenToken::Known(Secret::new(TOKEN)));
    fs::write(&token, "hush\n").unwrap();
    let error = Config::load(&config).unwrap_err().to_string();
    fs::remove_dir_all(&folder).unwrap();
    assert!(error.contains("has 4 characters") && !error.contains("hush"), "{error}");
}
