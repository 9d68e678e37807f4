//! What a report amounts to, in a sentence, and what to do next: the end of every table.
//!
//! Both come from the status page's view, so that page and tables cannot disagree.

use super::{Look, wrapped};
use crate::page::view::{Facts, view};
use crate::report::Report;

/// Most things to do that are written out.
const MOST: usize = 6;

/// The verdict and what to do next.
pub fn outcome(report: &Report, look: Look) -> String {
    let view = view(Facts::asked_once(report));
    let headline = look.strong(&look.paint(&format!("{}.", view.headline), Some(view.tone)));
    let mut text = format!("{headline}\n{}", wrapped(&view.detail, "", look.width));
    if let Some(heard) = &view.heard {
        text.push_str(&wrapped(heard, "", look.width));
    }
    let under_way = view.under_way.total();
    if view.needs.is_empty() {
        text.push_str(&match under_way {
            0 => "Next: nothing to do.\n".to_owned(),
            1 => "Next: nothing to do; the workers complete the recovery point under way.\n".to_owned(),
            count => wrapped(
                &format!("Next: nothing to do; the workers complete the {count} recovery points under way."),
                "",
                look.width,
            ),
        });
        return text;
    }
    text.push_str("Next:\n");
    for need in view.needs.iter().take(MOST) {
        let code = need.code.map(|code| format!(" (amiferry explain {code})")).unwrap_or_default();
        let what = wrapped(&need.what, "  ", look.width);
        let what = format!("- {}", what.trim());
        text.push_str(&format!("{}\n", look.paint(&what, Some(need.tone))));
        text.push_str(&wrapped(&format!("why: {}", need.why_of_some()), "    ", look.width));
        text.push_str(&wrapped(&format!("to do: {}{code}", need.remedy), "    ", look.width));
    }
    let more = view.needs.len().saturating_sub(MOST);
    if more > 0 {
        let rest = format!("{more} more: `amiferry status --output html` writes them all.");
        text.push_str(&wrapped(&rest, "", look.width));
    }
    text
}
