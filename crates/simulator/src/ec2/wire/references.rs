//! `DescribeImageReferences`: what names an image.

use crate::ec2::errors;
use crate::wire::ApiError;

use super::page::Page;
use super::request::Request;

/// What EC2 asks in the caller's name to find all kinds of references (EC2 User Guide, *Check when AMIs
/// are referenced*, required permissions).
const ALSO: [(&str, Option<&str>); 9] = [
    ("ec2:DescribeInstances", None),
    ("ec2:DescribeLaunchTemplates", None),
    ("ec2:DescribeLaunchTemplateVersions", None),
    ("ssm:DescribeParameters", None),
    ("ssm:GetParameters", Some("parameter/image")),
    ("imagebuilder:ListImageRecipes", None),
    ("imagebuilder:ListContainerRecipes", None),
    ("imagebuilder:GetImageRecipe", Some("image-recipe/base/1.0.0")),
    ("imagebuilder:GetContainerRecipe", Some("container-recipe/base/1.0.0")),
];

/// `DescribeImageReferences`, of all kinds of resources.
pub fn describe(r: &mut Request<'_>) -> Result<String, ApiError> {
    let asked: Vec<_> =
        r.form.list("ImageId").into_iter().map(errors::image_id).collect::<Result<_, _>>()?;
    if asked.is_empty() {
        return Err(errors::missing("ImageIds"));
    }
    if !r.form.flag("IncludeAllResourceTypes") {
        return Err(errors::missing("IncludeAllResourceTypes"));
    }
    let page = Page::parse(&r.form, 1..=1_000, 1_000)?;
    r.permit(&["*".to_owned()])?;
    r.permit_also(&ALSO)?;
    let site = r.state.ec2.get(&r.place);
    let references = asked.iter().flat_map(|id| {
        let of_it = site.and_then(|site| site.references.get(id)).into_iter().flatten();
        of_it.map(move |(arn, kind)| (id, arn, kind))
    });
    let key = |id: &amiferry_core::ids::ImageId, arn: &str| format!("{id} {arn}");
    let mut references: Vec<_> = references.collect();
    references.sort_by_key(|(id, arn, _)| key(id, arn));
    let rest = references
        .into_iter()
        .filter(|(id, arn, _)| page.after.as_deref().is_none_or(|after| *key(id, arn) > *after));
    let cut = page.cut(rest, |(id, arn, _)| key(id, arn));
    Ok(r.respond(|x| {
        x.element("imageReferenceSet", |x| {
            for (id, arn, kind) in &cut.items {
                x.element("item", |x| {
                    x.text("imageId", id).text("resourceType", kind).text("arn", arn);
                });
            }
        });
        x.maybe("nextToken", cut.next.clone());
    }))
}
