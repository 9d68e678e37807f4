//! Folds a report, a worker's own knowledge and the time into what the status page shows.
//!
//! Every list is bounded, shows the worst first and counts the rest, so that a page of thousands of
//! families is as quick to read as one of five.

use std::collections::BTreeMap;

use amiferry_core::answer::LONGEST_REASON;
use amiferry_core::code::Code;
use amiferry_core::copy_progress::CopyProgress;
use amiferry_core::ids::ImageId;
use amiferry_core::names::RecoveryPointId;
use amiferry_core::text::{distinct, visible};
use jiff::Timestamp;

use super::copying;
pub use super::copying::CopyRow;
pub use super::facts::{Facts, PATIENCE, Tone, WorkerState};
use super::facts::{LONGEST_TEXT, because};
use super::fold::Need;
use super::need;
use super::words::BY_TONE;
pub use super::words::tone;
use crate::archived::{self, Group};
use crate::family::{Family, RpoState};
use crate::inventory::{RecoveryPoint, Rejected, State};
use crate::milestone::Milestone;
use crate::render::span;
use crate::report::Report;
use crate::worker;

/// Most families on the page.
const FAMILIES: usize = 100;

/// Most recovery points under way on the page.
const UNDER_WAY: usize = 50;

/// Most recovery points or images that are named for one reason.
const PER_REASON: usize = 8;

/// The first rows of a list, and how many more there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt<T> {
    /// The rows that are shown.
    pub rows: Vec<T>,
    /// How many are not.
    pub hidden: usize,
}

impl<T> Excerpt<T> {
    pub(super) fn none() -> Self {
        Self { rows: Vec::new(), hidden: 0 }
    }

    pub(super) fn first(most: usize, mut rows: Vec<T>) -> Self {
        let hidden = rows.len().saturating_sub(most);
        rows.truncate(most);
        Self { rows, hidden }
    }

    /// How many there are, shown or not.
    pub fn total(&self) -> usize {
        self.rows.len() + self.hidden
    }
}

/// Everything on the page.
#[derive(Debug, Clone)]
pub struct View {
    /// The time of the page.
    pub now: Timestamp,
    /// When its facts were last known to be so.
    pub known_at: Option<Timestamp>,
    /// The page in one sentence.
    pub headline: String,
    /// A second sentence.
    pub detail: String,
    /// Whether what only workers know is here, in a sentence.
    pub heard: Option<String>,
    /// How the whole stands.
    pub tone: Tone,
    /// Families by state, the good ones first; those without any left out.
    pub states: Vec<(RpoState, usize)>,
    /// What needs a person now, the worst first.
    pub needs: Vec<Need>,
    /// Families × target Regions, the worst first.
    pub families: Excerpt<FamilyRow>,
    /// The pipeline.
    pub milestones: Vec<MilestoneRow>,
    /// What a worker performs right now, such as `copy 2`.
    pub performing: Vec<String>,
    /// Recovery points on their way, the oldest image first.
    pub under_way: Excerpt<PointRow>,
    /// What was complete and is not any more, by reason.
    pub lost: Vec<Reason>,
    /// Parked recovery points by reason.
    pub parked: Vec<Reason>,
    /// Images that are left out, by reason.
    pub left_out: Vec<Reason>,
    /// What of the complete recovery points a restore waits for, a sentence for each policy and class.
    pub archived: Vec<String>,
}

/// One image family in one target Region.
#[derive(Debug, Clone)]
pub struct FamilyRow {
    pub family: String,
    /// The governing policy.
    pub policy: String,
    /// Account and Region of the source.
    pub source: String,
    /// The target Region.
    pub target: String,
    /// The judgement.
    pub state: RpoState,
    /// Whether something is promised of it.
    pub has_rpo: bool,
    /// Age against RPO; `None` without an RPO, or if nothing can be said of it.
    pub bullet: Option<Bullet>,
    /// The source image behind the newest complete recovery point, and what it was restored as.
    pub newest: Option<(ImageId, Option<ImageId>)>,
}

