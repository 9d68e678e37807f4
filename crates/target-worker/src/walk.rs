//! Walks everything in scope into the fleet of a vault: what the vault holds and what each source
//! has or left staged, each place by itself. A place that fails is not assessed, and all others
//! continue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use amiferry_core::code::Code;
use amiferry_core::decide::eligibility::{self, LeftOut};
use amiferry_core::fault::Fault;
use amiferry_core::fleet::{Fleet, Once, Place};
use amiferry_core::ids::ImageId;
use amiferry_core::model::Image;
use amiferry_core::names::{self, RecordKind, RecoveryPointId, SourceId, VaultEntry};
use amiferry_core::ports::{Clock, ListedObject, Unreadable};
use amiferry_service::reconcile::Found;
use amiferry_service::unreadable::{Pages, UnreadableItems};
use futures::{StreamExt, stream};
use jiff::Timestamp;

use crate::observe::{Observer, SourceView};
use crate::staged::Staged;

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
    /// Versions of files that the vault writes once.
    once: Vec<(RecoveryPointId, Once)>,
    /// Versions of the objects themselves, by their ids.
    objects: Vec<(RecoveryPointId, Option<String>)>,
    /// Delete markers over the vault's notes. A marker may be listed a page before what it hides, or
    /// alone.
    hidden_notes: Vec<RecoveryPointId>,
    unreadable: Vec<Unreadable>,
    next: Option<Next>,
}

/// Where the walk over a place continues, with the token of that page.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    /// The keys of the vault, or the images of a source.
    Contents(Option<String>),
    /// What is staged of images that are gone.
    Staged(Option<String>),
}

impl Next {
    /// Whether it is the first page of its listing.
    fn is_first(&self) -> bool {
        matches!(self, Self::Contents(None) | Self::Staged(None))
    }

    /// Whether a page with this successor is the last one of this listing.
    fn ends_before(&self, next: Option<&Self>) -> bool {
        !next.is_some_and(|next| std::mem::discriminant(self) == std::mem::discriminant(next))
    }
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
    let mut staged = Staged::default();
    let (mut hidden_notes, mut resting) = (Vec::new(), BTreeSet::new());
    let mut at = Next::Contents(None);
    loop {
        let page = match observer.page(place, &at, &mut staged, clock.now()).await {
            Ok(page) => page,
            Err(fault) => {
                locked(fleet).walk_failed(place, &fault.to_string(), clock.now());
                return Err(fault);
            }
        };
        if let Some(odd) = odd {
            let pages = Pages { first: at.is_first(), last: at.ends_before(page.next.as_ref()) };
            odd.met(&listing_of(place, &at), pages, &page.unreadable);
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
                    let (is_new, may_rest) = {
                        let mut fleet = locked(fleet);
                        (fleet.met(place, &id), fleet.may_rest(&id))
                    };
                    // Only the end of the walk over the vault tells.
                    match (may_rest, place) {
                        (true, Place::Vault) => drop(resting.insert(id)),
                        (true, Place::Source(_)) => {}
                        (false, _) if is_new => found.add(id).await,
                        (false, _) => {}
                    }
                }
                Met::Unselected(image, left) => {
                    locked(fleet).met_unselected(place, image, left);
                }
            }
        }
        {
            let mut fleet = locked(fleet);
            page.once.iter().for_each(|(id, file)| fleet.met_version(id, *file));
        }
        hidden_notes.extend(page.hidden_notes);
        match page.next {
            Some(next) => at = next,
            None => {
                {
                    let mut fleet = locked(fleet);
                    hidden_notes.iter().for_each(|id| fleet.met_version(id, Once::Note));
                    fleet.walked(place);
                    resting.retain(|id| !fleet.rests(id));
                }
                for id in resting {
                    found.add(id).await;
                }
                return Ok(());
            }
        }
    }
}

fn listing_of(place: &Place, at: &Next) -> String {
    match (place, at) {
        (Place::Vault, _) => "keys in the vault".to_owned(),
        (Place::Source(id), Next::Contents(_)) => format!("images of {id}"),
        (Place::Source(id), Next::Staged(_)) => format!("staged objects of {id}"),
    }
}

fn locked(fleet: &Mutex<Fleet>) -> MutexGuard<'_, Fleet> {
    fleet.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many versions there are of what the vault writes once for a recovery point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Of its manifest.
    pub manifests: u16,
    /// Of the note of its source image, with a delete marker that hides it.
    pub notes: u16,
    /// Of records by which it or its restored image was given up.
    pub endings: u16,
}

/// Everything that a vault holds, by its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Each recovery point of which there is an object, a manifest or a note.
    pub points: BTreeMap<RecoveryPointId, Written>,
    /// The ids of the versions of each object, where S3 tells them; also of those that a delete marker
    /// hides.
    pub objects: BTreeMap<RecoveryPointId, Vec<Option<String>>>,
    /// Keys that could not be read.
    pub unreadable: Vec<Unreadable>,
}

impl Held {
    /// Whether this version of the object of a recovery point is there, or may be because an id is not
    /// told.
    pub fn has_object(&self, id: &RecoveryPointId, version: Option<&str>) -> bool {
        let is_it = |shown: &Option<String>| match (shown, version) {
            (Some(shown), Some(version)) => shown == version,
            (None, _) | (_, None) => true,
        };
        self.objects.get(id).is_some_and(|versions| versions.iter().any(is_it))
    }
}

