//! Runs one row: breaks, looks at everything that a person can see, mends, and waits for the end.

use amiferry_audit::inventory::{NotAssessed, RecoveryPoint, State};
use amiferry_audit::render::{Look, outcome::outcome};
use amiferry_audit::report::{Report, Verdict};
use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;

use super::{Asked, End, Failure, When};
use crate::retry::retry_all;
use crate::stage::story::{lines, text};
use crate::stage::{Options, Role, Stage, hours, inventory, minutes, run_test};

/// Runs every row of a table.
pub fn play(table: &[Failure]) {
    for failure in table {
        let options = Options { kept: true, ..(failure.options)() };
        run_test(options, async |stage| one(stage, failure).await);
    }
}

async fn one(stage: &mut Stage, failure: &Failure) {
    let image = (failure.image)(stage);
    let id = stage.image(image);
    begin(stage, &id, failure).await;
    let met = |stage: &Stage| match (failure.worker, failure.asked) {
        (Role::Target, Asked::Same | Asked::Due(_)) => {
            shown(stage, &id) == Some((failure.state, failure.code))
        }
        (_, Asked::LeftOut) => left_out(stage, &id) == Some(failure.code),
        (_, Asked::Alone) => true,
        (worker, _) => stage.parked(worker).contains_key(&failure.code),
    };
    stage.until(failure.what, hours(3), met).await;
    // The metrics follow.
    stage.pass(minutes(1)).await;
    let report = inventory::partial_report(stage).await.unwrap();
    told_by_page(stage, &id, failure);
    told_by_status(&report, &id, failure);
    told_by_both(stage, &id, failure).await;
    told_by_metrics(stage, failure);
    told_by_log(stage, failure);
    let complete = Some((State::Complete, Code::Complete));
    match failure.end {
        End::Mended(_, mend) => {
            mend(stage, &id);
            retry_all(stage).await;
            stage.until(failure.what, hours(2), |stage| shown(stage, &id) == complete).await;
        }
        End::Rebuilt(_, rebuild) => {
            rebuild(stage, &id);
            retry_all(stage).await;
            let is_kept = |stage: &Stage| {
                let Some((report, _)) = stage.shown() else { return false };
                let complete = |point: &RecoveryPoint| {
                    (point.state, point.code) == (State::Complete, Code::Complete)
                };
                report.recovery_points.len() == 1
                    && report.recovery_points.iter().all(complete)
                    && left_out(stage, &id).is_none_or(|code| code == Code::ImageGone)
            };
            stage.until(failure.what, hours(2), is_kept).await;
        }
        End::GivenUp(_, give_up) => {
            give_up(stage, &id);
            retry_all(stage).await;
            stage.until(failure.what, hours(2), |stage| shown(stage, &id).is_none()).await;
            return;
        }
        End::Stays(_) => {
            retry_all(stage).await;
            stage.pass(hours(8)).await;
            assert_eq!(shown(stage, &id), Some((failure.state, failure.code)), "{}", failure.what);
            return;
        }
    }
    let report = inventory::partial_report(stage).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Kept, "{}: {report:#?}", failure.what);
}

async fn begin(stage: &mut Stage, id: &ImageId, failure: &Failure) {
    match failure.when {
        When::Before => {
            (failure.harm)(stage, id);
            // What others have begun ends.
            stage.pass(hours(1)).await;
            stage.start_both();
        }
        When::Storing => {
            stage.start_both();
            let stores = |stage: &Stage| !stage.wire.calls("CreateStoreImageTask").is_empty();
            stage.until("the store runs", hours(1), stores).await;
            (failure.harm)(stage, id);
        }
        When::Staged => {
            stage.start(Role::Source);
            stage.until_staged(id).await;
            (failure.harm)(stage, id);
            stage.start(Role::Target);
        }
        When::NoSource => {
            (failure.harm)(stage, id);
            stage.start(Role::Target);
        }
        When::Complete => {
            stage.start_both();
            stage.complete_within(hours(1)).await;
            stage.pass(minutes(20)).await;
            (failure.harm)(stage, id);
        }
    }
}

/// What the page of the target worker says of an image.
fn shown(stage: &Stage, id: &ImageId) -> Option<(State, Code)> {
    let (report, _) = stage.shown()?;
    let point = report.recovery_points.iter().find(|point| point.source_image_id == *id)?;
    Some((point.state, point.code))
}

/// Why the page of the target worker says that an image is left out.
fn left_out(stage: &Stage, id: &ImageId) -> Option<Code> {
    let (report, _) = stage.shown()?;
    let image = report.rejected.iter().find(|image| image.source_image_id == *id)?;
    Some(image.code)
}

fn told_by_page(stage: &Stage, id: &ImageId, failure: &Failure) {
    let Failure { what, code, state, .. } = failure;
    if failure.asked == Asked::Alone {
        assert!(stage.shown().is_none(), "{what}: no worker runs");
        return;
    }
    if failure.worker == Role::Source {
        let expected = Some((State::InProgress, Code::NotStaged));
        assert_eq!(shown(stage, id), expected, "{what}: the vault waits for the object");
        return;
    }
    let (report, html) = stage.shown().unwrap();
    if failure.asked == Asked::NotAssessed {
        let is_named = |unknown: &NotAssessed| {
            unknown.source_image_id.as_deref() == Some(id.as_str())
                && html.contains(&format!("{id} of "))
        };
        assert!(report.not_assessed.iter().any(is_named), "{what}: {report:#?}");
        return;
    }
    match failure.asked {
        Asked::LeftOut => assert_eq!(left_out(stage, id), Some(*code), "{what}"),
        _ => assert_eq!(shown(stage, id), Some((*state, *code)), "{what}"),
    }
    for words in [code.meaning(), code.remedy()] {
        let words = words.replace('"', "&quot;");
        assert!(html.contains(&words), "{what}: {words:?} is not on the page: {html}");
    }
}

