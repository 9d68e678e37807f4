//! Queues under a KMS key: who sends needs to encrypt, who receives to decrypt.

use amiferry_core::ids::Arn;

use super::queue::Queue;
use crate::kms;
use crate::principal::{Principal, PrincipalKind};
use crate::wire::ApiError;
use crate::world::State;

/// What a sender needs ("Key management" of SQS).
pub(super) const SENDING: &[&str] = &["GenerateDataKey", "Decrypt"];

/// What a receiver needs.
pub(super) const RECEIVING: &[&str] = &["Decrypt"];

/// Whether the caller may do these operations with the key of a queue; a queue under the keys of
/// SQS needs none, but lets no service send events. How long SQS reuses a data key is not simulated: every call asks.
///
/// # Errors
/// The error of KMS, as SQS repeats it: `KMS.DisabledException`, `KMS.AccessDeniedException`, …
pub(super) fn may_use(
    state: &State,
    caller: &Principal,
    queue: &Queue,
    operations: &[&str],
) -> Result<(), ApiError> {
    let Some(name) = &queue.attributes.kms_key else { return Ok(()) };
    let (Some(account), Some(region)) = (queue.arn.account(), queue.arn.region()) else {
        return Ok(());
    };
    if name.ends_with("alias/aws/sqs") && caller.account == account {
        if let PrincipalKind::Service(service) = &caller.kind {
            let message = format!("The policy of alias/aws/sqs does not let {service} use it");
            return Err(super::error::of_kms(&ApiError::new(
                400,
                "AccessDeniedException",
                message,
            )));
        }
        return Ok(());
    }
    let arn = if name.starts_with("arn:") {
        name.clone()
    } else if name.starts_with("alias/") {
        format!("arn:aws:kms:{region}:{account}:{name}")
    } else {
        format!("arn:aws:kms:{region}:{account}:key/{name}")
    };
    let arn: Arn = arn.parse().map_err(|_| {
        let message = format!("{name} is no key id, alias or ARN");
        super::error::of_kms(&ApiError::new(400, "NotFoundException", message))
    })?;
    let context = [("aws:sqs:arn".to_owned(), queue.arn.to_string())].into_iter().collect();
    let via = format!("sqs.{region}.amazonaws.com");
    for operation in operations {
        let wish = kms::Wish { operation, context: &context, tokens: &[], via: Some(&via) };
        kms::use_by_service(state, state.now, caller, &arn, &wish)
            .map_err(|error| super::error::of_kms(&error))?;
    }
    Ok(())
}
