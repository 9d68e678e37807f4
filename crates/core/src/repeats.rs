//! Finds images that repeat older ones: registered again from the same snapshots, they hold the same
//! data, and keep no RPO that the older image would break.
//!
//! A snapshot is as old as the oldest image made of it that is known, and the data of an image are
//! as old as the youngest of its snapshots. So an image that only shares one of several volumes
//! with an older image, or has one more, is no repeat.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::ids::SnapshotId;

/// A snapshot id in 16 bytes, because a fleet keeps those of thousands of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Snap(u128);

impl From<&SnapshotId> for Snap {
    fn from(id: &SnapshotId) -> Self {
        let digits = id.as_str().trim_start_matches("snap-");
        // With a 1 before them, 8 digits are never the same as 17.
        Self(u128::from_str_radix(&format!("1{digits}"), 16).unwrap_or_default())
    }
}

/// An image, with what its data are made of.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a, Id> {
    pub id: &'a Id,
    /// When it was created.
    pub created: Timestamp,
    /// Its snapshots; none where they are not known.
    pub of: &'a [Snap],
}

/// The older image that an image repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat<Id> {
    /// The oldest image made of the youngest snapshot of the repeating one.
    pub original: Id,
    /// When that was created: the data of the repeating image are no younger.
    pub data_from: Timestamp,
}

/// The images of one source that repeat older ones of it. The order of `images` plays no part.
pub fn repeats<Id: Ord + Clone>(images: &[Made<'_, Id>]) -> BTreeMap<Id, Repeat<Id>> {
    let mut holders: Vec<(Snap, Timestamp, &Id)> = images
        .iter()
        .flat_map(|image| image.of.iter().map(|snap| (*snap, image.created, image.id)))
        .collect();
    holders.sort_unstable();
    holders.dedup_by_key(|(snap, ..)| *snap);
    let oldest = |snap: &Snap| {
        let place = holders.binary_search_by_key(snap, |(snap, ..)| *snap).ok()?;
        holders.get(place).map(|(_, created, id)| (*created, *id))
    };
    let mut repeats = BTreeMap::new();
    for image in images {
        let youngest = image.of.iter().filter_map(oldest).max();
        if let Some((data_from, original)) = youngest.filter(|(from, _)| *from < image.created) {
            repeats.insert(image.id.clone(), Repeat { original: original.clone(), data_from });
        }
    }
    repeats
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3_600).unwrap()
    }

    /// What images repeat, by their numbers: each is made at an hour, of snapshots.
    fn found(images: &[(i64, &[u128])]) -> Vec<(usize, usize)> {
        let made: Vec<(usize, Timestamp, Vec<Snap>)> = images
            .iter()
            .enumerate()
            .map(|(id, (hour, of))| (id, at(*hour), of.iter().copied().map(Snap).collect()))
            .collect();
        let made: Vec<Made<'_, usize>> =
            made.iter().map(|(id, created, of)| Made { id, created: *created, of }).collect();
        let repeats = repeats(&made);
        for repeat in repeats.values() {
            assert_eq!(repeat.data_from, at(images[repeat.original].0));
        }
        repeats.into_iter().map(|(id, repeat)| (id, repeat.original)).collect()
    }

    #[test]
    fn an_image_is_a_repeat_only_if_older_images_have_all_its_snapshots() {
        for (images, expected, why) in [
            (&[(1, &[1][..]), (2, &[1]), (3, &[1])][..], &[(1, 0), (2, 0)][..], "registered again"),
            (&[(3, &[1]), (1, &[1])], &[(0, 1)], "whatever their order"),
            (&[(1, &[1, 9]), (2, &[2, 9])], &[], "a shared data volume"),
            (&[(1, &[1]), (2, &[1, 2])], &[], "one volume more"),
            (&[(1, &[1, 2]), (2, &[1])], &[(1, 0)], "one volume less"),
            (&[(1, &[1]), (2, &[2]), (3, &[1, 2])], &[(2, 1)], "put together from two"),
            (&[(1, &[1]), (1, &[1])], &[], "at the same time: one is no younger than the other"),
            (&[(1, &[]), (2, &[])], &[], "no snapshots are known"),
            (&[(1, &[1, 1]), (2, &[1])], &[(1, 0)], "one snapshot for two volumes"),
            (&[], &[], "nothing"),
        ] {
            assert_eq!(found(images), expected, "{why}");
        }
    }

    #[test]
    fn ids_of_both_lengths_stay_apart() {
        let snap = |text: &str| Snap::from(&text.parse::<SnapshotId>().unwrap());
        assert_eq!(snap("snap-0000000a"), snap("snap-0000000a"));
        assert_ne!(snap("snap-0000000a"), snap("snap-0000000000000000a"));
        assert_ne!(snap("snap-0000000a"), snap("snap-0000000b"));
    }

    proptest! {
        #[test]
        fn no_image_becomes_younger_and_no_original_is_a_repeat_of_its_repeat(
            images in prop::collection::vec(
                (0i64..20, prop::collection::vec(0u128..6, 0..4)), 0..12),
        ) {
            let images: Vec<(i64, &[u128])> =
                images.iter().map(|(hour, of)| (*hour, of.as_slice())).collect();
            for (repeat, original) in found(&images) {
                prop_assert!(images[original].0 < images[repeat].0);
                let older = |snap: &u128| {
                    images.iter().any(|(hour, of)| of.contains(snap) && *hour < images[repeat].0)
                };
                prop_assert!(images[repeat].1.iter().all(older));
            }
        }
    }
}
