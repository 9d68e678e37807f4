//! How much may be copied of one source within a day.

use jiff::SignedDuration;

/// Budgets count the last 24 hours.
pub const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The daily budget of a source: it cannot make the vault spend without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub images: u64,
    /// GB of the images' volumes, as EC2 counts them.
    pub gb: u64,
}

impl Budget {
    /// Whether no further copy may begin. The one that uses it up may be larger than what is left.
    pub fn is_spent(self, spent: Spent) -> bool {
        spent.images >= self.images || spent.gb >= self.gb
    }
}

/// What was copied of a source within the last day, and what is being copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    pub images: u64,
    /// GB of the images' volumes, as EC2 counts them.
    pub gb: u64,
}

impl Spent {
    /// One more image.
    pub fn add(&mut self, size_gb: u64) {
        self.images += 1;
        self.gb = self.gb.saturating_add(size_gb);
    }

    /// One that does not count any more.
    pub fn take(&mut self, size_gb: u64) {
        self.images = self.images.saturating_sub(1);
        self.gb = self.gb.saturating_sub(size_gb);
    }
}
