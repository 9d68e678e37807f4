//! `CreateTags`, `DeleteTags`, `DescribeTags`.

use super::filter::Filters;
use super::page::Page;
use super::request::{Request, pairs};
use crate::ec2::errors;
use crate::ec2::image::Tags;
use crate::ec2::tags::{self, Resource};
use crate::wire::ApiError;

/// `CreateTags`.
pub fn create(r: &mut Request<'_>) -> Result<String, ApiError> {
    let tags = pairs(&r.form, "Tag")?;
    if tags.is_empty() {
        return Err(errors::missing("Tag"));
    }
    let ids = permitted_ids(r)?;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    tags::set(r.state, &r.place, &ids, &tags)?;
    Ok(r.done())
}

/// `DeleteTags`.
pub fn delete(r: &mut Request<'_>) -> Result<String, ApiError> {
    let pairs = r
        .form
        .structures("Tag")
        .into_iter()
        .map(|tag| Ok((tag.required("Key")?.to_owned(), tag.get("Value").map(str::to_owned))));
    let pairs = pairs.collect::<Result<Vec<_>, ApiError>>()?;
    let ids = permitted_ids(r)?;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    tags::remove(r.state, &r.place, &ids, &pairs)?;
    Ok(r.done())
}

fn permitted_ids(r: &mut Request<'_>) -> Result<Vec<String>, ApiError> {
    let ids: Vec<String> = r.form.list("ResourceId").into_iter().map(str::to_owned).collect();
    if ids.is_empty() {
        return Err(errors::missing("ResourceId"));
    }
    let (account, region) = &r.place;
    let arns = ids.iter().map(|id| {
        Ok(match Resource::of(id)? {
            Resource::Image => r.image_arn(id),
            Resource::Snapshot => r.snapshot_arn(id),
            Resource::Volume => format!("arn:aws:ec2:{region}:{account}:volume/{id}"),
        })
    });
    let arns = arns.collect::<Result<Vec<_>, ApiError>>()?;
    r.permit(&arns)?;
    for id in ids.iter().filter_map(|id| id.parse().ok()) {
        r.refuse_hidden(&id)?;
    }
    Ok(ids)
}

/// `DescribeTags`.
pub fn describe(r: &mut Request<'_>) -> Result<String, ApiError> {
    let known = ["key", "resource-id", "resource-type", "tag:", "value"];
    let filters = Filters::parse(&r.form, &known)?;
    let page = Page::parse(&r.form, 5..=1_000, r.state.settings.ec2.longest_page)?;
    r.permit(&["*".to_owned()])?;
    let mut all = tags::all(r.state, &r.place);
    all.sort_unstable_by_key(|(id, _, key, _)| (*id, *key));
    let position = |id: &str, key: &str| format!("{id} {key}");
    let wanted = all.into_iter().filter(|(id, kind, key, value)| {
        let own = Tags::from([((*key).clone(), (*value).clone())]);
        page.after.as_ref().is_none_or(|after| position(id, key) > *after)
            && filters.hold(&own, |name| {
                vec![match name {
                    "key" => key.as_str(),
                    "resource-id" => id,
                    "resource-type" => kind.as_str(),
                    _ => value.as_str(),
                }]
            })
    });
    let cut = page.cut(wanted, |(id, _, key, _)| position(id, key));
    Ok(r.respond(|x| {
        x.element("tagSet", |x| {
            for (id, kind, key, value) in &cut.items {
                x.element("item", |x| {
                    x.text("resourceId", id)
                        .text("resourceType", kind.as_str())
                        .text("key", key)
                        .text("value", value);
                });
            }
        });
        x.maybe("nextToken", cut.next);
    }))
}
