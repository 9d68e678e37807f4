//! Recognisable secrets in real workers whose log is at its loudest: none of them is shown anywhere.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::journey;
use crate::support::simulator::bare;
use crate::support::{Account, Process, Role, Simulator, scrape};

const SECRET_KEY: &str = "canary+secret/9d1f40b7c6+access/key+7e52";
const SESSION_TOKEN: &str = "canary-session-token-83b1d6f2";
const LISTEN_TOKEN: &str = "canary-listen-token-4f1d7a90c2b35e68";
/// What the simulated source demands (`external_id` of the configuration that it writes).
const EXTERNAL_ID: &str = "demo-3f9c1f6e0b7a4d52";
/// What the session tokens of the simulated AWS begin with.
const ISSUED_TOKEN: &str = "FwoG";
/// The element of an answer of STS that holds the secret key of a role's session.
const ISSUED_KEY: &str = "SecretAccessKey>";

/// Every library as loud as it can be, those included that the filter turns down by itself.
const LOUDEST: &str = "trace,aws_config=trace,aws_runtime=trace,aws_sdk_ec2=trace,aws_sdk_s3=trace,\
                       aws_smithy_http_client=trace,aws_smithy_runtime=trace,hyper=trace,\
                       hyper_util=trace,rustls=trace";

/// The secrets that a text shows: as they are, as lists of bytes, and percent-encoded.
fn shown(text: &str) -> Vec<&'static str> {
    let all = [SECRET_KEY, SESSION_TOKEN, LISTEN_TOKEN, EXTERNAL_ID, ISSUED_TOKEN, ISSUED_KEY];
    let forms = |secret: &str| {
        let bytes: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
        let encoded = secret.replace('+', "%2B").replace('/', "%2F");
        [secret.to_owned(), bytes.join(", "), encoded]
    };
    all.into_iter().filter(|secret| forms(secret).iter().any(|form| text.contains(form))).collect()
}

fn assert_hidden(place: &str, text: &str) {
    let shown = shown(text);
    let line = text.lines().find(|line| !self::shown(line).is_empty()).unwrap_or_default();
    let line: String = line.chars().take(2_000).collect();
    assert!(shown.is_empty(), "{place} shows {shown:?}: {line}");
}

/// The configuration with no secret in it, and a token for the workers' ports.
fn config(simulator: &Simulator) -> PathBuf {
    simulator.changed_config(
        "secrets.toml",
        &[
            (&format!("external_id = \"{EXTERNAL_ID}\""), "external_id_env = \"EXTERNAL_ID\""),
            ("[workers]\n", "[workers]\nlisten_token_env = \"LISTEN_TOKEN\"\n"),
        ],
    )
}

/// `amiferry` with recognisable secrets and the loudest log.
fn loud(simulator: &Simulator, account: Account, arguments: &[&str], config: &Path) -> Command {
    let mut command = simulator.command(account);
    command
        .args(arguments)
        .arg("--config")
        .arg(config)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_SESSION_TOKEN", SESSION_TOKEN)
        .env("EXTERNAL_ID", EXTERNAL_ID)
        .env("LISTEN_TOKEN", LISTEN_TOKEN)
        .env("AMIFERRY_LOG", LOUDEST);
    command
}

/// Whether a line of a log is as loud as this, from this library.
fn has(worker: &Process, level: &str, target: &str) -> bool {
    let is_it = |line: &serde_json::Value| {
        line["level"] == level && line["target"].as_str().unwrap().starts_with(target)
    };
    worker.log().iter().any(is_it)
}

