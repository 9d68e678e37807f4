//! Reads from a key's policy whom it lets take the key away. A lock on an object is worth nothing once
//! the key is gone, so whatever is not certain here counts as a permission.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::super::resource_policy::{
    concerns, fits, is_conditional, name_of, statements_of, texts,
};
use super::grant::role_of;
use super::policy::{is_about_everyone, is_of_every_resource};

/// Whom a policy lets do something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admitted {
    /// Every principal: the policy names `*`, or all but a few.
    Everyone,
    /// Whoever the IAM policies of this account allow it: the policy names the account.
    Account(String),
    /// Every principal whose ARN fits this pattern.
    Fitting(String),
    /// The principal with this ARN.
    One(String),
    /// A part of the policy that is not understood here, in words.
    Unjudged(String),
}

impl fmt::Display for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("every principal of the account"),
            Self::Account(id) => write!(f, "whoever the IAM policies of account {id} allow"),
            Self::Fitting(pattern) => write!(f, "every principal that fits {pattern}"),
            Self::One(arn) => f.write_str(arn),
            Self::Unjudged(words) => write!(f, "perhaps others: {words}"),
        }
    }
}

/// Whom a key's policy lets take the key away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyGuard {
    /// Who may delete it, after the days that KMS waits (`kms:ScheduleKeyDeletion`).
    pub deleting: BTreeSet<Admitted>,
    /// Who may disable it, which takes effect at once (`kms:DisableKey`).
    pub disabling: BTreeSet<Admitted>,
    /// Who may put another policy in the place of this one (`kms:PutKeyPolicy`).
    pub rewriting: BTreeSet<Admitted>,
    /// The statements that deny some of that, but in a way that is not understood here. They count as
    /// denying nothing.
    pub passed_over: BTreeSet<String>,
}

impl KeyGuard {
    /// Reads the policy of a key that belongs to `account`.
    ///
    /// Of conditions only those on `aws:PrincipalArn` are understood, in the forms of `ArnEquals`,
    /// `StringEquals` and their opposites. A statement that allows under another condition counts as
    /// allowing; one that denies under it does not count.
    ///
    /// # Errors
    /// The text is no policy, in words.
    pub fn read(policy: &str, account: &str) -> Result<Self, String> {
        let document: Value =
            serde_json::from_str(policy).map_err(|error| format!("it is not JSON: {error}"))?;
        let statements = statements_of(&document).ok_or("it has no statements")?;
        let mut passed_over = BTreeSet::new();
        let mut of = |action| admitted(&statements, action, account, &mut passed_over);
        let (deleting, disabling) = (of("kms:ScheduleKeyDeletion")?, of("kms:DisableKey")?);
        let rewriting = of("kms:PutKeyPolicy")?;
        Ok(Self { deleting, disabling, rewriting, passed_over })
    }

    /// Who may delete the key or disable it.
    pub fn ending(&self) -> BTreeSet<&Admitted> {
        self.deleting.union(&self.disabling).collect()
    }

    /// Whether the only principal that may end the key, if there is one, is a named one, and not the
    /// `caller`; `None` where all that stands against it is not understood here.
    pub fn is_kept_from(&self, caller: &str) -> Option<bool> {
        let ending = self.ending();
        let is_open = |one: &&Admitted| {
            matches!(one, Admitted::Everyone | Admitted::Account(_) | Admitted::Fitting(_))
        };
        let named = || {
            ending.iter().filter_map(|one| match one {
                Admitted::One(arn) => Some(arn.as_str()),
                _ => None,
            })
        };
        let is_caller =
            |arn: &str| arn == caller || role_of(caller).is_some_and(|role| is_role(arn, &role));
        if ending.iter().any(is_open) || named().count() > 1 || named().any(is_caller) {
            return Some(false);
        }
        let is_judged = ending.iter().all(|one| !matches!(one, Admitted::Unjudged(_)));
        is_judged.then_some(true)
    }
}