/// Age against RPO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bullet {
    /// Age in thousandths of the RPO.
    pub permille: i64,
    /// Whether it is the age of something complete, and not of the oldest image without a copy.
    pub is_complete: bool,
    pub age: String,
    pub rpo: String,
    /// What is left of the RPO, or by how much it is passed.
    pub margin: String,
}

/// One milestone of the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MilestoneRow {
    pub milestone: Milestone,
    /// Recovery points that have reached it.
    pub reached: usize,
    /// Recovery points that pass it.
    pub total: usize,
    /// Recovery points that are on their way to it now.
    pub ahead: usize,
    /// How many of those are parked.
    pub parked: usize,
}

/// One recovery point that is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointRow {
    /// The source image.
    pub image: ImageId,
    pub family: String,
    /// The target Region.
    pub target: String,
    /// Each milestone that it passes, and whether it has reached it.
    pub milestones: Vec<(Milestone, bool)>,
    /// What it waits for.
    pub why: String,
    /// How far its copy is, while this process copies it.
    pub copy: Option<CopyRow>,
    /// The age of its data.
    pub age: String,
}

/// Why some recovery points or images are where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The reason.
    pub code: Code,
    /// Those it holds for, each with its particulars.
    pub those: Excerpt<(String, String)>,
}

/// What the page shows of these facts.
pub fn view(facts: Facts<'_>) -> View {
    let report = facts.report;
    let (tone, headline, detail) = headline(facts);
    let mut families: Vec<&Family> = report.families.iter().collect();
    families.sort_by_key(|family| need_order(family));
    let open = |is_meant: fn(State) -> bool| {
        let mut points: Vec<&RecoveryPoint> =
            report.recovery_points.iter().filter(|point| is_meant(point.state)).collect();
        points.sort_by_key(|point| point.source_created_at);
        points
    };
    let named =
        |point: &'_ RecoveryPoint| format!("{} in {}", need::one_of(point), point.target_region);
    let performing = facts.worker.map(|worker| &worker.in_flight);
    let none = BTreeMap::new();
    let unnamed = facts.worker.map_or(&none, |worker| &worker.left_out);
    View {
        now: facts.now,
        known_at: facts.known_at,
        headline,
        detail,
        heard: match facts.worker {
            None => worker::sentences(report),
            Some(_) => worker::beside_sources(report),
        },
        tone,
        states: states(report),
        needs: need::needs(facts),
        families: Excerpt::first(FAMILIES, families.into_iter().map(family_row).collect()),
        milestones: milestones(report),
        performing: performing
            .into_iter()
            .flatten()
            .map(|(stage, count)| format!("{stage} {count}"))
            .collect(),
        under_way: Excerpt::first(
            UNDER_WAY,
            under_way(open(|state| state == State::InProgress), facts),
        ),
        lost: by_reason(
            &none,
            open(State::is_lost)
                .into_iter()
                .map(|point| (point.code, named(point), point.detail.as_str())),
        ),
        parked: by_reason(
            &none,
            open(|state| state == State::Parked)
                .into_iter()
                .map(|point| (point.code, named(point), point.detail.as_str())),
        ),
        left_out: by_reason(
            unnamed,
            report
                .rejected
                .iter()
                .map(|image| (image.code, image.source_image_id.to_string(), particulars(image))),
        ),
        archived: archived::groups(&report.recovery_points).iter().map(waits).collect(),
    }
}

/// That recovery points are archived, in a sentence.
fn waits(group: &Group<'_>) -> String {
    let Group { policy, place, target_region, points, with_image, .. } = group;
    let ready = match with_image {
        0 => String::new(),
        count => format!(" ({count} with an AMI, which waits for nothing)"),
    };
    format!(
        "{points} complete of policy {} in {target_region} in {place}{ready}: a restore waits up to {}",
        visible(policy, LONGEST_TEXT),
        group.wait()
    )
}

/// How long ago the facts were known to be so, if that is too long.
pub(super) fn overdue(facts: Facts<'_>) -> Option<i64> {
    let since = facts.now.duration_since(facts.known_at?);
    (since > facts.old_after.signed()).then_some(since.as_secs())
}

