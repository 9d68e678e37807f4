//! The document that `amiferry plan` writes: what becomes complete when, in which waves, and which family
//! breaks its RPO meanwhile.

use std::collections::BTreeMap;

use amiferry_core::code::Code;
use amiferry_core::cost::{Estimate, Prices, Usage, estimate, sum};
use amiferry_core::fleet::{Hypothetical, Outlook};
use amiferry_core::forecast::{Capacity, Planned, Rates, Step};
use amiferry_core::ids::{AccountId, ImageId, Region};
use amiferry_core::names::{SourceId, VaultId};
use amiferry_core::policy::{Policies, Tier};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::family::Family;
use crate::inventory::{NotAssessed, RecoveryPoint, State};
use crate::report::Report;

/// The version of the JSON that is written; grows only when a reader could break.
pub const SCHEMA_VERSION: u32 = 1;

/// The plan of every vault, run forward.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub schema_version: u32,
    /// When AWS was asked.
    pub as_of: Timestamp,
    /// When the last image is complete; `None` where nothing is under way.
    pub finishes: Option<Timestamp>,
    /// When it would be without the images of `--what-if`; `None` without any.
    pub finishes_without: Option<Timestamp>,
    pub waves: Vec<Wave>,
    /// Every image that will be complete, by the time when it is.
    pub images: Vec<PlannedImage>,
    /// The families that break their RPO, or broke it, although a newer image is known.
    pub late: Vec<LateFamily>,
    /// The images of which no time can be said.
    pub not_planned: Vec<NotPlanned>,
    /// The sources, images and items that could not be asked or read.
    pub not_assessed: Vec<NotAssessed>,
    /// What the plan takes for granted.
    pub assumed: Vec<Assumed>,
    /// What the work of the plan costs once, and what it adds to each month, by vault.
    pub cost: Vec<PlanCost>,
}

/// The images that go when so many tasks before them have ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wave {
    pub target_account: AccountId,
    pub target_region: Region,
    pub wave: u32,
    pub images: usize,
    pub gb: u64,
    /// When the first step of the first of them begins, or began.
    pub starts: Option<Timestamp>,
    /// When the last of them is complete.
    pub finishes: Timestamp,
}

/// One image with its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedImage {
    pub source_account: AccountId,
    pub source_region: Region,
    /// `None` for an image of `--what-if`.
    pub source_image_id: Option<ImageId>,
    pub source_image_name: String,
    pub family: String,
    pub policy: String,
    pub tier: Tier,
    pub target_account: AccountId,
    pub target_region: Region,
    pub size_gb: Option<u64>,
    pub wave: u32,
    /// Its store, unless that is over.
    pub store: Option<Step>,
    /// Its copy, unless that is over.
    pub copy: Option<Step>,
    /// Its restore, unless that is over or not wanted.
    pub restore: Option<Step>,
    pub finishes: Timestamp,
    /// How long after its family's RPO has broken it is complete; `None` where it is in time.
    pub late_seconds: Option<i64>,
}

/// A family that breaks its RPO.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LateFamily {
    pub source_account: AccountId,
    pub source_region: Region,
    pub family: String,
    pub policy: String,
    pub target_account: AccountId,
    pub target_region: Region,
    pub breaks_at: Timestamp,
    /// When it is kept again; `None` where no known image does that.
    pub kept_again_at: Option<Timestamp>,
}

/// An image of which no time can be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotPlanned {
    pub source_account: AccountId,
    pub source_region: Region,
    /// `None` for images of `--what-if`.
    pub source_image_id: Option<ImageId>,
    pub family: String,
    pub policy: String,
    pub target_account: AccountId,
    pub target_region: Region,
    /// Why it waits.
    pub code: Option<Code>,
    pub reason: String,
}

/// What the plan of one vault takes for granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assumed {
    pub target_account: AccountId,
    pub target_region: Region,
    /// How long a store of an image takes: seconds for any, and for each GB.
    pub store_seconds: [i64; 2],
    /// The same of restores.
    pub restore_seconds: [i64; 2],
    /// How many tasks of this vault that was learned from; 0: EC2's usual rate.
    pub learned_from: usize,
    pub restore_quota_gb: u64,
    pub copies_at_once: u64,
}

/// What the work of the plan costs in one vault.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanCost {
    pub currency: String,
    pub prices_as_of: String,
    pub source_region: Region,
    pub target_account: AccountId,
    pub target_region: Region,
    /// Objects are counted with the share of their volumes that those of this vault have.
    pub usage: Usage,
    /// Objects and snapshots for a month, the rest once.
    pub estimate: Estimate,
    /// The sum of what is paid once; `None` if a part is not assessed.
    pub once: Option<f64>,
    /// The sum of what is paid each month.
    pub monthly: Option<f64>,
}

/// What is known of one vault.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub vault: &'a VaultId,
    pub outlook: &'a Outlook,
    /// The same without the images of `--what-if`, if there are any.
    pub without: Option<&'a Outlook>,
    pub capacity: &'a Capacity,
    /// The policies, which say in which class objects are kept.
    pub policies: &'a Policies,
}

