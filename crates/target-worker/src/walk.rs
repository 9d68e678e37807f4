//! Walks everything in scope into the fleet of a vault: what the vault holds and what each source
//! has, each place by itself. A place that fails is not assessed, and all others continue.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use amiferry_core::code::Code;
use amiferry_core::decide::eligibility::{self, LeftOut};
use amiferry_core::fault::Fault;
use amiferry_core::fleet::{Fleet, Place};
use amiferry_core::ids::ImageId;
use amiferry_core::model::Image;
use amiferry_core::names::{self, RecoveryPointId, SourceId, VaultEntry};
use amiferry_core::ports::{Clock, Unreadable};
use amiferry_service::reconcile::Found;
use amiferry_service::unreadable::{Pages, UnreadableItems};
use futures::{StreamExt, stream};
use jiff::Timestamp;

use crate::observe::{Observer, SourceView};

/// How many places are walked in parallel; a silent one delays only its own lane.
const PLACES_AT_ONCE: usize = 16;

/// One image or recovery point that a walk finds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Met {
    /// A source image that a policy selects for this vault, whatever else is wrong with it, or
    /// something that the vault holds.
    InScope(RecoveryPointId),
    /// A source image that no policy selects for this vault.
    Unselected((ImageId, String), LeftOut),
}

/// What a page of a walk shows.
#[derive(Debug, Default)]
struct Page {
    met: Vec<Met>,
    /// Versions of manifests.
    manifests: Vec<RecoveryPointId>,
    unreadable: Vec<Unreadable>,
    next: Option<String>,
}

/// Walks every place into the fleet, the vault first, and reports what must be looked at.
///
/// Returns the places that failed with their faults; the fleet notes them too. Unreadable items are
/// left out: those of a source are not assessed, and `odd` logs and counts all of them.
pub async fn walk(
    observer: &Observer,
    fleet: &Mutex<Fleet>,
    clock: &dyn Clock,
    found: &Found<RecoveryPointId>,
    odd: Option<&UnreadableItems>,
) -> Vec<(Place, Fault)> {
    locked(fleet).round_began();
    let sources = observer.sources.iter().map(SourceView::id).map(Place::Source);
    let places: Vec<Place> = std::iter::once(Place::Vault).chain(sources).collect();
    let walks: Vec<_> = places
        .into_iter()
        .map(|place| async move {
            let ended = walk_one(observer, fleet, clock, &place, found, odd).await;
            ended.err().map(|fault| (place, fault))
        })
        .collect();
    let ended: Vec<_> = stream::iter(walks).buffer_unordered(PLACES_AT_ONCE).collect().await;
    ended.into_iter().flatten().collect()
}

async fn walk_one(
    observer: &Observer,
    fleet: &Mutex<Fleet>,
    clock: &dyn Clock,
    place: &Place,
    found: &Found<RecoveryPointId>,
    odd: Option<&UnreadableItems>,
) -> Result<(), Fault> {
    locked(fleet).walk_began(place, clock.now());
    let mut token = None;
    loop {
        let first = token.is_none();
        let page = match observer.page(place, token, clock.now()).await {
            Ok(page) => page,
            Err(fault) => {
                locked(fleet).walk_failed(place, &fault.to_string(), clock.now());
                return Err(fault);
            }
        };
        if let Some(odd) = odd {
            let pages = Pages { first, last: page.next.is_none() };
            odd.met(&listing_of(place), pages, &page.unreadable);
        }
        // A key in the vault that cannot be read belongs to no recovery point.
        if matches!(place, Place::Source(_)) {
            let mut fleet = locked(fleet);
            for item in &page.unreadable {
                fleet.met_unreadable(place, item.id.as_deref(), &item.why);
            }
        }
        for met in page.met {
            match met {
                Met::InScope(id) => {
                    let is_new = locked(fleet).met(place, &id);
                    if is_new {
                        found.add(id).await;
                    }
                }
                Met::Unselected(image, left) => {
                    locked(fleet).met_unselected(place, image, left);
                }
            }
        }
        {
            let mut fleet = locked(fleet);
            page.manifests.iter().for_each(|id| fleet.met_manifest(id));
        }
        token = page.next;
        if token.is_none() {
            locked(fleet).walked(place);
            return Ok(());
        }
    }
}

