//! Everything in scope of a vault, from AWS itself: what its sources have, and what it holds.

use amiferry_core::code::Code;
use amiferry_core::decide::eligibility::{self, LeftOut};
use amiferry_core::fault::Fault;
use amiferry_core::model::Image;
use amiferry_core::names::{self, RecoveryPointId};

use crate::observe::{Observer, SourceView};

/// One image or recovery point that a walk over the scope meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A source image that a policy selects for this vault, whatever else is wrong with it.
    Selected(RecoveryPointId),
    /// A source image that no policy selects.
    Unselected(RecoveryPointId, LeftOut),
    /// A recovery point that the vault holds something of.
    Held(RecoveryPointId),
}

impl Observer {
    /// Walks over all images of all sources, then over all that the vault holds. Memory does not
    /// grow with their number.
    ///
    /// # Errors
    /// The first page that could not be had: what was found until then is not everything.
    pub async fn walk(&self, found: &mut (dyn FnMut(Found) + Send)) -> Result<(), Fault> {
        for source in &self.sources {
            let mut token = None;
            loop {
                let (page, next) = source.images.page(token).await?;
                for image in page {
                    found(self.place(source, image));
                }
                token = next;
                if token.is_none() {
                    break;
                }
            }
        }
        self.walk_vault(found).await
    }

    fn place(&self, source: &SourceView, image: Image) -> Found {
        let governed = eligibility::governing(&self.policies, &source.scope.account, &image);
        let id = self.recovery_point(&source.scope, image.id);
        match governed {
            Ok(policy) if !policy.target_regions.contains(&self.vault.region) => {
                let detail = format!("policy {} has no copies here", policy.name);
                Found::Unselected(id, LeftOut { code: Code::NoPolicy, detail })
            }
            Err(left) if matches!(left.code, Code::NoPolicy | Code::OwnRestore) => {
                Found::Unselected(id, left)
            }
            Ok(_) | Err(_) => Found::Selected(id),
        }
    }

    async fn walk_vault(&self, found: &mut (dyn FnMut(Found) + Send)) -> Result<(), Fault> {
        let vault = &self.vault;
        let prefix = match vault.prefix.as_str() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let mut token = None;
        loop {
            let (keys, next) =
                vault.objects.list(&vault.account, &vault.bucket, &prefix, token).await?;
            for key in keys {
                if let Some(id) = names::vault_owner(&vault.prefix, &vault.region, &key) {
                    found(Found::Held(id));
                }
            }
            token = next;
            if token.is_none() {
                return Ok(());
            }
        }
    }
}