impl Plan {
    /// The plan of some vaults, about which the report is, too.
    pub fn new(report: &Report, vaults: &[Known<'_>], prices: &Prices) -> Self {
        let now = report.as_of;
        let mut plan = Self {
            schema_version: SCHEMA_VERSION,
            as_of: now,
            finishes: None,
            finishes_without: None,
            waves: Vec::new(),
            images: Vec::new(),
            late: late(report),
            not_planned: Vec::new(),
            not_assessed: report.not_assessed.clone(),
            assumed: Vec::new(),
            cost: Vec::new(),
        };
        for known in vaults {
            plan.add(report, *known, prices);
        }
        plan.images.sort_by(|a, b| order(a).cmp(&order(b)));
        plan.finishes = plan.images.iter().map(|image| image.finishes).max();
        plan.waves = waves(&plan.images);
        plan
    }

    fn add(&mut self, report: &Report, known: Known<'_>, prices: &Prices) {
        let Known { vault, outlook, without, capacity, policies } = known;
        let is_here = |point: &&RecoveryPoint| {
            (&point.target_account, &point.target_region) == (&vault.account, &vault.region)
        };
        let first = self.images.len();
        for point in report.recovery_points.iter().filter(is_here) {
            match outlook.points.get(&point.id()) {
                Some(planned) => self.images.push(of_point(report, point, planned)),
                None if point.state == State::Complete => {}
                None => self.not_planned.push(NotPlanned {
                    source_account: point.source_account.clone(),
                    source_region: point.source_region.clone(),
                    source_image_id: Some(point.source_image_id.clone()),
                    family: point.family.clone(),
                    policy: point.policy.clone(),
                    target_account: vault.account.clone(),
                    target_region: vault.region.clone(),
                    code: Some(point.code),
                    reason: point.detail.clone(),
                }),
            }
        }
        for (number, one) in outlook.what_if.iter().enumerate() {
            self.imagine(vault, number, one);
        }
        let rates = outlook.rates;
        self.assumed.push(assumed(vault, capacity, &rates));
        let costs = costs(report, (vault, policies), &self.images[first..], prices);
        self.cost.extend(costs);
        let finish = |outlook: &Outlook| outlook.points.values().map(|one| one.finishes).max();
        self.finishes_without = self.finishes_without.max(without.and_then(finish));
    }

    fn imagine(&mut self, vault: &VaultId, number: usize, one: &Hypothetical) {
        let Hypothetical { source, policy, size_gb, tier, planned, breaks_at } = one;
        let family = format!("what if {}", number + 1);
        let Some(planned) = planned else {
            return self.not_planned.push(NotPlanned {
                source_account: source.account.clone(),
                source_region: source.region.clone(),
                source_image_id: None,
                family,
                policy: policy.clone(),
                target_account: vault.account.clone(),
                target_region: vault.region.clone(),
                code: None,
                reason: "no quota admits it".to_owned(),
            });
        };
        if let Some(breaks_at) = breaks_at {
            self.late.push(LateFamily {
                source_account: source.account.clone(),
                source_region: source.region.clone(),
                family: family.clone(),
                policy: policy.clone(),
                target_account: vault.account.clone(),
                target_region: vault.region.clone(),
                breaks_at: *breaks_at,
                kept_again_at: None,
            });
        }
        let id = (None, String::new());
        let image = planned_image((source, vault), id, (&family, policy), planned);
        let late_seconds = breaks_at.map(|at| seconds(planned.finishes, at));
        let size_gb = Some(*size_gb);
        self.images.push(PlannedImage { size_gb, tier: *tier, late_seconds, ..image });
    }
}

fn order(image: &PlannedImage) -> impl Ord + use<'_> {
    let vault = (&image.target_account, &image.target_region);
    let source = (&image.source_account, &image.source_region, &image.source_image_id);
    (image.finishes, vault, source, &image.family)
}

fn seconds(later: Timestamp, earlier: Timestamp) -> i64 {
    later.duration_since(earlier).as_secs()
}

fn of_point(report: &Report, point: &RecoveryPoint, planned: &Planned) -> PlannedImage {
    let source =
        SourceId { account: point.source_account.clone(), region: point.source_region.clone() };
    let vault =
        VaultId { account: point.target_account.clone(), region: point.target_region.clone() };
    let id = (Some(point.source_image_id.clone()), point.source_image_name.clone());
    let image = planned_image((&source, &vault), id, (&point.family, &point.policy), planned);
    let family = report.families.iter().find(|family| family.has(point));
    let breaks_at = family.and_then(|family| family.breaks_at);
    let is_late =
        |at: &Timestamp| planned.finishes > *at && Some(point.data_from()) > newest(family);
    let late_seconds = breaks_at.filter(is_late).map(|at| seconds(planned.finishes, at));
    PlannedImage { size_gb: point.size_gb, tier: point.tier, late_seconds, ..image }
}

fn newest(family: Option<&Family>) -> Option<Timestamp> {
    family?.source_created_at
}

