//! Writes the status page as HTML. `maud` escapes all text; only the stylesheet, a constant, is not
//! escaped.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart::{self, class, sign};
use super::fold::{Need, One};
use super::security::{self, STYLE};
use super::view::{Excerpt, FamilyRow, PointRow, Reason, Tone, View};
use super::words;
use crate::family::RpoState;
use amiferry_core::code::Code;
use jiff::Timestamp;

/// How the page is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updates {
    /// The server makes the browser come again after this many seconds.
    Every(u32),
    /// It does not, because the reader asked for that.
    Paused,
    /// It is a file.
    Never,
}

/// So many with the same need are listed without being folded.
const FEW: usize = 8;

/// What comes after the page's address when updates are paused.
pub(super) const PAUSED: &str = "?updates=paused";

/// The page as one document.
pub fn html(view: &View, updates: Updates) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(security::in_page());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (view.headline) " · amiferry" }
                link rel="icon" href=(chart::icon(view.tone));
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#needs" { "Skip to what needs a person" }
                (top(view, updates))
                main {
                    (verdict(view))
                    (needs(&view.needs))
                    (families(&view.families))
                    (pipeline(view))
                    (archived(&view.archived))
                    (lost(&view.lost))
                    (parked(&view.parked))
                    (left_out(&view.left_out))
                }
                (bottom())
            }
        }
    };
    page.into_string()
}

fn top(view: &View, updates: Updates) -> Markup {
    html! {
        header {
            p class="brand" { "amiferry" span { " recovery points" } }
            p class="meta" {
                "Page of " (time(view.now))
                @match view.known_at {
                    Some(known) if known != view.now => { " · facts of " (time(known)) }
                    Some(_) => {}
                    None => { " · no facts yet" }
                }
                @match updates {
                    Updates::Every(seconds) => {
                        " · renewed every " (seconds) " s, "
                        a href=(PAUSED) { "pause" }
                    }
                    Updates::Paused => { " · not renewed, " a href="?" { "go on" } }
                    Updates::Never => {}
                }
            }
        }
    }
}

