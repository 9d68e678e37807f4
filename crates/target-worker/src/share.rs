//! How much of a vault one source may use.

/// The share and budgets of a source in the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many turns it has for each turn of a source of weight 1.
    pub weight: u32,
    /// Images that are copied within 24 hours.
    pub daily_images: u64,
    /// GB of images that are copied within 24 hours, as EC2 counts volumes.
    pub daily_gb: u64,
}
