//! Writes a plan and costs as tables, and a plan as CSV.

use amiferry_core::forecast::Step;
use amiferry_core::text::{distinct, visible};
use jiff::Timestamp;

use super::csv::{number, optional, text, time, written};
use super::table::{Cell, Column, Table};
use super::tables;
use super::{Look, moment, span, wrapped};
use crate::cost::Costs;
use crate::page::view::Tone;
use crate::plan::{Plan, PlanCost};

/// Most images that the table lists; CSV and JSON have all.
const MOST: usize = 50;

/// The longest name or reason in a line.
const LONGEST: usize = 200;

/// The plan for people.
pub fn table(plan: &Plan, look: Look) -> String {
    let mut out = String::new();
    if !plan.waves.is_empty() {
        out.push_str(&format!("WAVES\n{}\n", waves(plan, look)));
        out.push_str(&format!("IMAGES\n{}", images(plan, look)));
        let more = plan.images.len().saturating_sub(MOST);
        if more > 0 {
            out.push_str(&format!("and {more} more: --output csv lists them all\n"));
        }
        out.push('\n');
    }
    if !plan.late.is_empty() {
        out.push_str(&format!("FAMILIES THAT BREAK THEIR RPO\n{}\n", late(plan, look)));
    }
    if !plan.not_planned.is_empty() {
        out.push_str(&format!("NOT PLANNED\n{}\n", not_planned(plan, look)));
    }
    let unknown = tables::not_assessed(&plan.not_assessed, look);
    if !unknown.is_empty() {
        out.push_str(&format!("{}\n", unknown.trim_start()));
    }
    out.push_str(&summary(plan, look));
    for cost in &plan.cost {
        out.push_str(&wrapped(&cost_line(cost), "", look.width));
    }
    out.push_str(&assumptions(plan, look));
    out
}

fn waves(plan: &Plan, look: Look) -> String {
    let mut table = Table::new([
        Column::number("WAVE"),
        Column::number("IMAGES"),
        Column::number("GB"),
        Column::number("STARTS"),
        Column::number("ALL COMPLETE"),
    ]);
    for wave in &plan.waves {
        table.heading(format!("to {}/{}", wave.target_account, wave.target_region));
        table.row([
            Cell::new(wave.wave.to_string()),
            Cell::new(wave.images.to_string()),
            Cell::new(wave.gb.to_string()),
            Cell::new(wave.starts.map(|at| from_now(plan, at)).unwrap_or_default()),
            Cell::new(from_now(plan, wave.finishes)),
        ]);
    }
    table.write(look)
}

fn images(plan: &Plan, look: Look) -> String {
    let mut table = Table::new([
        Column::whole("SOURCE IMAGE"),
        Column::cut("FAMILY", 8),
        Column::cut("POLICY", 6).rank(1),
        Column::number("GB"),
        Column::number("WAVE").rank(2),
        Column::number("STORE").rank(4),
        Column::number("COPY").rank(5),
        Column::number("RESTORE").rank(3),
        Column::number("COMPLETE"),
        Column::number("LATE"),
    ]);
    let ends =
        |step: Option<Step>| Cell::new(step.map(|s| from_now(plan, s.ends)).unwrap_or_default());
    for image in plan.images.iter().take(MOST) {
        let late = image.late_seconds.map(span).unwrap_or_default();
        table.row([
            Cell::new(image.source_image_id.as_ref().map_or("", |id| id.as_str())),
            Cell::name(&image.family),
            Cell::name(&image.policy),
            Cell::new(image.size_gb.map(|gb| gb.to_string()).unwrap_or_default()),
            Cell::new(image.wave.to_string()),
            ends(image.store),
            ends(image.copy),
            ends(image.restore),
            Cell::new(from_now(plan, image.finishes)),
            Cell::new(late).tone(Tone::Warn),
        ]);
    }
    table.write(look)
}

fn late(plan: &Plan, look: Look) -> String {
    let mut table = Table::new([
        Column::cut("FAMILY", 8),
        Column::cut("POLICY", 6),
        Column::number("BREAKS"),
        Column::number("KEPT AGAIN"),
    ]);
    for family in &plan.late {
        let tone = if family.breaks_at <= plan.as_of { Tone::Bad } else { Tone::Warn };
        table.row([
            Cell::name(&family.family),
            Cell::name(&family.policy),
            Cell::new(from_now(plan, family.breaks_at)).tone(tone),
            Cell::new(family.kept_again_at.map(|at| from_now(plan, at)).unwrap_or_default()),
        ]);
    }
    table.write(look)
}

fn not_planned(plan: &Plan, look: Look) -> String {
    let mut table = Table::new([
        Column::whole("SOURCE IMAGE"),
        Column::cut("FAMILY", 8),
        Column::whole("CODE"),
        Column::cut("PARTICULARS", 20).rank(1),
    ]);
    for image in plan.not_planned.iter().take(MOST) {
        table.row([
            Cell::new(image.source_image_id.as_ref().map_or("", |id| id.as_str())),
            Cell::name(&image.family),
            Cell::new(image.code.map_or("", |code| code.as_str())).tone(Tone::Warn),
            Cell::new(image.reason.as_str()),
        ]);
    }
    table.write(look)
}