fn verdict(view: &View) -> Markup {
    html! {
        section class={ "verdict card " (class(view.tone)) } aria-labelledby="verdict" {
            (sign(view.tone, 44))
            div {
                h1 id="verdict" { (view.headline) }
                p { (view.detail) }
                @if let Some(heard) = &view.heard { p { (heard) } }
            }
            @if !view.states.is_empty() {
                div class="whole" {
                    (chart::states(&view.states))
                    ul class="legend" {
                        @for (state, count) in &view.states {
                            li title=(words::meaning(*state)) {
                                (sign(words::tone(*state), 14)) strong { (count) } " " (words::words(*state))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn needs(needs: &[Need]) -> Markup {
    html! {
        section id="needs" tabindex="-1" aria-labelledby="needs-title" {
            h2 id="needs-title" { "Needs a person now" (count(needs.len())) }
            @if needs.is_empty() {
                p class="card empty" { (sign(Tone::Good, 18)) "Nothing. What is under way passes by itself." }
            } @else {
                ul class="needs card" {
                    @for need in needs {
                        li {
                            (sign(need.tone, 22))
                            div {
                                h3 { (need.what) }
                                p { (need.why) }
                                (each(&need.each))
                                p class="remedy" { strong { "Do: " } (need.remedy) }
                                @if let Some(code) = need.code { (explain(code)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Those with the same need. Many are folded.
fn each(each: &Excerpt<One>) -> Markup {
    html! {
        @if !each.rows.is_empty() {
            details class="each" open[each.total() <= FEW] {
                summary { "All " (each.total()) }
                ul {
                    @for one in &each.rows {
                        li { code { (one.who) } (one.why) }
                    }
                }
                (hidden(each.hidden, "of them", "amiferry audit"))
            }
        }
    }
}

fn explain(code: Code) -> Markup {
    html! { p class="command" { code { "amiferry explain " (code) } } }
}

fn families(families: &Excerpt<FamilyRow>) -> Markup {
    html! {
        section aria-labelledby="families-title" {
            h2 id="families-title" { "Families against their RPO" (count(families.total())) }
            @if families.rows.is_empty() {
                p class="card empty" { "There is no family." }
            } @else {
                // Roles are said because a narrow screen shows rows as blocks, and browsers then
                // forget that they are rows.
                table class="card families" role="table" aria-labelledby="families-title" {
                    thead role="rowgroup" {
                        tr role="row" {
                            th role="columnheader" scope="col" { "Family" }
                            th role="columnheader" scope="col" { "State" }
                            th role="columnheader" scope="col" {
                                "Age against RPO"
                                svg class="scale" width="100%" height="12" aria-hidden="true" {
                                    text x="0" y="10" { "0" }
                                    text x="66.66%" y="10" text-anchor="middle" { "RPO" }
                                    text x="100%" y="10" text-anchor="end" { "1.5 ×" }
                                }
                            }
                            th role="columnheader" scope="col" { "Newest complete" }
                        }
                    }
                    tbody role="rowgroup" {
                        @for row in &families.rows { (family(row)) }
                    }
                }
                (hidden(families.hidden, "families, none of them worse", "amiferry status"))
            }
        }
    }
}

fn family(row: &FamilyRow) -> Markup {
    html! {
        tr role="row" {
            th role="rowheader" scope="row" {
                span class="name" { (row.family) }
                span class="sub" {
                    (row.policy) " · " span { (row.source) } " " span { "→ " (row.target) }
                }
            }
            td role="cell" class="state" {
                span class={ "pill " (class(words::tone(row.state))) } title=(words::meaning(row.state)) {
                    (sign(words::tone(row.state), 14)) (words::words(row.state))
                }
            }
            td role="cell" class="age" {
                @match &row.bullet {
                    Some(bullet) => {
                        (chart::bullet(bullet, row.state))
                        span class="figures" {
                            span { (bullet.age) " of " (bullet.rpo) }
                            strong class=(class(words::tone(row.state))) { (bullet.margin) }
                        }
                    }
                    None => (match row.state {
                        RpoState::NotAssessed if row.has_rpo => "not read",
                        RpoState::NotAssessed | RpoState::Retired => "no RPO",
                        _ => "no image",
                    })
                }
            }
            td role="cell" class="newest" {
                @match &row.newest {
                    Some((source, restored)) => {
                        code { (source) }
                        @if let Some(restored) = restored {
                            span class="sub" { "restored as " code { (restored) } }
                        }
                    }
                    None if row.state == RpoState::Lost => { span class="sub" { "none any more" } }
                    None if row.state == RpoState::NotAssessed => { span class="sub" { "not known" } }
                    None => { span class="sub" { "none yet" } }
                }
            }
        }
    }
}

fn pipeline(view: &View) -> Markup {
    html! {
        section aria-labelledby="pipeline-title" {
            h2 id="pipeline-title" { "Pipeline" (count(view.under_way.total())) }
            @if !view.milestones.is_empty() {
                ol class="stages card" {
                    @for row in &view.milestones {
                        li {
                            p class="big" { (row.reached) span { " of " (row.total) } }
                            h3 { (row.milestone.as_str()) }
                            (chart::reached(row))
                            p class="sub" {
                                @if row.ahead == 0 { "none on the way" }
                                @else { (row.ahead) " on the way" }
                                @if row.parked > 0 { ", " (row.parked) " of them parked" }
                            }
                        }
                    }
                }
            }
            @if !view.performing.is_empty() {
                p class="note" { "The worker performs now: " (view.performing.join(", ")) "." }
            }
            @if view.under_way.rows.is_empty() {
                p class="card empty" { "Nothing is under way." }
            } @else {
                table class="card points" role="table" aria-label="Recovery points under way" {
                    thead role="rowgroup" {
                        tr role="row" {
                            th role="columnheader" scope="col" { "Source image" }
                            th role="columnheader" scope="col" { "Stages" }
                            th role="columnheader" scope="col" { "Now" }
                            th role="columnheader" scope="col" class="number" { "Age" }
                        }
                    }
                    tbody role="rowgroup" {
                        @for row in &view.under_way.rows { (point(row)) }
                    }
                }
                (hidden(view.under_way.hidden, "recovery points that wait, all of them younger", "amiferry status"))
            }
        }
    }
}

fn point(row: &PointRow) -> Markup {
    html! {
        tr role="row" {
            th role="rowheader" scope="row" {
                code { (row.image) }
                span class="sub" { (row.family) " " span { "→ " (row.target) } }
            }
            td role="cell" class="stage" { (chart::steps(&row.milestones, Tone::Busy)) }
            td role="cell" class="why" {
                @match &row.copy {
                    Some(copy) => (chart::copy(copy))
                    None => (row.why)
                }
            }
            td role="cell" class="number" { (row.age) }
        }
    }
}

fn lost(reasons: &[Reason]) -> Markup {
    let total = reasons.iter().map(|reason| reason.those.total()).sum();
    html! {
        @if !reasons.is_empty() {
            section aria-labelledby="lost-title" {
                h2 id="lost-title" { "Lost, tampered with or unusable" (count(total)) }
                div class="card reasons" { @for row in reasons { (reason(row, Tone::Bad)) } }
            }
        }
    }
}

fn parked(reasons: &[Reason]) -> Markup {
    let total = reasons.iter().map(|reason| reason.those.total()).sum();
    html! {
        section aria-labelledby="parked-title" {
            h2 id="parked-title" { "Parked work" (count(total)) }
            @if reasons.is_empty() {
                p class="card empty" { "Nothing is parked." }
            } @else {
                div class="card reasons" { @for row in reasons { (reason(row, Tone::Warn)) } }
            }
        }
    }
}

fn left_out(reasons: &[Reason]) -> Markup {
    let total: usize = reasons.iter().map(|reason| reason.those.total()).sum();
    html! {
        section aria-labelledby="left-title" {
            h2 id="left-title" { "Left out" (count(total)) }
            @if reasons.is_empty() {
                p class="card empty" { "Every image of the sources is copied, or on its way." }
            } @else {
                details class="card" {
                    summary {
                        @if total == 1 { "1 image has" } @else { (total) " images have" }
                        " no copy, for "
                        @if reasons.len() == 1 { "one reason" } @else { (reasons.len()) " reasons" }
                    }
                    div class="reasons" { @for row in reasons { (reason(row, Tone::Unknown)) } }
                }
            }
        }
    }
}

fn archived(rows: &[String]) -> Markup {
    html! {
        @if !rows.is_empty() {
            section aria-labelledby="archived" {
                h2 id="archived" { "Archived" }
                ul { @for row in rows { li { (row) } } }
            }
        }
    }
}

fn reason(reason: &Reason, tone: Tone) -> Markup {
    html! {
        div class="reason" {
            h3 {
                (sign(tone, 18))
                (reason.code.meaning()) (count(reason.those.total()))
            }
            p class="remedy" { strong { "Do: " } (reason.code.remedy()) }
            @if !reason.those.rows.is_empty() {
                ul {
                    @for (who, detail) in &reason.those.rows {
                        li { code { (who) } @if !detail.is_empty() { " " (detail) } }
                    }
                }
                (hidden(reason.those.hidden, "of this reason", "amiferry audit"))
            } @else {
                p class="note" { "Named by " code { "amiferry audit" } "." }
            }
            (explain(reason.code))
        }
    }
}

fn bottom() -> Markup {
    html! {
        footer {
            p {
                "Age counts from the creation of the source image behind the newest complete "
                "recovery point. A recovery point is complete only if it was observed in AWS."
            }
            p {
                "The same facts: " code { "amiferry status" } ", with every recovery point "
                code { "amiferry audit" } ", for programs " code { "--output json" } "."
            }
        }
    }
}

fn count(total: usize) -> Markup {
    html! { @if total > 0 { span class="count" { " " (total) } } }
}

/// How much is not shown, and where it is.
fn hidden(hidden: usize, what: &str, command: &str) -> Markup {
    html! {
        @if hidden > 0 {
            p class="note" { (hidden) " more " (what) ", shown by " code { (command) } "." }
        }
    }
}

fn time(at: Timestamp) -> Markup {
    html! {
        time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (at.strftime("%Y-%m-%d %H:%M:%S UTC")) }
    }
}
