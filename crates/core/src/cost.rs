//! What copies cost, estimated from a table of prices.
//!
//! Every figure is an estimate: it knows list prices and no discounts, counts a snapshot with all of its
//! volume although EBS charges only for blocks that were written, and reads and writes of blocks
//! likewise. What has no price or no known size is not assessed, and never counted as 0.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::Region;
use crate::model::{Retrieval, Speed};

/// A table of prices. The vault's owner can replace it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The version of its form: 1.
    pub schema_version: u32,
    /// The day of the prices, as its author wrote it.
    pub as_of: String,
    /// Such as `USD`; all prices are in it.
    pub currency: String,
    /// Where they are from.
    pub source: String,
    /// The Regions.
    pub region: Vec<RegionPrices>,
}

/// The prices of one Region; `None` where there is none.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionPrices {
    pub name: Region,
    /// A GB in S3 for a month, by storage class as S3 names it.
    #[serde(default)]
    pub objects: BTreeMap<String, f64>,
    /// A GB that is read from an object, by storage class; of archives, `CLASS-SPEED`, such as
    /// `GLACIER-bulk`. Nothing is charged for `STANDARD` and `INTELLIGENT_TIERING`.
    #[serde(default)]
    pub retrieval: BTreeMap<String, f64>,
    /// A GB of snapshots for a month.
    pub snapshots: Option<f64>,
    /// A GB that leaves for another Region.
    pub transfer: Option<f64>,
    /// 1,000 blocks of snapshots that are read.
    pub blocks_read: Option<f64>,
    /// 1,000 blocks of snapshots that are written.
    pub blocks_written: Option<f64>,
    /// 1,000 requests that write, copy or list.
    pub requests: Option<f64>,
}

/// The version of the form that this program reads.
pub const SCHEMA_VERSION: u32 = 1;

/// The class of an object of which S3 names no other.
pub const STANDARD: &str = "STANDARD";

/// The class whose objects S3 moves between tiers by itself.
const INTELLIGENT_TIERING: &str = "INTELLIGENT_TIERING";

/// Blocks of EBS in a GiB (EBS user guide, *EBS direct APIs*: 512 KiB).
const BLOCKS_PER_GIB: u64 = 2_048;

/// Bytes of a GB, as S3 and EBS charge: 2³⁰.
const GB: f64 = 1_073_741_824.0;

/// Writing S3 requests of a copy, without its parts: what begins and ends it, the record and the notes.
const REQUESTS_PER_COPY: u64 = 8;

/// The size of a part, unless an object is very large.
const PART: u64 = 64 << 20;

impl Prices {
    /// What is wrong with it, in words.
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if self.schema_version != SCHEMA_VERSION {
            mistakes.push(format!(
                "schema_version is {}, and this program reads {SCHEMA_VERSION}",
                self.schema_version
            ));
        }
        let is_currency = self.currency.len() == 3;
        if !(is_currency && self.currency.bytes().all(|byte| byte.is_ascii_uppercase())) {
            mistakes.push("currency is not three capital letters, such as USD".to_owned());
        }
        let mut named = BTreeSet::new();
        for region in &self.region {
            if !named.insert(&region.name) {
                mistakes.push(format!("{} is there twice", region.name));
            }
            let single = [
                region.snapshots,
                region.transfer,
                region.blocks_read,
                region.blocks_written,
                region.requests,
            ];
            let all = single.into_iter().flatten().chain(region.objects.values().copied());
            let all = all.chain(region.retrieval.values().copied());
            if all.into_iter().any(|price| !price.is_finite() || price < 0.0) {
                mistakes.push(format!("a price of {} is negative or no number", region.name));
            }
        }
        mistakes
    }

    fn of(&self, region: &Region) -> Option<&RegionPrices> {
        self.region.iter().find(|prices| prices.name == *region)
    }
}

/// An object that a restore reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading<'a> {
    /// Bytes.
    pub size: u64,
    /// Its storage class as S3 names it; `None` for `STANDARD`.
    pub class: Option<&'a str>,
    /// How it is retrieved first; `None` where it is read at once.
    pub retrieval: Option<Retrieval>,
}

