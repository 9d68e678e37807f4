//! What walks over the vault and its sources ask, meet and report, and what they keep of what is not
//! ours.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use amiferry_core::code::Code;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::fleet::{Fleet, Place};
use amiferry_core::ids::{AccountId, BucketName, ObjectKey};
use amiferry_core::model::ImageState;
use amiferry_core::ports::{KeyVersion, Listing, Unreadable, Versions};
use amiferry_service::reconcile::{Found, Role};
use async_trait::async_trait;

use super::facts::*;
use super::ports::fault;
use super::world::*;

const IN_VAULT: &str = "vault list vault/amiferry/";

fn fleet() -> Mutex<Fleet> {
    Mutex::new(Fleet::new([SOURCE, OTHER].map(|account| point_of(account, 0).source())))
}

/// Sources and vault that answer and have nothing.
fn empty() -> World {
    let world = World::new();
    world.vault.list.is(page([]));
    for source in [&world.source, &world.other] {
        source.page.is(page([]));
        source.list.is(page([]));
    }
    world
}

fn failed(places: Vec<(Place, Fault)>) -> Vec<(String, FaultClass)> {
    places.into_iter().map(|(place, fault)| (place.to_string(), fault.class)).collect()
}

#[tokio::test]
async fn a_walk_asks_each_place_once_for_each_page_the_vault_first() {
    let world = empty();
    let more = |token: &str| Some(token.to_owned());
    let keys = vec![vault_key(1, "image.bin"), vault_key(1, "manifest.json")];
    world.vault.list.about("vault/amiferry/", Ok((keys.into(), more("v2"))));
    world.vault.list.about("v2", page([vault_key(2, "image.bin")]));
    world.source.page.about("", Ok((vec![image(1)].into(), more("s2"))));
    world.source.page.about("s2", page([image(3)]));
    let fleet = fleet();
    let (failed, found) = walk(&world, &fleet).await;
    assert_eq!(failed, []);
    let calls = world.calls();
    assert_eq!(calls[0], IN_VAULT);
    for (side, expected) in [
        ("vault", &[IN_VAULT, "vault list v2"][..]),
        (
            "source",
            &["source page", "source page s2", "source staged staging-one/amiferry/us-east-1/"],
        ),
        ("other", &["other page", "other staged staging-two/amiferry/us-east-1/"]),
    ] {
        let of: Vec<&String> = calls.iter().filter(|call| call.starts_with(side)).collect();
        assert_eq!(of, expected);
    }
    let mut found = found;
    found.sort();
    assert_eq!(found, [1, 2, 3].map(point), "each once, though two places met the first");
    assert_eq!(fleet.lock().unwrap().rows().count(), 3);
}

#[tokio::test]
async fn what_is_staged_is_looked_at_with_a_note_or_without_unless_the_source_shows_the_image() {
    let world = empty();
    let staged = |number: u32, file: &str| -> ObjectKey {
        format!("amiferry/us-east-1/{}.{file}", image_id(number)).parse().unwrap()
    };
    let shown = with(image(1), |image| image.tags.clear());
    let odd = vec![Unreadable::new(Some(image_id(2).as_str()), "it has no volumeSize")];
    let images = Listing { items: vec![shown], unreadable: odd };
    world.source.page.is(Ok((images, None)));
    let keys = [1, 2, 3].map(|number| [staged(number, "bin"), staged(number, "json")]);
    let first: Vec<ObjectKey> = keys.concat().into_iter().chain([staged(4, "bin")]).collect();
    world
        .source
        .list
        .about("staging-one/amiferry/us-east-1/", Ok((first.into(), Some("t2".into()))));
    world.source.list.about("t2", page([staged(4, "json"), staged(5, "bin")]));
    let fleet = fleet();
    let (failed, mut found) = walk(&world, &fleet).await;
    found.sort();
    assert_eq!((failed, found), (vec![], [3, 4, 5].map(point).to_vec()));
}

