//! Compares the readers of tags, names and other short texts with independent readings.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::decide::Decision;
use amiferry_core::decide::vault::Effect;
use amiferry_core::ids::{AccountId, Arn, BucketName, ImageId, ObjectKey, Region, SnapshotId};
use amiferry_core::model::{RetentionMode, Tags};
use amiferry_core::names::{self, VaultId};
use amiferry_core::policy::{PolicyName, Tier};
use amiferry_core::span::Span;

use crate::setting::{
    self, CREATED, IMAGE, PREFIX, REGION, SOURCE, VAULT, VAULT_BUCKET, VAULT_REGION,
};
use crate::text::{check_shown, is_account, is_bucket, is_key, is_region, is_resource_id};
use crate::{Checked, Outcome};

/// The longest detail of a decision, in characters.
const LONGEST_REASON: usize = 512;

/// The longest refusal of a reader, in characters: 80 of the text, each spelled out, and a grammar.
const LONGEST_REFUSAL: usize = 1024;

/// The most tags of one resource.
const MOST_TAGS: usize = 50;

/// The tags of a restore of the source image, as [`check_tags`] reads them.
pub const VALID: &str = "\
Name=web
app=shop
backup=daily
amiferry:managed=true
amiferry:source-account=111111111111
amiferry:source-region=us-east-1
amiferry:source-image=ami-0123456789abcdef0
amiferry:source-created=2026-01-15T00:00:00Z
amiferry:source-name=web 2026-01-15
amiferry:policy=daily
amiferry:family=shop
amiferry:manifest=s3://vault-example/amiferry/111111111111/us-east-1/ami-0123456789abcdef0/manifest.json
amiferry:object-version=vault-1
";

/// Reads lines of `key=value` as the tags of images.
///
/// The check uses them as the tags of the source image, then as those of a foreign image under the
/// name of our restore. It also gives each value to every reader of short texts.
///
/// Accepted means that the stranger's image passes for our restore, for which all tags that tell
/// must be there.
///
/// # Errors
///
/// A tag of the source that passes for ours, a restore that is not ours and passes, an image that
/// a policy does not select and that is restored, or a text that a reader should have refused.
pub fn check_tags(bytes: &[u8]) -> Checked {
    let text = String::from_utf8_lossy(bytes);
    let mut tags = Tags::new();
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        check_readers(value)?;
        tags.insert(key.to_owned(), value.to_owned());
    }
    check_source(&tags)?;
    check_stranger(&tags)
}

/// As tags of the source: they select and are carried on, and none of them passes for ours.
fn check_source(tags: &Tags) -> Result<(), String> {
    let selected = tags.get("backup").is_some_and(|value| value.starts_with("dai"));
    let carried: BTreeSet<(&String, &String)> = tags
        .iter()
        .filter(|(key, _)| !key.starts_with("aws:") && !key.starts_with("amiferry:"))
        .collect();
    let counted = tags.keys().filter(|key| !key.starts_with("amiferry:")).count();
    match setting::decide(&setting::copied(tags.clone())?)? {
        Decision::Act(Effect::Restore(order)) => {
            if !selected {
                return Err(format!("restored without being selected: {tags:?}"));
            }
            let family = tags.get("app").map_or("web 2026-01-15", String::as_str);
            let ours = ours(family);
            if counted + ours.len() > MOST_TAGS {
                return Err(format!("restored with too many tags: {counted}"));
            }
            for (key, value) in &order.image_tags {
                let own = ours.get(key.as_str()).is_some_and(|own| own == value);
                if !own && !carried.contains(&(key, value)) {
                    return Err(format!("a restore carries {key:?} = {value:?}"));
                }
            }
            if order.image_tags.len() != carried.len() + ours.len() {
                return Err(format!("a restore lost tags of {tags:?}"));
            }
            if order.snapshot_tags.len() != ours.len() {
                return Err(format!("snapshots carry {:?}", order.snapshot_tags));
            }
            Ok(())
        }
        // The policy of tier `archive` takes every other image.
        Decision::Act(Effect::Record(_)) if !selected => Ok(()),
        Decision::Park { code, detail, .. }
            if selected && counted + ours("shop").len() > MOST_TAGS =>
        {
            check_shown("the detail", &detail, LONGEST_REASON)?;
            if code.as_str() == "too_many_tags" { Ok(()) } else { Err(format!("{code}: {tags:?}")) }
        }
        other => Err(format!("{tags:?} led to {other:?}")),
    }
}

/// What the restore call gives, by an own reading of the design.
fn ours(family: &str) -> BTreeMap<&'static str, String> {
    let manifest = format!("s3://{VAULT_BUCKET}/{PREFIX}/{SOURCE}/{REGION}/{IMAGE}/manifest.json");
    BTreeMap::from([
        ("amiferry:managed", "true".to_owned()),
        ("amiferry:source-account", SOURCE.to_owned()),
        ("amiferry:source-region", REGION.to_owned()),
        ("amiferry:source-image", IMAGE.to_owned()),
        ("amiferry:source-created", CREATED.to_owned()),
        ("amiferry:source-name", "web 2026-01-15".to_owned()),
        ("amiferry:policy", "daily".to_owned()),
        ("amiferry:family", family.chars().take(256).collect()),
        ("amiferry:manifest", manifest),
        ("amiferry:object-version", "vault-1".to_owned()),
    ])
}