/// What it costs to read objects once in a Region: their retrieval, and the storage of retrieved copies.
/// `None` where a price is missing.
pub fn reading<'a>(
    prices: &Prices,
    region: &Region,
    objects: impl IntoIterator<Item = Reading<'a>>,
) -> Option<f64> {
    let prices = prices.of(region);
    sum(objects.into_iter().map(|object| cost_of(prices, &object)))
}

fn cost_of(prices: Option<&RegionPrices>, object: &Reading<'_>) -> Option<f64> {
    let gb = number(object.size) / GB;
    let class = object.class.unwrap_or(STANDARD);
    let price = |name: &str| prices.and_then(|prices| prices.retrieval.get(name).copied());
    match object.retrieval {
        None if matches!(class, STANDARD | INTELLIGENT_TIERING) => Some(0.0),
        None => Some(gb * price(class)?),
        // It moves back to a tier that is read at once, and no copy is made (S3 user guide,
        // *Understanding archive retrieval options*); only an expedited one is charged.
        Some(Retrieval { speed: Speed::Standard | Speed::Bulk, .. })
            if class == INTELLIGENT_TIERING =>
        {
            Some(0.0)
        }
        Some(Retrieval { speed, days }) => {
            let retrieved = gb * price(&format!("{class}-{}", speed.as_str()))?;
            // A retrieved copy is charged as STANDARD beside the archived object.
            let kept = prices.and_then(|prices| prices.objects.get(STANDARD).copied())?;
            Some(retrieved + gb * kept * f64::from(days) / DAYS_OF_MONTH)
        }
    }
}

/// What the transfer of so many bytes costs once; nothing within one Region, and `None` where the price
/// is missing.
pub fn transfer(prices: &Prices, (from, to): (&Region, &Region), bytes: u64) -> Option<f64> {
    if from == to {
        return Some(0.0);
    }
    Some(number(bytes) / GB * prices.of(from)?.transfer?)
}

/// Days of a month in prices for one.
const DAYS_OF_MONTH: f64 = 30.0;

/// What is charged for each month, or once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Bytes in the vault bucket, by storage class.
    pub object_bytes: BTreeMap<String, u64>,
    /// GB of volumes of restored images.
    pub snapshot_gb: u64,
    /// Bytes that leave the source's Region.
    pub transfer_bytes: u64,
    /// GB of volumes that stores read.
    pub read_gb: u64,
    /// GB of volumes that restores write.
    pub written_gb: u64,
    /// Requests to S3 that write, copy or list.
    pub requests: u64,
    /// Recovery points of which some of this is not known.
    pub not_assessed: usize,
}

impl Usage {
    /// An object that is kept in a class.
    pub fn keeps_object(&mut self, bytes: u64, class: &str) {
        let kept = self.object_bytes.entry(class.to_owned()).or_default();
        *kept = kept.saturating_add(bytes);
    }

    /// The snapshots of an image that are kept.
    pub fn keeps_snapshots(&mut self, size_gb: u64) {
        self.snapshot_gb = self.snapshot_gb.saturating_add(size_gb);
    }

    /// An image that is stored, copied and, if it is `ready`, restored.
    pub fn moves(&mut self, bytes: u64, size_gb: u64, between_regions: bool, ready: bool) {
        if between_regions {
            self.transfer_bytes = self.transfer_bytes.saturating_add(bytes);
        }
        self.read_gb = self.read_gb.saturating_add(size_gb);
        if ready {
            self.written_gb = self.written_gb.saturating_add(size_gb);
        }
        let parts = bytes.div_ceil(PART).saturating_add(REQUESTS_PER_COPY);
        self.requests = self.requests.saturating_add(parts);
    }
}

/// What a usage costs, in the currency of the table; `None` where a price is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// Objects in the vault bucket.
    pub objects: Option<f64>,
    /// Snapshots of restored images.
    pub snapshots: Option<f64>,
    /// Transfer between the Regions.
    pub transfer: Option<f64>,
    /// Blocks of snapshots, read and written.
    pub blocks: Option<f64>,
    /// Requests to S3.
    pub requests: Option<f64>,
}