#[tokio::test]
async fn what_no_policy_selects_is_counted_and_what_cannot_be_stored_is_looked_at() {
    let world = empty();
    world.source.page.is(page([
        with(image(1), |image| image.tags.clear()),
        in_state(image(2), ImageState::Pending),
        of_gib(image(3), 5_001),
        with(image(4), |image| {
            image.name = "amiferry/x".into();
            image.tags.insert("amiferry:managed".into(), "true".into());
        }),
    ]));
    let fleet = fleet();
    let (_, found) = walk(&world, &fleet).await;
    assert_eq!(found, [2, 3].map(point));
    let fleet = fleet.into_inner().unwrap();
    let place = Place::Source(point(0).source());
    let (_, walks) = fleet.places().find(|(each, _)| **each == place).unwrap();
    assert_eq!(walks.met().left_out, [(Code::NoPolicy, 1), (Code::OwnRestore, 1)].into());
}

#[tokio::test]
async fn a_policy_that_selects_nothing_keeps_nothing_but_a_number() {
    let world = empty();
    let images = (0..1_000).map(|number| with(image(number), |image| image.tags.clear()));
    world.source.page.is(page(images));
    let fleet = fleet();
    assert_eq!(walk(&world, &fleet).await, (vec![], vec![]));
    let fleet = fleet.into_inner().unwrap();
    assert_eq!((fleet.rows().count(), fleet.tallies(noon()).len()), (0, 0));
    assert_eq!(fleet.known_at(), Some(noon()), "and everything is known");
}

#[tokio::test]
async fn a_place_that_fails_is_not_assessed_and_takes_nothing_from_the_others() {
    for (given, place) in [
        (
            (|w: &World, fault| w.source.page.is(Err(fault))) as fn(&World, Fault),
            "source 111111111111/us-east-1",
        ),
        (|w, fault| w.vault.list.is(Err(fault)), "the vault"),
        (|w, fault| w.source.list.is(Err(fault)), "source 111111111111/us-east-1"),
        // Not the first page.
        (
            |w, fault| {
                w.source.page.about("", Ok((vec![image(2)].into(), Some("s2".into()))));
                w.source.page.about("s2", Err(fault));
            },
            "source 111111111111/us-east-1",
        ),
    ] {
        for class in [FaultClass::Denied, FaultClass::Unavailable, FaultClass::Bug] {
            let world = empty();
            let theirs = with(image(5), |image| image.owner = OTHER.parse().unwrap());
            world.other.page.is(page([theirs]));
            given(&world, fault(class));
            let fleet = fleet();
            let (places, found) = walk(&world, &fleet).await;
            assert_eq!(failed(places), [(place.to_owned(), class)]);
            assert!(found.contains(&point_of(OTHER, 5)), "{place}");
            let fleet = fleet.into_inner().unwrap();
            let told: Vec<String> = fleet
                .places()
                .filter(|(_, walks)| walks.fault().is_some())
                .map(|(place, _)| place.to_string())
                .collect();
            assert_eq!(told, [place]);
        }
    }
}

#[tokio::test]
async fn a_sweep_fails_with_the_vault_alone() {
    let world = empty();
    world.vault.pending.is(Ok(Listing::default()));
    world.source.page.is(Err(fault(FaultClass::Denied)));
    let (found, _ids) = Found::channel(10);
    assert_eq!(world.role.sweep(&found).await, Ok(()));
    world.vault.list.is(Err(fault(FaultClass::Denied)));
    assert_eq!(world.role.sweep(&found).await, Err(fault(FaultClass::Denied)));
}

#[tokio::test]
async fn an_item_that_cannot_be_read_is_not_assessed_under_its_id_and_takes_no_other_with_it() {
    let world = empty();
    let odd = |id| vec![Unreadable::new(Some(id), "it has no volumeSize")];
    let images = Listing { items: vec![image(1)], unreadable: odd("ami-00000002") };
    world.source.page.is(Ok((images, None)));
    let keys = Listing { items: vec![vault_key(3, "image.bin")], unreadable: odd("amiferry/x") };
    world.vault.list.is(Ok((keys, None)));
    let fleet = fleet();
    let (_, mut found) = walk(&world, &fleet).await;
    found.sort();
    assert_eq!(found, [1, 3].map(point));
    let fleet = fleet.into_inner().unwrap();
    let named: Vec<_> =
        fleet.places().flat_map(|(_, walks)| walks.met().unreadable.keys().cloned()).collect();
    assert_eq!(named, [Some("ami-00000002".to_owned())], "a key is no recovery point's");
}

