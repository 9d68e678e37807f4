//! One question to the target worker's decision, with all that the answer depends on.

use super::fixture::*;
use crate::decide::Decision;
use crate::decide::vault::{Effect, Observed, Vault, needs_restored, needs_staged, next_step};
use crate::policy::Policies;

/// One question with all that the answer depends on.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) policies: Policies,
    pub(super) vault: Vault,
    pub(super) seen: Observed,
}

pub(super) fn scene(seen: Observed) -> Scene {
    Scene { policies: policies(), vault: vault(), seen }
}

impl Scene {
    pub(super) fn seen(self, change: impl FnOnce(&mut Observed)) -> Self {
        self.with(|scene| change(&mut scene.seen))
    }

    pub(super) fn vault(self, change: impl FnOnce(&mut Vault)) -> Self {
        self.with(|scene| change(&mut scene.vault))
    }

    pub(super) fn accepting_plaintext(self) -> Self {
        self.with(|scene| scene.policies.0.iter_mut().for_each(|p| p.accept_plaintext = true))
    }

    /// The same without what is said not to be needed.
    pub(super) fn needed(&self) -> Self {
        let mut scene = self.clone();
        if !needs_staged(self.seen.object.as_ref(), &self.seen.manifest) {
            (scene.seen.staged, scene.seen.staged_key) = (None, None);
        }
        if !needs_restored(&self.policies, &self.seen) {
            scene.seen.restored.clear();
            scene.seen.snapshots.clear();
            scene.seen.launch_permissions = None;
        }
        scene
    }

    pub(super) fn decide(&self) -> Decision<Effect> {
        next_step(&self.policies, &self.vault, &self.seen, PACE, now())
    }
}
