//! One EC2 call: its parameters, its caller, and the caller's permissions.

use amiferry_core::ids::ImageId;
use jiff::Timestamp;

use crate::ec2::image::Tags;
use crate::ec2::{Place, errors, image_arn, site, snapshot_arn, tags};
use crate::iam::{self, Access};
use crate::principal::Principal;
use crate::wire::ApiError;
use crate::wire::form::Form;
use crate::wire::xml::Xml;
use crate::world::State;

const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// One call being answered.
#[derive(Debug)]
pub struct Request<'a> {
    pub state: &'a mut State,
    pub caller: &'a Principal,
    /// The caller's account, the endpoint's Region.
    pub place: Place,
    pub now: Timestamp,
    pub action: String,
    pub form: Form,
}

impl Request<'_> {
    /// Refuses the call unless the caller may make it on each resource, then ends a DryRun.
    ///
    /// # Errors
    /// `UnauthorizedOperation`, or `DryRunOperation` if all is well.
    pub fn permit(&self, resources: &[String]) -> Result<(), ApiError> {
        self.permit_tagged(resources, &[])
    }

    /// As [`Request::permit`], for a call that also sets tags on resources it creates: that
    /// needs `ec2:CreateTags` too.
    ///
    /// # Errors
    /// As [`Request::permit`].
    pub fn permit_tagged(
        &self,
        resources: &[String],
        tagged: &[(String, &Tags)],
    ) -> Result<(), ApiError> {
        let requested: Vec<(String, String)> = tagged
            .iter()
            .flat_map(|(_, tags)| tags.iter())
            .map(|(key, value)| (format!("aws:RequestTag/{key}"), value.clone()))
            .collect();
        for resource in resources {
            self.allow(&self.action, resource, &requested)?;
        }
        for (resource, tags) in tagged {
            if !tags.is_empty() {
                let mut context = requested.clone();
                context.push(("ec2:CreateAction".to_owned(), self.action.clone()));
                self.allow("CreateTags", resource, &context)?;
            }
        }
        if self.form.flag("DryRun") {
            return Err(ApiError::new(
                412,
                "DryRunOperation",
                "Request would have succeeded, but DryRun flag is set.",
            ));
        }
        Ok(())
    }

    /// Refuses the call unless the caller may also make these, which EC2 makes in its name: each on
    /// something of this kind in the caller's account and Region, or on everything where IAM cannot
    /// restrict the action.
    ///
    /// # Errors
    /// `UnauthorizedOperation`.
    pub fn permit_also(&self, calls: &[(&str, Option<&str>)]) -> Result<(), ApiError> {
        let (account, region) = &self.place;
        calls.iter().try_for_each(|(action, kind)| {
            let service = action.split(':').next().unwrap_or_default();
            let arn = |kind: &str| format!("arn:aws:{service}:{region}:{account}:{kind}");
            self.allow_action(action, &kind.map_or("*".to_owned(), arn), &[])
        })
    }

    fn allow(
        &self,
        action: &str,
        resource: &str,
        extra: &[(String, String)],
    ) -> Result<(), ApiError> {
        self.allow_action(&format!("ec2:{action}"), resource, extra)
    }

    fn allow_action(
        &self,
        action: &str,
        resource: &str,
        extra: &[(String, String)],
    ) -> Result<(), ApiError> {
        let region = self.place.1.to_string();
        let mut context = vec![("aws:RequestedRegion", region.clone()), ("ec2:Region", region)];
        let tags = self.resource_tags(resource);
        context.extend(tags.iter().chain(extra).map(|(key, value)| (key.as_str(), value.clone())));
        // EC2 has no resource policies: whether another account's image is shared is EC2's own
        // question, so that identity policies alone decide here.
        let access = Access {
            action,
            resource,
            owner: &self.caller.account,
            resource_policy: None,
            context: &context,
        };
        iam::authorize(self.state, self.caller, &access).map_err(|denial| {
            let message =
                format!("You are not authorized to perform this operation. {}", denial.message);
            ApiError::new(403, "UnauthorizedOperation", message)
        })
    }

    /// The `aws:ResourceTag/…` of a resource that is there.
    fn resource_tags(&self, arn: &str) -> Vec<(String, String)> {
        let id = arn.rsplit('/').next().unwrap_or_default();
        let tags = tags::of(self.state, &self.place, id);
        tags.into_iter()
            .flatten()
            .map(|(key, value)| (format!("aws:ResourceTag/{key}"), value.clone()))
            .collect()
    }

    /// The ARN of an image in this Region; `*` for those to be created.
    pub fn image_arn(&self, id: &str) -> String {
        image_arn(&self.place.1, id)
    }

    /// The ARN of a snapshot in this Region; `*` for those to be created.
    pub fn snapshot_arn(&self, id: &str) -> String {
        snapshot_arn(&self.place.1, id)
    }

    /// The parameter `ImageId`, if this look can see that image already.
    ///
    /// # Errors
    /// `MissingParameter`, `InvalidAMIID.Malformed`, `InvalidAMIID.NotFound`.
    pub fn image_id(&mut self) -> Result<ImageId, ApiError> {
        let id = errors::image_id(self.form.required("ImageId")?)?;
        self.refuse_hidden(&id)?;
        Ok(id)
    }

    /// Refuses an image that eventual consistency hides at this look.
    ///
    /// # Errors
    /// `InvalidAMIID.NotFound`.
    pub fn refuse_hidden(&mut self, id: &ImageId) -> Result<(), ApiError> {
        let created = site::seen_image(self.state, &self.place, id).map(|image| image.created);
        match created {
            Some(created) if site::hidden_yet(self.state, created, self.now) => {
                Err(errors::image_not_found([id]))
            }
            _ => Ok(()),
        }
    }

    /// A parameter that is a number.
    ///
    /// # Errors
    /// `InvalidParameterValue`.
    pub fn number(&self, name: &str) -> Result<Option<u32>, ApiError> {
        number(&self.form, name)
    }

    /// The tags of a `TagSpecification` for one kind of resource.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a kind that is not among those that the call creates.
    pub fn tags_for(&self, kind: &str, kinds: &[&str]) -> Result<Tags, ApiError> {
        let mut tags = Tags::new();
        for specification in self.form.structures("TagSpecification") {
            let found = specification.required("ResourceType")?;
            if !kinds.contains(&found) {
                let why = "This call creates no such resource.";
                return Err(errors::invalid("TagSpecification.ResourceType", found, why));
            }
            if found == kind {
                tags.extend(pairs(&specification, "Tag")?);
            }
        }
        Ok(tags)
    }

    /// An answer with content.
    pub fn respond(&self, content: impl FnOnce(&mut Xml)) -> String {
        let root = format!("{}Response", self.action);
        Xml::document(&root, Some(NAMESPACE), |x| {
            x.text("requestId", crate::wire::answer::REQUEST_ID);
            content(x);
        })
    }

    /// The answer `<return>true</return>`.
    pub fn done(&self) -> String {
        self.respond(|x| {
            x.text("return", true);
        })
    }
}

/// A parameter of a form that is a number.
pub fn number(form: &Form, name: &str) -> Result<Option<u32>, ApiError> {
    let parse = |text: &str| {
        text.parse().map_err(|_| errors::invalid(name, text, "It is not a whole number."))
    };
    form.get(name).map(parse).transpose()
}

/// The pairs `PREFIX.N.Key` and `PREFIX.N.Value`.
pub fn pairs(form: &Form, prefix: &str) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for pair in form.structures(prefix) {
        let key = pair.required("Key")?.to_owned();
        if tags.insert(key.clone(), pair.get("Value").unwrap_or_default().to_owned()).is_some() {
            return Err(errors::invalid(prefix, key, "Duplicate tag key specified."));
        }
    }
    Ok(tags)
}

/// Writes tags as `tagSet`, left out when there are none.
pub fn write_tags(x: &mut Xml, tags: &Tags) {
    if tags.is_empty() {
        return;
    }
    x.element("tagSet", |x| {
        for (key, value) in tags {
            x.element("item", |x| {
                x.text("key", key).text("value", value);
            });
        }
    });
}
