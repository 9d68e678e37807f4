//! Shows how far the demo is: bars on a terminal, plain lines otherwise; always on stderr.

use std::collections::BTreeMap;
use std::sync::Mutex;

use amiferry_audit::inventory::{RecoveryPoint, State};
use amiferry_audit::milestone::Milestone;
use amiferry_audit::render::behind;
use amiferry_audit::report::Report;
use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_core::text::{distinct, visible};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::terminal::{tell, width_of_errors};

/// The longest name of a family in a line.
const LONGEST_NAME: usize = 60;

/// The longest reason in a line.
const LONGEST_REASON: usize = 300;

/// The demo's progress.
pub struct Progress {
    start: Instant,
    bars: Option<[ProgressBar; 4]>,
    /// What was last printed about each image, so that only changes are printed.
    said: Mutex<BTreeMap<ImageId, String>>,
}

impl Progress {
    /// Progress of `fleet` images.
    pub fn new(fleet: usize) -> Self {
        let target = ProgressDrawTarget::stderr();
        let bars = (!target.is_hidden()).then(|| {
            let all = MultiProgress::with_draw_target(target);
            let total = u64::try_from(fleet).unwrap_or(u64::MAX);
            Milestone::ALL.map(|milestone| {
                let bar = all.add(ProgressBar::new(total));
                if let Ok(style) =
                    ProgressStyle::with_template("{prefix:>9} [{bar:30}] {pos:>2}/{len:2} {msg}")
                {
                    bar.set_style(style.progress_chars("=> "));
                }
                bar.set_prefix(milestone.as_str());
                bar
            })
        });
        Self { start: Instant::now(), bars, said: Mutex::default() }
    }

    /// Shows a new inventory.
    pub fn show(&self, report: &Report) {
        match &self.bars {
            Some(bars) => draw(bars, report),
            None => self.say_news(report),
        }
    }

    /// Ends the bars, leaving them in place.
    pub fn finish(&self) {
        for bar in self.bars.iter().flatten() {
            bar.abandon();
        }
    }

    fn say_news(&self, report: &Report) {
        let elapsed = self.start.elapsed().as_secs_f64();
        let Ok(mut said) = self.said.lock() else { return };
        let points = report.recovery_points.iter().map(|point| {
            let family = distinct(&point.family, LONGEST_NAME);
            (&point.source_image_id, format!("{family}: {}", standing(point)))
        });
        let rejected = report.rejected.iter().map(|image| {
            (
                &image.source_image_id,
                format!("left out: {}", visible(&image.reason, LONGEST_REASON)),
            )
        });
        for (id, news) in points.chain(rejected) {
            if said.get(id) != Some(&news) {
                tell(&line(&format!("{elapsed:6.1}s  {id}  "), &news, width_of_errors()));
                said.insert(id.clone(), news);
            }
        }
    }
}

/// One line, or on a terminal of this width without bars as many as it takes.
fn line(head: &str, news: &str, width: Option<usize>) -> String {
    match width {
        Some(width) => behind(head, news, width).trim_end().to_owned(),
        None => format!("{head}{news}"),
    }
}

fn draw(bars: &[ProgressBar; 4], report: &Report) {
    let points = &report.recovery_points;
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    for (milestone, bar) in Milestone::ALL.into_iter().zip(bars) {
        bar.set_length(count(points.iter().filter(|point| milestone.is_of(point.tier)).count()));
        bar.set_position(count(
            points.iter().filter(|point| milestone.is_reached_by(point)).count(),
        ));
    }
    let waiting = points.iter().filter(|point| point.code == Code::QuotaFull).count();
    let left_out = report.rejected.len();
    bars[3].set_message(format!("{left_out} left out, {waiting} waiting for quota"));
}

fn standing(point: &RecoveryPoint) -> String {
    match point.state {
        State::Complete => "complete".to_owned(),
        State::InProgress if point.code == Code::NotStaged => "to be stored".to_owned(),
        State::InProgress if point.code == Code::InTurn => visible(&point.detail, LONGEST_REASON),
        State::InProgress | State::Parked | State::Lost | State::Tampered | State::Unusable => {
            point.code.meaning().to_owned()
        }
    }
}
