//! The drawings of the status page as inline SVG: widths are percentages, so they fit any screen
//! without a script, and each says in words what it shows.

use maud::{Markup, html};

use super::view::{Bullet, CopyRow, MilestoneRow, Tone};
use super::words;
use crate::family::RpoState;
use crate::milestone::Milestone;

/// The end of the bullet chart's scale, in thousandths of the RPO.
const SCALE: i64 = 1_500;

/// The class that gives a tone its colours.
pub(super) fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Busy => "busy",
        Tone::Warn => "warn",
        Tone::Bad => "bad",
        Tone::Unknown => "unknown",
    }
}

/// Age against RPO: a bar from zero, and a tick where the RPO is. A bar in outline is the age of
/// an image that has no copy yet.
pub(super) fn bullet(bullet: &Bullet, state: RpoState) -> Markup {
    let limit = percent(1_000, SCALE);
    let beyond = bullet.permille > SCALE;
    let label = format!(
        "{} {}, {} % of the RPO of {}",
        if bullet.is_complete { "age" } else { "nothing complete; oldest image" },
        bullet.age,
        bullet.permille / 10,
        bullet.rpo
    );
    html! {
        svg class={ "bullet " (class(words::tone(state))) } width="100%" height="24" role="img"
            aria-label=(label) {
            rect class="track" x="0" y="7" width="100%" height="10" rx="3" {}
            rect class="beyond" x=(limit) y="7" width=(percent(SCALE - 1_000, SCALE)) height="10"
                rx="3" {}
            rect class=(if bullet.is_complete { "bar" } else { "bar outline" }) x="0" y="7"
                width=(percent(bullet.permille.clamp(8, SCALE), SCALE)) height="10" rx="3" {}
            @if beyond {
                svg x="100%" y="0" overflow="visible" {
                    path class="on" d="M-13 8 L-8 12 L-13 16 M-8 8 L-3 12 L-8 16" {}
                }
            }
            line class="limit" x1=(limit) x2=(limit) y1="2" y2="22" {}
        }
    }
}

/// How many families stand how, as one bar.
pub(super) fn states(states: &[(RpoState, usize)]) -> Markup {
    let all: usize = states.iter().map(|(_, count)| count).sum();
    let mut before = 0;
    html! {
        svg class="states" width="100%" height="16" aria-hidden="true" {
            @for (state, count) in states {
                rect class={ "bar " (class(words::tone(*state))) }
                    x=(percent(signed(before), signed(all)))
                    y="0" width=(percent(signed(*count), signed(all))) height="16" rx="5" {}
                ({ before += count; "" })
            }
        }
    }
}

/// How many recovery points have reached a milestone.
pub(super) fn reached(row: &MilestoneRow) -> Markup {
    let (reached, all) = (signed(row.reached), signed(row.total).max(1));
    let tone = if row.parked > 0 {
        Tone::Warn
    } else if row.reached == row.total {
        Tone::Good
    } else {
        Tone::Busy
    };
    html! {
        svg class={ "reached " (class(tone)) } width="100%" height="8" aria-hidden="true" {
            rect class="track" x="0" y="0" width="100%" height="8" rx="4" {}
            @if reached > 0 {
                rect class="bar" x="0" y="0" width=(percent(reached, all)) height="8" rx="4" {}
            }
        }
    }
}

/// The milestones of one recovery point as a row of dots.
pub(super) fn steps(milestones: &[(Milestone, bool)], tone: Tone) -> Markup {
    let names = |wanted: bool| {
        let names = milestones.iter().filter(|(_, reached)| *reached == wanted);
        names.map(|(milestone, _)| milestone.as_str()).collect::<Vec<_>>().join(", ")
    };
    let label = match names(true).as_str() {
        "" => format!("not yet {}", names(false)),
        done => format!("{done}; not yet {}", names(false)),
    };
    let width = 8 + 24 * milestones.len().saturating_sub(1) + 8;
    html! {
        svg class={ "steps " (class(tone)) } width=(width) height="16" role="img"
            aria-label=(label) {
            line class="rail" x1="8" x2=(width - 8) y1="8" y2="8" {}
            @for (place, (_, reached)) in milestones.iter().enumerate() {
                circle class=(if *reached { "dot" } else { "dot open" }) cx=(8 + 24 * place) cy="8"
                    r="5" {}
            }
        }
    }
}

/// How far a copy is: a bar that screen readers know, and the same in words.
pub(super) fn copy(copy: &CopyRow) -> Markup {
    html! {
        progress max="1000" value=(copy.permille) aria-label="copied" {}
        span class="figures" {
            span { (copy.amount) }
            @if let Some(pace) = &copy.pace { span { (pace) } }
        }
    }
}

/// The sign of a tone: each has a shape of its own.
pub(super) fn sign(tone: Tone, size: u32) -> Markup {
    let path = match tone {
        Tone::Good => "M4 8.5 L7 11.5 L12 5",
        Tone::Busy => "M8 4.5 V8.5 L11 10",
        Tone::Warn => "M8 4 V9 M8 11.2 V12",
        Tone::Bad => "M5.2 5.2 L10.8 10.8 M10.8 5.2 L5.2 10.8",
        Tone::Unknown => "M5.8 6.3 C5.8 3.4 10.2 3.4 10.2 6.2 C10.2 8 8 8 8 9.6 M8 11.6 V12.2",
    };
    html! {
        svg class={ "sign " (class(tone)) } viewBox="0 0 16 16" width=(size) height=(size)
            aria-hidden="true" {
            @match tone {
                Tone::Warn => { path class="plate" d="M8 0.6 L15.6 14.6 H0.4 Z" {} }
                Tone::Bad => {
                    path class="plate" d="M4.9 0.5 H11.1 L15.5 4.9 V11.1 L11.1 15.5 H4.9 L0.5 11.1 V4.9 Z" {}
                }
                Tone::Good | Tone::Busy | Tone::Unknown => {
                    circle class="plate" cx="8" cy="8" r="7.5" {}
                }
            }
            path class="mark" d=(path) {}
        }
    }
}

/// The picture in the browser's tab.
pub(super) fn icon(tone: Tone) -> String {
    let colour = match tone {
        Tone::Good => "1f7a4d",
        Tone::Busy => "1f5fbf",
        Tone::Warn => "9a6700",
        Tone::Bad => "c0271d",
        Tone::Unknown => "6b4fa0",
    };
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
         %3Ccircle cx='8' cy='8' r='7' fill='%23{colour}'/%3E%3C/svg%3E"
    )
}

/// A part of a whole as SVG wants it, with two decimals.
fn percent(part: i64, whole: i64) -> String {
    let hundredths = part.saturating_mul(10_000).checked_div(whole).unwrap_or_default();
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
