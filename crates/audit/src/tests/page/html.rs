//! The document: text stays text, nothing is loaded, and what a screen reader needs is there.

use amiferry_core::code::Code;
use amiferry_core::copy_progress::CopyProgress;
use base64::Engine;
use sha2::Digest;

use super::super::fixture::{left_out, now};
use super::{complete, hours, inventory, open, unreachable_source, view_at, view_of};
use crate::inventory::{Inventory, RecoveryPoint, State};
use crate::page::view::WorkerState;
use crate::page::{Updates, headers, html, updates};

/// Texts of others that try to be more than text.
const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title></style><svg onload=alert(1)>",
    "&lt;b&gt;",
    "nib.\u{202e}ima\u{0}\n",
];

/// Everything that a page can have on it, with these texts wherever others may write.
fn full(text: &str) -> Inventory {
    let named = |point: RecoveryPoint| RecoveryPoint {
        family: text.to_owned(),
        detail: text.to_owned(),
        ..point
    };
    let mut facts = inventory([
        named(complete(1, "", 30)),
        named(open(2, "", 2, State::Parked, Code::Denied)),
        named(open(3, "", 1, State::InProgress, Code::InTurn)),
        RecoveryPoint { policy: text.to_owned(), ..named(complete(4, "", 1)) },
        complete(5, "plain", 1),
        named(open(7, "", 1, State::InProgress, Code::InTurn)),
    ]);
    let mut image = left_out(6, hours(2));
    image.reason = format!("{}: {text}", image.code.meaning());
    facts.rejected.push(image);
    facts.not_assessed.push(unreachable_source(text));
    facts
}

fn page(text: &str) -> String {
    let copied = open(3, "", 1, State::InProgress, Code::InTurn).id();
    let worker = WorkerState {
        in_flight: [("copy", 2)].into(),
        copies: [(copied, CopyProgress::new(2_000, 500, now()))].into(),
        troubles: vec![(text.to_owned(), text.to_owned())],
        ..WorkerState::default()
    };
    html(&view_at(full(text), Some(now()), Some(&worker)), Updates::Every(5))
}

/// The tags of a document, such as `td class="age"`, without its style's content.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).filter_map(|rest| rest.split('>').next()).collect()
}

