//! The command lines of the documents, typed as they stand.
//!
//! `blocks` finds them in the pages, `player` types them and compares what a page shows with what is said,
//! `left_out` has the reason for each block that is not typed. A page is played in the world that [`WORLDS`] names.

mod blocks;
mod left_out;
mod player;

use std::fs;
use std::path::Path;

use blocks::{Block, of_page, pages, root};
use left_out::LeftOut;
use player::Player;

use crate::support::simulator::VAULT_BUCKET;
use crate::support::{Account, Role, Simulator, image};

/// Where a page is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum World {
    /// In a directory with nothing in it: the page starts its own simulated AWS.
    Own,
    /// After both workers have completed everything: with `amiferry.toml`, `vault.toml`, a profile for each
    /// account, and the tables of sources that are yet to be added.
    Kept,
}

/// The pages that are played, in this order; the runbooks are played after `docs/retention.md`.
const WORLDS: [(&str, World); 20] = [
    ("docs/tutorial.md", World::Own),
    ("docs/simulator.md", World::Own),
    ("docs/faults.md", World::Own),
    ("docs/reference/cli.md", World::Own),
    ("deploy/README.md", World::Kept),
    ("deploy/prometheus/README.md", World::Kept),
    ("dashboards/README.md", World::Kept),
    ("docs/check.md", World::Kept),
    ("docs/dead-letters.md", World::Kept),
    ("docs/disaster.md", World::Kept),
    ("docs/forecast.md", World::Kept),
    ("docs/logs.md", World::Kept),
    ("docs/reports.md", World::Kept),
    ("docs/retention.md", World::Kept),
    ("docs/how-to/try-the-stacks.md", World::Own),
    ("docs/how-to/add-a-source.md", World::Kept),
    ("docs/how-to/add-many-sources.md", World::Kept),
    ("docs/how-to/rotate-credentials.md", World::Kept),
    ("docs/how-to/upgrade.md", World::Kept),
    ("docs/how-to/tear-down.md", World::Kept),
];

/// Where the runbooks are.
const RUNBOOKS: &str = "docs/runbooks/";

/// The pages that are played in a world, in their order.
fn played(world: World) -> Vec<String> {
    let is_how_to = |page: &&str| page.starts_with("docs/how-to/");
    let pages_of = |how_to: bool| {
        let listed = WORLDS.iter().filter(move |(_, of)| *of == world).map(|(page, _)| *page);
        listed.filter(move |page| is_how_to(page) == how_to).map(str::to_owned)
    };
    let runbooks = pages().into_iter().filter(|page| page.starts_with(RUNBOOKS));
    let runbooks = runbooks.filter(|_| world == World::Kept);
    pages_of(false).chain(runbooks).chain(pages_of(true)).collect()
}

/// The blocks of a page that are typed.
fn typed(page: &str, left_out: &[LeftOut]) -> Vec<Block> {
    let mut blocks = of_page(page);
    blocks.retain(|block| {
        block.mark.is_empty() && !left_out.iter().any(|entry| entry.is_about(page, block))
    });
    blocks
}

#[test]
fn every_block_of_the_documents_is_typed_by_a_test_or_says_why_not() {
    let left_out = left_out::all();
    let (mut open, mut count) = (Vec::new(), 0);
    let played: Vec<String> = [World::Own, World::Kept].into_iter().flat_map(played).collect();
    for page in pages() {
        for block in typed(&page, &left_out) {
            count += 1;
            if !played.contains(&page) {
                open.push(format!("{page}: {}", block.commands[0].text));
            }
        }
    }
    assert!(open.is_empty(), "play these, or list them with a reason:\n{}", open.join("\n"));
    assert!(count > 40, "only {count} blocks: are the pages read?");
    for entry in &left_out {
        let is_there =
            pages().iter().any(|page| of_page(page).iter().any(|b| entry.is_about(page, b)));
        assert!(is_there, "{entry:?} is about no block");
    }
}