fn told_by_status(report: &Report, id: &ImageId, failure: &Failure) {
    let Failure { what, code, state, asked, exit, .. } = failure;
    let status = match report.verdict() {
        Verdict::Kept => 0,
        Verdict::Partial | Verdict::Nothing => 3,
        Verdict::Breached => 20,
        Verdict::Lost => 21,
    };
    assert_eq!(status, *exit, "{what}: {report:#?}");
    let json = serde_json::to_value(report).unwrap();
    let row = |list: &str| {
        let mut rows = json[list].as_array().unwrap().iter();
        rows.find(|row| row["source_image_id"] == id.as_str()).cloned()
    };
    let wide = Look { width: usize::MAX, ..Look::PLAIN };
    let said = outcome(report, wide);
    match (failure.worker, asked) {
        (Role::Target, Asked::NotAssessed) => {
            let unknown = row("not_assessed").unwrap_or_else(|| panic!("{what}: {json:#}"));
            let reason = unknown["reason"].as_str().unwrap();
            assert!(said.contains(id.as_str()) && !reason.is_empty(), "{what}: {said}");
        }
        (Role::Target, Asked::LeftOut) => {
            let image = row("rejected").unwrap_or_else(|| panic!("{what}: {json:#}"));
            assert_eq!(image["code"], code.as_str());
            let told = [format!("amiferry explain {code}"), code.remedy().to_owned()];
            told.iter().for_each(|words| assert!(said.contains(words), "{what}: {said}"));
        }
        (Role::Target, Asked::Same | Asked::Alone) => {
            let point = row("recovery_points").unwrap_or_else(|| panic!("{what}: {json:#}"));
            assert_eq!(
                (&point["state"], &point["code"]),
                (&state.as_str().into(), &code.as_str().into())
            );
            let told = [format!("amiferry explain {code}"), code.remedy().to_owned()];
            told.iter().for_each(|words| assert!(said.contains(words), "{what}: {said}"));
        }
        (Role::Target, Asked::Due(due)) => {
            let point = row("recovery_points").unwrap_or_else(|| panic!("{what}: {json:#}"));
            assert_eq!(point["code"], due.as_str(), "{what}: {point:#}");
        }
        (Role::Source, _) => {
            let point = row("recovery_points").unwrap_or_else(|| panic!("{what}: {json:#}"));
            assert_eq!(point["code"], Code::NotStaged.as_str(), "{what}: {point:#}");
        }
    }
}

/// `status` and `audit` say the same as the page, once the running worker was asked, too.
async fn told_by_both(stage: &Stage, id: &ImageId, failure: &Failure) {
    if !matches!(failure.asked, Asked::Same | Asked::Due(_)) {
        return;
    }
    let heard = inventory::heard_report(stage).await;
    if failure.worker == Role::Source {
        let point = heard.recovery_points.iter().find(|point| point.source_image_id == *id);
        let told = point.map(|point| (point.state, point.code));
        assert_eq!(told, Some((State::Parked, failure.code)), "{}", failure.what);
        return;
    }
    let (page, _) = stage.shown().unwrap();
    let of = |report: &Report| {
        let point = report.recovery_points.iter().find(|point| point.source_image_id == *id)?;
        let tries = (point.failed_attempts, point.next_try);
        Some((point.state, point.code, tries))
    };
    assert_eq!(of(&heard), of(&page), "{}", failure.what);
}

/// The series that counts it, and its labels.
pub fn series(failure: &Failure) -> String {
    if failure.asked == Asked::LeftOut {
        return "amiferry_images_unprotected{policy=\"gold\",source_account=\"111111111111\",\
                source_region=\"us-east-1\",target_account=\"222222222222\",\
                target_region=\"us-west-2\"}"
            .to_owned();
    }
    match failure.state.is_lost() {
        true => format!(
            "amiferry_recovery_points_lost{{target_account=\"222222222222\",\
             target_region=\"us-west-2\",state=\"{}\"}}",
            failure.state.as_str()
        ),
        false => format!(
            "amiferry_parked{{worker=\"{}\",reason=\"{}\"}}",
            failure.worker.as_str(),
            failure.code
        ),
    }
}

fn told_by_metrics(stage: &Stage, failure: &Failure) {
    if failure.asked == Asked::Alone {
        return;
    }
    let series = format!("{} ", series(failure));
    let metrics = stage.metrics();
    let counted = metrics.lines().find_map(|line| line.strip_prefix(&series));
    assert_eq!(counted, Some("1"), "{}: {series}", failure.what);
}

fn told_by_log(stage: &Stage, failure: &Failure) {
    if failure.asked == Asked::Alone {
        return;
    }
    let worker = failure.worker.as_str();
    let told = lines(stage).into_iter().any(|line| {
        let is_parked = text(&line, "message") == "parked"
            || text(&line, "amiferry.standing") == "parked"
            || (failure.asked == Asked::LeftOut && text(&line, "message") == "recovery point done");
        // Of a refusal only the log says what to allow.
        let has_remedy = failure.code != Code::Denied || !text(&line, "amiferry.remedy").is_empty();
        is_parked
            && has_remedy
            && text(&line, "amiferry.worker") == worker
            && text(&line, "amiferry.reason") == failure.code.as_str()
    });
    assert!(told, "{}: no line of {worker}", failure.what);
}