fn headline(facts: Facts<'_>) -> (Tone, String, String) {
    let report = facts.report;
    let count = |wanted: &dyn Fn(RpoState) -> bool| {
        report.families.iter().filter(|family| wanted(family.state)).count()
    };
    let retired = count(&|state| state == RpoState::Retired);
    let (all, broken) = (report.families.len() - retired, count(&RpoState::is_breach));
    let (pending, unknown) = (
        count(&|state| state == RpoState::Pending),
        count(&|state| state == RpoState::NotAssessed),
    );
    let lost = report.recovery_points.iter().filter(|point| point.state.is_lost()).count();
    let kept = match (broken, pending) {
        (_, 0) => format!("{} within the RPO.", of(count(&|s| s == RpoState::WithinRpo), all)),
        (_, pending) => format!(
            "{} within the RPO, {pending} without a recovery point yet.",
            of(count(&|s| s == RpoState::WithinRpo), all)
        ),
    };
    let (tone, headline, detail) = if facts.known_at.is_none() {
        let detail = "The first inventory has not succeeded yet: what is shown here is incomplete.";
        (Tone::Unknown, "Nothing is known yet".to_owned(), detail.to_owned())
    } else if let Some(seconds) = overdue(facts) {
        let headline = format!("Out of date: last known {} ago", span(seconds));
        let detail =
            "The inventory fails or is late. Ages keep growing, and newer copies are not shown.";
        (Tone::Unknown, headline, detail.to_owned())
    } else if lost > 0 {
        let headline = match lost {
            1 => "1 recovery point no longer matches its record".to_owned(),
            lost => format!("{lost} recovery points no longer match their records"),
        };
        let kept = match broken {
            0 => kept,
            broken => format!("{} over the RPO, {kept}", of(broken, all)),
        };
        (Tone::Bad, headline, kept)
    } else if broken > 0 {
        let verb = if broken == 1 { "breaks its" } else { "break their" };
        (Tone::Bad, format!("{} {verb} RPO", of(broken, all)), kept)
    } else if !report.not_assessed.is_empty() || unknown > 0 {
        (Tone::Unknown, "Not everything could be assessed".to_owned(), kept)
    } else if all == 0 {
        let detail = match retired {
            0 => "No policy selects an image here, so nothing is copied.".to_owned(),
            1 => {
                "The only family here is retired: its recovery points are kept by rule.".to_owned()
            }
            all => format!(
                "All {all} families here are retired: their recovery points are kept by rule."
            ),
        };
        (Tone::Warn, "Nothing is promised".to_owned(), detail)
    } else if pending > 0 {
        (Tone::Busy, "No RPO is broken".to_owned(), kept)
    } else {
        (Tone::Good, "Every RPO is kept".to_owned(), kept)
    };
    (tone, headline, detail)
}

/// `1 of 5 families`.
fn of(count: usize, all: usize) -> String {
    format!("{count} of {all} {}", if all == 1 { "family" } else { "families" })
}

fn states(report: &Report) -> Vec<(RpoState, usize)> {
    BY_TONE
        .into_iter()
        .map(|state| (state, report.families.iter().filter(|f| f.state == state).count()))
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// Broken promises first, then what is not known; in each the one that used most of its RPO, after
/// those without any image.
fn need_order(family: &Family) -> impl Ord + use<'_> {
    let rank = match family.state {
        RpoState::Breached | RpoState::Unprotected | RpoState::Lost => 0,
        RpoState::NotAssessed => 1,
        RpoState::Pending | RpoState::WithinRpo => 2,
        RpoState::Retired => 3,
    };
    (rank, -permille(family).unwrap_or(i64::MAX), &family.family, &family.target_region)
}

/// Age in thousandths of the RPO, rounded down; the age is that of the oldest image while nothing
/// is complete.
fn permille(family: &Family) -> Option<i64> {
    let (rpo, margin) = family.rpo_seconds.zip(family.margin_seconds)?;
    Some(rpo.saturating_sub(margin).saturating_mul(1000).checked_div(rpo).unwrap_or(i64::MAX))
}