/// Whether the ARN of a role, which may have a path, is that of a session's role, whose path AWS does
/// not tell.
pub(in crate::model) fn is_role(arn: &str, of_session: &str) -> bool {
    let parts = |arn: &str| {
        let (account, role) = arn.split_once(":role/")?;
        Some((account.to_owned(), role.rsplit('/').next()?.to_owned()))
    };
    parts(arn).is_some() && parts(arn) == parts(of_session)
}

impl fmt::Display for KeyGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.deleting == self.disabling {
            write!(f, "it may be deleted and disabled by {}", list(&self.deleting))?;
        } else {
            let (deleting, disabling) = (list(&self.deleting), list(&self.disabling));
            write!(f, "it may be deleted by {deleting}, and disabled by {disabling}")?;
        }
        write!(f, "; its policy may be replaced by {}", list(&self.rewriting))?;
        if !self.passed_over.is_empty() {
            let all: Vec<&str> = self.passed_over.iter().map(String::as_str).collect();
            write!(f, "; not counted: {}", all.join(", "))?;
        }
        Ok(())
    }
}

fn list(all: &BTreeSet<Admitted>) -> String {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    if all.is_empty() { "no principal".to_owned() } else { all.join(" and ") }
}

/// Whom the statements let do an action.
fn admitted(
    statements: &[&Value],
    action: &str,
    account: &str,
    passed_over: &mut BTreeSet<String>,
) -> Result<BTreeSet<Admitted>, String> {
    let mut allowed = BTreeSet::new();
    // Whom the statements that deny it to everyone leave out; `None` without such a statement.
    let mut exceptions: Option<BTreeSet<Admitted>> = None;
    let mut denied = BTreeSet::new();
    for statement in statements {
        let name = name_of(statement);
        let concerned =
            concerns(statement, action).ok_or_else(|| format!("{name} names no actions"))?;
        let effect = statement.get("Effect").and_then(Value::as_str);
        match effect {
            Some("Allow" | "Deny") if !concerned => {}
            Some("Allow") => allowed.extend(whom(statement, &name)),
            Some("Deny") => match spared(statement, account) {
                Spared::Only(few) => {
                    exceptions = Some(match exceptions {
                        None => few,
                        Some(others) => common(&few, &others),
                    });
                }
                Spared::AllBut(names) => denied.extend(names),
                Spared::Unclear => {
                    passed_over.insert(format!("{name}, which denies {action}"));
                }
            },
            _ => return Err(format!("{name} neither allows nor denies")),
        }
    }
    if let Some(exceptions) = &exceptions {
        allowed = limited(&allowed, exceptions);
    }
    allowed.retain(|one| !matches!(one, Admitted::One(arn) if denied.contains(arn)));
    Ok(allowed)
}

/// Whom a statement that allows is about.
fn whom(statement: &Value, name: &str) -> BTreeSet<Admitted> {
    let unjudged = || Admitted::Unjudged(format!("{name} names its principals in no known form"));
    let mut all = BTreeSet::new();
    match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(Value::String(everyone)), None) if everyone == "*" => {
            all.insert(Admitted::Everyone);
        }
        (Some(Value::Object(kinds)), None) => {
            for (kind, names) in kinds {
                let Some(names) = texts(names) else {
                    all.insert(unjudged());
                    continue;
                };
                all.extend(names.into_iter().map(|name| match kind.as_str() {
                    "AWS" => principal(name),
                    _ => Admitted::Unjudged(format!("the {kind} principal {name}")),
                }));
            }
        }
        (None, Some(_)) => {
            all.insert(Admitted::Everyone);
        }
        _ => {
            all.insert(unjudged());
        }
    }
    match of_principal_arn(statement, &["ArnEquals", "ArnLike", "StringEquals", "StringLike"]) {
        Some(few) => limited(&all, &few),
        None => all,
    }
}

/// An element of `Principal.AWS`.
fn principal(name: &str) -> Admitted {
    let is_id = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let account = name.strip_suffix(":root").and_then(|before| before.rsplit("::").next());
    match account.unwrap_or(name) {
        "*" => Admitted::Everyone,
        id if is_id(id) => Admitted::Account(id.to_owned()),
        _ => Admitted::One(name.to_owned()),
    }
}