impl Observer {
    /// Lists what the vault holds, also what a delete marker hides. Asks S3 alone.
    ///
    /// # Errors
    /// The bucket cannot be listed.
    pub async fn held(&self) -> Result<Held, Fault> {
        let mut held = Held::default();
        let mut hidden_notes = Vec::new();
        let mut token = None;
        loop {
            let page = self.vault_page(token).await?;
            for met in page.met {
                if let Met::InScope(id) = met {
                    held.points.entry(id).or_default();
                }
            }
            for (id, file) in page.once {
                let written = held.points.entry(id).or_default();
                let versions = match file {
                    Once::Manifest => &mut written.manifests,
                    Once::Note => &mut written.notes,
                    Once::Ending => &mut written.endings,
                    Once::Object => continue,
                };
                *versions = versions.saturating_add(1);
            }
            for (id, version) in page.objects {
                held.objects.entry(id).or_default().push(version);
            }
            held.unreadable.extend(page.unreadable);
            hidden_notes.extend(page.hidden_notes);
            match page.next {
                Some(Next::Contents(next)) => token = next,
                Some(Next::Staged(_)) | None => break,
            }
        }
        for id in hidden_notes {
            if let Some(written) = held.points.get_mut(&id) {
                written.notes = written.notes.saturating_add(1);
            }
        }
        Ok(held)
    }

    async fn page(
        &self,
        place: &Place,
        at: &Next,
        staged: &mut Staged,
        now: Timestamp,
    ) -> Result<Page, Fault> {
        let source = match place {
            Place::Vault => None,
            Place::Source(id) => match self.sources.iter().find(|source| source.id() == *id) {
                Some(source) => Some(source),
                None => return Ok(Page::default()),
            },
        };
        match (source, at.clone()) {
            (None, Next::Contents(token) | Next::Staged(token)) => self.vault_page(token).await,
            (Some(source), Next::Contents(token)) => {
                self.source_page(source, token, staged, now).await
            }
            (Some(source), Next::Staged(token)) => self.staged_page(source, token, staged).await,
        }
    }

    async fn source_page(
        &self,
        source: &SourceView,
        token: Option<String>,
        staged: &mut Staged,
        now: Timestamp,
    ) -> Result<Page, Fault> {
        let (images, next) = source.images.page(token).await?;
        staged.shows(images.items.iter().map(|image| image.id.clone()));
        staged.shows(images.unreadable.iter().filter_map(|item| item.id.as_deref()?.parse().ok()));
        let id = source.id();
        let met = images.items.into_iter().map(|image| self.place(&id, source, image, now));
        let next = next.map_or(Next::Staged(None), |token| Next::Contents(Some(token)));
        Ok(Page {
            met: met.collect(),
            unreadable: images.unreadable,
            next: Some(next),
            ..Page::default()
        })
    }

    async fn staged_page(
        &self,
        source: &SourceView,
        token: Option<String>,
        staged: &Staged,
    ) -> Result<Page, Fault> {
        let scope = &source.scope;
        let (account, bucket) = (&scope.account, &scope.staging_bucket);
        let (keys, next) =
            source.objects.list(account, bucket, &scope.staging_folder(), token).await?;
        let keys_only = |object: &ListedObject| object.key.clone();
        let gone = staged.gone(scope, keys.items.iter().map(keys_only)).into_iter();
        let met = gone.map(|image| Met::InScope(self.recovery_point(scope, image))).collect();
        let next = next.map(|token| Next::Staged(Some(token)));
        Ok(Page { met, unreadable: keys.unreadable, next, ..Page::default() })
    }

    async fn vault_page(&self, token: Option<String>) -> Result<Page, Fault> {
        let vault = &self.vault;
        let prefix = names::folder(&vault.prefix);
        // Also what a delete marker hides is there.
        let (keys, next) =
            vault.versions.versions(&vault.account, &vault.bucket, &prefix, token).await?;
        let id = self.vault_id();
        let entries = keys.items.into_iter().filter_map(|shown| {
            let (id, entry) = names::vault_entry(&vault.prefix, &id, &shown.key)?;
            Some((id, entry, shown.hides, shown.version))
        });
        let (mut met, mut once, mut hidden_notes) = (Vec::new(), Vec::new(), Vec::new());
        let mut objects = Vec::new();
        for (id, entry, hides, version) in entries {
            match entry {
                VaultEntry::Note if hides => {
                    hidden_notes.push(id);
                    continue;
                }
                // Reading them tells what hides them.
                _ if hides => continue,
                VaultEntry::Image => {
                    once.push((id.clone(), Once::Object));
                    objects.push((id.clone(), version));
                }
                VaultEntry::Note => once.push((id.clone(), Once::Note)),
                VaultEntry::Manifest => once.push((id.clone(), Once::Manifest)),
                VaultEntry::Record {
                    kind: Some(RecordKind::Retired | RecordKind::Pruned), ..
                } => {
                    once.push((id, Once::Ending));
                    continue;
                }
                VaultEntry::Record { .. } => continue,
            }
            met.push(Met::InScope(id));
        }
        // An object, its manifest and its note follow each other.
        met.dedup();
        let next = next.map(|token| Next::Contents(Some(token)));
        Ok(Page { met, once, objects, hidden_notes, unreadable: keys.unreadable, next })
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