fn play_own(page: &str) {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut player) = Player::new(folder.path()) else { return };
    let blocks = typed(page, &left_out::all());
    assert!(!blocks.is_empty(), "{page} has no block to type");
    blocks.iter().for_each(|block| player.play(page, block));
}

#[test]
fn the_tutorial_can_be_typed_from_its_beginning_to_its_end() {
    play_own("docs/tutorial.md");
}

#[test]
fn both_stacks_can_be_deployed_into_empty_accounts_and_protect_an_image() {
    play_own("docs/how-to/try-the-stacks.md");
}

#[test]
fn the_pages_about_the_simulated_aws_can_be_typed() {
    let own_tests = ["docs/tutorial.md", "docs/how-to/try-the-stacks.md"];
    let others = played(World::Own).into_iter().filter(|page| !own_tests.contains(&page.as_str()));
    others.for_each(|page| play_own(&page));
}

/// The tables of a configuration as they stand, split before each `[`.
fn tables(text: &str) -> Vec<String> {
    let mut tables: Vec<String> = vec![String::new()];
    for line in text.lines() {
        if line.starts_with('[') {
            tables.push(String::new());
        }
        let table = tables.last_mut().unwrap();
        table.push_str(line);
        table.push('\n');
    }
    tables
}

fn text_of(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Files that the reader of a page has: configurations and profiles.
fn furnish(folder: &Path, simulator: &Simulator) {
    let text = fs::read_to_string(simulator.config()).unwrap();
    let (sources, rest): (Vec<String>, Vec<String>) =
        tables(&text).into_iter().partition(|table| table.starts_with("[[source]]"));
    let [first, second, more @ ..] = &sources[..] else { panic!("{sources:?}") };
    let profiles = "source_profile = \"source\"\nvault_profile = \"vault\"\n";
    assert!(rest.last().is_some_and(|table| table.starts_with("[aws]")), "{rest:?}");
    let own = |source: &str| {
        let account = source.split("account = \"").nth(1).unwrap().split('"').next().unwrap();
        (format!("{source}profile = \"source-{account}\"\n"), account.to_owned())
    };
    let (second, account) = own(second);
    let vault =
        rest.iter().filter(|table| table.starts_with("[[vault]]") || table.starts_with("[aws]"));
    let vault: String = vault.cloned().collect();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    let rest = rest.concat();
    let pruned = format!("prune_profile = \"prune\"\nbucket = \"{VAULT_BUCKET}\"");
    let rest_of_people = rest.replace(&format!("bucket = \"{VAULT_BUCKET}\""), &pruned);
    write("keys.toml", &format!("{first}{rest}"));
    write("amiferry.toml", &format!("{first}{rest_of_people}{profiles}"));
    write("vault.toml", &format!("{vault}{profiles}"));
    write("source.toml", &second);
    let mut accounts = vec![
        ("source".to_owned(), Account::Source.id().to_owned(), Account::Source.region()),
        ("vault".to_owned(), Account::Vault.id().to_owned(), Account::Vault.region()),
        ("prune".to_owned(), Account::Vault.id().to_owned(), Account::Vault.region()),
        (format!("source-{account}"), account, Account::Source.region()),
    ];
    let mut many = String::new();
    for source in more {
        let (table, account) = own(source);
        many.push_str(&table);
        accounts.push((format!("source-{account}"), account, Account::Source.region()));
    }
    write("sources.toml", &many);
    let profile = |(name, id, region): &(String, String, &str)| {
        let keys = format!("aws_access_key_id = {id}\naws_secret_access_key = any\n");
        format!(
            "[profile {name}]\nregion = {region}\nendpoint_url = {}\n{keys}",
            simulator.endpoint()
        )
    };
    write("aws.ini", &accounts.iter().map(profile).collect::<String>());
    let (id, region) = (Account::Source.id(), Account::Source.region());
    write("message.json", &image::available(id, region, "ami-0123456789abcdef0").to_string());
    // What a page edits stays as it is in the repository.
    write("amiferry.rules.yml", &text_of("deploy/prometheus/amiferry.rules.yml"));
    fs::create_dir(folder.join("dashboards")).unwrap();
    let board = "dashboards/pipeline.json";
    write(board, &text_of(board));
}

/// The accounts of the sources that are yet to be added get what a stack gives them: a queue, here without
/// rules.
fn make_queues(simulator: &Simulator) {
    let script = r#"
        for account in 300000000000 300000000001 300000000002 300000000003; do
            export AWS_ACCESS_KEY_ID=$account
            dead="arn:aws:sqs:us-east-1:$account:amiferry-source-dead"
            redrive="{\"RedrivePolicy\": \"{\\\"deadLetterTargetArn\\\": \\\"$dead\\\", \\\"maxReceiveCount\\\": 5}\"}"
            make() { aws --endpoint-url "$AWS_ENDPOINT_URL" sqs create-queue --region us-east-1 --queue-name "$@"; }
            make amiferry-source-dead
            make amiferry-source --attributes "$redrive"
        done
    "#;
    let made = simulator.shell(Account::Source, script);
    assert_eq!(made.status, 0, "{made:#?}");
}

#[test]
fn the_pages_for_a_running_pair_can_be_typed() {
    let options = ["--with-images", "--more-sources", "4"];
    let Some(simulator) = Simulator::with(&options) else { return };
    let begun = simulator.folder().join("begun");
    fs::create_dir(&begun).unwrap();
    furnish(&begun, &simulator);
    let config = begun.join("keys.toml");
    let workers = [Role::Source, Role::Target].map(|role| simulator.worker(role, &config));
    make_queues(&simulator);
    let report = simulator.until_complete(12);
    workers.into_iter().for_each(|worker| assert_eq!(worker.terminate().status, 0));
    let points = report["recovery_points"].as_array().unwrap();
    let ready = points.iter().find(|point| point["family"] == "orders-db").unwrap();
    let dead = simulator.queue_url(Account::Vault, "amiferry-target-dead");
    let sent = ["sqs", "send-message", "--queue-url", &dead, "--message-body", "{}"];
    let message = image::text(&simulator.aws(Account::Vault, &sent)["MessageId"]);
    let endpoint = simulator.endpoint().to_owned();
    let log = simulator.folder().join("02-target.stderr");

    let left_out = left_out::all();
    let mut done: Vec<Block> = Vec::new();
    for page in played(World::Kept) {
        let folder = simulator.folder().join(page.replace('/', "-"));
        fs::create_dir(&folder).unwrap();
        furnish(&folder, &simulator);
        fs::copy(&log, folder.join("target.log")).unwrap();
        let player = Player::new(&folder).unwrap();
        let strict = page.starts_with("docs/how-to/");
        let mut player = player
            .with_variable("AWS_CONFIG_FILE", &folder.join("aws.ini").display().to_string())
            .with("https://sqs.$region.amazonaws.com", &endpoint)
            // The simulated roles are of no Region.
            .with("amiferry-source-read-$region", "amiferry-source-read")
            .with("VAULT-BUCKET", VAULT_BUCKET)
            .with("MESSAGE_ID", &message)
            .with("ami-0123456789abcdef0", &image::text(&ready["source_image_id"]))
            // The first ones: what is done to the others is the same.
            .with("'/image.bin')].[Key, VersionId]", "'/image.bin')] | [:2].[Key, VersionId]")
            .with("'Images[].ImageId'", "'Images[:1].ImageId'")
            .accepting(if strict { &[0] } else { &[0, 3] });
        let mut blocks = typed(&page, &left_out);
        // The runbooks share a few commands.
        blocks.retain(|block| !page.starts_with(RUNBOOKS) || !done.contains(block));
        blocks.iter().for_each(|block| player.play(&page, block));
        done.extend(blocks);
    }
}
