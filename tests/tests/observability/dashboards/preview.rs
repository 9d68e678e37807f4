//! The script that draws previews: what it draws, and what it says when it cannot.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::board::{Board, text};
use crate::support::silence::Silence;
use crate::support::wait;
use crate::tools::{named, root, skipped};

/// Runs the script; `None` where there is no Python, which is said.
fn script(arguments: &[&str]) -> Option<Output> {
    let python = named("AMIFERRY_PYTHON").unwrap_or_else(|| PathBuf::from("python3"));
    let mut command = Command::new(python);
    let script = root().join("dashboards/preview.py");
    // Nothing is left beside the script, and no proxy stands before a loopback address.
    let output = command.arg("-B").arg(script).args(arguments).env("no_proxy", "*").output();
    if output.is_err() {
        skipped("python3");
    }
    output.ok()
}

/// What a drawing shows for a panel that has nothing to show.
const EMPTY: &[&str] =
    &[": 0 lines", ": 0 bars", ": 0 rows", "not known", "Nothing is known", ">nan<"];

/// A preview shows every panel of its dashboard with something in it.
pub fn assert_shows(board: &Board, path: &Path) {
    let image = drawn(board, path);
    for empty in EMPTY {
        assert!(!image.contains(empty), "{} says {empty:?}", path.display());
    }
}

/// A drawing that has every panel of its dashboard, even if all panels are empty.
fn drawn(board: &Board, path: &Path) -> String {
    let image = fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{}: {error}: run dashboards/preview.py", path.display()));
    assert!(image.starts_with("<svg ") && image.ends_with("</svg>\n"), "{}", path.display());
    let (_, rest) = image.split_once("<desc id=\"d\">").unwrap();
    let (summary, _) = rest.split_once("</desc>").unwrap();
    for panel in board.panels() {
        let title = text(panel, "title").replace('&', "&amp;").replace('\'', "&#x27;");
        let shown = summary.contains(&format!("{title}: "));
        assert!(shown, "{} has no {title:?}: run dashboards/preview.py", path.display());
    }
    for outside in ["<script", "href", "url(", "<image"] {
        assert!(!image.contains(outside), "{} has {outside:?}", path.display());
    }
    image
}

/// The script draws every dashboard from this Prometheus.
pub fn assert_drawn_from(prometheus: &str) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let draw = || {
        let output = script(&[prometheus, "--out", out, "--scrape-interval", "2s"])?;
        assert!(output.status.success(), "{output:?}");
        let drawn =
            |board: Board| drawn(&board, &folder.path().join(format!("{}.svg", board.name)));
        Some(Board::all().into_iter().map(drawn).collect::<Vec<_>>())
    };
    let Some(mut images) = draw() else { return };
    // The demo is drawn while it goes on: what is empty now will not be for long.
    let is_empty = |image: &String| EMPTY.iter().any(|empty| image.contains(empty));
    wait::until("a drawing in which every panel shows something", || {
        if !images.iter().any(is_empty) {
            return Some(());
        }
        images = draw()?;
        None
    });
    let nowhere = folder.path().join("nowhere");
    let refused = refused(&[prometheus, "--out", nowhere.to_str().unwrap()]).unwrap();
    assert!(refused.contains("cannot be written") && refused.contains("--out"), "{refused}");
}

/// What the script says before it gives up.
fn refused(arguments: &[&str]) -> Option<String> {
    let output = script(arguments)?;
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("Traceback"), "{said}");
    Some(said)
}

#[test]
fn the_preview_says_what_is_wrong_with_its_arguments_its_files_and_its_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    let text_file = folder.path().join("text");
    fs::write(&text_file, "a dashboard").unwrap();
    let other_file = folder.path().join("other.json");
    fs::write(&other_file, "{\"panels\": []}").unwrap();
    let (text_file, other_file) = (text_file.to_str().unwrap(), other_file.to_str().unwrap());
    let silence = Silence::keep();
    let silent = format!("http://{}", silence.address());
    let cases: &[(&[&str], &[&str])] = &[
        (&[], &["required", "prometheus"]),
        (&["localhost:9090"], &["'localhost:9090'", "http://127.0.0.1:9090"]),
        (&[&silent, "--range", "5x"], &["'5x'", "15m"]),
        (&[&silent, "--set", "family"], &["'family'", "family=web"]),
        (&[&silent, "/nowhere.json"], &["/nowhere.json cannot be read", "No such file"]),
        (&[&silent, text_file], &[text_file, "is not the JSON of a dashboard"]),
        (&[&silent, other_file], &[other_file, "is not the JSON of a dashboard", "templating"]),
        (&[&silent], &[&silent, "does not answer", "refused", "Is Prometheus running there?"]),
    ];
    for (arguments, words) in cases {
        let Some(said) = refused(arguments) else { return };
        for word in *words {
            assert!(said.contains(word), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn the_preview_says_that_another_server_is_no_prometheus() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n<html>hello</html>");
        }
    });
    let Some(said) = refused(&[&other]) else { return };
    assert!(said.contains(&format!("{other} does not answer as Prometheus does")), "{said}");
}
