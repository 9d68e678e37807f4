//! `amiferry status`, `audit` and `show`: the state of every promise, from AWS, and what running
//! workers add to it.

use std::process::ExitCode;

use amiferry_audit::archived;
use amiferry_audit::cost::costs;
use amiferry_audit::filter::Filter;
use amiferry_audit::freed::freed;
use amiferry_audit::inventory::{NotAssessed, RecoveryPoint, State};
use amiferry_audit::render::{self, Look, csv, details, outcome, plan, tables};
use amiferry_audit::report::{Report, Verdict};
use amiferry_core::ports::Clock as _;
use amiferry_core::text::visible;
use amiferry_service::clock::SystemClock;
use amiferry_service::config::{Config, Source};
use anyhow::bail;

use super::inventory::{self, Taken};
use super::{watch, workers};
use crate::args::{
    Asked, Audit, ConfigFile, DemoOutput, Filters, Output, Rows, Show, Status, StatusOutput,
};
use crate::exit::Exit;
use crate::runtime;
use crate::terminal::{look, print};

/// The longest word of the command line that an error repeats.
const LONGEST_WORD: usize = 100;

/// The longest reason that an error repeats.
const LONGEST_REASON: usize = 2_000;

/// Runs `amiferry status`.
///
/// # Errors
/// A bad configuration, a filter that matches nothing, or credentials that [`fleets`] refuses.
pub fn status(status: &Status) -> anyhow::Result<ExitCode> {
    if let Some(address) = status.serve {
        return watch::serve(status, address);
    }
    run(&status.file, &status.asked, &status.filters, status.cost, |report, rows| {
        Ok(match status.output {
            StatusOutput::Table => open_work(report, rows, look()),
            StatusOutput::Json => render::json(rows)?,
            StatusOutput::Csv => csv::families(rows)?,
            StatusOutput::Html => watch::file(rows),
        })
    })
}

fn open_work(report: &Report, rows: &Report, look: Look) -> String {
    let mut sections = Sections::default();
    sections.add("FAMILIES", rows.families.len(), || tables::families(rows, look));
    sections.open_points(rows, look);
    let left_out = tables::left_out(rows, look);
    sections.add("LEFT OUT", rows.rejected.len(), || left_out);
    sections.retired_and_costs(rows, look);
    sections.end(report, rows, look)
}

/// Runs `amiferry audit`.
///
/// # Errors
/// As [`status`].
pub fn audit(audit: &Audit) -> anyhow::Result<ExitCode> {
    run(&audit.file, &audit.asked, &audit.filters, audit.cost, |report, rows| {
        Ok(match (audit.output, audit.rows.unwrap_or(Rows::Families)) {
            (Output::Table, _) => {
                format!("As of {}.\n\n{}", render::moment(report.as_of), everything(report, rows))
            }
            (Output::Json, _) => render::json(rows)?,
            (Output::Csv, Rows::Families) => csv::families(rows)?,
            (Output::Csv, Rows::RecoveryPoints) => csv::recovery_points(rows)?,
            (Output::Csv, Rows::LeftOut) => csv::left_out(rows)?,
            (Output::Csv, Rows::NotAssessed) => csv::not_assessed(rows)?,
        })
    })
}

/// Every table of the rows, and what the report amounts to.
pub fn everything(report: &Report, rows: &Report) -> String {
    let look = look();
    let mut sections = Sections::default();
    sections.add("FAMILIES", rows.families.len(), || tables::families(rows, look));
    let complete = points(rows, State::Complete);
    sections.add("RECOVERY POINTS: COMPLETE", complete.len(), || {
        tables::complete(complete, rows.as_of, look)
    });
    sections.open_points(rows, look);
    sections.add("LEFT OUT", rows.rejected.len(), || tables::rejected(&rows.rejected, look));
    sections.retired_and_costs(rows, look);
    sections.end(report, rows, look)
}

fn points(report: &Report, state: State) -> Vec<&RecoveryPoint> {
    report.recovery_points.iter().filter(|point| point.state == state).collect()
}

/// Tables under headings, with a line between them.
#[derive(Debug, Default)]
struct Sections(String);

impl Sections {
    fn add(&mut self, heading: &str, rows: usize, table: impl FnOnce() -> String) {
        if rows > 0 {
            self.0.push_str(&format!("{heading}\n{}\n", table()));
        }
    }

    fn open_points(&mut self, report: &Report, look: Look) {
        for (heading, state) in [
            ("RECOVERY POINTS: LOST", State::Lost),
            ("RECOVERY POINTS: TAMPERED", State::Tampered),
            ("RECOVERY POINTS: UNUSABLE", State::Unusable),
            ("RECOVERY POINTS: UNDER WAY", State::InProgress),
            ("RECOVERY POINTS: PARKED", State::Parked),
        ] {
            let open = points(report, state);
            self.add(heading, open.len(), || tables::open(open, report.as_of, look));
        }
    }

