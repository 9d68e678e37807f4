//! Lets other accounts launch images.

use std::collections::BTreeSet;

use amiferry_core::fault::Fault;
use amiferry_core::ids::{AccountId, ImageId};
use amiferry_core::ports::ImageSharing;
use async_trait::async_trait;
use aws_sdk_ec2::types::{LaunchPermission, LaunchPermissionModifications};

use super::Ec2Images;
use crate::call::Call;

#[async_trait]
impl ImageSharing for Ec2Images {
    async fn share(&self, id: &ImageId, accounts: &BTreeSet<AccountId>) -> Result<(), Fault> {
        let call = Call::new("ec2:ModifyImageAttribute", id.as_str());
        let added =
            accounts.iter().map(|account| LaunchPermission::builder().user_id(account.as_str()));
        let added = added.map(aws_sdk_ec2::types::builders::LaunchPermissionBuilder::build);
        let change = LaunchPermissionModifications::builder().set_add(Some(added.collect()));
        let sent = self
            .queries()
            .modify_image_attribute()
            .image_id(id.as_str())
            .launch_permission(change.build())
            .send();
        self.session.send(&call, sent).await.map(drop)
    }
}
