//! Which calls and deliveries a fault meets: by service, operation, place, ordinal, probability
//! and time.

use std::time::Duration;

use amiferry_core::ids::{AccountId, Region};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::effect::{ANSWERED_EARLY, Effect};
use crate::wire::scope::Service;

/// A fault of calls: whichever it matches, and is not spared by [`When`], gets the effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The service; every one if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// The operation as the API reference spells it; every one if not given or `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The account of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The Region of the endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Which of the calls that match.
    #[serde(default)]
    pub when: When,
    /// What becomes of them.
    pub effect: Effect,
}

impl Rule {
    /// Every call of every service gets `effect`; narrow it with the other methods.
    pub fn new(effect: Effect) -> Self {
        Self {
            service: None,
            operation: None,
            account: None,
            region: None,
            when: When::default(),
            effect,
        }
    }

    /// Only calls of this operation.
    #[must_use]
    pub fn on(self, service: Service, operation: &str) -> Self {
        Self { operation: Some(operation.to_owned()), ..self.of(service) }
    }

    /// Only calls of this service.
    #[must_use]
    pub fn of(self, service: Service) -> Self {
        Self { service: Some(service), ..self }
    }

    /// Only calls from this account.
    #[must_use]
    pub fn from_account(self, account: AccountId) -> Self {
        Self { account: Some(account), ..self }
    }

    /// Only calls to endpoints of this Region.
    #[must_use]
    pub fn in_region(self, region: Region) -> Self {
        Self { region: Some(region), ..self }
    }

    /// Only some of them.
    #[must_use]
    pub fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        self.when.check()?;
        if let Some(name) = self.operation.as_deref()
            && name != "*"
            && !(name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            return Err(format!(
                "operation {name:?}: name one operation as the API reference does, such as \
                 CopyObject, or write \"*\" for all"
            ));
        }
        if let Effect::Refuse(refusal) = &self.effect
            && (!(300..600).contains(&refusal.status) || refusal.code.is_empty())
        {
            return Err("refuse: needs a status of 300 to 599 and a code".to_owned());
        }
        if let Effect::Edit(edit) = &self.effect {
            edit.check()?;
            if !matches!(self.service, Some(Service::Ec2 | Service::S3)) {
                return Err("edit: only ec2 and s3 answer in XML; name one of them".to_owned());
            }
        }
        let early = self.service == Some(Service::S3)
            && self.operation.as_deref().is_some_and(|name| ANSWERED_EARLY.contains(&name));
        if self.effect.needs_early_answer() && !early {
            return Err(format!(
                "{}: only s3 answers 200 before it knows the outcome, in {}; name one of them",
                self.effect.kind(),
                ANSWERED_EARLY.join(", ")
            ));
        }
        Ok(())
    }

    pub(super) fn concerns(&self, call: &Target<'_>) -> bool {
        self.service.is_none_or(|service| service == call.service)
            && self.operation.as_deref().is_none_or(|name| name == "*" || name == call.operation)
            && self.account.as_ref().is_none_or(|account| Some(account) == call.account)
            && self.region.as_ref().is_none_or(|region| region == call.region)
    }
}

/// One call as rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    pub service: Service,
    pub operation: &'a str,
    /// The caller's account, if its credentials are known.
    pub account: Option<&'a AccountId>,
    /// The Region of the endpoint.
    pub region: &'a Region,
}

/// Which of the calls or deliveries that a rule matches it meets: all that satisfy every
/// condition given here. Ordinals count from 1, from the installation of the rule, inside its
/// time window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct When {
    /// Only the one with this ordinal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Only those whose ordinal is a multiple of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Only those from this ordinal on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Only those up to this ordinal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// Each with this probability, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Not before this time since the start of the world.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::span::maybe")]
    pub after: Option<Duration>,
    /// Only before this time since the start of the world.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::span::maybe")]
    pub until: Option<Duration>,
    /// Not more often than this in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
}

impl When {
    /// Every one.
    pub fn always() -> Self {
        Self::default()
    }

    /// Only the one with this ordinal; the first is 1.
    pub fn nth(nth: u64) -> Self {
        Self { nth: Some(nth), ..Self::default() }
    }

    /// Only every `every`th.
    pub fn every(every: u64) -> Self {
        Self { every: Some(every), ..Self::default() }
    }

    /// Only those with these ordinals.
    pub fn ordinals(ordinals: std::ops::RangeInclusive<u64>) -> Self {
        Self { from: Some(*ordinals.start()), to: Some(*ordinals.end()), ..Self::default() }
    }