    fn retired_and_costs(&mut self, rows: &Report, look: Look) {
        let archived = archived::groups(&rows.recovery_points);
        self.add("ARCHIVED", archived.len(), || tables::archived(&archived, look));
        let retired = rows.families.iter().filter(|family| family.retired.is_some()).count();
        self.add("RETIRED", retired, || tables::retired(rows, look));
        if let Some(costs) = &rows.cost {
            self.add("COST A MONTH", costs.policies.len(), || plan::costs(costs, look));
        }
    }

    fn end(mut self, report: &Report, rows: &Report, look: Look) -> String {
        if self.0.is_empty() {
            self.0.push_str("There is nothing to list.\n\n");
        }
        let unknown = tables::not_assessed(&rows.not_assessed, look);
        if !unknown.is_empty() {
            self.0.push_str(&format!("{}\n", unknown.trim_start()));
        }
        self.0 + &outcome::outcome(report, look)
    }
}

/// Runs `amiferry show`.
///
/// # Errors
/// As [`status`], or nothing is called so.
pub fn show(show: &Show) -> anyhow::Result<ExitCode> {
    let config = Config::load(&show.file.config)?;
    let about = about(&fleets(&config, &show.asked)?.0, &show.what)?;
    print(&match show.output {
        DemoOutput::Table => details::details(&about, look()),
        DemoOutput::Json => render::json(&about)?,
    })?;
    Ok(match about.verdict() {
        // All that there is to say about it is why it is left out.
        Verdict::Nothing => Exit::Ok,
        _ => exit(&about),
    }
    .into())
}

/// What a report says about one image or family.
///
/// # Errors
/// Nothing is called so; the error says what may hide it.
pub fn about(report: &Report, what: &str) -> anyhow::Result<Report> {
    if let Some(about) = report.about(what) {
        return Ok(about);
    }
    let what = visible(what, LONGEST_WORD);
    let hidden = match report.not_assessed.first() {
        None => String::new(),
        Some(NotAssessed { source_account, source_region, reason, .. }) => format!(
            ". It may belong to a source that could not be assessed: {source_account}/{source_region}: {}",
            visible(reason, LONGEST_REASON)
        ),
    };
    bail!(
        "no image and no family is called {what}; name the id or the name of an image, or a family, \
         as `amiferry audit` lists them{hidden}"
    )
}

/// Writes the rows that the filters leave; the status is that of everything in their scope.
fn run(
    file: &ConfigFile,
    asked: &Asked,
    filters: &Filters,
    with_cost: bool,
    write: impl Fn(&Report, &Report) -> anyhow::Result<String>,
) -> anyhow::Result<ExitCode> {
    let config = Config::load(&file.config)?;
    let (report, mut rows) = filtered(&config, asked, &Filter::from(filters))?;
    rows.cost = with_cost.then(|| {
        let (points, now) = (&report.recovery_points, report.as_of);
        let freed = freed(points, &config.policies, config.prune.floor, now);
        costs(points, &freed, &config.prices, now)
    });
    print(&write(&report, &rows)?)?;
    Ok(exit(&report).into())
}

/// What AWS says about the part that this filter selects, and the rows of it in the wanted states.
///
/// # Errors
/// A filter that matches nothing, or credentials that [`fleets`] refuses.
pub fn filtered(
    config: &Config,
    asked: &Asked,
    filter: &Filter,
) -> anyhow::Result<(Report, Report)> {
    let sources: Vec<_> = config.sources.iter().map(Source::id).collect();
    let report = filter.scope(fleets(config, asked)?.0, &sources, &config.policies)?;
    let rows = filter.rows(report.clone());
    Ok((report, rows))
}

/// Asks AWS about every vault, and the running workers about what only they know. Also returns each
/// vault that could be asked.
///
/// # Errors
/// Credentials of another account, or none at all.
pub fn fleets(config: &Config, asked: &Asked) -> anyhow::Result<(Report, Vec<inventory::Seen>)> {
    runtime::until_signal(async {
        let askers = inventory::askers(config).await?;
        let (taken, heard) = tokio::join!(
            inventory::ask(&askers, &SystemClock),
            workers::ask(config, &asked.worker)
        );
        let Taken { mut inventory, fleets, .. } = taken?;
        let asked = heard.over(&mut inventory);
        let mut report = Report::new(inventory, &config.policies, SystemClock.now());
        asked.note(&mut report);
        Ok((report, fleets))
    })
}

fn exit(report: &Report) -> Exit {
    match report.verdict() {
        Verdict::Kept => Exit::Ok,
        Verdict::Partial | Verdict::Nothing => Exit::Partial,
        Verdict::Breached => Exit::RpoBreached,
        Verdict::Lost => Exit::Lost,
    }
}