/// Whom a statement that denies spares.
enum Spared {
    /// No one but these.
    Only(BTreeSet<Admitted>),
    /// Everyone but these, by ARN.
    AllBut(Vec<String>),
    /// That is not understood here.
    Unclear,
}

fn spared(statement: &Value, account: &str) -> Spared {
    if !is_of_every_resource(statement) {
        return Spared::Unclear;
    }
    let is_conditional = is_conditional(statement);
    if is_about_everyone(statement, account) {
        if !is_conditional {
            return Spared::Only(BTreeSet::new());
        }
        let opposites = ["ArnNotEquals", "ArnNotLike", "StringNotEquals", "StringNotLike"];
        // A second condition spares more.
        let is_sole = statement.get("Condition").and_then(Value::as_object).is_some_and(|all| {
            all.len() == 1
                && all.values().all(|keys| keys.as_object().is_some_and(|keys| keys.len() == 1))
        });
        return match of_principal_arn(statement, &opposites) {
            Some(few) if is_sole => Spared::Only(few),
            _ => Spared::Unclear,
        };
    }
    let names = statement.get("Principal").and_then(|kinds| texts(kinds.get("AWS")?));
    match names {
        Some(names) if !is_conditional => {
            Spared::AllBut(names.into_iter().map(str::to_owned).collect())
        }
        _ => Spared::Unclear,
    }
}

/// The ARNs to which the first condition on `aws:PrincipalArn` with one of these operators refers.
fn of_principal_arn(statement: &Value, operators: &[&str]) -> Option<BTreeSet<Admitted>> {
    let conditions = statement.get("Condition")?.as_object()?;
    conditions.iter().find_map(|(operator, keys)| {
        // A signed request always has the key.
        let operator = operator.strip_suffix("IfExists").unwrap_or(operator);
        let is_asked = operators.contains(&operator);
        let is_arn = |key: &str| key.eq_ignore_ascii_case("aws:PrincipalArn");
        let (_, values) = keys.as_object()?.iter().find(|(key, _)| is_asked && is_arn(key))?;
        let admitted = |value: &str| {
            // `$` begins a variable.
            let is_pattern = value.contains(['*', '?', '$']);
            let value = value.to_owned();
            if is_pattern { Admitted::Fitting(value) } else { Admitted::One(value) }
        };
        Some(texts(values)?.into_iter().map(admitted).collect())
    })
}

/// Those of `all` whom a condition on `aws:PrincipalArn` lets through, or may. That of a session, or of a
/// principal that is named by an id, is not known here.
fn limited(all: &BTreeSet<Admitted>, few: &BTreeSet<Admitted>) -> BTreeSet<Admitted> {
    let is_known = |one: &&Admitted| match one {
        Admitted::One(arn) => [":role/", ":user/", ":root"].iter().any(|part| arn.contains(part)),
        _ => true,
    };
    let (known, others): (BTreeSet<&Admitted>, BTreeSet<&Admitted>) =
        all.iter().partition(is_known);
    let mut through = common(&known.into_iter().cloned().collect(), few);
    through.extend(others.into_iter().cloned());
    through
}

/// Who is in both, or may be.
fn common(some: &BTreeSet<Admitted>, others: &BTreeSet<Admitted>) -> BTreeSet<Admitted> {
    let mut both = BTreeSet::new();
    for one in some {
        for other in others {
            both.extend(narrower(one, other));
        }
    }
    both
}

/// The narrower of two, if they may meet.
fn narrower(one: &Admitted, other: &Admitted) -> Option<Admitted> {
    use Admitted::{Account, Everyone, Fitting, One, Unjudged};
    match (one, other) {
        (One(arn), One(same)) => (arn == same).then(|| one.clone()),
        (One(arn), Fitting(pattern)) | (Fitting(pattern), One(arn)) => {
            let meets = pattern.contains('$') || fits(pattern.as_bytes(), arn.as_bytes());
            meets.then(|| One(arn.clone()))
        }
        // A part that is not understood may be any principal.
        (Unjudged(_), One(_) | Fitting(_)) => Some(other.clone()),
        (One(_) | Fitting(_) | Unjudged(_), _) => Some(one.clone()),
        (Account(_) | Everyone, _) => Some(other.clone()),
    }
}
