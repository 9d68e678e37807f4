//! What EC2 means by refusing a store: both refusals have the same code, and only the words differ.

use crate::fault::{Fault, FaultClass};

/// Whether EC2 refuses a store because the bucket holds the image already, under whichever key.
/// It refuses one under the same code while another store of the image runs, into whatever bucket.
///
/// Source: texts that people met (`InvalidRequest`, *already exists in the bucket*, *is already in
/// progress for the AMI*); AWS documents neither.
pub fn is_stored_already(fault: &Fault) -> bool {
    let words = fault.detail.to_ascii_lowercase();
    let says = |words_of: &[&str]| words_of.iter().any(|word| words.contains(word));
    fault.class == FaultClass::Conflict
        && !says(&["in progress", "being stored", "concurrent"])
        && says(&["already exist", "already stored", "multiple copies"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_image_and_a_running_store_are_told_apart_by_the_words_alone() {
        for (class, words, expected) in [
            (
                FaultClass::Conflict,
                "The AMI ami-1 already exists in the bucket b. Multiple copies of an AMI in the \
                 same bucket cannot be created.",
                true,
            ),
            (
                FaultClass::Conflict,
                "A CreateStoreImageTask is already in progress for the AMI ami-1. Multiple \
                 concurrent requests for the same AMI cannot run.",
                false,
            ),
            (FaultClass::Conflict, "", false),
            (FaultClass::Denied, "it already exists in the bucket", false),
        ] {
            let fault = Fault {
                class,
                operation: "ec2:CreateStoreImageTask",
                resource: "ami-1".to_owned(),
                code: "InvalidRequest".to_owned(),
                detail: words.to_owned(),
                request_id: None,
            };
            assert_eq!(is_stored_already(&fault), expected, "{words}");
        }
    }
}
