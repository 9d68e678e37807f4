//! `AWS::S3::Bucket` and `AWS::S3::BucketPolicy`.

use amiferry_core::ids::Arn;

use super::properties::{Properties, missing};
use super::{CHOSEN, Ground, Made, Wish, made, taken};
use crate::s3::bucket::{BucketPolicy, Versioning};
use crate::s3::lock::{DefaultRetention, LockMode, Period};
use crate::s3::{self, BucketSpec, Encryption};
use crate::wire::xml::Xml;

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The settings of a bucket, read and checked before anything is made.
struct Settings {
    versioned: Versioning,
    /// The key, and whether S3 Bucket Keys are used.
    encryption: (Encryption, bool),
    object_lock: Option<Option<DefaultRetention>>,
    event_bridge: bool,
    lifecycle: Option<String>,
    public_access_block: Option<String>,
    ownership: Option<String>,
}

pub(super) fn put_bucket(ground: &mut Ground<'_>, wish: &Wish<'_>) -> Result<Made, String> {
    let settings = settings(&wish.properties)?;
    let given = wish.properties.text("BucketName")?;
    let name = ground.name(wish, given).to_lowercase();
    let is_own = wish.old.is_some_and(|old| old.physical == name);
    if !is_own {
        if ground.state.s3.bucket(&name).is_some() {
            return Err(taken("AWS::S3::Bucket", &name));
        }
        let (account, region) = ground.place();
        let spec = BucketSpec {
            object_lock: settings.object_lock,
            ..BucketSpec::new(&name, account, region)
        };
        s3::create_bucket(ground.state, ground.now, spec)?;
    }
    let bucket = ground.state.s3.bucket_mut(&name).ok_or("The specified bucket does not exist")?;
    if is_own && settings.object_lock.is_some() != bucket.object_lock.is_some() {
        return Err(
            "Object Lock cannot be turned on or off here once the bucket is there".to_owned()
        );
    }
    bucket.versioning = match (settings.versioned, bucket.object_lock) {
        (_, Some(_)) => Versioning::Enabled,
        // What was turned on can only be suspended.
        (Versioning::Off, None) if bucket.versioning != Versioning::Off => Versioning::Suspended,
        (versioned, None) => versioned,
    };
    bucket.object_lock = settings.object_lock;
    (bucket.encryption, bucket.bucket_key) = settings.encryption;
    bucket.notifications.event_bridge = settings.event_bridge;
    bucket.lifecycle = settings.lifecycle;
    if let Some(document) = settings.public_access_block {
        bucket.public_access_block = Some(document);
    }
    if let Some(document) = settings.ownership {
        bucket.ownership = Some(document);
    }
    let region = ground.region;
    let attributes = [
        ("Arn", format!("arn:aws:s3:::{name}")),
        ("DomainName", format!("{name}.s3.amazonaws.com")),
        ("RegionalDomainName", format!("{name}.s3.{region}.amazonaws.com")),
        (CHOSEN, name.clone()),
    ];
    Ok(made(name, attributes))
}

fn settings(properties: &Properties<'_>) -> Result<Settings, String> {
    properties.only(&[
        "BucketEncryption",
        "BucketName",
        "LifecycleConfiguration",
        "NotificationConfiguration",
        "ObjectLockConfiguration",
        "ObjectLockEnabled",
        "OwnershipControls",
        "PublicAccessBlockConfiguration",
        "VersioningConfiguration",
    ])?;
    let versioned = match properties.inner("VersioningConfiguration")? {
        None => Versioning::Off,
        Some(configuration) => match configuration.required("Status")?.as_str() {
            "Enabled" => Versioning::Enabled,
            "Suspended" => Versioning::Suspended,
            other => return Err(format!("Status must be Enabled or Suspended, not {other}")),
        },
    };
    Ok(Settings {
        versioned,
        encryption: encryption(properties)?,
        object_lock: object_lock(properties)?,
        event_bridge: event_bridge(properties)?,
        lifecycle: lifecycle(properties)?,
        public_access_block: public_access_block(properties)?,
        ownership: ownership(properties)?,
    })
}