    /// Matches each call with this probability, from 0 to 1.
    pub fn probability(probability: f64) -> Self {
        Self { probability: Some(probability), ..Self::default() }
    }

    /// Only in this span of time since the start of the world.
    #[must_use]
    pub fn between(self, after: Duration, until: Duration) -> Self {
        Self { after: Some(after), until: Some(until), ..self }
    }

    /// Not more often than this in all.
    #[must_use]
    pub fn at_most(self, at_most: u64) -> Self {
        Self { at_most: Some(at_most), ..self }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(probability) = self.probability
            && !(0.0..=1.0).contains(&probability)
        {
            return Err(format!("probability {probability}: must be from 0 to 1"));
        }
        for (name, ordinal) in
            [("nth", self.nth), ("every", self.every), ("from", self.from), ("to", self.to)]
        {
            if ordinal == Some(0) {
                return Err(format!("{name} = 0: ordinals count from 1"));
            }
        }
        let narrowed = self.every.is_some() || self.from.is_some() || self.to.is_some();
        if self.nth.is_some() && narrowed {
            return Err("nth names one ordinal: leave out every, from and to".to_owned());
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            return Err(format!("from = {from} is behind to = {to}"));
        }
        check_window(self.after, self.until)
    }

    /// Whether the time is right.
    pub(super) fn covers(&self, started: Timestamp, now: Timestamp) -> bool {
        in_window(self.after, self.until, started, now)
    }

    /// Whether the `ordinal`th is met, when `fired` were before it and `chance` (0 to 1) was drawn
    /// for it.
    pub(super) fn meets(&self, ordinal: u64, fired: u64, chance: f64) -> bool {
        self.nth.is_none_or(|nth| ordinal == nth)
            && self.every.is_none_or(|every| ordinal.is_multiple_of(every))
            && self.from.is_none_or(|from| ordinal >= from)
            && self.to.is_none_or(|to| ordinal <= to)
            && self.at_most.is_none_or(|most| fired < most)
            && self.probability.is_none_or(|probability| chance < probability)
    }
}

/// A service or a whole Region that does not answer for a while.
///
/// Calls are not applied. Events for queues there wait, are tried again every minute and given
/// up after 24 hours, as EventBridge does. Work that already runs inside a service continues.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// The service; all of them if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// The Region; all of them if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// From this time since the start of the world on; at once if not given.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::span::maybe")]
    pub after: Option<Duration>,
    /// Until this time since the start of the world; if not given, until it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::span::maybe")]
    pub until: Option<Duration>,
    /// What calls meet.
    #[serde(default)]
    pub how: How,
}

/// What calls meet in an outage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// No answer until the client gives up.
    #[default]
    Timeout,
    /// The service's own 503.
    Unavailable,
}

impl Outage {
    /// All services of a Region; no answers, from now until removed.
    pub fn of_region(region: Region) -> Self {
        Self { service: None, region: Some(region), after: None, until: None, how: How::Timeout }
    }

    /// One service in a Region.
    pub fn of_service(service: Service, region: Region) -> Self {
        Self { service: Some(service), ..Self::of_region(region) }
    }

    /// Only in this span of time since the start of the world.
    #[must_use]
    pub fn between(self, after: Duration, until: Duration) -> Self {
        Self { after: Some(after), until: Some(until), ..self }
    }

    /// With errors rather than silence.
    #[must_use]
    pub fn with_errors(self) -> Self {
        Self { how: How::Unavailable, ..self }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check_window(self.after, self.until)
    }

    pub(super) fn covers(
        &self,
        service: Service,
        region: &Region,
        started: Timestamp,
        now: Timestamp,
    ) -> bool {
        self.service.is_none_or(|down| down == service)
            && self.region.as_ref().is_none_or(|down| down == region)
            && in_window(self.after, self.until, started, now)
    }

    pub(super) fn effect(&self) -> Effect {
        match self.how {
            How::Timeout => Effect::Timeout,
            How::Unavailable => Effect::Unavailable,
        }
    }
}

fn check_window(after: Option<Duration>, until: Option<Duration>) -> Result<(), String> {
    match (after, until) {
        (Some(after), Some(until)) if after >= until => Err(format!(
            "after = {:?} must be before until = {:?}",
            crate::span::write(after),
            crate::span::write(until)
        )),
        _ => Ok(()),
    }
}

fn in_window(
    after: Option<Duration>,
    until: Option<Duration>,
    started: Timestamp,
    now: Timestamp,
) -> bool {
    let since = now.duration_since(started);
    let span = |span: Duration| SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    after.is_none_or(|after| since >= span(after)) && until.is_none_or(|until| since < span(until))
}
