//! `amiferry restore`, `lookup` and `rebuild` with nothing but the vault, and `docs/disaster.md` carried
//! out by a shell.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::simulator::VAULT_BUCKET;
use crate::support::{Account, Role, Simulator, image};

/// Images of these names complete in the vault, both workers stopped, and a configuration with nothing
/// but the vault.
fn kept(simulator: &Simulator, names: &[(&str, &str)]) -> (Vec<String>, PathBuf) {
    let workers =
        [Role::Source, Role::Target].map(|role| simulator.worker(role, &simulator.config()));
    let register = |(name, workload): &(&str, &str)| {
        let id = image::register(simulator, name, workload);
        let event = image::available(Account::Source.id(), Account::Source.region(), &id);
        simulator.send(Account::Source, &event.to_string());
        id
    };
    let ids: Vec<String> = names.iter().map(register).collect();
    simulator.until_complete(ids.len());
    workers.into_iter().for_each(|worker| assert_eq!(worker.terminate().status, 0));
    (ids, vault_only(simulator))
}

fn vault_only(simulator: &Simulator) -> PathBuf {
    let text = fs::read_to_string(simulator.config()).unwrap();
    let mut whole: toml::Table = text.parse().unwrap();
    whole.retain(|section, _| section == "vault" || section == "aws");
    let path = simulator.folder().join("vault.toml");
    fs::write(&path, toml::to_string(&whole).unwrap()).unwrap();
    path
}

fn rows<'a>(said: &'a Value, list: &str) -> &'a [Value] {
    said[list].as_array().unwrap()
}

#[test]
fn images_are_restored_looked_up_and_listed_with_nothing_but_the_vault() {
    let Some(simulator) = Simulator::start() else { return };
    let (ids, config) = kept(&simulator, &[("data-1", "data"), ("app-1", "app")]);
    let [archived, ready] = ids.try_into().unwrap();
    let run = |arguments: &[&str]| simulator.run(arguments, &config);

    let nothing = run(&["restore"]);
    assert_eq!((nothing.status, nothing.stdout.as_str()), (1, ""), "{nothing:#?}");
    assert!(nothing.stderr.contains("--family NAME"), "{nothing:#?}");

    let nothing = run(&["restore", "--family", "data", "--tag", "workload=app", "--dry-run"]);
    assert_eq!((nothing.status, nothing.stdout.as_str()), (1, ""), "{nothing:#?}");
    assert!(nothing.stderr.contains("fits all of this together"), "{nothing:#?}");

    let planned = run(&["restore", "--all", "--dry-run", "--output", "json"]);
    assert_eq!(planned.status, 0, "{planned:#?}");
    let planned = planned.json();
    assert_eq!((&planned["dry_run"], rows(&planned, "map").len()), (&json!(true), 2));

    let said = run(&["restore", &archived, &ready, "--output", "json"]);
    assert_eq!(said.status, 0, "{said:#?}");
    assert!(said.stderr.contains(&format!("{archived}: restoring as ami-")), "{said:#?}");
    let said = said.json();
    assert_eq!(said["schema_version"], 1);
    let of = |id: &str| {
        let row = rows(&said, "map").iter().find(|row| row["source_image_id"] == id).unwrap();
        (row["state"].clone(), image::text(&row["image_id"]))
    };
    assert_eq!((of(&archived).0, of(&ready).0), (json!("restored"), json!("there")));

    let table = run(&["lookup", "data-1"]);
    assert_eq!(table.status, 0, "{table:#?}");
    assert!(table.stdout.contains(&of(&archived).1), "{table:#?}");
    let unknown = run(&["lookup", "data-9"]);
    assert_eq!((unknown.status, unknown.stdout.as_str()), (1, ""), "{unknown:#?}");

    let listed = run(&["rebuild", "--output", "json"]);
    assert_eq!((listed.status, rows(&listed.json(), "map").len()), (0, 2), "{listed:#?}");
    let csv = run(&["rebuild", "--output", "csv"]);
    assert_eq!(csv.stdout.lines().count(), 3, "{csv:#?}");

    let published = run(&["restore", "--all", "--output", "ssm"]);
    let expected =
        format!("/amiferry/111111111111/us-east-1/{archived} --value {}", of(&archived).1);
    assert!(published.stdout.contains(&expected), "{published:#?}");
    assert!(published.stdout.lines().all(|line| line.starts_with("aws ssm put-parameter ")));

    // Status 1 where every name is unknown, 3 where only some are.
    for (names, status) in [
        (&["ami-0123456789abcdef0"][..], 1),
        (&["--family", "nope", "--policy", "nope"], 1),
        (&["--family", "nope", &ready], 3),
    ] {
        let ended = run(&[&["restore", "--output", "json"], names].concat());
        assert_eq!(ended.status, status, "{names:?}: {ended:#?}");
        assert!(!rows(&ended.json(), "not_restored").is_empty(), "{ended:#?}");
    }
    let audit = simulator.audit();
    assert!(rows(&audit, "recovery_points").iter().all(|point| point["state"] == "complete"));

    // What is wrong elsewhere in the file, and credentials of another account.
    let broken = simulator.changed_config("broken.toml", &[("rpo = \"24h\"", "rpo = \"soon\"")]);
    let warned = simulator.run(&["restore", "--all"], &broken);
    assert_eq!(warned.status, 0, "{warned:#?}");
    assert!(
        warned.stderr.contains("only [[vault]], [[destination]] and [aws] are used"),
        "{warned:#?}"
    );
    let mut command = simulator.command(Account::Source);
    let command = command.args(["restore", "--all", "--config"]).arg(&config);
    assert_eq!(simulator.spawn("stranger", command).finish().status, 11);
}