fn encryption(properties: &Properties<'_>) -> Result<(Encryption, bool), String> {
    let Some(encryption) = properties.inner("BucketEncryption")? else {
        return Ok((Encryption::Aes256, false));
    };
    encryption.only(&["ServerSideEncryptionConfiguration"])?;
    let rules = encryption.items("ServerSideEncryptionConfiguration")?;
    let [rule] = rules.as_slice() else {
        return Err("ServerSideEncryptionConfiguration must have one rule".to_owned());
    };
    rule.only(&["BucketKeyEnabled", "ServerSideEncryptionByDefault"])?;
    let default = rule.inner("ServerSideEncryptionByDefault")?;
    let default = default.ok_or_else(|| missing("ServerSideEncryptionByDefault"))?;
    default.only(&["KMSMasterKeyID", "SSEAlgorithm"])?;
    let how = match default.required("SSEAlgorithm")?.as_str() {
        "AES256" => Encryption::Aes256,
        "aws:kms" => {
            let key = default.required("KMSMasterKeyID")?;
            let arn: Arn = key.parse().map_err(|_| {
                format!("the simulated CloudFormation takes an ARN as KMSMasterKeyID, not {key}")
            })?;
            Encryption::Kms(arn)
        }
        other => return Err(format!("the simulated S3 has no encryption {other}")),
    };
    Ok((how, rule.flag("BucketKeyEnabled")?))
}

fn object_lock(properties: &Properties<'_>) -> Result<Option<Option<DefaultRetention>>, String> {
    let configuration = properties.inner("ObjectLockConfiguration")?;
    if !properties.flag("ObjectLockEnabled")? {
        return match configuration {
            None => Ok(None),
            Some(_) => Err("ObjectLockConfiguration needs ObjectLockEnabled".to_owned()),
        };
    }
    let Some(configuration) = configuration else { return Ok(Some(None)) };
    configuration.only(&["ObjectLockEnabled", "Rule"])?;
    let Some(rule) = configuration.inner("Rule")? else { return Ok(Some(None)) };
    let default = rule.inner("DefaultRetention")?.ok_or_else(|| missing("DefaultRetention"))?;
    default.only(&["Days", "Mode", "Years"])?;
    let mode = default.required("Mode")?;
    let mode = LockMode::named(&mode).ok_or_else(|| format!("there is no lock mode {mode}"))?;
    let period = match (default.number("Days")?, default.number("Years")?) {
        (Some(days), None) if days > 0 => Period::Days(days),
        (None, Some(years)) if years > 0 => Period::Years(years),
        _ => return Err("DefaultRetention needs Days or Years, above zero".to_owned()),
    };
    Ok(Some(Some(DefaultRetention { mode, period })))
}

fn event_bridge(properties: &Properties<'_>) -> Result<bool, String> {
    let Some(notifications) = properties.inner("NotificationConfiguration")? else {
        return Ok(false);
    };
    notifications.only(&["EventBridgeConfiguration"])?;
    match notifications.inner("EventBridgeConfiguration")? {
        Some(bridge) => bridge.flag("EventBridgeEnabled"),
        None => Ok(false),
    }
}

fn public_access_block(properties: &Properties<'_>) -> Result<Option<String>, String> {
    const FLAGS: [&str; 4] =
        ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
    let Some(block) = properties.inner("PublicAccessBlockConfiguration")? else { return Ok(None) };
    block.only(&FLAGS)?;
    let flags = FLAGS.map(|name| block.flag(name).map(|flag| (name, flag)));
    let flags = flags.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(Some(Xml::document("PublicAccessBlockConfiguration", Some(NAMESPACE), |x| {
        for (name, flag) in flags {
            x.text(name, flag);
        }
    })))
}

