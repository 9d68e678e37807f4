//! `CreateStoreImageTask`, `DescribeStoreImageTasks` and `CreateRestoreImageTask`.

use amiferry_core::ids::ImageId;

use super::filter::Filters;
use super::images::{permit_new, with_id};
use super::page::Page;
use super::request::{Request, pairs};
use crate::ec2::image::Tags;
use crate::ec2::restore::{self, RestoreRequest};
use crate::ec2::store::{self, StoreRequest, StoreState};
use crate::ec2::{errors, time};
use crate::wire::ApiError;

/// How many image ids `DescribeStoreImageTasks` takes.
const ID_LIMIT: usize = 20;

/// `CreateStoreImageTask`.
pub fn store(r: &mut Request<'_>) -> Result<String, ApiError> {
    let image = r.image_id()?;
    let bucket = r.form.required("Bucket")?.to_owned();
    let tags = pairs(&r.form, "S3ObjectTag")?;
    r.permit(&[r.image_arn(image.as_str())])?;
    let request = StoreRequest { image: &image, bucket: &bucket, tags };
    let key = store::begin(r.state, r.now, (&r.place, r.caller), request)?;
    Ok(r.respond(|x| {
        x.text("objectKey", key);
    }))
}

/// `DescribeStoreImageTasks`. With ids the filters are ignored, as documented.
pub fn describe(r: &mut Request<'_>) -> Result<String, ApiError> {
    let ids: Vec<ImageId> =
        r.form.list("ImageId").into_iter().map(errors::image_id).collect::<Result<_, _>>()?;
    if ids.len() > ID_LIMIT {
        let why = format!("At most {ID_LIMIT} ids can be described in one call.");
        return Err(errors::invalid("ImageId", ids.len(), why));
    }
    if !ids.is_empty() && r.form.get("MaxResults").is_some() {
        let message = "The parameter ImageIds cannot be used with the parameter MaxResults.";
        return Err(errors::combination(message));
    }
    let filters = Filters::parse(&r.form, &["bucket", "task-state"])?;
    let page = Page::parse(&r.form, 1..=200, r.state.settings.ec2.longest_page)?;
    let before = match page.after.as_deref().map(str::parse::<u64>) {
        None => u64::MAX,
        Some(Ok(number)) => number,
        Some(Err(_)) => {
            let message = "The specified NextToken is not valid.";
            return Err(errors::refused("InvalidNextToken", message));
        }
    };
    r.permit(&["*".to_owned()])?;
    let wanted = store::listed(r.state, &r.place, r.now).filter(|(number, task)| {
        *number < before
            && if ids.is_empty() {
                filters.hold(&Tags::new(), |name| match name {
                    "bucket" => vec![task.bucket.as_str()],
                    _ => vec![task.state.as_str()],
                })
            } else {
                ids.contains(&task.image)
            }
    });
    let cut = page.cut(wanted, |(number, _)| number.to_string());
    Ok(r.respond(|x| {
        x.element("storeImageTaskResultSet", |x| {
            for (_, task) in &cut.items {
                x.element("item", |x| {
                    x.text("amiId", &task.image)
                        .text("taskStartTime", time::written(task.started))
                        .text("bucket", &task.bucket)
                        .text("s3objectKey", &task.key)
                        .text("progressPercentage", task.progress(r.now))
                        .text("storeTaskState", task.state.as_str());
                    if let StoreState::Failed { reason } = &task.state {
                        x.text("storeTaskFailureReason", reason);
                    }
                });
            }
        });
        x.maybe("nextToken", cut.next);
    }))
}

/// `CreateRestoreImageTask`.
pub fn restore(r: &mut Request<'_>) -> Result<String, ApiError> {
    let kinds = &["image", "snapshot"];
    let bucket = r.form.required("Bucket")?.to_owned();
    let key = r.form.required("ObjectKey")?.to_owned();
    let name = r.form.get("Name").map(str::to_owned);
    let image_tags = r.tags_for("image", kinds)?;
    let snapshot_tags = r.tags_for("snapshot", kinds)?;
    permit_new(r, &image_tags, &snapshot_tags)?;
    let request = RestoreRequest {
        bucket: &bucket,
        key: &key,
        name: name.as_deref(),
        image_tags,
        snapshot_tags,
    };
    let id = restore::begin(r.state, r.now, (&r.place, r.caller), request)?;
    Ok(with_id(r, &id))
}
