//! Lists the grants on a key.

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::Arn;
use amiferry_core::model::{Grant, Grantee};
use aws_sdk_kms::Client;
use aws_sdk_kms::types::GrantListEntry;

use super::KmsKeys;
use crate::call::Call;

/// Grants of one page, the most that there may be.
const PAGE: i32 = 100;

/// Pages that are read: EBS makes a grant for each volume, so a key can have 50,000.
const PAGES: usize = 10;

impl KmsKeys {
    pub(super) async fn list_grants(
        &self,
        client: &Client,
        key: &Arn,
    ) -> Result<Option<Vec<Grant>>, Fault> {
        let call = Call::new("kms:ListGrants", key.as_str());
        let (mut grants, mut marker) = (Vec::new(), None);
        for _ in 0..PAGES {
            let request =
                client.list_grants().key_id(key.as_str()).limit(PAGE).set_marker(marker.take());
            let answer = match self.session.send(&call, request.send()).await {
                Ok(answer) => answer,
                Err(fault) if fault.class == FaultClass::Denied => return Ok(None),
                Err(fault) => return Err(fault),
            };
            grants.extend(answer.grants.unwrap_or_default().into_iter().map(grant));
            marker = answer.next_marker.filter(|next| answer.truncated && !next.is_empty());
            if marker.is_none() {
                break;
            }
        }
        Ok(Some(grants))
    }
}

fn grant(entry: GrantListEntry) -> Grant {
    let grantee = match (entry.grantee_principal, entry.grantee_service_principal) {
        (Some(principal), _) => Grantee::Principal(principal),
        (None, Some(service)) => Grantee::Service(service),
        (None, None) => Grantee::Unnamed,
    };
    let operations = entry.operations.unwrap_or_default();
    let (equals, subset, source_arn) = match entry.constraints {
        Some(constraints) => (
            constraints.encryption_context_equals,
            constraints.encryption_context_subset,
            constraints.source_arn,
        ),
        None => (None, None, None),
    };
    Grant {
        id: entry.grant_id.unwrap_or_default(),
        grantee,
        retiring: entry.retiring_principal.or(entry.retiring_service_principal),
        operations: operations.iter().map(|operation| operation.as_str().to_owned()).collect(),
        context_equals: equals.unwrap_or_default().into_iter().collect(),
        context_includes: subset.unwrap_or_default().into_iter().collect(),
        source_arn,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kms::types::{GrantConstraints, GrantOperation};

    use super::*;

    #[test]
    fn a_grant_to_a_service_is_read_as_well_as_one_to_a_principal() {
        let constraints =
            GrantConstraints::builder().encryption_context_subset("aws:ebs:id", "vol-1").build();
        let entry = || GrantListEntry::builder().operations(GrantOperation::CreateGrant);
        let read = grant(entry().grantee_service_principal("ec2.amazonaws.com").build());
        assert_eq!(read.grantee, Grantee::Service("ec2.amazonaws.com".to_owned()));
        assert_eq!(read.operations, ["CreateGrant"]);
        let read = grant(
            entry()
                .grantee_principal("arn:aws:iam::222222222222:root")
                .retiring_service_principal("ec2.us-west-2.amazonaws.com")
                .constraints(constraints)
                .build(),
        );
        assert_eq!(read.grantee, Grantee::Principal("arn:aws:iam::222222222222:root".to_owned()));
        assert_eq!(read.retiring.as_deref(), Some("ec2.us-west-2.amazonaws.com"));
        assert_eq!(read.context_includes.len(), 1);
        assert_eq!(grant(entry().build()).grantee, Grantee::Unnamed);
    }
}
