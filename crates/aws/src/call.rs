//! One call to AWS, as a fault names it: the operation, the resource, and whether repeating is
//! safe.

use amiferry_core::fault::{Fault, FaultClass};

use crate::classify;

/// What a lost answer means, and which refusals are about running work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Changes nothing, or changes nothing more when repeated.
    Repeatable,
    /// An effect with a fence: after a lost answer the fence refuses the repetition, so look first.
    Fenced,
    /// `CreateStoreImageTask` and `CreateRestoreImageTask`: fenced, and refused while the gigabytes
    /// in progress fill a quota, under codes that AWS does not document.
    Task,
}

/// A call about to be made.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// `service:Operation`.
    pub(crate) operation: &'static str,
    /// An id, `bucket/key`, a queue URL, an ARN.
    pub(crate) resource: String,
    pub(crate) family: Family,
}

impl Call {
    pub(crate) fn new(operation: &'static str, resource: impl Into<String>) -> Self {
        Self { operation, resource: resource.into(), family: Family::Repeatable }
    }

    /// A call whose lost answer leaves an effect to look for.
    pub(crate) fn fenced(operation: &'static str, resource: impl Into<String>) -> Self {
        Self { family: Family::Fenced, ..Self::new(operation, resource) }
    }

    /// A call that starts a store or restore task.
    pub(crate) fn task(operation: &'static str, resource: impl Into<String>) -> Self {
        Self { family: Family::Task, ..Self::new(operation, resource) }
    }

    /// A fault of this call that no error of AWS stands behind.
    pub(crate) fn fault(&self, class: FaultClass, code: &str, detail: &str) -> Fault {
        Fault {
            class,
            operation: self.operation,
            resource: self.resource.clone(),
            code: code.to_owned(),
            detail: classify::visible(detail),
            request_id: None,
        }
    }

    /// An answer about one thing without a field that AWS always sends, or with a value that has no
    /// meaning here. An item of a listing is [`amiferry_core::ports::Unreadable`] instead.
    pub(crate) fn unexpected(&self, field: &str, value: Option<&str>) -> Fault {
        let detail = match value {
            None => format!("the answer has no {field}"),
            Some(value) => format!("the answer's {field} is not understood: {value}"),
        };
        self.fault(FaultClass::Bug, "UnexpectedAnswer", &detail)
    }

    /// Success without the proof of it: an empty or cut 200 answer.
    pub(crate) fn unproven(&self, field: &str) -> Fault {
        let detail = format!("AWS answered success without {field}");
        self.fault(FaultClass::OutcomeUnknown, "IncompleteAnswer", &detail)
    }
}
