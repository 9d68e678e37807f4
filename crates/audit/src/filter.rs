//! Narrows a report: to a part of what is promised, to rows in some state, or to one image or
//! family.

use std::collections::BTreeSet;
use std::fmt::Display;

use amiferry_core::ids::{AccountId, Region};
use amiferry_core::names::SourceId;
use amiferry_core::policy::{Pattern, Policies};
use amiferry_core::text::distinct;

use crate::family::{Family, RpoState};
use crate::inventory::{RecoveryPoint, Rejected, State};
use crate::report::Report;

/// The longest name that an error shows.
const LONGEST_NAME: usize = 60;

/// Most choices that an error names.
const MOST_CHOICES: usize = 20;

/// Which part of a report is meant. Empty lists mean everything.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Families, as their tags or as tables show them; `*` stands for any characters.
    pub families: Vec<String>,
    /// Policies, in the same way.
    pub policies: Vec<String>,
    /// Sources: `account/region`, an account or a Region.
    pub sources: Vec<String>,
    /// The states of the rows to show.
    pub states: Vec<RowState>,
}

/// The state of a row of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowState {
    /// Of a family.
    Family(RpoState),
    /// Of a recovery point.
    Point(State),
    /// Of an image that has no recovery point.
    LeftOut,
}

/// A filter that matches nothing, most often because of a typing error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no {what} matches {wanted}; choose from: {}", .choices.join(", "))]
pub struct NothingMatches {
    /// What was to be matched: `family`, `policy` or `source`.
    pub what: &'static str,
    /// What was given.
    pub wanted: String,
    /// What there is, as far as it fits.
    pub choices: Vec<String>,
}

impl Filter {
    /// The report about these families, policies and sources only. What could not be assessed in
    /// the sources stays, since it may hide any of it.
    ///
    /// # Errors
    /// One of the names matches nothing that is configured or reported.
    pub fn scope(
        &self,
        mut report: Report,
        sources: &[SourceId],
        policies: &Policies,
    ) -> Result<Report, NothingMatches> {
        self.check(&report, sources, policies)?;
        report.families.retain(|family| {
            self.is_of(&family.source_account, &family.source_region)
                && self.is_promised(&family.family, &family.policy)
        });
        report.recovery_points.retain(|point| {
            self.is_of(&point.source_account, &point.source_region)
                && self.is_promised(&point.family, &point.policy)
        });
        report.rejected.retain(|image| {
            let is_promised = match &image.promised {
                Some(promised) => self.is_promised(&promised.family, &promised.policy),
                None => self.families.is_empty() && self.policies.is_empty(),
            };
            self.is_of(&image.source_account, &image.source_region) && is_promised
        });
        report
            .not_assessed
            .retain(|unknown| self.is_of(&unknown.source_account, &unknown.source_region));
        let all = self.families.is_empty() && self.policies.is_empty() && self.sources.is_empty();
        report.retired_unknown.retain(|_| all);
        report
            .idle_policies
            .retain(|idle| self.families.is_empty() && self.is_promised("", &idle.policy));
        Ok(report)
    }

    /// The rows in the wanted states, and what could not be assessed.
    pub fn rows(&self, mut report: Report) -> Report {
        if self.states.is_empty() {
            return report;
        }
        let wanted = |state: RowState| self.states.contains(&state);
        // `lost` is a state of families and of recovery points.
        let is_lost = wanted(RowState::Point(State::Lost));
        report.families.retain(|family| {
            wanted(RowState::Family(family.state)) || (is_lost && family.state == RpoState::Lost)
        });
        report.recovery_points.retain(|point| wanted(RowState::Point(point.state)));
        report.rejected.retain(|_| wanted(RowState::LeftOut));
        report
    }

    fn is_of(&self, account: &AccountId, region: &Region) -> bool {
        self.sources.is_empty()
            || self.sources.iter().any(|wanted| is_source(wanted, account, region))
    }

    fn is_promised(&self, family: &str, policy: &str) -> bool {
        let is_one = |wanted: &[String], name: &str| {
            wanted.is_empty() || wanted.iter().any(|wanted| is_called(wanted, name))
        };
        is_one(&self.families, family) && is_one(&self.policies, policy)
    }