fn ownership(properties: &Properties<'_>) -> Result<Option<String>, String> {
    let Some(controls) = properties.inner("OwnershipControls")? else { return Ok(None) };
    let rules = controls.items("Rules")?;
    let rules = rules.iter().map(|rule| rule.required("ObjectOwnership"));
    let rules = rules.collect::<Result<Vec<_>, _>>()?;
    if let Some(other) = rules.iter().find(|rule| *rule != "BucketOwnerEnforced") {
        return Err(format!("the simulated S3 has no ACLs, and so no ownership {other}"));
    }
    Ok(Some(Xml::document("OwnershipControls", Some(NAMESPACE), |x| {
        for rule in rules {
            x.element("Rule", |x| {
                x.text("ObjectOwnership", rule);
            });
        }
    })))
}

/// The lifecycle rules as S3's own document.
fn lifecycle(properties: &Properties<'_>) -> Result<Option<String>, String> {
    let Some(configuration) = properties.inner("LifecycleConfiguration")? else { return Ok(None) };
    configuration.only(&["Rules"])?;
    let rules = configuration.items("Rules")?;
    for rule in &rules {
        rule.only(&[
            "AbortIncompleteMultipartUpload",
            "ExpirationInDays",
            "Id",
            "NoncurrentVersionExpiration",
            "Prefix",
            "Status",
        ])?;
        rule.required("Status")?;
    }
    let days = |rule: &Properties<'_>, of: &str, name: &str| -> Result<Option<u32>, String> {
        let inner = rule.inner(of)?;
        inner.map(|inner| inner.number(name)).transpose().map(Option::flatten)
    };
    let mut written = Vec::new();
    for rule in &rules {
        written.push((
            rule.text("Id")?,
            rule.text("Prefix")?.unwrap_or_default(),
            rule.required("Status")?,
            rule.number("ExpirationInDays")?,
            days(rule, "NoncurrentVersionExpiration", "NoncurrentDays")?,
            days(rule, "AbortIncompleteMultipartUpload", "DaysAfterInitiation")?,
        ));
    }
    Ok(Some(Xml::document("LifecycleConfiguration", Some(NAMESPACE), |x| {
        for (id, prefix, status, expiration, noncurrent, abort) in written {
            x.element("Rule", |x| {
                x.maybe("ID", id);
                x.element("Filter", |x| {
                    x.text("Prefix", prefix);
                });
                x.text("Status", status);
                for (name, of, days) in [
                    ("Expiration", "Days", expiration),
                    ("NoncurrentVersionExpiration", "NoncurrentDays", noncurrent),
                    ("AbortIncompleteMultipartUpload", "DaysAfterInitiation", abort),
                ] {
                    if let Some(days) = days {
                        x.element(name, |x| {
                            x.text(of, days);
                        });
                    }
                }
            });
        }
    })))
}

pub(super) fn delete_bucket(
    ground: &mut Ground<'_>,
    made: &Made,
    _: &Properties<'_>,
) -> Result<(), String> {
    s3::delete_bucket(ground.state, &made.physical)
}

pub(super) fn put_policy(ground: &mut Ground<'_>, wish: &Wish<'_>) -> Result<Made, String> {
    wish.properties.only(&["Bucket", "PolicyDocument"])?;
    let name = wish.properties.required("Bucket")?;
    let policy = wish.properties.json("PolicyDocument").ok_or_else(|| missing("PolicyDocument"))?;
    let policy = BucketPolicy::parse(&policy)?;
    let bucket = ground.state.s3.bucket_mut(&name).filter(|bucket| bucket.owner == *ground.account);
    bucket.ok_or("The specified bucket does not exist")?.policy = Some(policy);
    Ok(made(name, []))
}

pub(super) fn delete_policy(
    ground: &mut Ground<'_>,
    made: &Made,
    _: &Properties<'_>,
) -> Result<(), String> {
    if let Some(bucket) = ground.state.s3.bucket_mut(&made.physical) {
        bucket.policy = None;
    }
    Ok(())
}
