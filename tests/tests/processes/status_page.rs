//! The status page in a real Chromium: for sighted readers, keyboard users and screen readers.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::{Account, Process, Role, Simulator, image, scrape, wait};

/// A hostile name of a workload.
const HOSTILE: &str = "<script>alert(1)</script>";

/// Starts `amiferry status --serve` and answers with the page's address.
fn serve(simulator: &Simulator) -> (Process, String) {
    let mut command = simulator.command(Account::Vault);
    command.args(["status", "--serve", "127.0.0.1:0", "--every", "2s", "--config"]);
    let process = simulator.spawn("status", command.arg(simulator.config()));
    let address = process.until("the page's address", |process| {
        let said = process.stderr();
        let (_, rest) = said.split_once("status page on ")?;
        let (address, _) = rest.split_once(';')?;
        Some(address.to_owned())
    });
    (process, address)
}

fn assert_no_complaint(browser: &Browser) {
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// What axe-core finds wrong with the page for people with disabilities; nothing, after one plain
/// line, where it is not installed.
fn violations(browser: &mut Browser) -> Value {
    let Some(axe) = axe() else { return json!([]) };
    let found =
        "axe.run().then(found => found.violations.map(v => [v.id, v.nodes.map(n => n.html)]))";
    browser.ask(&format!("{axe}; {found}"))
}

#[expect(clippy::disallowed_methods, reason = "how the test runner says where axe-core is")]
fn axe() -> Option<String> {
    let named = std::env::var("AMIFERRY_AXE").ok().filter(|path| !path.is_empty());
    if named.is_none() {
        // Not by a macro: the test runner would swallow the line.
        let _ = writeln!(std::io::stderr(), "SKIPPED: the rules of axe-core need axe-core");
    }
    named.map(|path| std::fs::read_to_string(path).unwrap())
}

/// How many elements of each role a screen reader is told of.
fn roles(browser: &mut Browser) -> impl Fn(&str) -> usize + use<> {
    let tree = browser.call("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().unwrap().clone();
    move |role| {
        let is_role = |node: &&Value| node["ignored"] != true && node["role"]["value"] == role;
        nodes.iter().filter(is_role).count()
    }
}

#[test]
fn the_page_follows_aws_by_itself_and_shows_hostile_names_as_text() {
    let Some(mut browser) = Browser::start() else { return };
    let Some(simulator) = Simulator::start() else { return };
    let (process, address) = serve(&simulator);
    browser.open(&address);
    wait::until("the first look at AWS", || {
        browser.text().contains("Nothing is promised").then_some(())
    });
    image::register(&simulator, "app-1", HOSTILE);
    wait::until("the image on the page, without reloading it", || {
        let text = browser.text();
        (text.contains(HOSTILE) && text.contains("the image has no staged object yet"))
            .then_some(())
    });
    assert_eq!(browser.ask("document.scripts.length"), 0);
    assert_no_complaint(&browser);
    let asked: BTreeSet<&str> =
        browser.answers().map(|answer| answer["url"].as_str().unwrap()).collect();
    for url in &asked {
        let is_own = *url == address || url.starts_with("data:image/svg+xml,");
        assert!(is_own, "the page asks for {url}");
    }
    let headers =
        browser.answers().find(|answer| answer["url"] == address).unwrap()["headers"].clone();
    assert_eq!(
        headers["Content-Type"].as_str().or(headers["content-type"].as_str()),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(headers["cache-control"], "no-store");

    browser.open(&format!("{address}?updates=paused"));
    assert!(browser.text().contains("not renewed"), "{}", browser.text());
    process.signal("TERM");
    assert_eq!(process.finish().status, 0);
}

#[test]
fn the_page_fits_every_width_and_scheme_and_works_by_keyboard_and_ear() {
    let Some(mut browser) = Browser::start() else { return };
    let Some(simulator) = Simulator::with_images() else { return };
    let ended = simulator.run(&["status", "--output", "html"], &simulator.config());
    assert!(ended.stdout.starts_with("<!DOCTYPE html>"), "{ended:#?}");
    let file = simulator.folder().join("status.html");
    std::fs::write(&file, &ended.stdout).unwrap();
    let address = format!("file://{}", file.display());

    let mut grounds = BTreeSet::new();
    for (width, is_telephone) in [(360, true), (768, false), (1_280, false)] {
        for scheme in ["light", "dark"] {
            browser.resize(width, is_telephone);
            browser.prefer(scheme);
            browser.open(&address);
            let widest = browser.ask("document.documentElement.scrollWidth");
            assert!(widest.as_u64().unwrap() <= u64::from(width), "{widest} at {width}, {scheme}");
            let ground = browser.ask("getComputedStyle(document.body).backgroundColor");
            grounds.insert(ground.as_str().unwrap().to_owned());
        }
        assert_eq!(violations(&mut browser), json!([]), "at {width}");
        let count = roles(&mut browser);
        for landmark in ["banner", "main", "contentinfo"] {
            assert_eq!(count(landmark), 1, "{landmark} at {width}");
        }
        assert_eq!(count("table"), 2, "tables at {width}");
        assert_eq!(count("columnheader"), 8, "at {width}");
        assert!(count("rowheader") >= 10, "{} row headers at {width}", count("rowheader"));
        assert!(count("heading") >= 6 && count("image") >= 10, "at {width}");
    }
    assert_eq!(grounds.len(), 2, "light and dark look alike: {grounds:?}");

    browser.press("Tab", 9);
    let focused = "document.activeElement.className + ' ' + \
                   getComputedStyle(document.activeElement).outlineStyle + ' ' + \
                   (document.activeElement.getBoundingClientRect().left >= 0)";
    assert_eq!(browser.ask(focused), "skip solid true");
    browser.press("Tab", 9);
    assert_eq!(browser.ask("document.activeElement.tagName"), "SUMMARY");
    browser.press("Enter", 13);
    assert_no_complaint(&browser);
}

#[test]
fn the_page_of_a_worker_follows_an_image_to_its_end_and_names_what_needs_a_person() {
    let Some(mut browser) = Browser::start() else { return };
    let Some(simulator) = Simulator::start() else { return };
    let config = simulator.config();
    let target = simulator.worker(Role::Target, &config);
    let address = format!("http://{}/", scrape::address(&target));
    browser.open(&address);
    wait::until("what is known", || browser.text().contains("Nothing is promised").then_some(()));
    let first = image::register(&simulator, "app-1", "orders");
    let source = simulator.worker(Role::Source, &config);
    wait::until("the complete recovery point, without reloading the page", || {
        let text = browser.text();
        let kept = text.contains("Every RPO is kept") && text.contains("1 of 1 family within");
        (kept && text.contains(&first) && text.contains("restored as")).then_some(())
    });
    assert_eq!(source.terminate().status, 0);

    // More tags than a restored image can take in addition to ours.
    let second = image::register(&simulator, "app-2", "orders");
    let tags: Vec<String> = (0..45).map(|number| format!("Key=tag-{number},Value=x")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let create = ["ec2", "create-tags", "--resources", &second, "--tags"];
    simulator.aws(Account::Source, &[&create, tags.as_slice()].concat());
    let source = simulator.worker(Role::Source, &config);
    wait::until("the parked recovery point and what to do", || {
        let text = browser.text();
        let parked = text.contains("1 recovery point is parked") && text.contains(&second);
        (parked && text.contains("amiferry explain too_many_tags")).then_some(())
    });
    assert_no_complaint(&browser);
    assert_eq!(source.terminate().status, 0);
    assert_eq!(target.terminate().status, 0);
}

/// An image whose copy goes on, part by part, for longer than any reader needs.
const SLOW: &str = "
[settings.s3]
copy_rate = 60_000_000

[[image]]
name = \"web-1\"
gib = [256]
tags = { workload = \"web\" }
";

/// How far the copy on the page is, in thousandths; `None` while none goes on.
fn copied(browser: &mut Browser) -> Option<u64> {
    browser.ask("document.querySelector('progress')?.value ?? null").as_u64()
}

#[test]
fn a_copy_shows_how_far_it_is_and_goes_on_from_there_when_its_worker_died() {
    let Some(mut browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("slow.toml");
    std::fs::write(&scenario, SLOW).unwrap();
    let Some(simulator) = Simulator::with(&["--scenario", scenario.to_str().unwrap()]) else {
        return;
    };
    let parts = ("part_size_mib = 1024", "part_size_mib = 64\nparts_in_flight = 1");
    let config = simulator.changed_config("parts.toml", &[parts]);
    let _source = simulator.worker(Role::Source, &config);
    let target = simulator.worker(Role::Target, &config);
    let mut follow = |target: &Process, from: u64| {
        browser.open(&format!("http://{}/", scrape::address(target)));
        let first = wait::until("the copy's progress", || copied(&mut browser));
        assert!(first >= from, "it was at {from}, and is at {first}");
        let last = wait::until("more of it, without reloading the page", || {
            copied(&mut browser).filter(|now| *now >= first + 2)
        });
        // Nothing asks for its page when it is gone.
        browser.leave();
        last
    };
    let before = follow(&target, 0);
    target.kill9();
    let target = simulator.worker(Role::Target, &config);
    follow(&target, before);

    let still = format!("http://{}/?updates=paused", scrape::address(&target));
    wait::until("how fast it is", || {
        browser.open(&still);
        let text = browser.text();
        (text.contains(" GB copied") && text.contains(" MB/s, ")).then_some(())
    });
    assert_eq!(roles(&mut browser)("progressbar"), 1);
    assert_eq!(violations(&mut browser), json!([]));
    assert_no_complaint(&browser);
}
