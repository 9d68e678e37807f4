//! Storage classes: their names, and which of them cannot be read at once.

/// Where an object is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StorageClass {
    #[default]
    Standard,
    ReducedRedundancy,
    /// `STANDARD_IA`.
    StandardInfrequentAccess,
    /// `ONEZONE_IA`.
    OneZoneInfrequentAccess,
    /// `INTELLIGENT_TIERING`, whose archive tiers are [`super::archive::AccessTier`].
    IntelligentTiering,
    /// `GLACIER_IR`.
    GlacierInstantRetrieval,
    /// `GLACIER`: must be restored before it is read.
    GlacierFlexibleRetrieval,
    /// `DEEP_ARCHIVE`: must be restored before it is read.
    DeepArchive,
}

impl StorageClass {
    const ALL: [Self; 8] = [
        Self::Standard,
        Self::ReducedRedundancy,
        Self::StandardInfrequentAccess,
        Self::OneZoneInfrequentAccess,
        Self::IntelligentTiering,
        Self::GlacierInstantRetrieval,
        Self::GlacierFlexibleRetrieval,
        Self::DeepArchive,
    ];

    /// The name in headers and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::ReducedRedundancy => "REDUCED_REDUNDANCY",
            Self::StandardInfrequentAccess => "STANDARD_IA",
            Self::OneZoneInfrequentAccess => "ONEZONE_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::GlacierInstantRetrieval => "GLACIER_IR",
            Self::GlacierFlexibleRetrieval => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
        }
    }

    /// The class of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whether a lifecycle rule can move an object of this class to another one.
    pub fn is_above(self, other: Self) -> bool {
        let place = |class| Self::DOWN.iter().position(|one| *one == class);
        place(self) < place(other)
    }

    /// The way down (S3 user guide, *Transitioning objects using Amazon S3 Lifecycle*).
    const DOWN: [Self; 8] = [
        Self::ReducedRedundancy,
        Self::Standard,
        Self::StandardInfrequentAccess,
        Self::IntelligentTiering,
        Self::OneZoneInfrequentAccess,
        Self::GlacierInstantRetrieval,
        Self::GlacierFlexibleRetrieval,
        Self::DeepArchive,
    ];

    /// Whether objects must be restored before they are read: see [`super::archive`].
    pub fn is_archived(self) -> bool {
        matches!(self, Self::GlacierFlexibleRetrieval | Self::DeepArchive)
    }
}