fn summary(plan: &Plan, look: Look) -> String {
    let Some(finishes) = plan.finishes else {
        return "Nothing is under way that has a time.\n".to_owned();
    };
    let count = plan.images.len();
    let images = if count == 1 { "1 image".to_owned() } else { format!("{count} images") };
    let mut text =
        format!("{images} will be complete {} ({}).", from_now(plan, finishes), moment(finishes));
    if let Some(without) = plan.finishes_without {
        text.push_str(&format!(" Without --what-if it would be {}.", from_now(plan, without)));
    }
    let broken = plan.late.iter().filter(|family| family.breaks_at > plan.as_of).count();
    text.push_str(&match broken {
        0 => " No further family breaks its RPO.".to_owned(),
        1 => " 1 family will break its RPO.".to_owned(),
        broken => format!(" {broken} families will break their RPO."),
    });
    wrapped(&text, "", look.width)
}

fn cost_line(cost: &PlanCost) -> String {
    format!(
        "Estimated from {} to {}: {} once, and {} a month (prices of {}).",
        cost.source_region,
        cost.target_region,
        money(cost.once, &cost.currency),
        money(cost.monthly, &cost.currency),
        visible(&cost.prices_as_of, LONGEST)
    )
}

fn assumptions(plan: &Plan, look: Look) -> String {
    let mut text = String::new();
    for assumed in &plan.assumed {
        let [start, per_gb] = assumed.restore_seconds;
        let learned = match assumed.learned_from {
            0 => "EC2's usual rate".to_owned(),
            count => format!("learned from {count} tasks"),
        };
        let line = format!(
            "Assumed for {}/{}: {start} s and {per_gb} s a GB for a restore ({learned}), {} GB of restores \
             at once, and no new image, fault or change.",
            assumed.target_account, assumed.target_region, assumed.restore_quota_gb
        );
        text.push_str(&wrapped(&line, "", look.width));
    }
    text
}

/// `in 3h 5m`, or `2m 0s ago`.
fn from_now(plan: &Plan, at: Timestamp) -> String {
    match at.duration_since(plan.as_of).as_secs() {
        0 => "now".to_owned(),
        left @ 1.. => format!("in {}", span(left)),
        past => format!("{} ago", span(past.saturating_neg())),
    }
}

/// A sum, or that it is not known.
pub fn money(sum: Option<f64>, currency: &str) -> String {
    match sum {
        Some(sum) => format!("{sum:.2} {}", visible(currency, 3)),
        None => "not assessed".to_owned(),
    }
}

/// The costs of each policy for people.
pub fn costs(costs: &Costs, look: Look) -> String {
    let mut table = Table::new([
        Column::cut("POLICY", 8),
        Column::cut("FROM", 9).rank(2),
        Column::number("OBJECTS"),
        Column::number("SNAPSHOTS"),
        Column::number("TRANSFER"),
        Column::number("BLOCKS"),
        Column::number("REQUESTS").rank(1),
        Column::number("A MONTH"),
        Column::number("FREED").rank(1),
    ]);
    let sum = |sum: Option<f64>| {
        Cell::new(sum.map_or_else(|| "not assessed".to_owned(), |sum| format!("{sum:.2}")))
    };
    for policy in &costs.policies {
        table.heading(format!("to {}/{}", policy.target_account, policy.target_region));
        let estimate = &policy.estimate;
        table.row([
            Cell::name(&policy.policy),
            Cell::new(policy.source_region.as_str()),
            sum(estimate.objects),
            sum(estimate.snapshots),
            sum(estimate.transfer),
            sum(estimate.blocks),
            sum(estimate.requests),
            sum(policy.total),
            sum(policy.freed),
        ]);
    }
    let note = format!(
        "Estimated in {} at prices of {} ({}). Snapshots and blocks are counted with all of their volumes; \
         transfer, blocks and requests are those of the last 30 days. FREED is how much less a month costs \
         after `amiferry prune`, if neither locks nor uses hold what goes.",
        visible(&costs.currency, 3),
        visible(&costs.prices_as_of, LONGEST),
        visible(&costs.prices_from, LONGEST)
    );
    table.write(look) + &wrapped(&note, "", look.width)
}

/// One line for each image that will be complete.
///
/// # Errors
/// Only what the writer gives, which memory does not cause.
pub fn csv(plan: &Plan) -> Result<String, ::csv::Error> {
    let header = [
        "as_of",
        "source_account",
        "source_region",
        "source_image_id",
        "source_image_name",
        "family",
        "policy",
        "tier",
        "target_account",
        "target_region",
        "size_gb",
        "wave",
        "store_starts",
        "store_ends",
        "copy_starts",
        "copy_ends",
        "restore_starts",
        "restore_ends",
        "finishes",
        "late_seconds",
    ];
    let starts = |step: Option<Step>| time(step.map(|step| step.starts));
    let ends = |step: Option<Step>| time(step.map(|step| step.ends));
    let rows = plan.images.iter().map(|image| {
        [
            moment(plan.as_of),
            text(&image.source_account),
            text(&image.source_region),
            optional(image.source_image_id.as_ref()),
            text(&distinct(&image.source_image_name, LONGEST)),
            text(&image.family),
            text(&image.policy),
            text(&image.tier.as_str()),
            text(&image.target_account),
            text(&image.target_region),
            number(image.size_gb),
            image.wave.to_string(),
            starts(image.store),
            ends(image.store),
            starts(image.copy),
            ends(image.copy),
            starts(image.restore),
            ends(image.restore),
            moment(image.finishes),
            number(image.late_seconds),
        ]
    });
    written(header, rows)
}
