//! One thing that a person has to do, and how many of a kind are folded into one.

use amiferry_core::code::Code;

use super::facts::Tone;
use super::view::Excerpt;

/// Most needs of a kind that stand alone.
const ALONE: usize = 5;

/// Most recovery points or images that a sentence names.
const NAMED: usize = 8;

/// Most that the page lists of one need, folded.
const EACH: usize = 1_000;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// How bad it is.
    pub tone: Tone,
    /// What is wrong.
    pub what: String,
    /// Why, in one sentence for people.
    pub why: String,
    /// What to do.
    pub remedy: String,
    /// The reason, for `amiferry explain`.
    pub code: Option<Code>,
    /// Those that it concerns, one by one, where they are several.
    pub each: Excerpt<One>,
}

/// One of several recovery points or images with the same need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct One {
    /// Its id, name and family.
    pub who: String,
    /// Its cause, where that is not the cause of all, failed attempts and next try.
    pub why: String,
}

impl Need {
    /// Why, with the first names of those that it concerns.
    pub fn why_of_some(&self) -> String {
        if self.each.rows.is_empty() {
            return self.why.clone();
        }
        let more = self.each.total().saturating_sub(NAMED);
        let names: Vec<&str> = self.each.rows.iter().take(NAMED).map(|one| &*one.who).collect();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}: {}{more}", self.why, names.join(", "))
    }

    /// The same need of several, each with its particulars. One alone stands in the sentence.
    pub(super) fn of_each(self, mut each: Vec<One>) -> Self {
        match each.pop() {
            Some(only) if each.is_empty() => {
                Self { why: format!("{}{}: {}", self.why, only.why, only.who), ..self }
            }
            last => {
                each.extend(last);
                Self { each: Excerpt::first(EACH, each), ..self }
            }
        }
    }
}

/// The needs of one kind, the worst first. If there are many, the first stand alone and the others are
/// listed in one, which says in `words` what they are.
pub(super) fn folded(mut needs: Vec<Need>, words: &str) -> Vec<Need> {
    // One more takes no more room than the fold.
    if needs.len() <= ALONE + 1 {
        return needs;
    }
    let others = needs.split_off(ALONE);
    let Some(first) = others.first() else { return needs };
    let is_common = others.iter().all(|need| need.remedy == first.remedy);
    let remedy = match is_common {
        true => first.remedy.clone(),
        false => "what each of them says".to_owned(),
    };
    let code = first.code.filter(|code| others.iter().all(|need| need.code == Some(*code)));
    let one = |need: &Need| {
        let deed = if is_common { String::new() } else { format!(". Do: {}", need.remedy) };
        One { who: need.what.clone(), why: format!(": {}{deed}", need.why) }
    };
    let fold = Need {
        tone: first.tone,
        what: format!("{} more {words}", others.len()),
        why: "each has its own reason".to_owned(),
        remedy,
        code,
        each: Excerpt::none(),
    };
    needs.push(fold.of_each(others.iter().map(one).collect()));
    needs
}
