//! What the workers would do about one image: the place that shows it says which of them is asked.

use std::sync::Arc;

use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::event::{self, Parsed};
use amiferry_core::ids::ImageId;
use amiferry_service::clock::SystemClock;
use amiferry_service::config::Config;
use amiferry_service::reconcile::Role as _;
use amiferry_source_worker as source_worker;
use amiferry_target_worker as target_worker;
use amiferry_target_worker::pin::OwnImage;
use amiferry_target_worker::role::TargetRole;
use anyhow::anyhow;

use super::{look, meaning};
use crate::commands::meaning::Meaning;
use crate::commands::session;

/// What the workers would do about this image now, which `body` names as a message.
///
/// A worker's first look at an id that EC2 does not show waits for it to appear, whatever the id is. So
/// the places are asked first whether they show it: the vaults, whose restored images are no images of a
/// source, then the sources. A vault may also hold the copy of an image that no place shows.
///
/// # Errors
/// No place shows the image, or a place that may show it does not answer.
pub async fn ask(image: &ImageId, body: &str, config: &Config) -> anyhow::Result<Meaning> {
    let parsed = match event::parse(body) {
        Ok(parsed) => parsed,
        Err(reject) => return Ok(Meaning::unreadable(&reject)),
    };
    let mut unanswered = Unanswered::default();
    let mut is_in_vault = false;
    let mut vaults = Vec::new();
    for vault in &config.vaults {
        let session = session::vault(config, vault).await?;
        let role = target_worker::assemble::role(config, vault, &session, Arc::new(SystemClock));
        match role.own_image(image).await {
            Ok(Some(OwnImage::RestoredFor(point))) => return look(&role, &parsed, &point).await,
            Ok(Some(OwnImage::Other)) => is_in_vault = true,
            Ok(None) => {}
            Err(fault) => unanswered.add(format!("the vault {}", vault.id()), fault),
        }
        vaults.push((vault, role));
    }
    for source in &config.sources {
        let session = session::source(config, source).await?;
        let role = source_worker::assemble::role(config, source, &session, Arc::new(SystemClock));
        match role.shows(image).await {
            Ok(true) => return look(&role, &parsed, image).await,
            Ok(false) => {}
            Err(fault) => unanswered.add(format!("the source {}", source.id()), fault),
        }
    }
    if is_in_vault {
        return Ok(Meaning::not_restored(&parsed, image));
    }
    for (vault, role) in &vaults {
        match copied(role, &parsed, image).await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(fault) => unanswered.add(format!("the vault {}", vault.id()), fault),
        }
    }
    Err(unanswered.error(image))
}

/// What a vault would do about an image that no source shows, if it holds or awaits a copy of it.
///
/// # Errors
/// AWS does not answer about one of the sources that it may be of.
async fn copied(
    role: &TargetRole,
    parsed: &Parsed,
    image: &ImageId,
) -> anyhow::Result<Option<Meaning>> {
    let looked = role.look(&role.points_of(image)).await?;
    let mut unanswered = None;
    for (point, decision) in looked.decisions {
        match decision {
            // What a vault decides about an id of which it holds nothing: with an answer of the source,
            // or without one.
            Ok(Decision::Ineligible { code: Code::ImageGone, .. }) => {}
            Ok(Decision::Park { code: Code::Failing, detail, .. }) => {
                unanswered.get_or_insert(anyhow!("the source {}: {detail}", point.source()));
            }
            Ok(decision) => return Ok(Some(meaning(role, parsed, decision))),
            Err(fault) => {
                unanswered.get_or_insert(fault.into());
            }
        }
    }
    unanswered.map_or(Ok(None), Err)
}

/// The first place that did not answer.
#[derive(Default)]
struct Unanswered(Option<(String, anyhow::Error)>);

impl Unanswered {
    fn add(&mut self, place: String, why: impl Into<anyhow::Error>) {
        if self.0.is_none() {
            self.0 = Some((place, why.into()));
        }
    }

    /// That nothing is known of the image, and why.
    fn error(self, image: &ImageId) -> anyhow::Error {
        match self.0 {
            None => anyhow!(
                "EC2 shows {image} in no source and in no vault of the configuration, and no vault has \
                 a copy of it; check the id, the accounts and the Regions. EC2 may show a new image only \
                 after some minutes"
            ),
            Some((place, why)) => why.context(format!(
                "no place that answers knows {image}, and {place} does not say whether it has it"
            )),
        }
    }
}
