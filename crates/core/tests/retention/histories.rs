//! Plays one random history: recovery points come, are lost, locked and used, and a prune runs each day,
//! sometimes only half.

use std::collections::BTreeSet;

use amiferry_core::ids::ImageId;
use amiferry_core::names::RecoveryPointId;
use amiferry_core::retention::next::{Step, next, obstacle};
use amiferry_core::retention::{Brake, Fate, Fates, Keep, Point, Rules, judge, judge_given_up};
use amiferry_core::span::Span;
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use super::model::Held;
use super::oracle;

/// What a history came to.
#[derive(Debug, Default)]
pub struct Played {
    pub wrongs: Vec<String>,
    pub points: usize,
    pub gone: usize,
    pub held: usize,
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn keep(rng: &mut Rng) -> Keep {
    loop {
        let mut some = |most: u32| if rng.bool() { 0 } else { rng.u32(0..=most) };
        let keep = Keep {
            last: some(3),
            daily: some(5),
            weekly: some(3),
            monthly: some(2),
            yearly: some(1),
            within: Some(some(10)).filter(|days| *days > 0).map(days_of),
            minimum: Some(some(4)).filter(|least| *least > 0),
        };
        if !keep.keeps_nothing() {
            return keep;
        }
    }
}

fn days_of(days: u32) -> Span {
    Span::from_secs(u64::from(days) * 86_400)
}

struct History {
    rng: Rng,
    rules: Rules,
    brake: Brake,
    now: Timestamp,
    all: Vec<Held>,
    played: Played,
}

/// Plays the history of a seed.
pub fn play(seed: u64) -> Played {
    let mut rng = Rng::with_seed(seed);
    let rules = Rules {
        object: Some(keep(&mut rng)),
        image: rng.bool().then(|| keep(&mut rng)),
        floor: Span::from_secs(3_600 * rng.u64(1..72)),
    };
    let brake = Brake { most: rng.u32(1..20), most_percent: rng.u32(10..=100) };
    // A year's end and a leap day come by.
    let now = "2027-12-20T00:00:00Z".parse::<Timestamp>().unwrap();
    let now = now + HOUR * rng.i32(0..24 * 70);
    let mut history =
        History { rng, rules, brake, now, all: Vec::new(), played: Played::default() };
    for _ in 0..30 {
        history.day();
        if !history.played.wrongs.is_empty() {
            break;
        }
    }
    history.played
}

impl History {
    fn day(&mut self) {
        for _ in 0..self.rng.u32(0..3) {
            self.comes();
        }
        for at in 0..self.all.len() {
            self.happens(at);
        }
        self.prune();
        self.now += HOUR * self.rng.i32(6..60);
    }

    /// A recovery point is complete.
    fn comes(&mut self) {
        let (rng, now) = (&mut self.rng, self.now);
        let number = self.all.len() + 1;
        let created = match rng.u32(0..20) {
            0 => now + HOUR * rng.i32(2..2_000),
            1..4 => now - HOUR * rng.i32(24..500),
            _ => now - HOUR * rng.i32(0..24),
        };
        let older = self.all.get(rng.usize(0..number.max(2))).map(|held| held.point.data_from);
        let data_from = match older.filter(|older| *older < created) {
            Some(older) if rng.u32(0..6) == 0 => older,
            _ => created,
        };
        let id = RecoveryPointId {
            source_account: "111111111111".parse().unwrap(),
            source_region: "us-east-1".parse().unwrap(),
            source_image_id: format!("ami-{number:017x}").parse::<ImageId>().unwrap(),
            target_account: "222222222222".parse().unwrap(),
            target_region: "us-west-2".parse().unwrap(),
        };
        let has_image = rng.u32(0..4) > 0;
        let point =
            Point { created, data_from, completed: now, verified: rng.u32(0..10) == 0, has_image };
        let locked = rng.bool().then(|| now + HOUR * rng.i32(1..24 * 10));
        self.played.points += 1;
        self.all.push(Held {
            id,
            point,
            complete: true,
            pruned: false,
            retired: false,
            object: true,
            image: has_image,
            protected: has_image,
            cooldown: rng.u32(0..4) == 0,
            retiring_until: None,
            snapshot: has_image,
            used: rng.u32(0..12) == 0,
            locked_until: locked,
            hold: rng.u32(0..20) == 0,
            in_use: has_image && rng.u32(0..10) == 0,
            restored_at: now,
        });
    }

