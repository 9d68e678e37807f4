//! The arguments of `restore`, `lookup` and `rebuild`.

use amiferry_core::ids::{AccountId, ImageId};
use amiferry_core::model::{Retrieval, Speed};
use clap::{Args, ValueEnum, value_parser};
use jiff::Timestamp;

use super::{ConfigFile, DemoOutput, Output};

/// Which images to restore, as what, and how to print the map.
#[derive(Debug, Args)]
pub struct Restore {
    /// Source images to restore, by their ids
    #[arg(value_name = "IMAGE")]
    pub images: Vec<ImageId>,
    #[command(flatten)]
    pub file: ConfigFile,
    /// Which [[vault]], if there are several: ACCOUNT/REGION, an account or a Region
    #[arg(long, value_name = "WHICH")]
    pub only: Option<String>,
    /// The images of this family; * stands for any characters
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    pub family: Vec<String>,
    /// The images that this policy governed; * stands for any characters
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    pub policy: Vec<String>,
    /// The images whose source image had this tag; * in the value stands for any characters
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value, help_heading = "Selection")]
    pub tag: Vec<(String, String)>,
    /// Only images that were created by this time, such as 2026-01-15T06:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Selection")]
    pub as_of: Option<Timestamp>,
    /// Every image, and not only the newest usable one of each family
    #[arg(long, help_heading = "Selection")]
    pub all: bool,
    /// The names of the restored images
    #[arg(long, value_enum, default_value_t = NewName::Derived)]
    pub name: NewName,
    /// Make the images in this [[destination]] instead of the vault: ACCOUNT/REGION, an account or a
    /// Region; the objects are copied there first
    #[arg(long, value_name = "WHERE")]
    pub into: Option<String>,
    /// Let this account launch the restored images, too; may be given several times
    #[arg(long, value_name = "ACCOUNT", conflicts_with = "into")]
    pub share_with: Vec<AccountId>,
    /// How S3 retrieves archived objects; from the deepest archive nothing is expedited
    #[arg(long, value_enum, default_value_t = RetrievalSpeed::Standard, value_name = "SPEED")]
    pub retrieval: RetrievalSpeed,
    /// For how many days retrieved objects can be read
    #[arg(long, default_value_t = Retrieval::DAYS, value_name = "DAYS", value_parser = value_parser!(u16).range(1..=365))]
    pub retrieval_days: u16,
    /// Say what would be restored, in which order and how long it takes, but restore nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Format of the map from source images to AMIs
    #[arg(long, short, value_enum, default_value_t = MapOutput::Table)]
    pub output: MapOutput,
}

/// How fast S3 retrieves archived objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RetrievalSpeed {
    /// 1 to 5 minutes, longer for large objects; not from the deepest archive
    Expedited,
    /// Up to 5 hours, and 12 from the deepest archive
    Standard,
    /// Up to 12 hours, and 48 from the deepest archive; the cheapest
    Bulk,
}

impl From<RetrievalSpeed> for Speed {
    fn from(speed: RetrievalSpeed) -> Self {
        match speed {
            RetrievalSpeed::Expedited => Self::Expedited,
            RetrievalSpeed::Standard => Self::Standard,
            RetrievalSpeed::Bulk => Self::Bulk,
        }
    }
}

/// How restored images are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NewName {
    /// amiferry/ACCOUNT/REGION/IMAGE, as the worker names them
    Derived,
    /// As the source image, unless an image of the vault has that name
    Original,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MapOutput {
    /// For people
    Table,
    /// One JSON document, with its schema version
    Json,
    /// One line for each image
    Csv,
    /// Commands that write the map to the Parameter Store
    Ssm,
}

fn time(text: &str) -> Result<Timestamp, String> {
    let why = |_| "write a time with its offset, such as 2026-01-15T06:00:00Z".to_owned();
    text.parse().map_err(why)
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, such as app=web".to_owned()),
    }
}

/// What to look up, and where.
#[derive(Debug, Args)]
pub struct Lookup {
    /// A source image, by its id, the id of its copy or its name, or a family; * stands for any
    /// characters
    #[arg(value_name = "IMAGE|FAMILY")]
    pub what: String,
    #[command(flatten)]
    pub file: ConfigFile,
    /// Which [[vault]], if there are several: ACCOUNT/REGION, an account or a Region
    #[arg(long, value_name = "WHICH")]
    pub only: Option<String>,
    /// Format of the answer
    #[arg(long, short, value_enum, default_value_t = DemoOutput::Table)]
    pub output: DemoOutput,
}

/// Which vault to list, and how.
#[derive(Debug, Args)]
pub struct Rebuild {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Which [[vault]], if there are several: ACCOUNT/REGION, an account or a Region
    #[arg(long, value_name = "WHICH")]
    pub only: Option<String>,
    /// Format of the list
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}
