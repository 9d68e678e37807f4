//! Says on standard error how far a restore is: a line for each event, and for all of it a line that
//! changes on a terminal, or at most one a minute elsewhere.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use amiferry_audit::render::{moment, span};
use amiferry_core::text::visible;
use amiferry_recovery::run::{Doing, Event, Running};
use amiferry_service::config::{Env as _, ProcessEnv};
use jiff::{SignedDuration, Timestamp};

use crate::terminal::tell;

/// The longest reason in a line.
const LONGEST_REASON: usize = 200;

/// How far apart the lines about all of it are where nothing can be overwritten.
const LINES_APART: SignedDuration = SignedDuration::from_mins(1);

/// The width of a terminal that does not tell it.
const USUAL_WIDTH: usize = 80;

/// To the beginning of the line, and the line away (ECMA-48, *EL*).
const CLEAR: &str = "\r\x1b[2K";

/// What was told so far. Dropping it takes the changing line away.
pub struct Progress {
    is_terminal: bool,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    /// The changing line, as it stands on the terminal.
    line: String,
    /// When the last plain line about all of it was written, and about what.
    last: Option<(Timestamp, State)>,
}

/// What a plain line is about: when it changes, another one is worth writing.
type State = (usize, u64, Vec<Running>);

impl Progress {
    /// Tells a terminal what changes, and everything else line by line.
    pub fn new() -> Self {
        let is_dumb = ProcessEnv.get("TERM").is_some_and(|term| term == "dumb");
        Self { is_terminal: stderr().is_terminal() && !is_dumb, told: Mutex::default() }
    }

    /// Tells one event.
    pub fn tell(&self, event: &Event, now: Timestamp) {
        let mut told = self.told();
        match event {
            Event::Progress { done, of, in_progress_gb, running, expected_end } => {
                let all = All { done: *done, of: *of, in_progress_gb: *in_progress_gb };
                if self.is_terminal {
                    told.line = all.status(running, *expected_end, now, width());
                    write(&format!("{CLEAR}{}", told.line));
                } else if told.is_due((*done, *in_progress_gb, running.clone()), now) {
                    tell(&all.line(running, *expected_end, now));
                }
            }
            event => {
                let Some(text) = line(event) else { return };
                if self.is_terminal {
                    write(&format!("{CLEAR}{text}\n{}", told.line));
                } else {
                    tell(&text);
                }
            }
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_terminal {
            write(CLEAR);
        }
    }
}

impl Told {
    /// Whether a plain line is due: something changed, and the last one is old enough.
    fn is_due(&mut self, state: State, now: Timestamp) -> bool {
        let is_due = self
            .last
            .as_ref()
            .is_none_or(|(at, last)| now.duration_since(*at) >= LINES_APART && *last != state);
        if is_due {
            self.last = Some((now, state));
        }
        is_due
    }
}

/// Whether anyone reads it changes nothing.
fn write(text: &str) {
    let mut stderr = stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(stderr()).ok();
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    columns.unwrap_or(USUAL_WIDTH)
}

/// How far all of it is.
#[derive(Debug, Clone, Copy)]
struct All {
    done: usize,
    of: usize,
    in_progress_gb: u64,
}

impl All {
    /// For a file or a pipe.
    fn line(self, running: &[Running], end: Timestamp, now: Timestamp) -> String {
        let Self { done, of, in_progress_gb } = self;
        let (end, left) = (moment(end), left(end, now));
        let doing = match running.is_empty() {
            true => String::new(),
            false => format!(" ({})", counted(running)),
        };
        format!(
            "{done} of {of} done, {in_progress_gb} GB in progress{doing}, expected end {end} (in {left})"
        )
    }

