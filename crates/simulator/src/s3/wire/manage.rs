//! Buckets as a whole: make, delete, list, find.

use super::access::{Request, existing, invalid_argument};
use super::document::Element;
use super::{body, xml};
use crate::iam::{self, Access};
use crate::s3::bucket::{Bucket, BucketSpec};
use crate::s3::create_bucket as make_bucket;
use crate::s3::notify::iso;
use crate::wire::{Answer, ApiError, Incoming};
use amiferry_core::ids::BucketName;

pub(super) fn list_buckets(request: &Request<'_>) -> Result<Answer, ApiError> {
    let state = request.world.lock();
    let account = &request.call.caller.account;
    let access = Access {
        action: "s3:ListAllMyBuckets",
        resource: "*",
        owner: account,
        resource_policy: None,
        context: &[("aws:RequestedRegion", request.call.region.to_string())],
    };
    iam::authorize(&state, &request.call.caller, &access)
        .map_err(|denial| ApiError::new(403, "AccessDenied", denial.message))?;
    let prefix = request.call.param("prefix").unwrap_or_default();
    let region = request.call.param("bucket-region");
    let own = |bucket: &&Bucket| {
        bucket.owner == *account
            && bucket.name.starts_with(prefix)
            && region.is_none_or(|region| region == bucket.region.as_str())
    };
    Ok(xml("ListAllMyBucketsResult", |x| {
        x.element("Owner", |x| {
            x.text("ID", account);
        });
        x.element("Buckets", |x| {
            for bucket in state.s3.all().filter(own) {
                x.element("Bucket", |x| {
                    x.text("Name", &bucket.name)
                        .text("CreationDate", iso(bucket.created))
                        .text("BucketRegion", &bucket.region);
                });
            }
        });
    }))
}

pub(super) async fn create_bucket(
    request: &Request<'_>,
    body: Incoming,
) -> Result<Answer, ApiError> {
    let call = &request.call;
    let document = body::document(call, body).await?;
    let constraint = if document.is_empty() {
        None
    } else {
        let element = Element::parse(&document, "CreateBucketConfiguration")?;
        element.text_of("LocationConstraint").filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let region = match (call.region.as_str(), constraint) {
        ("us-east-1", None) => call.region.clone(),
        ("us-east-1", Some(named)) if named != "us-east-1" => named.parse().map_err(|_| {
            ApiError::new(
                400,
                "InvalidLocationConstraint",
                "The specified location-constraint is not valid",
            )
            .with("LocationConstraint", named)
        })?,
        ("us-east-1", Some(named)) => {
            return Err(ApiError::new(
                400,
                "InvalidLocationConstraint",
                "The specified location-constraint is not valid",
            )
            .with("LocationConstraint", named));
        }
        (here, Some(named)) if named == here => call.region.clone(),
        (_, named) => {
            let named = named.unwrap_or_else(|| "unspecified".to_owned());
            return Err(ApiError::new(
                400,
                "IllegalLocationConstraintException",
                format!(
                    "The {named} location constraint is incompatible for the region specific \
                     endpoint this request was sent to."
                ),
            ));
        }
    };
    let name = &request.bucket;
    if name.parse::<BucketName>().is_err() {
        return Err(ApiError::new(400, "InvalidBucketName", "The specified bucket is not valid.")
            .with("BucketName", name.clone()));
    }
    let now = request.world.now();
    let mut state = request.world.lock();
    let account = call.caller.account.clone();
    let arn = format!("arn:aws:s3:::{name}");
    let access = Access {
        action: "s3:CreateBucket",
        resource: &arn,
        owner: &account,
        resource_policy: None,
        context: &[("aws:RequestedRegion", request.call.region.to_string())],
    };
    iam::authorize(&state, &call.caller, &access)
        .map_err(|denial| ApiError::new(403, "AccessDenied", denial.message))?;
    match state.s3.bucket(name) {
        // In us-east-1 alone, making an own bucket again succeeds.
        Some(bucket) if bucket.owner == account && region.as_str() == "us-east-1" => {}
        Some(bucket) if bucket.owner == account => {
            return Err(ApiError::new(
                409,
                "BucketAlreadyOwnedByYou",
                "Your previous request to create the named bucket succeeded and you already own \
                 it.",
            )
            .with("BucketName", name.clone()));
        }
        Some(_) => {
            return Err(ApiError::new(
                409,
                "BucketAlreadyExists",
                "The requested bucket name is not available. The bucket namespace is shared by \
                 all users of the system. Please select a different name and try again.",
            )
            .with("BucketName", name.clone()));
        }
        None => {
            let mut spec = BucketSpec::new(name.clone(), account, region);
            if call.header("x-amz-bucket-object-lock-enabled") == Some("true") {
                spec.object_lock = Some(None);
            }
            make_bucket(&mut state, now, spec)
                .map_err(|error| invalid_argument("Bucket", name, error))?;
        }
    }
    Ok(Answer::empty(200).with_named("location", &format!("/{name}")))
}

pub(super) fn delete_bucket(request: &Request<'_>) -> Result<Answer, ApiError> {
    let mut state = request.world.lock();
    let bucket = request.open(&state, "s3:DeleteBucket")?;
    if !bucket.is_empty() {
        let message = if bucket.versioning == crate::s3::bucket::Versioning::Off {
            "The bucket you tried to delete is not empty"
        } else {
            "The bucket you tried to delete is not empty. You must delete all versions in the \
             bucket."
        };
        return Err(ApiError::new(409, "BucketNotEmpty", message)
            .with("BucketName", request.bucket.clone()));
    }
    state.s3.remove(&request.bucket);
    Ok(Answer::empty(204))
}

pub(super) fn head_bucket(request: &Request<'_>) -> Result<Answer, ApiError> {
    let state = request.world.lock();
    let bucket = request.open(&state, "s3:ListBucket")?;
    Ok(Answer::empty(200).with("x-amz-bucket-region", bucket.region.as_str()))
}

pub(super) fn get_location(request: &Request<'_>) -> Result<Answer, ApiError> {
    let state = request.world.lock();
    // It answers in every Region: clients use it to find the bucket's Region.
    let bucket = existing(&state, &request.bucket)?;
    request.check_owner(bucket, "x-amz-expected-bucket-owner")?;
    request.allow(&state, bucket, "s3:GetBucketLocation", None, &[])?;
    let region = bucket.region.as_str();
    let constraint = if region == "us-east-1" { "" } else { region };
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint xmlns=\"{}\">{constraint}\
         </LocationConstraint>",
        super::NAMESPACE
    );
    Ok(Answer::ok("application/xml", document))
}