#[test]
fn text_of_others_makes_no_tag_and_no_attribute() {
    let honest: Vec<String> = tags(&page("honest")).iter().map(|tag| shape(tag)).collect();
    for hostile in HOSTILE {
        let html = page(hostile);
        let shapes: Vec<String> = tags(&html).iter().map(|tag| shape(tag)).collect();
        assert_eq!(shapes, honest, "{hostile:?} changed the document");
        assert!(!html.contains('\u{202e}') && !html.contains('\u{0}'), "{hostile:?}");
    }
    assert!(page(HOSTILE[0]).contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

/// A tag with the values of its attributes taken out.
fn shape(tag: &str) -> String {
    tag.split('"').step_by(2).collect::<Vec<_>>().join("\"")
}

#[test]
fn the_page_loads_nothing_runs_nothing_and_styles_only_by_its_one_sheet() {
    let html = page("text");
    for forbidden in
        ["<script", "<iframe", "<img", "<form", "<object", " style=", "@import", "url("]
    {
        assert!(!html.contains(forbidden), "{forbidden} is on the page");
    }
    for tag in tags(&html) {
        let names = tag.split('"').step_by(2).flat_map(str::split_whitespace);
        for name in names.filter(|name| name.ends_with('=')) {
            assert!(!name.starts_with("on"), "{tag}");
        }
        for address in ["href=\"", "src=\""] {
            if let Some((_, rest)) = tag.split_once(address) {
                let inside = ["#", "?", "data:image/svg+xml,"];
                assert!(inside.iter().any(|start| rest.starts_with(start)), "{tag}");
            }
        }
    }
}

#[test]
fn the_policy_allows_exactly_the_style_that_is_in_the_page() {
    let html = page("text");
    let (_, rest) = html.split_once("<style>").unwrap();
    let (style, _) = rest.split_once("</style>").unwrap();
    let digest = sha2::Sha256::digest(style);
    let hash = base64::engine::general_purpose::STANDARD.encode(digest);
    let policy = headers().iter().find(|(name, _)| *name == "content-security-policy").unwrap().1;
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "{policy}");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(policy.ends_with("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    let in_page = policy.trim_end_matches("; frame-ancestors 'none'").replace('\'', "&#39;");
    let escaped = html.contains(&in_page) || html.contains(&in_page.replace("&#39;", "'"));
    assert!(escaped, "a saved page has no policy");
}

#[test]
fn headings_landmarks_and_headers_of_tables_are_there_for_who_cannot_see_the_page() {
    let html = page("text");
    for (once, count) in [("<h1", 1), ("<main>", 1), ("<header>", 1), ("<footer>", 1)] {
        assert_eq!(html.matches(once).count(), count, "{once}");
    }
    assert!(html.contains("<html lang=\"en\">") && html.contains("class=\"skip\" href=\"#needs\""));
    let tags = tags(&html);
    for tag in tags.iter().filter(|tag| tag.starts_with("th ")) {
        assert!(tag.contains("scope=\"col\"") || tag.contains("scope=\"row\""), "{tag}");
    }
    for tag in tags.iter().filter(|tag| tag.starts_with("svg ")) {
        let named = tag.contains("role=\"img\" aria-label=\"");
        let silent = tag.contains("aria-hidden=\"true\"") || tag.contains("overflow=\"visible\"");
        assert!(named || silent, "{tag}");
    }
    let levels: Vec<u8> = tags
        .iter()
        .filter(|tag| tag.len() >= 2 && tag.starts_with('h') && tag.as_bytes()[1].is_ascii_digit())
        .map(|tag| tag.as_bytes()[1] - b'0')
        .collect();
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
    for label in [
        "age 1d 6h, 125 % of the RPO of 1d 0h",
        "stored; not yet copied, restored, complete",
        "<progress max=\"1000\" value=\"250\" aria-label=\"copied\"></progress>",
        "500 B of 2.0 kB copied",
    ] {
        assert!(html.contains(label), "{label}");
    }
}

#[test]
fn the_page_is_renewed_sooner_while_something_is_under_way_and_not_when_paused() {
    let busy = view_of(inventory([open(1, "a", 1, State::InProgress, Code::NotStaged)]));
    let idle = view_of(inventory([complete(1, "a", 1)]));
    let unknown = view_at(Inventory::default(), None, None);
    for (view, query, seconds, said) in [
        (&unknown, None, Some(5), "renewed every 5 s"),
        (&busy, None, Some(5), "renewed every 5 s"),
        (&idle, None, Some(15), "renewed every 15 s"),
        (&idle, Some("updates=paused"), None, "not renewed"),
        (&idle, Some("updates=<b>"), Some(15), "renewed every 15 s"),
        (&idle, Some(""), Some(15), "renewed every 15 s"),
    ] {
        let updates = updates(view, query);
        assert_eq!(updates.seconds(), seconds, "{query:?}");
        assert!(html(view, updates).contains(said), "{query:?}");
    }
    assert!(!html(&idle, Updates::Never).contains("renewed"));
}

#[test]
fn a_page_without_facts_says_so_instead_of_showing_an_empty_table() {
    let nothing = html(&view_at(Inventory::default(), None, None), Updates::Every(5));
    assert!(nothing.contains("<h1 id=\"verdict\">Nothing is known yet</h1>"), "{nothing}");
    assert!(!nothing.contains("<table"), "{nothing}");
    let old = view_at(inventory([complete(1, "a", 1)]), Some(now() - hours(9)), None);
    let old = html(&old, Updates::Every(5));
    assert!(old.contains("Out of date: last known 9h 0m ago"), "{old}");
    assert!(old.contains("2026-01-15 03:00:00 UTC"), "the last good time is not said: {old}");
}