impl Estimate {
    /// The parts, with the names of JSON and metrics.
    pub fn parts(&self) -> [(&'static str, Option<f64>); 5] {
        [
            ("objects", self.objects),
            ("snapshots", self.snapshots),
            ("transfer", self.transfer),
            ("blocks", self.blocks),
            ("requests", self.requests),
        ]
    }

    /// The sum; `None` if a part is not assessed.
    pub fn total(&self) -> Option<f64> {
        sum(self.parts().into_iter().map(|(_, part)| part))
    }
}

/// The sum of parts; `None` if one is not assessed. Of no parts it is 0, where Rust's own sum is −0.
pub fn sum(parts: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    parts.into_iter().try_fold(0.0, |sum, part| Some(sum + part?))
}

/// What a usage costs between two Regions. A part that is not used costs nothing without any price; where
/// something of the usage itself is not known, neither are objects and snapshots.
pub fn estimate(prices: &Prices, source: &Region, vault: &Region, usage: &Usage) -> Estimate {
    let (from, to) = (prices.of(source), prices.of(vault));
    let known = usage.not_assessed == 0;
    let times = |amount: f64, price: Option<f64>| match amount == 0.0 {
        true => Some(0.0),
        false => price.map(|price| amount * price),
    };
    let objects = usage.object_bytes.iter().map(|(class, bytes)| {
        times(number(*bytes) / GB, to.and_then(|prices| prices.objects.get(class).copied()))
    });
    let thousands = |gb: u64| number(gb.saturating_mul(BLOCKS_PER_GIB)) / 1_000.0;
    let read = times(thousands(usage.read_gb), from.and_then(|prices| prices.blocks_read));
    let written = times(thousands(usage.written_gb), to.and_then(|prices| prices.blocks_written));
    Estimate {
        objects: sum(objects).filter(|_| known),
        snapshots: times(number(usage.snapshot_gb), to.and_then(|prices| prices.snapshots))
            .filter(|_| known),
        transfer: times(number(usage.transfer_bytes) / GB, from.and_then(|prices| prices.transfer)),
        blocks: read.zip(written).map(|(read, written)| read + written),
        requests: times(number(usage.requests) / 1_000.0, to.and_then(|prices| prices.requests)),
    }
}

/// Exact for whole numbers below 2^53.
#[expect(clippy::cast_precision_loss, reason = "an estimate needs no more")]
fn number(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn prices() -> Prices {
        serde_json::from_value(json!({
            "schema_version": 1, "as_of": "2026-11-30", "currency": "USD", "source": "a test",
            "region": [
                {"name": "us-east-1", "transfer": 0.02, "blocks_read": 0.003},
                {"name": "us-west-2", "objects": {"STANDARD": 0.023}, "snapshots": 0.05,
                 "blocks_written": 0.006, "requests": 0.005},
            ],
        }))
        .unwrap()
    }

    fn region(name: &str) -> Region {
        name.parse().unwrap()
    }

    fn rounded(estimate: Estimate) -> [Option<i64>; 5] {
        #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
        estimate.parts().map(|(_, part)| part.map(|part| (part * 10_000.0).round() as i64))
    }

    #[test]
    fn what_is_not_used_costs_zero_and_not_minus_zero() {
        let nothing =
            estimate(&prices(), &region("us-east-1"), &region("us-west-2"), &Usage::default());
        let read = reading(&prices(), &region("us-west-2"), []);
        for (what, cost) in nothing.parts().into_iter().chain([("reading", read)]) {
            assert_eq!(cost.map(|cost| format!("{cost:.2}")).as_deref(), Some("0.00"), "{what}");
        }
    }

    #[test]
    fn a_transfer_costs_something_only_between_regions() {
        for (from, to, cents) in [
            ("us-east-1", "us-west-2", Some(20)),
            ("us-west-2", "us-west-2", Some(0)),
            ("us-west-2", "us-east-1", None),
            ("eu-west-1", "us-west-2", None),
        ] {
            let found = transfer(&prices(), (&region(from), &region(to)), 10 << 30);
            #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
            let found = found.map(|cost| (cost * 100.0).round() as i64);
            assert_eq!(found, cents, "{from} {to}");
        }
    }

    #[test]
    fn each_part_is_its_amount_times_its_price() {
        let mut usage = Usage::default();
        usage.keeps_object(100 << 30, STANDARD);
        usage.keeps_snapshots(200);
        usage.moves(100 << 30, 200, true, true);
        let found = estimate(&prices(), &region("us-east-1"), &region("us-west-2"), &usage);
        // 200 GiB are 409,600 blocks; 100 GiB in parts of 64 MiB are 1,600, and 8 requests more.
        let expected = [23_000, 100_000, 20_000, 12_288 + 24_576, 80];
        assert_eq!(rounded(found), expected.map(Some));
        let total = found.total().unwrap();
        assert!((total - 17.994_44).abs() < 1e-9, "{total}");
    }

    #[test]
    fn what_has_no_price_or_no_size_is_not_assessed_and_what_is_not_used_is_free() {
        let of = |usage: &Usage, vault: &str| {
            rounded(estimate(&prices(), &region("us-east-1"), &region(vault), usage))
        };
        assert_eq!(of(&Usage::default(), "us-west-2"), [Some(0); 5]);
        assert_eq!(of(&Usage::default(), "eu-west-1"), [Some(0); 5], "nothing is used there");
        let mut usage = Usage::default();
        usage.keeps_object(1 << 30, "GLACIER");
        assert_eq!(of(&usage, "us-west-2")[0], None, "no price of this class");
        let mut usage = Usage::default();
        usage.keeps_snapshots(10);
        usage.moves(1 << 30, 10, true, true);
        assert_eq!(of(&usage, "eu-west-1"), [Some(0), None, Some(200), None, None]);
        usage.not_assessed += 1;
        let found = estimate(&prices(), &region("us-east-1"), &region("us-west-2"), &usage);
        assert_eq!((found.objects, found.snapshots, found.total()), (None, None, None));
    }

    #[test]
    fn what_is_read_costs_by_its_class_and_speed_and_nothing_is_guessed() {
        let mut prices = prices();
        prices.region[1].retrieval = [
            ("STANDARD_IA".to_owned(), 0.01),
            ("GLACIER-bulk".to_owned(), 0.0),
            ("DEEP_ARCHIVE-standard".to_owned(), 0.02),
        ]
        .into();
        let gb = 1_u64 << 30;
        for (class, speed, expected) in [
            (None, None, Some(0)),
            (Some("INTELLIGENT_TIERING"), None, Some(0)),
            (Some("INTELLIGENT_TIERING"), Some(Speed::Bulk), Some(0)),
            (Some("INTELLIGENT_TIERING"), Some(Speed::Expedited), None),
            (Some("STANDARD_IA"), None, Some(10_000)),
            (Some("GLACIER_IR"), None, None),
            // 100 GB for 3 of 30 days at 0.023.
            (Some("GLACIER"), Some(Speed::Bulk), Some(2_300)),
            (Some("GLACIER"), Some(Speed::Standard), None),
            (Some("DEEP_ARCHIVE"), Some(Speed::Standard), Some(22_300)),
        ] {
            let retrieval = speed.map(|speed| Retrieval { speed, days: 3 });
            let object = Reading { size: 100 * gb, class, retrieval };
            let cost = reading(&prices, &region("us-west-2"), [object.clone()]);
            let rounded =
                |cost| rounded(Estimate { objects: Some(cost), ..Estimate::default() })[0];
            assert_eq!(cost.and_then(rounded), expected, "{object:?}");
        }
    }

    #[test]
    fn a_table_with_mistakes_names_each() {
        assert!(prices().mistakes().is_empty());
        let mut wrong = prices();
        wrong.schema_version = 2;
        wrong.currency = "dollars".to_owned();
        wrong.region[0].transfer = Some(-1.0);
        wrong.region[1].objects.insert("GLACIER".to_owned(), f64::NAN);
        wrong.region.push(wrong.region[0].clone());
        assert_eq!(wrong.mistakes().len(), 6, "{:?}", wrong.mistakes());
    }
}