fn family_row(family: &Family) -> FamilyRow {
    FamilyRow {
        family: distinct(&family.family, LONGEST_TEXT),
        policy: distinct(&family.policy, LONGEST_TEXT),
        source: format!("{} {}", family.source_account, family.source_region),
        target: family.target_region.to_string(),
        state: family.state,
        has_rpo: family.rpo_seconds.is_some(),
        bullet: bullet(family),
        newest: family
            .source_image_id
            .clone()
            .map(|source| (source, family.restored_image_id.clone())),
    }
}

fn bullet(family: &Family) -> Option<Bullet> {
    let (rpo, margin) = family.rpo_seconds.zip(family.margin_seconds)?;
    Some(Bullet {
        permille: permille(family)?,
        is_complete: family.age_seconds.is_some(),
        age: span(rpo.saturating_sub(margin)),
        rpo: span(rpo),
        margin: match margin {
            0.. => format!("{} left", span(margin)),
            _ => format!("{} over", span(margin.saturating_neg())),
        },
    })
}

fn milestones(report: &Report) -> Vec<MilestoneRow> {
    let points = &report.recovery_points;
    let row = |milestone: Milestone| {
        let passing = || points.iter().filter(|point| milestone.is_of(point.tier));
        let ahead = || {
            passing()
                .filter(|point| !point.state.is_lost())
                .filter(|point| Milestone::ahead_of(point) == Some(milestone))
        };
        MilestoneRow {
            milestone,
            reached: passing().filter(|point| milestone.is_reached_by(point)).count(),
            total: passing().count(),
            ahead: ahead().count(),
            parked: ahead().filter(|point| point.state == State::Parked).count(),
        }
    };
    Milestone::ALL.into_iter().map(row).filter(|row| row.total > 0).collect()
}

/// What is being copied comes first, however long the rest waits.
fn under_way(points: Vec<&RecoveryPoint>, facts: Facts<'_>) -> Vec<PointRow> {
    let none = BTreeMap::new();
    let copies = facts.worker.map_or(&none, |worker| &worker.copies);
    let row = |point| point_row(point, copies, facts.now);
    let mut rows: Vec<PointRow> = points.into_iter().map(row).collect();
    rows.sort_by_key(|row| row.copy.is_none());
    rows
}

fn point_row(
    point: &RecoveryPoint,
    copies: &BTreeMap<RecoveryPointId, CopyProgress>,
    now: Timestamp,
) -> PointRow {
    let milestones = Milestone::ALL.into_iter().filter(|milestone| milestone.is_of(point.tier));
    PointRow {
        image: point.source_image_id.clone(),
        family: distinct(&point.family, LONGEST_TEXT),
        target: point.target_region.to_string(),
        milestones: milestones
            .map(|milestone| (milestone, milestone.is_reached_by(point)))
            .collect(),
        why: because(point.code, &point.detail),
        copy: copies.get(&point.id()).map(|progress| copying::row(progress, now)),
        age: span(now.duration_since(point.data_from()).as_secs()),
    }
}

/// The particulars of a rejection, without the meaning of its code.
fn particulars(image: &Rejected) -> &str {
    let rest = image.reason.strip_prefix(image.code.meaning()).unwrap_or(&image.reason);
    rest.trim_start_matches(": ")
}

/// Groups rows by their reason; `unnamed` are counted without being named.
fn by_reason<'a>(
    unnamed: &BTreeMap<Code, usize>,
    rows: impl Iterator<Item = (Code, String, &'a str)>,
) -> Vec<Reason> {
    let mut reasons: BTreeMap<Code, Vec<(String, String)>> =
        unnamed.keys().map(|code| (*code, Vec::new())).collect();
    for (code, who, detail) in rows {
        reasons.entry(code).or_default().push((who, visible(detail, LONGEST_REASON)));
    }
    reasons
        .into_iter()
        .map(|(code, rows)| {
            let mut those = Excerpt::first(PER_REASON, rows);
            those.hidden += unnamed.get(&code).copied().unwrap_or_default();
            Reason { code, those }
        })
        .collect()
}