fn planned_image(
    (source, vault): (&SourceId, &VaultId),
    (source_image_id, source_image_name): (Option<ImageId>, String),
    (family, policy): (&str, &str),
    planned: &Planned,
) -> PlannedImage {
    PlannedImage {
        source_account: source.account.clone(),
        source_region: source.region.clone(),
        source_image_id,
        source_image_name,
        family: family.to_owned(),
        policy: policy.to_owned(),
        tier: Tier::default(),
        target_account: vault.account.clone(),
        target_region: vault.region.clone(),
        size_gb: None,
        wave: planned.wave,
        store: planned.store,
        copy: planned.copy,
        restore: planned.restore,
        finishes: planned.finishes,
        late_seconds: None,
    }
}

fn late(report: &Report) -> Vec<LateFamily> {
    let one = |family: &Family| {
        Some(LateFamily {
            source_account: family.source_account.clone(),
            source_region: family.source_region.clone(),
            family: family.family.clone(),
            policy: family.policy.clone(),
            target_account: family.target_account.clone(),
            target_region: family.target_region.clone(),
            breaks_at: family.breaks_at?,
            kept_again_at: family.kept_again_at,
        })
    };
    let mut late: Vec<LateFamily> = report.families.iter().filter_map(one).collect();
    late.sort_by_key(|family| family.breaks_at);
    late
}

fn waves(images: &[PlannedImage]) -> Vec<Wave> {
    let mut waves: BTreeMap<(&AccountId, &Region, u32), Wave> = BTreeMap::new();
    for image in images {
        let PlannedImage { target_account, target_region, wave, finishes, .. } = image;
        let starts = [image.store, image.copy, image.restore].into_iter().flatten();
        let starts = starts.map(|step| step.starts).min();
        let of = waves.entry((target_account, target_region, *wave)).or_insert_with(|| Wave {
            target_account: target_account.clone(),
            target_region: target_region.clone(),
            wave: *wave,
            images: 0,
            gb: 0,
            starts,
            finishes: *finishes,
        });
        of.images += 1;
        of.gb = of.gb.saturating_add(image.size_gb.unwrap_or_default());
        of.starts = [of.starts, starts].into_iter().flatten().min();
        of.finishes = of.finishes.max(*finishes);
    }
    waves.into_values().collect()
}

fn assumed(vault: &VaultId, capacity: &Capacity, rates: &Rates) -> Assumed {
    let whole = |duration: SignedDuration| duration.as_secs();
    Assumed {
        target_account: vault.account.clone(),
        target_region: vault.region.clone(),
        store_seconds: [whole(rates.store.start_up), whole(rates.store.per_gb)],
        restore_seconds: [whole(rates.restore.start_up), whole(rates.restore.per_gb)],
        learned_from: rates.learned_from,
        restore_quota_gb: capacity.restores.limit_gb,
        copies_at_once: capacity.copies,
    }
}

/// What the steps of these images cost, by the Region of their source.
fn costs(
    report: &Report,
    (vault, policies): (&VaultId, &Policies),
    images: &[PlannedImage],
    prices: &Prices,
) -> Vec<PlanCost> {
    let share = object_share(report, vault);
    let mut usages: BTreeMap<&Region, Usage> = BTreeMap::new();
    for image in images {
        let usage = usages.entry(&image.source_region).or_default();
        let Some(size_gb) = image.size_gb else {
            usage.not_assessed += 1;
            continue;
        };
        let bytes = (size_gb << 30).saturating_mul(share) / 1_000;
        let ready = image.tier == Tier::Ready;
        let class = policies.named(&image.policy).map(|policy| policy.storage_class);
        usage.keeps_object(bytes, class.unwrap_or_default().as_str());
        if ready {
            usage.keeps_snapshots(size_gb);
        }
        usage.moves(bytes, size_gb, image.source_region != vault.region, ready);
    }
    let row = |(source, usage): (&Region, Usage)| {
        let estimate = estimate(prices, source, &vault.region, &usage);
        let once = [estimate.transfer, estimate.blocks, estimate.requests];
        let monthly = [estimate.objects, estimate.snapshots];
        PlanCost {
            currency: prices.currency.clone(),
            prices_as_of: prices.as_of.clone(),
            source_region: source.clone(),
            target_account: vault.account.clone(),
            target_region: vault.region.clone(),
            usage,
            estimate,
            once: sum(once),
            monthly: sum(monthly),
        }
    };
    usages.into_iter().map(row).collect()
}

/// How much of its volumes an object takes, in thousandths, by those of this vault; all of it if there are
/// none.
fn object_share(report: &Report, vault: &VaultId) -> u64 {
    let known = report.recovery_points.iter().filter_map(|point| {
        let is_here =
            (&point.target_account, &point.target_region) == (&vault.account, &vault.region);
        Some((point.vault_object.as_ref()?.size, point.size_gb?)).filter(|_| is_here)
    });
    let (bytes, gb) = known.fold((0_u64, 0_u64), |(bytes, gb), (size, size_gb)| {
        (bytes.saturating_add(size), gb.saturating_add(size_gb))
    });
    let volumes = u128::from(gb) << 30;
    match volumes {
        0 => 1_000,
        volumes => u64::try_from(u128::from(bytes).saturating_mul(1_000) / volumes)
            .unwrap_or(1_000)
            .min(1_000),
    }
}