fn listing_of(place: &Place) -> String {
    match place {
        Place::Vault => "keys in the vault".to_owned(),
        Place::Source(id) => format!("images of {id}"),
    }
}

fn locked(fleet: &Mutex<Fleet>) -> MutexGuard<'_, Fleet> {
    fleet.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that a vault holds, by its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Each recovery point of which there is an object, a manifest or a note, with the number of
    /// versions of its manifest.
    pub points: BTreeMap<RecoveryPointId, u16>,
    /// Keys that could not be read.
    pub unreadable: Vec<Unreadable>,
}

impl Observer {
    /// Lists what the vault holds, also what a delete marker hides. Asks S3 alone.
    ///
    /// # Errors
    /// The bucket cannot be listed.
    pub async fn held(&self) -> Result<Held, Fault> {
        let mut held = Held::default();
        let mut token = None;
        loop {
            let page = self.vault_page(token).await?;
            for met in page.met {
                if let Met::InScope(id) = met {
                    held.points.entry(id).or_default();
                }
            }
            for id in page.manifests {
                let versions = held.points.entry(id).or_default();
                *versions = versions.saturating_add(1);
            }
            held.unreadable.extend(page.unreadable);
            token = page.next;
            if token.is_none() {
                return Ok(held);
            }
        }
    }

    async fn page(
        &self,
        place: &Place,
        token: Option<String>,
        now: Timestamp,
    ) -> Result<Page, Fault> {
        match place {
            Place::Vault => self.vault_page(token).await,
            Place::Source(id) => match self.sources.iter().find(|source| source.id() == *id) {
                Some(source) => self.source_page(source, token, now).await,
                None => Ok(Page::default()),
            },
        }
    }

    async fn source_page(
        &self,
        source: &SourceView,
        token: Option<String>,
        now: Timestamp,
    ) -> Result<Page, Fault> {
        let (images, next) = source.images.page(token).await?;
        let id = source.id();
        let met = images.items.into_iter().map(|image| self.place(&id, source, image, now));
        Ok(Page { met: met.collect(), unreadable: images.unreadable, next, ..Page::default() })
    }

    async fn vault_page(&self, token: Option<String>) -> Result<Page, Fault> {
        let vault = &self.vault;
        let prefix = names::folder(&vault.prefix);
        // Also what a delete marker hides is there.
        let (keys, next) =
            vault.versions.versions(&vault.account, &vault.bucket, &prefix, token).await?;
        let id = self.vault_id();
        let entries = keys.items.iter();
        let entries = entries.filter_map(|key| names::vault_entry(&vault.prefix, &id, key));
        let (mut met, mut manifests) = (Vec::new(), Vec::new());
        for (id, entry) in entries {
            match entry {
                VaultEntry::Image | VaultEntry::Note => {}
                VaultEntry::Manifest => manifests.push(id.clone()),
                VaultEntry::Record { .. } => continue,
            }
            met.push(Met::InScope(id));
        }
        // An object, its manifest and its note follow each other.
        met.dedup();
        Ok(Page { met, manifests, unreadable: keys.unreadable, next })
    }

    fn place(&self, id: &SourceId, source: &SourceView, image: Image, now: Timestamp) -> Met {
        match eligibility::governing(&self.policies, id, &image, now) {
            Ok(policy) if !policy.covers(&self.vault_id()) => {
                let detail = format!("policy {} has no copies here", policy.name);
                Met::Unselected((image.id, image.name), LeftOut { code: Code::NoPolicy, detail })
            }
            Err(left) if matches!(left.code, Code::NoPolicy | Code::OwnRestore) => {
                Met::Unselected((image.id, image.name), left)
            }
            Ok(_) | Err(_) => Met::InScope(self.recovery_point(&source.scope, image.id)),
        }
    }
}
