//! What must hold after the heal, whatever happened before: no message becomes a dead letter, and
//! no worker keeps using a session that AWS refuses.

use std::collections::BTreeMap;

use amiferry_simulator::sqs;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::truth::Wrong;
use super::wire::Call;
use super::{Role, Stage};

/// How long calls with one session may be refused before there must be another session.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// All that is wrong with a play in which nothing goes wrong since `healed`.
pub fn check(stage: &Stage, healed: Timestamp) -> Vec<Wrong> {
    let mut wrongs = stage.wire.read(|calls| refused_on_and_on(calls, healed));
    wrongs.extend(buried(stage, healed));
    wrongs
}

/// What is told when all is well does not become a dead letter, whatever was before.
fn buried(stage: &Stage, healed: Timestamp) -> Vec<Wrong> {
    let state = stage.world.lock();
    let letters = [Role::Source, Role::Target].map(|role| stage.dead_letters(role));
    let bodies = letters.iter().flat_map(|queue| sqs::bodies(&state, queue));
    let told = |body: &String| -> Option<Timestamp> {
        serde_json::from_str::<Value>(body).ok()?["time"].as_str()?.parse().ok()
    };
    let buried = bodies.filter(|body| told(body).is_some_and(|at| at > healed));
    let wrong = |body| Wrong { invariant: "I-12", what: format!("told after the heal: {body}") };
    buried.map(wrong).collect()
}

/// Temporary credentials that AWS refuses are replaced, and not only when they end by themselves.
fn refused_on_and_on(calls: &[Call], healed: Timestamp) -> Vec<Wrong> {
    let mut refused: BTreeMap<&str, Timestamp> = BTreeMap::new();
    let mut wrongs = Vec::new();
    let of_sessions = |call: &&Call| call.access_key.starts_with("ASIA") && call.at > healed;
    for call in calls.iter().filter(of_sessions) {
        if !matches!(call.status, Some(400..=403)) {
            refused.remove(call.access_key.as_str());
            continue;
        }
        let since = *refused.entry(&call.access_key).or_insert(call.at);
        if call.at.duration_since(since) > PATIENCE && wrongs.is_empty() {
            let what = format!("{}'s session is refused since {since}, and still used", call.who);
            wrongs.push(Wrong { invariant: "I-18", what });
        }
    }
    wrongs
}
