//! Decides which images are a family: the RPO is a promise about a family.

use serde::Deserialize;

use crate::model::Image;

/// What makes images a family.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "FamilyText")]
pub enum FamilyKey {
    /// The value of this tag; an image without it is its own family, by name.
    Tag(String),
    /// All images that the policy selects are one family, with this name.
    Fixed(String),
    /// The id of the instance that the image was made from; an image that was made in another way
    /// is its own family, by name.
    Instance,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum FamilyText {
    Tag(String),
    Fixed(String),
    Instance(bool),
}

impl TryFrom<FamilyText> for FamilyKey {
    type Error = String;

    fn try_from(text: FamilyText) -> Result<Self, String> {
        match text {
            FamilyText::Tag(key) => Ok(Self::Tag(key)),
            FamilyText::Fixed(name) => Ok(Self::Fixed(name)),
            FamilyText::Instance(true) => Ok(Self::Instance),
            FamilyText::Instance(false) => {
                let choices = "{ instance = true }, { tag = \"...\" } or { fixed = \"...\" }";
                Err(format!("instance = false says nothing about families: use {choices}"))
            }
        }
    }
}

impl FamilyKey {
    /// The family of an image. The image's owner chooses this text: it is shown, never trusted.
    pub fn of(&self, image: &Image) -> String {
        match self {
            Self::Tag(key) => image.tags.get(key).unwrap_or(&image.name).clone(),
            Self::Fixed(name) => name.clone(),
            Self::Instance => image.source_instance.as_ref().unwrap_or(&image.name).clone(),
        }
    }
}
