//! Rules for every dashboard in addition to the linter's: it can be imported anywhere, links to the
//! others, and is readable for everyone.

use std::collections::BTreeSet;
use std::fs;

use amiferry_service::metrics::{self, Kind};
use serde_json::Value;

use super::board::{Board, list, text, walk};
use super::promql::selectors;
use crate::tools::root;

/// The last version of this form of JSON; Grafana brings older ones up to it.
const SCHEMA_VERSION: u32 = 42;

/// Colours that people with any kind of colour vision tell apart (Okabe and Ito), and that of text.
const COLORS: &[&str] = &["#009E73", "#56B4E9", "#E69F00", "#D55E00", "#CC79A7", "#999999", "text"];

/// Variables that Grafana itself gives to queries and links.
const MACROS: &[&str] = &["__rate_interval", "__range", "__data"];

/// The width of Grafana's grid.
const COLUMNS: u64 = 24;

/// Panels without which a screen of 1,080 lines cannot do: 38 pixels each, and room for the rest.
const ONE_SCREEN: u64 = 24;

#[test]
fn each_can_be_imported_anywhere_and_is_written_as_grafana_writes() {
    for board in Board::all() {
        let (name, json) = (&board.name, &board.json);
        let written = serde_json::to_string_pretty(json).unwrap() + "\n";
        assert!(board.text == written, "{name}: indent it by two and sort its members");
        assert_eq!(json["uid"], format!("amiferry-{name}"));
        assert_eq!(json["schemaVersion"], SCHEMA_VERSION, "{name}");
        assert!(board.title().starts_with("amiferry / "), "{name}");
        assert!(text(json, "description").contains('?'), "{name}: which question does it answer?");
        assert_eq!(json["tags"], serde_json::json!(["amiferry"]), "{name}");
        for made_at_import in ["id", "__inputs", "__requires"] {
            assert!(json.get(made_at_import).is_none(), "{name} has {made_at_import}");
        }
        walk("", json, &mut |member, value| {
            if member == "datasource" {
                assert_eq!(value["uid"], "${datasource}", "{name}");
            }
        });
    }
}

#[test]
fn no_panel_lies_on_another() {
    for board in Board::all() {
        let mut taken = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for panel in board.panels() {
            let side = |side: &str| panel["gridPos"][side].as_u64().unwrap();
            let title = format!("{}: {}", board.name, text(panel, "title"));
            assert!(ids.insert(panel["id"].as_u64()), "{title}: its id is another's");
            assert!(side("x") + side("w") <= COLUMNS, "{title} is off the grid");
            for column in side("x")..side("x") + side("w") {
                for row in side("y")..side("y") + side("h") {
                    assert!(taken.insert((column, row)), "{title} lies on another panel");
                }
            }
        }
        let height = taken.iter().map(|(_, row)| row + 1).max().unwrap();
        assert_eq!(u64::try_from(taken.len()), Ok(height * COLUMNS), "{}: a hole", board.name);
        assert!(board.name != "dr-posture" || height <= ONE_SCREEN, "posture is one screen");
    }
}

#[test]
fn each_leads_to_all_others_to_the_runbooks_and_to_nothing_that_is_not_there() {
    let boards = Board::all();
    let pages: BTreeSet<String> =
        boards.iter().map(|board| format!("/d/{}", text(&board.json, "uid"))).collect();
    for board in &boards {
        let mut wanted = pages.clone();
        wanted.remove(&format!("/d/{}", text(&board.json, "uid")));
        let mut documents = 0;
        for link in list(&board.json, "links") {
            let url = text(link, "url");
            if let Some(page) = url.strip_prefix("${docs}/") {
                assert!(root().join(page).is_file(), "{}: there is no {page}", board.name);
                documents += 1;
            } else {
                assert!(wanted.remove(url), "{} leads to {url}", board.name);
                assert_eq!(link["keepTime"], true, "{}: {url}", board.name);
            }
        }
        assert!(wanted.is_empty(), "{} does not lead to {wanted:?}", board.name);
        assert_eq!(documents, 2, "{}: runbooks and README", board.name);
        walk("", &board.json, &mut |_, value| {
            let url = text(value, "url");
            if let Some((page, values)) = url.split_once('?') {
                assert!(pages.contains(page), "{} leads to {url}", board.name);
                let other = boards.iter().find(|other| page.ends_with(text(&other.json, "uid")));
                for part in values.split('&').filter_map(|part| part.strip_prefix("var-")) {
                    let name = part.split('=').next().unwrap();
                    assert!(other.unwrap().variable(name).is_some(), "{page} knows no {name}");
                }
            }
        });
    }
}