/// Keys of a bucket that someone fills under our prefix: a million that no recovery point has, and
/// as many pages with one that cannot be read.
#[derive(Default)]
struct Foreign {
    pages: AtomicUsize,
}

const PAGES: usize = 1_000;
const KEYS: usize = 1_000;

/// A key that is none of ours: beside an image, at its depth, of no image, of no account, too deep.
fn foreign(number: usize) -> ObjectKey {
    let image = format!("111111111111/us-east-1/ami-{number:08x}");
    let key = match number % 5 {
        0 => format!("amiferry/{image}/image.bin.bak"),
        1 => format!("amiferry/{image}"),
        2 => format!("amiferry/111111111111/us-east-1/i-{number:08x}/image.bin"),
        3 => format!("amiferry/{number:011}/us-east-1/ami-00000001/manifest.json"),
        _ => format!("amiferry/{image}/old/image.bin"),
    };
    key.parse().unwrap()
}

#[async_trait]
impl Versions for Foreign {
    async fn versions(
        &self,
        _: &AccountId,
        _: &BucketName,
        prefix: &str,
        token: Option<String>,
    ) -> Result<(Listing<KeyVersion>, Option<String>), Fault> {
        assert_eq!(prefix, "amiferry/");
        let page: usize = token.map_or(0, |token| token.parse().unwrap());
        assert_eq!(self.pages.fetch_add(1, Ordering::Relaxed), page, "one page after the other");
        let version = |key| KeyVersion { key, hides: false, version: None };
        let keys = (page * KEYS..(page + 1) * KEYS).map(foreign).map(version).collect();
        let unreadable = vec![Unreadable::new(Some(&format!("amiferry/\u{1}{page}")), "odd")];
        let next = (page + 1 < PAGES).then(|| (page + 1).to_string());
        Ok((Listing { items: keys, unreadable }, next))
    }
}

/// Counts the lines of a log.
struct Lines(Arc<AtomicUsize>);

impl tracing::Subscriber for Lines {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_million_foreign_keys_in_the_vault_fill_neither_memory_nor_log() {
    let lines = Arc::new(AtomicUsize::new(0));
    let _logged = tracing::subscriber::set_default(Lines(Arc::clone(&lines)));
    let keys = Arc::new(Foreign::default());
    let world = World::with(|observer| observer.vault.versions = Arc::clone(&keys) as _);
    world.source.page.is(page([image(1)]));
    world.other.page.is(page([]));
    world.source.list.is(page([]));
    world.other.list.is(page([]));
    world.vault.pending.is(Ok(Listing::default()));
    let (found, mut ids) = Found::channel(10);
    assert_eq!(world.role.sweep(&found).await, Ok(()));
    drop(found);
    assert_eq!(ids.recv().await, Some(point(1)));
    assert_eq!(ids.recv().await, None, "of a million keys none is looked at");
    assert_eq!(keys.pages.load(Ordering::Relaxed), PAGES);
    assert_eq!(lines.load(Ordering::Relaxed), 100, "of a thousand that cannot be read");

    let fleet = world.role.fleet();
    let rows: Vec<_> = fleet.rows().map(|(id, _)| id.clone()).collect();
    assert_eq!(rows, [point(1)]);
    let kept = |(_, walks): (&Place, &amiferry_core::fleet::Walks)| {
        walks.met().unreadable.len() + walks.met().named.len()
    };
    assert_eq!(fleet.places().map(kept).sum::<usize>(), 0);
    assert_eq!(fleet.tallies(noon()).len(), 0);
}
