//! How large a scrape is.

use super::*;

/// The test's configuration, in which `app` lists this many families.
fn listing(families: usize) -> Config {
    let names: Vec<String> = (0..families).map(|number| format!("\"team-{number:05}\"")).collect();
    let text = CONFIG.replace("[\"shop\", \"ledger\"]", &format!("[{}]", names.join(", ")));
    Config::parse(&text, "test", &BTreeMap::new()).unwrap()
}

/// What a scrape of this many listed families with an image each is, for two sources.
fn scrape(families: usize) -> String {
    let config = listing(families);
    let names = (0..families).map(|number| format!("team-{number:05}"));
    let fleet = whole(names.map(|name| point(&name, 1, Progress::Complete)));
    page_of(&config, &[(&fleet, now())])
}

#[test]
fn each_listed_family_has_ten_series_a_source_and_thousands_of_them_no_more() {
    let (few, many) = (scrape(10), scrape(5_000));
    assert_eq!(many.lines().count() - few.lines().count(), 4_990 * 2 * 10);
    let bytes = (many.len() - few.len()) / (4_990 * 2 * 10);
    assert!(bytes < 200, "{bytes} bytes a series");
}

#[test]
fn a_look_that_found_nothing_new_shows_the_same_and_one_that_did_shows_that() {
    let was = whole([point("shop", 9, Progress::Complete), point("ledger", 9, Progress::Complete)]);
    let is = whole([point("shop", 1, Progress::Complete), point("ledger", 9, Progress::Parked)]);
    let steps = [(&was, now()), (&was, now()), (&is, now()), (&is, now())];
    assert_eq!(page(&steps[..2]), page(&steps[..1]));
    assert_eq!(page(&steps), page(&steps[2..]));
    assert_ne!(page(&steps), page(&steps[..1]));
}