    /// Something happens to one, or nothing.
    fn happens(&mut self, at: usize) {
        let held = &mut self.all[at];
        match self.rng.u32(0..200) {
            0 => held.complete = false,
            1 => held.hold = !held.hold,
            2 => held.in_use = held.image && !held.in_use,
            // Someone who can write records, and delete nothing.
            3 => held.pruned = true,
            4 if held.image => {
                held.retired = true;
                held.point.has_image = false;
            }
            _ => {}
        }
    }

    fn complete(&self) -> Vec<usize> {
        let is_complete = |at: &usize| self.all[*at].complete && !self.all[*at].pruned;
        (0..self.all.len()).filter(is_complete).collect()
    }

    /// What becomes of each, as the code says.
    fn fates(&self) -> Vec<(usize, Fates)> {
        let complete = self.complete();
        let points: Vec<Point> = complete.iter().map(|at| self.all[*at].point).collect();
        let mut fates: Vec<(usize, Fates)> =
            complete.iter().copied().zip(judge(&self.rules, &points, self.now)).collect();
        for (position, at) in complete.iter().enumerate() {
            let held = &self.all[*at];
            if held.retired && held.image {
                let mut among = points.clone();
                among[position].has_image = true;
                let again = judge_given_up(&self.rules, &among, position, false, self.now);
                fates[position].1.image = again.image;
            }
        }
        for at in 0..self.all.len() {
            let held = &self.all[at];
            if held.pruned && (held.object || held.image || (held.snapshot && !held.used)) {
                let among: Vec<Point> = points.iter().copied().chain([held.point]).collect();
                let again = judge_given_up(&self.rules, &among, points.len(), true, self.now);
                fates.push((at, again));
            }
        }
        fates
    }

    fn prune(&mut self) {
        let fates = self.fates();
        let before = self.all.clone();
        let complete = self.complete();
        let going: Vec<&(usize, Fates)> = fates.iter().filter(|(_, fates)| fates.goes()).collect();
        // What is held for now does not go in this run, and the brake does not count it.
        let is_free = |(at, fates): &&&(usize, Fates)| {
            let (held, whole) = (&self.all[*at], fates.point == Fate::Goes);
            obstacle(&held.id, &held.remains(whole), self.rules.floor, self.now).is_none()
        };
        let (count, of) = (going.iter().filter(is_free).count(), fates.len());
        if self.brake.stops(count, of) {
            return;
        }
        let allowed = (of * self.brake.most_percent as usize).div_ceil(100);
        let allowed = allowed.min(self.brake.most as usize);
        // Now and then the run ends half way.
        let mut patience = if self.rng.bool() { usize::MAX } else { self.rng.usize(0..12) };
        let going: Vec<(usize, Fates)> = going.into_iter().copied().collect();
        for (at, fates) in &going {
            self.end(*at, fates.point == Fate::Goes, &mut patience);
        }
        let lost = before.iter().zip(&self.all).filter(|(was, is)| !was.is_as_before(is)).count();
        if lost > allowed {
            self.wrong(format!("{lost} of {of} lose something in one run, of at most {allowed}"));
        }
        self.check(&before, &complete, &fates, patience > 0);
    }

    fn end(&mut self, at: usize, whole: bool, patience: &mut usize) {
        let mut retiring = BTreeSet::new();
        for _ in 0..20 {
            if *patience == 0 {
                return;
            }
            *patience -= 1;
            let remains = self.all[at].remains(whole);
            let id = self.all[at].id.clone();
            if obstacle(&id, &remains, self.rules.floor, self.now).is_some() {
                self.played.held += 1;
                return;
            }
            let step = next(&remains, &retiring);
            let (done, wrongs) = self.all[at].take(&step, whole, self.now);
            self.played.wrongs.extend(wrongs);
            match step {
                Step::Done => {
                    self.played.gone += 1;
                    return;
                }
                Step::Retiring(_) => return,
                Step::Deregister(image) if !done => {
                    retiring.insert(image);
                }
                _ if !done => return,
                _ => {}
            }
        }
        self.wrong(format!("{} takes too many steps", self.all[at].id));
    }