    fn check(
        &self,
        report: &Report,
        sources: &[SourceId],
        policies: &Policies,
    ) -> Result<(), NothingMatches> {
        let promised = || report.rejected.iter().filter_map(|image| image.promised.as_ref());
        let families: BTreeSet<&str> = (report.families.iter().map(|family| &*family.family))
            .chain(report.recovery_points.iter().map(|point| &*point.family))
            .chain(promised().map(|promised| &*promised.family))
            .collect();
        let policies: BTreeSet<&str> = (policies.0.iter().map(|policy| policy.name.as_str()))
            .chain(report.families.iter().map(|family| &*family.policy))
            .chain(report.recovery_points.iter().map(|point| &*point.policy))
            .collect();
        let reported = report.recovery_points.iter().map(|point| SourceId {
            account: point.source_account.clone(),
            region: point.source_region.clone(),
        });
        let sources: BTreeSet<SourceId> = sources.iter().cloned().chain(reported).collect();
        // What was not asked may have any family.
        if report.not_assessed.iter().all(|unknown| unknown.source_image_id.is_some()) {
            matched("family", &self.families, &families, |wanted, name| is_called(wanted, name))?;
        }
        matched("policy", &self.policies, &policies, |wanted, name| is_called(wanted, name))?;
        matched("source", &self.sources, &sources, |wanted, source| {
            is_source(wanted, &source.account, &source.region)
        })
    }
}

fn matched<T: Display>(
    what: &'static str,
    wanted: &[String],
    there: &BTreeSet<T>,
    matches: impl Fn(&str, &T) -> bool,
) -> Result<(), NothingMatches> {
    let unmatched = wanted.iter().find(|wanted| !there.iter().any(|name| matches(wanted, name)));
    let Some(wanted) = unmatched else { return Ok(()) };
    let shown = |name: &T| distinct(&name.to_string(), LONGEST_NAME);
    let mut choices: Vec<String> = there.iter().take(MOST_CHOICES).map(shown).collect();
    match there.len().saturating_sub(MOST_CHOICES) {
        0 if choices.is_empty() => choices.push("(there is none)".to_owned()),
        0 => {}
        more => choices.push(format!("{more} more")),
    }
    Err(NothingMatches { what, wanted: distinct(wanted, LONGEST_NAME), choices })
}

/// Whether a name is meant: by a pattern, by itself, or as tables show it.
fn is_called(wanted: &str, name: &str) -> bool {
    wanted == name
        || distinct(name, usize::MAX) == wanted
        || (wanted.contains('*') && Pattern::new(wanted).matches(name))
}

fn is_source(wanted: &str, account: &AccountId, region: &Region) -> bool {
    wanted == account.as_str()
        || wanted == region.as_str()
        || wanted == format!("{account}/{region}")
}

impl Report {
    /// All that it says about one image or family: the image by its id, the id of its copy or its
    /// name. `None` if it says nothing.
    ///
    /// With an image comes its family, with a family all its images; what could not be asked about
    /// a whole source stays, since it may hide a part of the answer.
    pub fn about(&self, what: &str) -> Option<Self> {
        let is_named = |name: &str| !name.is_empty() && is_called(what, name);
        let is_family = |family: &str| is_called(what, family);
        let is_point = |point: &&RecoveryPoint| {
            let restored = point.restored_image_id.as_ref();
            point.source_image_id.as_str() == what
                || restored.is_some_and(|image| image.as_str() == what)
                || is_named(&point.source_image_name)
                || is_family(&point.family)
        };
        let is_rejected = |image: &&Rejected| {
            image.source_image_id.as_str() == what
                || is_named(&image.source_image_name)
                || image.promised.as_ref().is_some_and(|promised| is_family(&promised.family))
        };
        let recovery_points: Vec<_> =
            self.recovery_points.iter().filter(is_point).cloned().collect();
        let rejected: Vec<_> = self.rejected.iter().filter(is_rejected).cloned().collect();
        let is_meant = |family: &&Family| {
            is_family(&family.family)
                || recovery_points.iter().any(|point| family.has(point))
                || rejected.iter().any(|image| family.suffers_from(image))
        };
        let families: Vec<_> = self.families.iter().filter(is_meant).cloned().collect();
        let unknown = |id: &Option<String>| id.as_deref() == Some(what);
        let is_known = !families.is_empty()
            || !recovery_points.is_empty()
            || !rejected.is_empty()
            || self.not_assessed.iter().any(|other| unknown(&other.source_image_id));
        let not_assessed = self
            .not_assessed
            .iter()
            .filter(|other| other.source_image_id.is_none() || unknown(&other.source_image_id));
        is_known.then(|| Self {
            schema_version: self.schema_version,
            as_of: self.as_of,
            not_assessed: not_assessed.cloned().collect(),
            idle_policies: Vec::new(),
            retired_unknown: Vec::new(),
            workers: self.workers.clone(),
            source_workers: self.source_workers.clone(),
            cost: None,
            families,
            recovery_points,
            rejected,
        })
    }
}
