//! Takes one action after another away from roles, and says whose absence a play does not notice.

use std::collections::BTreeSet;

use amiferry_core::ids::AccountId;
use amiferry_simulator::iam;

use crate::stage::Stage;

/// One action in a statement of a role.
#[derive(Debug, Clone)]
pub struct Granted {
    account: AccountId,
    pub role: String,
    statement: usize,
    pub action: String,
}

/// Every action that roles are granted.
pub fn granted(stage: &Stage, is_meant: impl Fn(&str) -> bool) -> Vec<Granted> {
    let state = stage.world.lock();
    let roles = state.iam.iter().flat_map(|(account, iam)| {
        iam.roles.iter().map(move |(name, role)| (account, name, &role.permissions))
    });
    let meant = roles.filter(|(_, name, _)| is_meant(name));
    let statements = meant.flat_map(|(account, name, permissions): (_, _, &iam::Policy)| {
        permissions.statements.iter().enumerate().map(move |(n, it)| (account, name, n, it))
    });
    let allowed =
        statements.filter(|(.., statement)| statement.effect == iam::policy::Effect::Allow);
    let actions = allowed.flat_map(|(account, name, n, statement)| {
        statement.actions.entries.iter().map(move |action| Granted {
            account: account.clone(),
            role: name.clone(),
            statement: n,
            action: action.clone(),
        })
    });
    actions.collect()
}

pub fn take_away(stage: &Stage, one: &Granted) {
    let mut state = stage.world.lock();
    let role = state.iam.get_mut(&one.account).unwrap().roles.get_mut(&one.role).unwrap();
    let entries = &mut role.permissions.statements[one.statement].actions.entries;
    entries.retain(|action| *action != one.action);
}

/// Asserts that a play comes to something else without each single action, but for those that are
/// listed: role and action, in the order of both.
pub fn assert_all_needed<T: PartialEq + Sync>(
    all: &[Granted],
    listed: &[(&str, &str)],
    play: impl Fn(Option<&Granted>) -> T + Sync,
) {
    let whole = play(None);
    // On two threads, because these plays are many.
    let (one, other) = all.split_at(all.len() / 2);
    let noticed = |half: &[Granted]| -> Vec<bool> {
        half.iter().map(|granted| play(Some(granted)) != whole).collect()
    };
    let noticed: Vec<bool> = std::thread::scope(|scope| {
        let other = scope.spawn(|| noticed(other));
        let mut halves = noticed(one);
        halves.extend(other.join().unwrap());
        halves
    });
    let unnoticed: BTreeSet<(&str, &str)> = all
        .iter()
        .zip(noticed)
        .filter(|(_, noticed)| !noticed)
        .map(|(one, _)| (one.role.as_str(), one.action.as_str()))
        .collect();
    let listed: BTreeSet<_> = listed.iter().copied().collect();
    assert_eq!(unnoticed, listed, "actions whose absence no play notices; list them with a reason");
}