#[test]
fn no_secret_is_shown_by_loud_workers_their_pages_or_any_report() {
    let Some(simulator) = Simulator::start() else { return };
    let config = config(&simulator);
    let start = |role: Role, form: &str| {
        let arguments = [role.as_str(), "run", "--log-format", form];
        let mut command = loud(&simulator, role.account(), &arguments, &config);
        simulator.spawn(role.as_str(), &mut command)
    };
    let source = start(Role::Source, "human");
    let target = start(Role::Target, "json");
    let id = journey::protect(&simulator);

    let address = scrape::address(&target);
    for path in ["/", "/metrics", "/worker.json", "/livez", "/readyz", "/nothing"] {
        for token in [None, Some("canary-listen-token-4f1d7a90c2b35e69"), Some(LISTEN_TOKEN)] {
            assert_hidden(path, &scrape::get_with(&address, path, token));
        }
    }
    for arguments in [
        &["status"][..],
        &["status", "--output", "html"],
        &["audit", "--output", "json"],
        &["show", &id, "--output", "json"],
        &["check"],
        &["explain", &id],
        &["config", "validate"],
    ] {
        let mut command = loud(&simulator, Account::Vault, arguments, &config);
        let ended = simulator.spawn(arguments[0], &mut command).finish();
        assert!(!ended.stdout.is_empty(), "{arguments:?}: {ended:#?}");
        assert_hidden(&format!("{arguments:?}"), &format!("{}{}", ended.stdout, ended.stderr));
    }
    // It was loud: nothing of this would be there at `info`.
    for (level, library) in
        [("TRACE", "hyper"), ("DEBUG", "aws_smithy_runtime"), ("DEBUG", "amiferry")]
    {
        assert!(has(&target, level, library), "no {level} of {library}");
    }
    for (name, worker) in [("the source worker", source), ("the target worker", target)] {
        let ended = worker.terminate();
        assert_eq!(ended.status, 0, "{name}: {:.2000}", ended.stderr);
        assert_hidden(name, &ended.stdout);
        assert_hidden(name, &ended.stderr);
    }
}

/// Something in the place of STS that knows who asks, and breaks off where it gives credentials.
fn sts_that_breaks_off() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

/// Answers one request. What goes wrong here, the client sees as no answer.
fn answer(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut piece = [0; 4_096];
    while !String::from_utf8_lossy(&request).contains("Version=2011-06-15") {
        match stream.read(&mut piece) {
            Ok(read @ 1..) => request.extend_from_slice(&piece[..read]),
            _ => return,
        }
    }
    let body = if String::from_utf8_lossy(&request).contains("Action=GetCallerIdentity") {
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult><Arn>arn:aws:iam::222222222222:root</Arn>\
         <UserId>222222222222</UserId><Account>222222222222</Account></GetCallerIdentityResult>\
         </GetCallerIdentityResponse>"
            .to_owned()
    } else {
        format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleResult><Credentials><AccessKeyId>ASIA0123456789ABCDEF</AccessKeyId>\
             <SessionToken>{SESSION_TOKEN}</SessionToken><SecretAccessKey>{SECRET_KEY}"
        )
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

#[test]
fn credentials_in_an_answer_that_breaks_off_are_in_no_log_and_no_error() {
    let Some(simulator) = Simulator::start() else { return };
    let sts = format!("http://{}", sts_that_breaks_off());
    let config = simulator.changed_config(
        "broken-sts.toml",
        &[(&format!("endpoint_url = \"{}\"", simulator.endpoint()), "")],
    );
    let endpoints = |command: &mut Command| {
        // One for all services would be that of STS too.
        for service in ["EC2", "KMS", "S3", "SQS"] {
            command.env(format!("AWS_ENDPOINT_URL_{service}"), simulator.endpoint());
        }
        command.env("AWS_ENDPOINT_URL_STS", &sts);
    };
    // By the worker itself: the role that describes a source.
    let mut command = loud(&simulator, Account::Vault, &["target", "run"], &config);
    endpoints(&mut command);
    let worker = simulator.spawn("target", &mut command);
    worker.until("a warning about the source", |worker| {
        let log = worker.log();
        log.iter().any(|line| line["message"] == "a source cannot be reached").then_some(())
    });
    let ended = worker.terminate();
    assert_hidden("a worker", &ended.stderr);

    // By the SDK: the role of a profile.
    let profiles = simulator.folder().join("chained.ini");
    std::fs::write(
        &profiles,
        format!(
            "[profile chained]\nrole_arn = arn:aws:iam::222222222222:role/x\n\
             external_id = {EXTERNAL_ID}\nsource_profile = base\n[profile base]\n\
             aws_access_key_id = 222222222222\naws_secret_access_key = {SECRET_KEY}\n"
        ),
    )
    .unwrap();
    for arguments in [&["target", "run"][..], &["audit"]] {
        let mut command = bare(simulator.folder());
        command.args(arguments).arg("--config").arg(&config);
        command.env("AWS_CONFIG_FILE", &profiles).env("AWS_PROFILE", "chained");
        command.env("AMIFERRY_LOG", LOUDEST);
        endpoints(&mut command);
        let ended = simulator.spawn("chained", &mut command).finish();
        assert_ne!(ended.status, 0, "{ended:#?}");
        assert_hidden(&format!("{arguments:?}"), &format!("{}{}", ended.stdout, ended.stderr));
    }
}