    /// For a terminal: never wider than it, so that it can be overwritten.
    fn status(self, running: &[Running], end: Timestamp, now: Timestamp, width: usize) -> String {
        let Self { done, of, in_progress_gb } = self;
        let left = left(end, now);
        let mut text =
            format!("{done} of {of} done, {in_progress_gb} GB in progress, end in {left}");
        for (n, one) in running.iter().enumerate() {
            let more = match running.len() - n - 1 {
                0 => String::new(),
                more => format!(", {more} more"),
            };
            let sign = if n == 0 { ": " } else { ", " };
            let next = format!("{text}{sign}{}", shown(one));
            if next.chars().count() + more.chars().count() >= width {
                let rest =
                    if n == 0 { String::new() } else { format!(", {} more", running.len() - n) };
                text.push_str(&rest);
                break;
            }
            text = next;
        }
        text.chars().take(width.saturating_sub(1)).collect()
    }
}

/// How long it is until the end.
fn left(end: Timestamp, now: Timestamp) -> String {
    span(end.duration_since(now).as_secs().max(0))
}

/// One in progress, in few words.
fn shown(one: &Running) -> String {
    let percent = one.percent.map(|percent| format!(" {percent} %")).unwrap_or_default();
    let what = match &one.doing {
        Doing::Retrieving => "retrieving",
        Doing::Copying => "copying",
        Doing::Restoring(_) => "restoring",
    };
    format!("{} {what}{percent}", one.id.source_image_id)
}

/// How many are retrieved, copied and restored.
fn counted(running: &[Running]) -> String {
    let count = |is_it: fn(&Doing) -> bool| running.iter().filter(|one| is_it(&one.doing)).count();
    let counts = [
        (count(|doing| matches!(doing, Doing::Retrieving)), "retrieving"),
        (count(|doing| matches!(doing, Doing::Copying)), "copying"),
        (count(|doing| matches!(doing, Doing::Restoring(_))), "restoring"),
    ];
    let some = counts.into_iter().filter(|(count, _)| *count > 0);
    some.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

/// The line of what happened to one image; none for how far all of it is.
fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Copying { id, bytes } => {
            let gb = bytes.div_ceil(1 << 30);
            format!("{}: copying its object of {gb} GB", id.source_image_id)
        }
        Event::Began { id, image, size_gb } => {
            format!("{}: restoring as {image}, {size_gb} GB", id.source_image_id)
        }
        Event::Retrieving { id, from, speed, ready_by } => format!(
            "{}: S3 retrieves its object from {from} ({}), by {} at the latest",
            id.source_image_id,
            speed.as_str(),
            moment(*ready_by)
        ),
        Event::There { id, image } => format!("{}: {image} is there", id.source_image_id),
        Event::GivenUp { id, code, reason } => {
            let reason = visible(reason, LONGEST_REASON);
            format!("{}: not restored: {code}: {reason}", id.source_image_id)
        }
        Event::Progress { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use amiferry_core::names::RecoveryPointId;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
    }

    fn running(number: u8, doing: Doing, percent: Option<u8>) -> Running {
        let id = RecoveryPointId {
            source_account: "111111111111".parse().unwrap(),
            source_region: "us-east-1".parse().unwrap(),
            source_image_id: format!("ami-0000000000000000{number}").parse().unwrap(),
            target_account: "222222222222".parse().unwrap(),
            target_region: "us-west-2".parse().unwrap(),
        };
        Running { id, doing, percent }
    }

    fn some() -> Vec<Running> {
        let image = "ami-0123456789abcdef0".parse().unwrap();
        vec![
            running(1, Doing::Copying, Some(45)),
            running(2, Doing::Restoring(image), None),
            running(3, Doing::Retrieving, None),
        ]
    }

    const ALL: All = All { done: 12, of: 40, in_progress_gb: 580 };

    #[test]
    fn a_status_names_as_many_in_progress_as_fit_and_is_never_as_wide_as_the_terminal() {
        for width in 1..200 {
            let text = ALL.status(&some(), at(63), at(0), width);
            assert!(text.chars().count() < width, "{width}: {text}");
        }
        let status = |width| ALL.status(&some(), at(63), at(0), width);
        let head = "12 of 40 done, 580 GB in progress, end in 1h 3m";
        assert_eq!(status(60), head);
        let first = "ami-00000000000000001 copying 45 %";
        assert_eq!(status(100), format!("{head}: {first}, 2 more"));
        let rest = "ami-00000000000000002 restoring, ami-00000000000000003 retrieving";
        assert_eq!(status(200), format!("{head}: {first}, {rest}"));
        assert_eq!(ALL.status(&[], at(63), at(0), 200), head);
    }

    #[test]
    fn a_line_counts_what_is_in_progress() {
        let text = ALL.line(&some(), at(63), at(0));
        let doing = "580 GB in progress (1 retrieving, 1 copying, 1 restoring)";
        let end = format!("expected end {} (in 1h 3m)", moment(at(63)));
        assert_eq!(text, format!("12 of 40 done, {doing}, {end}"));
        assert!(ALL.line(&[], at(0), at(9)).contains("580 GB in progress, expected end"));
    }

    #[test]
    fn plain_lines_come_a_minute_apart_and_only_where_something_changed() {
        let mut told = Told::default();
        let state = |done| (done, 580, some());
        assert!(told.is_due(state(1), at(0)), "the first one");
        let half = at(0) + SignedDuration::from_secs(59);
        assert!(!told.is_due(state(2), half), "too early");
        assert!(!told.is_due(state(1), at(5)), "nothing changed");
        assert!(told.is_due(state(2), at(6)));
    }
}
