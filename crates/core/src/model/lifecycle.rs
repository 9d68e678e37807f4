//! The lifecycle rules of a bucket, as far as they decide how long its objects can be read.

/// One enabled rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LifecycleRule {
    /// How the keys begin that it is about; empty: all.
    pub prefix: String,
    /// Whether it is only about objects with some tag or of some size.
    pub is_narrow: bool,
    /// After how many days it expires objects; a date counts as 0.
    pub expires_after: Option<u32>,
    /// After how many days it deletes what a newer version or a delete marker hides.
    pub deletes_after: Option<u32>,
    /// After how many days it moves objects to a class that is not read at once.
    pub archives_after: Option<u32>,
}