/// The names that a text takes from variables.
fn named(text: &str) -> Vec<&str> {
    let end = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let rest = text.split('$').skip(1).map(|rest| rest.trim_start_matches('{'));
    rest.map(|rest| rest.split(end).next().unwrap_or_default()).collect()
}

#[test]
fn every_variable_that_is_named_is_there_and_every_one_that_is_there_is_named() {
    for board in Board::all() {
        let mut used = BTreeSet::new();
        walk("", &board.json, &mut |_, value| {
            let texts = value.as_object().into_iter().flat_map(|members| members.values());
            for text in texts.filter_map(Value::as_str) {
                used.extend(named(text));
            }
        });
        used.remove("__all");
        let there: BTreeSet<&str> = board.variables().iter().map(|v| text(v, "name")).collect();
        let unknown: Vec<_> =
            used.difference(&there).filter(|name| !MACROS.contains(name)).collect();
        assert!(unknown.is_empty(), "{} names {unknown:?}", board.name);
        let idle: Vec<_> = there.difference(&used).collect();
        assert!(idle.is_empty(), "{} uses no {idle:?}", board.name);
    }
}

#[test]
fn no_colour_stands_alone_and_none_looks_like_another() {
    for board in Board::all() {
        walk("", &board.json, &mut |member, value| {
            for key in ["color", "fixedColor", "iconColor"] {
                if let Some(color) = value[key].as_str() {
                    assert!(COLORS.contains(&color), "{}: {member} has {color}", board.name);
                }
            }
        });
        for panel in board.panels() {
            let title = format!("{}: {}", board.name, text(panel, "title"));
            let (defaults, options) = (&panel["fieldConfig"]["defaults"], &panel["options"]);
            assert_ne!(defaults["noValue"], "", "{title}: an empty answer has its words");
            match text(panel, "type") {
                "stat" => assert_ne!(options["textMode"], "none", "{title}"),
                "bargauge" => assert_eq!(options["valueMode"], "text", "{title}"),
                "timeseries" => assert_eq!(options["legend"]["showLegend"], true, "{title}"),
                "table" => assert_eq!(options["showHeader"], true, "{title}"),
                other => panic!("{title} is a {other}, which the preview cannot draw"),
            }
        }
    }
}

/// Every series that a worker exposes or a rule records, or that Prometheus makes.
fn series() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = ["up", "ALERTS"].map(str::to_owned).into();
    for metric in metrics::ALL {
        if metric.kind == Kind::Histogram {
            names.extend(["bucket", "sum", "count"].map(|part| format!("{}_{part}", metric.name)));
        } else {
            names.insert(metric.name.to_owned());
        }
    }
    let rules = fs::read_to_string(root().join("deploy/prometheus/amiferry.rules.yml")).unwrap();
    let records = rules.lines().filter_map(|line| line.trim().strip_prefix("- record: "));
    names.extend(records.map(str::to_owned));
    names
}

#[test]
fn every_query_selects_series_that_there_are() {
    let series = series();
    for board in Board::all() {
        let queries = board.queries();
        let annotations = list(&board.json["annotations"], "list").iter();
        let annotations: Vec<&str> = annotations.map(|shown| text(shown, "expr")).collect();
        assert!(annotations.iter().any(|shown| shown.starts_with("ALERTS")), "{}", board.name);
        for query in queries.iter().map(|query| query.expression).chain(annotations) {
            let selected = selectors(query);
            assert!(!selected.is_empty(), "{}: {query} asks nothing", board.name);
            for selector in selected {
                assert!(series.contains(selector.metric), "{}: {}", board.name, selector.metric);
            }
        }
    }
}

#[test]
fn the_readme_shows_a_preview_of_every_dashboard_that_has_all_its_panels() {
    let readme = fs::read_to_string(root().join("dashboards/README.md")).unwrap();
    for board in Board::all() {
        let image = format!("docs/images/dashboards/{}.svg", board.name);
        assert!(readme.contains(&format!("](../{image})")), "{image} is not shown");
        assert!(readme.contains(&format!("({}.json)", board.name)), "{} is not named", board.name);
        super::preview::assert_shows(&board, &root().join(image));
    }
}