    /// Holds what is left to what is promised.
    fn check(
        &mut self,
        before: &[Held],
        complete: &[usize],
        fates: &[(usize, Fates)],
        ended: bool,
    ) {
        let points: Vec<Point> = complete.iter().map(|at| before[*at].point).collect();
        let floor = self.rules.floor.signed();
        let now = self.now;
        let mut wrongs = Vec::new();
        for (at, held) in before.iter().enumerate() {
            let (is, name) = (&self.all[at], &held.id.source_image_id);
            let position = complete.iter().position(|other| *other == at);
            let mut among = points.clone();
            let position = position.unwrap_or_else(|| {
                among.push(held.point);
                among.len() - 1
            });
            let object = self.rules.object.unwrap();
            let kept = oracle::keeps(&object, floor, &among, position, now);
            let touched = held.object && !is.object || held.image && !is.image;
            if kept && (held.object && !is.object || !held.pruned && is.pruned) {
                wrongs.push(format!("{name}: goes, and the rules keep it"));
            }
            // An AMI alone goes by its own rules.
            among[position].has_image |= held.retired;
            let images: Vec<Point> =
                among.iter().filter(|point| point.has_image).copied().collect();
            let rank = among[..position].iter().filter(|point| point.has_image).count();
            if kept && !held.pruned && held.image && !is.image {
                let kept = match self.rules.image {
                    Some(keep) => oracle::keeps(&keep, floor, &images, rank, now),
                    None => true,
                };
                if kept {
                    wrongs.push(format!("{name}: its AMI goes, and the rules keep it"));
                }
            }
            if held.in_use && touched {
                wrongs.push(format!("{name}: goes while it is in use"));
            }
        }
        let is_known = |at: &&usize| !oracle::is_in_future(&before[**at].point, now);
        let stays = |at: &&usize| self.all[**at].object && !self.all[**at].pruned;
        let had = complete.iter().filter(is_known).count();
        let has = complete.iter().filter(is_known).filter(stays).count();
        let least = self.rules.object.unwrap().minimum.unwrap_or(1).max(1) as usize;
        if has < had.min(least) {
            wrongs.push(format!("{has} of {had} are left, of at least {least}"));
        }
        for time in [|point: &Point| point.created, |point: &Point| point.data_from] {
            let newest = complete.iter().filter(is_known).map(|at| time(&before[*at].point)).max();
            let is_left = |at: &&usize| Some(time(&before[**at].point)) == newest;
            let left = complete.iter().filter(is_known).filter(stays).find(is_left);
            if newest.is_some() && left.is_none() {
                wrongs.push("no newest complete recovery point is left".to_owned());
            }
        }
        // And what nothing keeps does go: rules that keep everything would keep all these promises.
        if ended {
            for (at, fates) in fates {
                let (held, is) = (&before[*at], &self.all[*at]);
                let among: Vec<Point> = match complete.iter().any(|other| other == at) {
                    true => points.clone(),
                    false => points.iter().copied().chain([held.point]).collect(),
                };
                let position = complete.iter().position(|other| other == at);
                let position = position.unwrap_or(among.len() - 1);
                let object = self.rules.object.unwrap();
                let kept = oracle::keeps(&object, floor, &among, position, now);
                let count = among.iter().filter(|p| !oracle::is_in_future(p, now)).count();
                let least = object.minimum.unwrap_or(1).max(1) as usize;
                if !kept && count > least && fates.point != Fate::Goes {
                    let others = (0..among.len())
                        .filter(|at| !oracle::is_in_future(&among[*at], now))
                        .filter(|at| oracle::keeps(&object, floor, &among, *at, now))
                        .count();
                    if others >= least {
                        let stays = fates.point;
                        wrongs.push(format!("{}: {stays:?}, and nothing keeps it", held.id));
                    }
                }
                let free = !held.in_use
                    && !held.hold
                    && held.locked_until.is_none_or(|until| until <= now)
                    && now.duration_since(held.restored_at) >= floor;
                if fates.point == Fate::Goes && free && is.object && !is.image {
                    wrongs.push(format!("{}: its object was left behind", held.id));
                }
            }
        }
        self.played.wrongs.extend(wrongs);
    }

    fn wrong(&mut self, what: String) {
        self.played.wrongs.push(what);
    }
}