/// The Region of a destination in the vault's account.
const FAR: &str = "eu-central-1";

/// Makes a destination there, and a configuration that names it.
fn with_destination(simulator: &Simulator, vault_only: &Path) -> PathBuf {
    let aws = |arguments: &[&str]| {
        simulator.aws(Account::Vault, &[arguments, &["--region", FAR]].concat())
    };
    let key = image::text(&aws(&["kms", "create-key"])["KeyMetadata"]["Arn"]);
    let place = format!("LocationConstraint={FAR}");
    let bucket = "amiferry-destination-far";
    aws(&["s3api", "create-bucket", "--bucket", bucket, "--create-bucket-configuration", &place]);
    aws(&["ec2", "enable-ebs-encryption-by-default"]);
    aws(&["ec2", "modify-ebs-default-kms-key-id", "--kms-key-id", &key]);
    let table = format!(
        "[[destination]]\naccount = \"{}\"\nregion = \"{FAR}\"\nbucket = \"{bucket}\"\nkey_arn = \"{key}\"\n",
        Account::Vault.id()
    );
    let path = simulator.folder().join("far.toml");
    fs::write(&path, fs::read_to_string(vault_only).unwrap() + "\n" + &table).unwrap();
    path
}

#[test]
fn images_are_restored_into_another_region_and_a_wrong_place_is_said_before_anything_begins() {
    let Some(simulator) = Simulator::start() else { return };
    let (ids, vault_only) = kept(&simulator, &[("data-1", "data"), ("app-1", "app")]);
    let config = with_destination(&simulator, &vault_only);
    let run =
        |arguments: &[&str]| simulator.run(&[&["restore", "--all"], arguments].concat(), &config);

    let here = format!("{}/{}", Account::Vault.id(), Account::Vault.region());
    for (wrong, status, words) in [
        (&["--into", "eu-west-9"][..], 10, "no [[destination]] matches"),
        (&["--into", &here], 1, "names the vault itself"),
        (&["--into", FAR, "--share-with", "999999999999"], 2, "cannot be used with"),
    ] {
        let refused = run(wrong);
        assert_eq!((refused.status, refused.stdout.as_str()), (status, ""), "{refused:#?}");
        assert!(refused.stderr.contains(words), "{refused:#?}");
    }
    let none = simulator.run(&["restore", "--all", "--into", FAR], &vault_only);
    assert!(none.status == 10 && none.stderr.contains("has no [[destination]]"), "{none:#?}");
    let text = fs::read_to_string(&config).unwrap().replace("destination-far", "destination-gone");
    let gone = simulator.folder().join("gone.toml");
    fs::write(&gone, text).unwrap();
    let gone = simulator.run(&["restore", "--all", "--into", FAR], &gone);
    assert_eq!((gone.status, gone.stdout.as_str()), (12, ""), "{gone:#?}");
    assert!(gone.stderr.contains("the bucket amiferry-destination-gone"), "{gone:#?}");

    let planned = run(&["--into", FAR, "--dry-run"]);
    assert_eq!(planned.status, 0, "{planned:#?}");
    let place = format!("in {}/{FAR}", Account::Vault.id());
    for words in [&format!("would be {place} by about"), "2 objects, ", "would be copied there"] {
        assert!(planned.stdout.contains(words), "{words}: {planned:#?}");
    }
    let said = run(&["--into", FAR, "--output", "json"]);
    assert_eq!(said.status, 0, "{said:#?}");
    for id in &ids {
        assert!(said.stderr.contains(&format!("{id}: copying its object of")), "{said:#?}");
        assert!(said.stderr.contains(&format!("{id}: restoring as ami-")), "{said:#?}");
    }
    assert!(!said.stderr.contains('\u{1b}'), "a file gets plain lines: {said:#?}");
    let map = said.json();
    assert_eq!(map["into"], json!({ "account": Account::Vault.id(), "region": FAR }));
    for row in rows(&map, "map") {
        assert_eq!((&row["state"], &row["image_region"]), (&json!("restored"), &json!(FAR)));
        let image = image::text(&row["image_id"]);
        let shown = simulator.aws(
            Account::Vault,
            &["ec2", "describe-images", "--region", FAR, "--image-ids", &image],
        );
        assert_eq!(shown["Images"][0]["State"], "available", "{shown:#?}");
    }
    let again = run(&["--into", FAR, "--output", "ssm"]);
    assert_eq!(again.stdout.lines().count(), 2, "{again:#?}");
    let region = format!("aws ssm put-parameter --region {FAR} ");
    assert!(again.stdout.lines().all(|line| line.starts_with(&region)), "{again:#?}");
    assert!(!again.stderr.contains("copying"), "{again:#?}");
}

