//! `DescribeRegions` and `DescribeAvailabilityZones`: enough for clients that ask before they
//! work. Every Region has three zones.

use std::collections::BTreeSet;

use amiferry_core::ids::Region;

use super::filter::Filters;
use super::request::Request;
use crate::ec2::image::Tags;
use crate::wire::ApiError;

/// Regions that are always listed, even while they are empty.
const KNOWN: [&str; 5] = ["us-east-1", "us-east-2", "us-west-2", "eu-central-1", "eu-west-1"];

/// The opt-in status of every Region and zone.
const OPT_IN: &str = "opt-in-not-required";

/// Filters of `DescribeAvailabilityZones`.
const ZONE_FILTERS: &[&str] = &["opt-in-status", "region-name", "state", "zone-name", "zone-type"];

/// `DescribeRegions`.
pub fn regions(r: &mut Request<'_>) -> Result<String, ApiError> {
    let filters = Filters::parse(&r.form, &["endpoint", "opt-in-status", "region-name"])?;
    r.permit(&["*".to_owned()])?;
    let asked = r.form.list("RegionName");
    let mut names: BTreeSet<&str> = KNOWN.into_iter().collect();
    names.extend(r.state.ec2.keys().map(|(_, region)| region.as_str()));
    names.retain(|name| {
        let endpoint = format!("ec2.{name}.amazonaws.com");
        (asked.is_empty() || asked.contains(name))
            && filters.hold(&Tags::new(), |filter| {
                vec![match filter {
                    "endpoint" => endpoint.as_str(),
                    "opt-in-status" => OPT_IN,
                    _ => *name,
                }]
            })
    });
    Ok(r.respond(|x| {
        x.element("regionInfo", |x| {
            for name in &names {
                x.element("item", |x| {
                    x.text("regionName", name)
                        .text("regionEndpoint", format_args!("ec2.{name}.amazonaws.com"))
                        .text("optInStatus", OPT_IN);
                });
            }
        });
    }))
}

/// `DescribeAvailabilityZones`.
pub fn zones(r: &mut Request<'_>) -> Result<String, ApiError> {
    let filters = Filters::parse(&r.form, ZONE_FILTERS)?;
    r.permit(&["*".to_owned()])?;
    let region = &r.place.1;
    let asked = r.form.list("ZoneName");
    Ok(r.respond(|x| {
        x.element("availabilityZoneInfo", |x| {
            for (number, letter) in (1..).zip(["a", "b", "c"]) {
                let zone = format!("{region}{letter}");
                let matches = filters.hold(&Tags::new(), |filter| {
                    vec![match filter {
                        "opt-in-status" => OPT_IN,
                        "region-name" => region.as_str(),
                        "state" => "available",
                        "zone-name" => zone.as_str(),
                        _ => "availability-zone",
                    }]
                });
                if !matches || !asked.is_empty() && !asked.contains(&zone.as_str()) {
                    continue;
                }
                x.element("item", |x| {
                    x.text("zoneName", &zone)
                        .text("zoneId", format_args!("{}-az{number}", abbreviated(region)))
                        .text("zoneState", "available")
                        .text("regionName", region)
                        .text("zoneType", "availability-zone")
                        .text("optInStatus", OPT_IN);
                });
            }
        });
    }))
}

/// A Region as zone ids write it: `use1` for `us-east-1`, `apse2` for `ap-southeast-2`.
fn abbreviated(region: &Region) -> String {
    const DIRECTIONS: [&str; 5] = ["north", "south", "east", "west", "central"];
    let mut short = String::new();
    for (index, mut word) in region.as_str().split('-').enumerate() {
        while let Some(direction) =
            DIRECTIONS.iter().find(|direction| index > 0 && word.starts_with(**direction))
        {
            short.push_str(&direction[..1]);
            word = &word[direction.len()..];
        }
        short.push_str(word);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_ids_begin_with_the_short_name_of_their_region() {
        for (region, short) in [
            ("us-east-1", "use1"),
            ("ap-southeast-2", "apse2"),
            ("eu-central-1", "euc1"),
            ("us-gov-west-1", "usgovw1"),
        ] {
            assert_eq!(abbreviated(&region.parse().unwrap()), short);
        }
    }
}