/// As tags of an image under the name of our restore.
fn check_stranger(tags: &Tags) -> Checked {
    let ours = ours("shop");
    let telling = [
        "managed",
        "source-account",
        "source-region",
        "source-image",
        "manifest",
        "object-version",
    ];
    let is_ours = telling.iter().all(|key| {
        let key = format!("amiferry:{key}");
        tags.get(&key).is_some_and(|value| Some(value) == ours.get(key.as_str()))
    });
    let seen = setting::restored(setting::copied(setting::source_tags())?, tags.clone())?;
    match setting::decide(&seen)? {
        Decision::Park { code, detail, .. } if !is_ours => {
            check_shown("the detail", &detail, LONGEST_REASON)?;
            if code.as_str() != "name_taken" {
                return Err(format!("{code} where it is a stranger's: {tags:?}"));
            }
            Ok(Outcome::Refused(code.to_string()))
        }
        // A tag that the copy lacks was given to the source after the restore, and is not recorded.
        Decision::Act(Effect::Record(manifest)) if is_ours => {
            let mut both = setting::source_tags();
            both.retain(|key, value| tags.get(key) == Some(value));
            let restored = manifest.restored.ok_or("nothing restored is recorded")?;
            let recorded = &manifest.source.shape.tags;
            if *recorded != both || restored.image_id.as_str() != "ami-0ccccccccccccccc1" {
                return Err(format!("recorded as {restored:?} with {recorded:?} of {tags:?}"));
            }
            Ok(Outcome::Accepted)
        }
        other => Err(format!("{tags:?} led to {other:?}")),
    }
}

/// Every reader of a short text, against an own grammar.
fn check_readers(text: &str) -> Result<(), String> {
    let agree = |what: &str, read: Result<(), String>, fits: bool| match read {
        Ok(()) if !fits => Err(format!("{text:?} was read as {what}")),
        Err(_) if fits => Err(format!("{text:?} was refused as {what}")),
        Err(why) => check_shown(&format!("the refusal as {what}"), &why, LONGEST_REFUSAL),
        Ok(()) => Ok(()),
    };
    fn plain<T, E: std::fmt::Display>(read: Result<T, E>) -> Result<(), String> {
        read.map(drop).map_err(|error| error.to_string())
    }
    agree("account", plain(text.parse::<AccountId>()), is_account(text))?;
    agree("Region", plain(text.parse::<Region>()), is_region(text))?;
    agree("image", plain(text.parse::<ImageId>()), is_resource_id("ami-", text))?;
    agree("snapshot", plain(text.parse::<SnapshotId>()), is_resource_id("snap-", text))?;
    agree("bucket", plain(text.parse::<BucketName>()), is_bucket(text))?;
    agree("key", plain(text.parse::<ObjectKey>()), is_key(text))?;
    agree("ARN", plain(text.parse::<Arn>()), is_arn(text))?;
    let name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let is_name = (1..=64).contains(&text.len()) && text.chars().all(name);
    agree("policy", plain(PolicyName::try_from(text.to_owned())), is_name)?;
    let quoted = serde_json::Value::from(text);
    let tier = serde_json::from_value::<Tier>(quoted.clone());
    if tier.is_ok() != ["ready", "archive"].contains(&text) {
        return Err(format!("{text:?} as a tier: {tier:?}"));
    }
    let mode = serde_json::from_value::<RetentionMode>(quoted);
    if mode.is_ok() != ["governance", "compliance"].contains(&text) {
        return Err(format!("{text:?} as a retention mode: {mode:?}"));
    }
    check_span(text)?;
    check_vault_key(text)
}

fn is_arn(text: &str) -> bool {
    let fields: Vec<&str> = text.split(':').collect();
    text.len() <= 2048
        && !text.chars().any(|c| c.is_control())
        && fields.len() >= 6
        && fields[0] == "arn"
        && !fields[1].is_empty()
        && !fields[2].is_empty()
        && fields[5..].iter().map(|field| field.len() + 1).sum::<usize>() > 1
}

/// A span is positive, at most 100 years, and reads back as it is shown.
fn check_span(text: &str) -> Result<(), String> {
    match text.parse::<Span>() {
        Err(why) => check_shown("the refusal as a span", &why, LONGEST_REFUSAL),
        Ok(span) => {
            let seconds = span.duration().as_secs();
            let short = span.duration().is_zero() || seconds > 36_525 * 24 * 3600;
            if short || !text.chars().any(|c| c.is_ascii_digit()) {
                return Err(format!("{text:?} was read as {span}"));
            }
            match span.to_string().parse::<Span>() {
                Ok(again) if again == span => Ok(()),
                other => Err(format!("{span} reads back as {other:?}")),
            }
        }
    }
}

/// A key in the vault leads to a recovery point only in exactly the form of the design.
fn check_vault_key(text: &str) -> Result<(), String> {
    let (Ok(key), Ok(account), Ok(region)) =
        (text.parse::<ObjectKey>(), VAULT.parse(), VAULT_REGION.parse())
    else {
        return Ok(());
    };
    let vault = VaultId { account, region };
    let parts: Vec<&str> = text.split('/').collect();
    let fits = parts.len() == 5
        && parts[0] == PREFIX
        && is_account(parts[1])
        && is_region(parts[2])
        && is_resource_id("ami-", parts[3])
        && ["image.bin", "manifest.json"].contains(&parts[4]);
    let owner = names::vault_owner(PREFIX, &vault, &key);
    let exact = owner.as_ref().is_some_and(|id| {
        id.source_account.as_str() == parts[1]
            && id.source_region.as_str() == parts[2]
            && id.source_image_id.as_str() == parts[3]
            && id.vault() == vault
    });
    if owner.is_some() != fits || exact != fits {
        return Err(format!("{text:?} leads to {owner:?}"));
    }
    Ok(())
}
