//! The answer was lost after AWS did the work, or AWS never got the request: the worker finds the
//! effect and continues from it, and never repeats it.

use crate::stage::images::But;
use crate::stage::{Fault, Mishap, Options, Role, hours, run_test, spec};

/// Runs one image while the first call of an operation meets a mishap.
fn with_mishap(role: Role, operation: &'static str, containing: &str, mishap: Mishap) -> usize {
    run_test(Options::default(), async |stage| {
        let containing = containing.to_owned();
        let fault = Fault { containing: containing.clone(), ..Fault::first(operation, mishap) };
        stage.wire.upset(role.as_str(), fault);
        stage.image(spec("web", "web-1", &[8]).unannounced());
        stage.start_both();
        stage.complete_within(hours(2)).await;
        let calls = stage.wire.calls(operation).into_iter();
        calls.filter(|call| call.text.contains(&containing) && call.succeeded()).count()
    })
}

#[test]
fn an_effect_whose_answer_is_lost_is_adopted_and_not_repeated() {
    for (role, operation, containing) in [
        (Role::Source, "CreateStoreImageTask", ""),
        (Role::Target, "CreateRestoreImageTask", ""),
        (Role::Target, "CompleteMultipartUpload", ""),
        (Role::Target, "PutObject", "source.json"),
        (Role::Target, "PutObject", "manifest.json"),
    ] {
        let done = with_mishap(role, operation, containing, Mishap::AnswerLost);
        assert_eq!(done, 1, "{operation} took effect {done} times");
    }
}

#[test]
fn an_effect_whose_request_is_lost_is_made_once() {
    for (role, operation, containing) in [
        (Role::Source, "CreateStoreImageTask", ""),
        (Role::Target, "CreateRestoreImageTask", ""),
        (Role::Target, "CompleteMultipartUpload", ""),
        (Role::Target, "CreateMultipartUpload", ""),
        (Role::Target, "PutObject", "source.json"),
        (Role::Target, "PutObject", "manifest.json"),
        (Role::Target, "EnableImageDeregistrationProtection", ""),
    ] {
        let done = with_mishap(role, operation, containing, Mishap::RequestLost);
        assert_eq!(done, 1, "{operation} took effect {done} times");
    }
}

#[test]
fn calls_that_may_be_repeated_survive_lost_answers() {
    for (role, operation) in [
        // The second upload is used, the first one aborted.
        (Role::Target, "CreateMultipartUpload"),
        (Role::Target, "UploadPartCopy"),
        (Role::Target, "EnableImageDeregistrationProtection"),
        (Role::Target, "AssumeRole"),
        (Role::Source, "DescribeImages"),
        (Role::Source, "HeadObject"),
        (Role::Target, "GetEbsDefaultKmsKeyId"),
    ] {
        with_mishap(role, operation, "", Mishap::AnswerLost);
    }
}

#[test]
fn messages_whose_receipt_or_deletion_is_lost_come_again_and_do_no_harm() {
    for operation in ["ReceiveMessage", "DeleteMessageBatch"] {
        for mishap in [Mishap::RequestLost, Mishap::AnswerLost] {
            run_test(Options::default(), async |stage| {
                let times = 3;
                for role in [Role::Source, Role::Target] {
                    let fault = Fault { times, ..Fault::first(operation, mishap) };
                    stage.wire.upset(role.as_str(), fault);
                }
                stage.image(spec("web", "web-1", &[8]));
                stage.start_both();
                stage.complete_within(hours(1)).await;
                assert_eq!(stage.wire.calls("CreateStoreImageTask").len(), 1);
            });
        }
    }
}

#[test]
fn an_outage_of_half_an_hour_is_sat_out_with_few_calls() {
    run_test(Options::default(), async |stage| {
        stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.pass(std::time::Duration::from_secs(20)).await;
        for role in [Role::Source, Role::Target] {
            stage.wire.upset(role.as_str(), Fault::every(Mishap::RequestLost));
        }
        let before = stage.wire.all().len();
        stage.pass(crate::stage::minutes(30)).await;
        let during = stage.wire.all().len() - before;
        // Backing off to five minutes: receiving, looking, sweeping and the vault's keys, thrice each
        // with retries.
        assert!(during < 450, "{during} calls in half an hour without any answer");
        stage.wire.mend();
        stage.complete_within(hours(1)).await;
    });
}
