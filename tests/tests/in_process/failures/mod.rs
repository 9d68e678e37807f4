//! Every kind of failure that a play can cause: what a person is told of it everywhere, and that the
//! printed remedy leads out. `docs/failures.md` is written from these tables.
//!
//! Each file has the table of one cause, and `calls` goes through the table of actions; `play` runs a
//! row, `page` writes the document.

mod calls;
mod keys;
mod left_out;
mod losses;
mod objects;
mod page;
mod play;
mod policies;

use amiferry_audit::inventory::State;
use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_simulator::ec2::ImageSpec;
use amiferry_simulator::landscape::{STAGING_BUCKET, VAULT_BUCKET};
use amiferry_simulator::s3::{self, NewObject};

use crate::stage::{Options, Role, Stage, spec, truth};

/// When something breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Before any worker runs.
    Before,
    /// While EC2 stores the image.
    Storing,
    /// Once the image is staged, before the target worker runs.
    Staged,
    /// Before the target worker runs, and no source worker does.
    NoSource,
    /// Once the recovery point is complete.
    Complete,
}

/// What `status` says, which asks AWS alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The same as the worker.
    Same,
    /// That the image could not be assessed, with the reason; so does the page.
    NotAssessed,
    /// That the next step is due: only the worker knows that AWS refuses the step.
    Due(Code),
    /// That the image is left out; so does the page.
    LeftOut,
    /// The state, while no worker runs that could show it.
    Alone,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy)]
enum End {
    /// A person carries out the remedy in this way, and the recovery point is complete.
    Mended(&'static str, fn(&mut Stage, &ImageId)),
    /// A person makes another image in the place of this one, which is then complete.
    Rebuilt(&'static str, fn(&mut Stage, &ImageId)),
    /// Nothing brings the copy back; by this a person gives the recovery point up, and no report
    /// lists it any more.
    GivenUp(&'static str, fn(&mut Stage, &ImageId)),
    /// It stays so, for this reason.
    Stays(&'static str),
}

/// One kind of failure.
struct Failure {
    /// What is broken.
    what: &'static str,
    when: When,
    code: Code,
    /// Whose log and metric name it.
    worker: Role,
    /// The state of the recovery point on the page.
    state: State,
    asked: Asked,
    /// The exit status of `status`.
    exit: u8,
    options: fn() -> Options,
    image: fn(&Stage) -> ImageSpec,
    harm: fn(&mut Stage, &ImageId),
    end: End,
}

/// A copy that a healthy AWS would complete, with tier `ready`.
fn ready() -> ImageSpec {
    spec("orders-db", "orders-db-1", &[8])
}

const PARKED: Failure = Failure {
    what: "",
    when: When::Before,
    code: Code::Failing,
    worker: Role::Target,
    state: State::Parked,
    asked: Asked::Same,
    exit: 0,
    options: Options::default,
    image: |_| ready(),
    harm: |_, _| {},
    end: End::Stays(""),
};

const LOST: Failure = Failure { when: When::Complete, state: State::Lost, exit: 21, ..PARKED };

/// All tables, in the order of the document.
fn all() -> impl Iterator<Item = &'static Failure> {
    let before = [keys::TABLE, policies::TABLE, objects::TABLE, left_out::TABLE];
    before.into_iter().chain([losses::TABLE]).flatten()
}

/// The restored image of a source image.
pub fn copy_of(stage: &Stage, id: &ImageId) -> ImageId {
    truth::restored(stage, id).pop().unwrap().id
}

/// Changes the newest version of a file of an image in the vault.
fn change(stage: &Stage, id: &ImageId, file: &str, change: impl FnOnce(&mut s3::object::Object)) {
    change_at(stage, VAULT_BUCKET, &truth::vault_key(stage, id, file), change);
}

/// Changes the newest version of an object.
fn change_at(stage: &Stage, bucket: &str, key: &str, change: impl FnOnce(&mut s3::object::Object)) {
    let mut state = stage.world.lock();
    let version = state.s3.bucket_mut(bucket).unwrap().version_mut(key, None).unwrap();
    let s3::object::VersionKind::Object(object) = &mut version.kind else { panic!("a marker") };
    change(object);
}

/// Someone copies the staged object into the vault, without the lock that the policy demands.
fn copy_by_hand(stage: &Stage, id: &ImageId) {
    let (from, to) = (truth::staged_key(stage, id), truth::vault_key(stage, id, "image.bin"));
    let now = stage.world.now();
    let mut state = stage.world.lock();
    let staged = state.s3.bucket(STAGING_BUCKET).unwrap().latest(&from).unwrap();
    let staged = staged.object().unwrap().clone();
    let metadata = staged.attributes.metadata;
    let copy = NewObject { content: staged.content, metadata, tags: Default::default() };
    s3::put_by_service(&mut state, now, VAULT_BUCKET, &to, copy).unwrap();
    drop(state);
    change(stage, id, "image.bin", |object| object.attributes.retention = None);
}

/// Writes over a file of an image in the vault.
fn put_over(stage: &Stage, id: &ImageId, file: &str) {
    let (key, now) = (truth::vault_key(stage, id, file), stage.world.now());
    s3::put(&mut stage.world.lock(), now, VAULT_BUCKET, &key, "<html>").unwrap();
}

/// Hides a file of an image in the vault behind a delete marker.
fn hide(stage: &Stage, id: &ImageId, file: &str) {
    let (key, now) = (truth::vault_key(stage, id, file), stage.world.now());
    s3::hide(&mut stage.world.lock(), now, VAULT_BUCKET, &key).unwrap();
}

/// Removes the newest version of a file of an image in the vault for good.
fn remove_newest(stage: &Stage, id: &ImageId, file: &str) {
    let key = truth::vault_key(stage, id, file);
    let mut state = stage.world.lock();
    let bucket = state.s3.bucket_mut(VAULT_BUCKET).unwrap();
    let newest = bucket.latest(&key).unwrap().id.clone();
    bucket.remove(&key, &newest);
}
