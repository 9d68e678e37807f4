//! Who goes first under a quota: priority, then deadline, then id.

use proptest::prelude::*;

use crate::decide::order::Urgency;
use crate::decide::tests::fixture::at;
use jiff::Timestamp;

fn urgency(priority: i32, deadline: &str, image: &str) -> Urgency {
    Urgency { priority, deadline: at(deadline), image: image.parse().unwrap() }
}

#[test]
fn priority_goes_before_deadline_and_deadline_before_id() {
    let expected = [
        // The highest priority, however late its deadline and its id.
        urgency(9, "2027-01-01T00:00:00Z", "ami-0000000f"),
        // Equal priority: the earlier deadline.
        urgency(1, "2026-01-01T00:00:00Z", "ami-0000000e"),
        urgency(1, "2026-01-01T00:00:01Z", "ami-00000001"),
        // Equal in both: the lower id, so that every worker agrees.
        urgency(1, "2026-01-01T00:00:01Z", "ami-00000002"),
        // No priority given, then below it.
        urgency(0, "2020-01-01T00:00:00Z", "ami-00000003"),
        urgency(-1, "2020-01-01T00:00:00Z", "ami-00000003"),
        urgency(i32::MIN, "2020-01-01T00:00:00Z", "ami-00000003"),
    ];
    let mut sorted = expected.to_vec();
    sorted.reverse();
    sorted.sort();
    assert_eq!(sorted, expected);
}

prop_compose! {
    // Narrow ranges, so that ties occur.
    fn any_urgency()(
        priority in prop_oneof![-1..=1i32, Just(i32::MIN), Just(i32::MAX)],
        second in 0i64..3,
        image in 0u32..3,
    ) -> Urgency {
        Urgency {
            priority,
            deadline: Timestamp::from_second(second).unwrap(),
            image: format!("ami-{image:08x}").parse().unwrap(),
        }
    }
}

proptest! {
    #[test]
    fn the_order_does_not_depend_on_who_came_first(
        (mut one, mut other) in prop::collection::vec(any_urgency(), 0..12)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        one.sort();
        other.sort();
        prop_assert_eq!(&one, &other);
        for pair in one.windows(2) {
            let key = |u: &Urgency| (-i64::from(u.priority), u.deadline, u.image.clone());
            prop_assert!(key(&pair[0]) <= key(&pair[1]));
        }
    }

    #[test]
    fn equal_in_the_order_is_equal(a in any_urgency(), b in any_urgency()) {
        prop_assert_eq!(a.cmp(&b).is_eq(), a == b);
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
    }
}
