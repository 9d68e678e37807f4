//! Everything in scope of a vault, from AWS itself: what its sources have, and what it holds.

use amiferry_core::code::{Code, Kind};
use amiferry_core::decide::eligibility::{self, LeftOut};
use amiferry_core::fault::Fault;
use amiferry_core::model::Image;
use amiferry_core::names::{self, RecoveryPointId};
use jiff::Timestamp;

use crate::observe::{Observer, SourceView};

/// One image or recovery point that a walk over the scope meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Met {
    /// A source image that a policy selects for this vault, whatever else is wrong with it.
    Selected(RecoveryPointId),
    /// A source image about which nothing is promised for this vault.
    Unselected(RecoveryPointId, LeftOut),
    /// A recovery point that the vault holds something of.
    Held(RecoveryPointId),
}

/// Where a walk goes on: first page by page through the images of each source, then through the
/// keys of the vault bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// The next page of a source's images.
    Source {
        /// The source's position in the configuration.
        index: usize,
        /// The page's token; `None` for the first.
        token: Option<String>,
    },
    /// The next page of the vault's keys.
    Vault {
        /// The page's token; `None` for the first.
        token: Option<String>,
    },
}

impl Cursor {
    /// The beginning of a walk.
    pub fn start() -> Self {
        Self::Source { index: 0, token: None }
    }
}

impl Observer {
    /// One page of a walk at `now`, and where it goes on; `None` at its end. A recovery point may be
    /// met more than once.
    ///
    /// # Errors
    /// A page that could not be had: what was met until then is not everything.
    pub async fn walk(
        &self,
        cursor: Cursor,
        now: Timestamp,
    ) -> Result<(Vec<Met>, Option<Cursor>), Fault> {
        match cursor {
            Cursor::Source { index, token } => match self.sources.get(index) {
                Some(source) => {
                    let (page, next) = source.images.page(token).await?;
                    let met =
                        page.into_iter().map(|image| self.place(source, image, now)).collect();
                    let index = if next.is_some() { index } else { index + 1 };
                    Ok((met, Some(Cursor::Source { index, token: next })))
                }
                None => self.walk_vault(None).await,
            },
            Cursor::Vault { token } => self.walk_vault(token).await,
        }
    }

    async fn walk_vault(&self, token: Option<String>) -> Result<(Vec<Met>, Option<Cursor>), Fault> {
        let vault = &self.vault;
        let prefix = names::folder(&vault.prefix);
        let (keys, next) =
            vault.objects.list(&vault.account, &vault.bucket, &prefix, token).await?;
        let id = self.vault_id();
        let met = keys
            .iter()
            .filter_map(|key| names::vault_owner(&vault.prefix, &id, key))
            .map(Met::Held)
            .collect();
        Ok((met, next.map(|token| Cursor::Vault { token: Some(token) })))
    }

    fn place(&self, source: &SourceView, image: Image, now: Timestamp) -> Met {
        let governed = eligibility::governing(&self.policies, &source.scope.id(), &image, now);
        let id = self.recovery_point(&source.scope, image.id);
        match governed {
            Ok(policy) if !policy.covers(&id.vault()) => {
                let detail = format!("policy {} has no copies here", policy.name);
                Met::Unselected(id, LeftOut { code: Code::NoPolicy, detail })
            }
            Err(left) if left.code.kind() == Kind::LeftOut => Met::Unselected(id, left),
            Ok(_) | Err(_) => Met::Selected(id),
        }
    }
}
