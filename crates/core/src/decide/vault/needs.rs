//! Which parts of a recovery point matter to the next step: what does not, no call asks for.

use jiff::Timestamp;

use super::{ManifestFact, Observed, UefiData, object, terms};
use crate::ids::ImageId;
use crate::manifest::Manifest;
use crate::model::{Image, ImageState, StoredObject};
use crate::policy::{Policies, Tier};

/// Whether the staged object matters to the decision, given these two. If not, no call asks for it.
pub fn needs_staged(object: Option<&StoredObject>, manifest: &ManifestFact) -> bool {
    object::needs_staged(object, manifest)
}

/// Whether restored images matter to the decision or to reports: not for tier `archive`, and not
/// before the vault holds anything of this recovery point.
pub fn needs_restored(policies: &Policies, observed: &Observed) -> bool {
    let held = observed.object.is_some() || observed.manifest != ManifestFact::Absent;
    // Checking the image's age here would only save a call.
    held && terms(policies, observed, Timestamp::MIN).is_ok_and(|terms| terms.tier == Tier::Ready)
}

/// The restored image whose UEFI data is still to be compared with its source's: before the record, where
/// the source boots with UEFI.
pub fn lacks_uefi_data(observed: &Observed) -> Option<&ImageId> {
    let UefiData { source, restored } = observed.uefi_data;
    let is_known = source == Some(false) || (source.is_some() && restored.is_some());
    let image = observed.source.as_ref()?;
    let boots_with_it = image.boot_mode.as_deref().is_some_and(|mode| mode.starts_with("uefi"));
    let newest = observed.restored.last().filter(|image| image.state == ImageState::Available)?;
    let is_open = observed.manifest == ManifestFact::Absent && !is_known && boots_with_it;
    is_open.then_some(&newest.id)
}

/// Whether the further records of a recovery point matter: what AWS shows is not what its manifest
/// says. Those of others are not asked for.
pub fn needs_records(observed: &Observed) -> bool {
    let ManifestFact::Present(manifest) = &observed.manifest else { return false };
    let object = observed.object.as_ref().map(|object| &object.at);
    let restored = observed.restored.last().map(|image| &image.id);
    let recorded = manifest.restored.as_ref().map(|restored| &restored.image_id);
    let is_unprotected =
        |image: &Image| Some(&image.id) == recorded && !image.deregistration_protection.is_on();
    object != Some(&manifest.vault_object.at)
        || observed.endings > 0
        || observed.restored.last().is_some_and(is_unprotected)
        || (recorded.is_some() && restored != recorded)
        || observed.recovery.is_some()
        || is_shared_beyond(observed, manifest)
}

/// Whether others may launch the recorded image, as far as the manifest says.
fn is_shared_beyond(observed: &Observed, manifest: &Manifest) -> bool {
    let may_launch = observed.launch_permissions.iter().flatten();
    let allowed = manifest.restored.as_ref().map(|restored| &restored.shared_with);
    let is_allowed = |other: &String| {
        allowed.is_some_and(|allowed| allowed.iter().any(|account| account.as_str() == other))
    };
    may_launch.into_iter().any(|other| !is_allowed(other))
}
