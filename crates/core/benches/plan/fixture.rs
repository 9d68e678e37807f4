//! The fleets that are to recover: 200 families, the images that each is missing after an outage of
//! 48 hours, and those that come while it recovers. A fixed seed makes them, so they never change.

use std::f64::consts::TAU;

/// A second, an hour and a day in the milliseconds of the simulation.
pub const SECOND: i64 = 1_000;
pub const HOUR: i64 = 3_600 * SECOND;
pub const DAY: i64 = 24 * HOUR;

/// How long the outage was. It ends at 0.
const OUTAGE: i64 = 48 * HOUR;

/// New images come for so long.
pub const ARRIVALS: i64 = 48 * HOUR;

/// Of the lognormal sizes, whose median is 49 GB: a quarter are larger than 110 GB, one in 100 than
/// 800 GB.
const MEDIAN_GB: f64 = 49.0;
const SIGMA: f64 = 1.2;

/// What EC2 stores at most.
const LARGEST_GB: f64 = 5_000.0;

/// How many families there are.
const FAMILIES: usize = 200;

/// A fleet after the outage.
#[derive(Debug)]
pub struct Fixture {
    pub name: String,
    pub families: Vec<Family>,
    /// By creation.
    pub images: Vec<Image>,
}

#[derive(Debug)]
pub struct Family {
    /// The age its newest complete recovery point may reach: 4, 8 or 24 hours more than the time
    /// between two of its images, because less cannot be promised.
    pub rpo: i64,
    /// When its newest image from before the outage was created, which is complete.
    pub complete: i64,
}

#[derive(Debug)]
pub struct Image {
    pub family: usize,
    /// Below 0 for those that are missing when the outage ends.
    pub created: i64,
    pub size_gb: u64,
}

impl Fixture {
    /// So many images of each family are missing.
    pub fn new(missing: u32, seed: u64) -> Self {
        let mut random = Random(seed);
        let interval = OUTAGE / i64::from(missing);
        let (mut families, mut images) = (Vec::new(), Vec::new());
        for family in 0..FAMILIES {
            let size_gb = random.size_gb();
            let slack = [4, 8, 24][random.below(3)] * HOUR;
            let mut created = -OUTAGE + (random.unit() * interval as f64) as i64;
            families.push(Family { rpo: interval + slack, complete: created - interval });
            while created < ARRIVALS {
                images.push(Image { family, created, size_gb });
                created += interval;
            }
        }
        images.sort_by_key(|image| image.created);
        Self { name: format!("{missing} images a family missing, seed {seed}"), families, images }
    }
}

/// Splitmix64.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.unit() * limit as f64) as usize
    }

    pub fn size_gb(&mut self) -> u64 {
        let normal = (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (TAU * self.unit()).cos();
        (MEDIAN_GB * (SIGMA * normal).exp()).clamp(1.0, LARGEST_GB) as u64
    }
}
