//! `DescribeRegions` and `DescribeAvailabilityZones`: enough for clients that ask before they
//! work. Every Region has three zones.

use std::collections::BTreeSet;

use super::filter::Filters;
use super::request::Request;
use crate::ec2::image::Tags;
use crate::wire::ApiError;

/// Regions that are listed besides those in which something is.
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
            for letter in ["a", "b", "c"] {
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
                        .text("zoneState", "available")
                        .text("regionName", region)
                        .text("zoneType", "availability-zone")
                        .text("optInStatus", OPT_IN);
                });
            }
        });
    }))
}