#[test]
fn a_restore_that_is_interrupted_is_taken_up_by_the_same_command() {
    let Some(simulator) = Simulator::start() else { return };
    let (ids, config) = kept(&simulator, &[("data-1", "data")]);
    let mut command = simulator.command(Account::Vault);
    let command = command.args(["restore", "--all", "--config"]).arg(&config);
    let running = simulator.spawn("restore", command);
    running.until("a restore begins", |running| {
        running.stderr().contains("restoring as ami-").then_some(())
    });
    let ended = running.interrupt();
    assert_eq!((ended.status, ended.stdout.as_str()), (130, ""), "{ended:#?}");
    assert!(ended.stderr.contains("the same command takes it up again"), "{ended:#?}");

    let again = simulator.run(&["restore", "--all", "--output", "json"], &config);
    assert_eq!(again.status, 0, "{again:#?}");
    let said = again.json();
    assert_eq!(rows(&said, "map")[0]["source_image_id"], ids[0]);
    let filter = format!("Name=tag:amiferry:source-image,Values={}", ids[0]);
    let describe = ["ec2", "describe-images", "--owners", "self", "--filters", &filter];
    let shown = simulator.aws(Account::Vault, &describe);
    assert_eq!(rows(&shown, "Images").len(), 1, "{shown:#}");
    assert_eq!(shown["Images"][0]["ImageId"], rows(&said, "map")[0]["image_id"]);
}

/// The shell blocks of the guide with a mark, one after the other.
fn script(mark: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/disaster.md")).unwrap();
    let fence = format!("```sh {mark}\n");
    let blocks = page.split(fence.as_str()).skip(1);
    let text: String = blocks.map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!text.is_empty(), "docs/disaster.md has no block of {mark}");
    text
}

#[test]
fn the_guide_for_the_day_restores_an_image_with_the_aws_cli_alone() {
    let Some(simulator) = Simulator::start() else { return };
    let (ids, _) = kept(&simulator, &[("data-1", "data")]);
    let set = format!("bucket={VAULT_BUCKET}\nregion={}\n", Account::Vault.region());
    let checked = simulator.shell(Account::Vault, &(set + &script("check")));
    assert_eq!(checked.status, 0, "{checked:#?}");
    assert!(checked.stdout.contains(Account::Vault.id()), "{checked:#?}");

    let by_hand = script("by-hand")
        .replace("VAULT-BUCKET", VAULT_BUCKET)
        .replace("VAULT-REGION", Account::Vault.region());
    let done = simulator.shell(Account::Vault, &by_hand);
    assert_eq!(done.status, 0, "{done:#?}");
    assert!(done.stdout.contains(&format!("{} is now ami-", ids[0])), "{done:#?}");
    let name = format!("Name=name,Values=by-hand-{}", ids[0]);
    let describe = ["ec2", "describe-images", "--owners", "self", "--filters", &name];
    let shown = simulator.aws(Account::Vault, &describe);
    let image = &shown["Images"][0];
    assert_eq!(image["State"], "available", "{shown:#}");
    assert_eq!(image["BlockDeviceMappings"][0]["Ebs"]["Encrypted"], true, "{shown:#}");
    assert!(image::text(&image["DeregistrationProtection"]).starts_with("enabled"));
    // The audit counts it for nothing, and calls nothing tampered.
    let audit = simulator.audit();
    assert!(rows(&audit, "recovery_points").iter().all(|point| point["state"] == "complete"));

    // Data that the manifest does not name is not restored.
    let key = format!("amiferry/111111111111/us-east-1/{}/image.bin", ids[0]);
    let other = simulator.folder().join("other");
    fs::write(&other, "of a stranger").unwrap();
    let other = other.display().to_string();
    // The bucket's policy refuses that, so someone has taken it away.
    simulator.aws(Account::Vault, &["s3api", "delete-bucket-policy", "--bucket", VAULT_BUCKET]);
    let put = ["s3api", "put-object", "--bucket", VAULT_BUCKET, "--key", &key, "--body", &other];
    simulator.aws(Account::Vault, &put);
    let refused = simulator.shell(Account::Vault, &by_hand);
    assert_eq!(refused.status, 1, "{refused:#?}");
    assert!(refused.stdout.contains("the manifest does not say"), "{refused:#?}");
}
