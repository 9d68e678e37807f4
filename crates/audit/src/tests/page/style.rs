//! The stylesheet: its colours can be read, in light and in dark.

use std::collections::BTreeMap;

const STYLE: &str = include_str!("../../page/style.css");

/// The custom properties that are colours, in the first block that begins after `start`.
fn colours(start: &str) -> BTreeMap<&'static str, [f64; 3]> {
    let (_, rest) = STYLE.split_once(start).unwrap();
    let (block, _) = rest.split_once('}').unwrap();
    let properties = block.split(';').filter_map(|line| line.trim().split_once(':'));
    properties.filter_map(|(name, value)| Some((name.trim(), channels(value.trim())?))).collect()
}

fn channels(value: &str) -> Option<[f64; 3]> {
    let digits = value.strip_prefix('#')?;
    let width = digits.len() / 3;
    let channel = |index: usize| {
        let part = &digits[index * width..(index + 1) * width];
        let value = u8::from_str_radix(&part.repeat(3 - width), 16).unwrap();
        f64::from(value) / 255.0
    };
    Some([channel(0), channel(1), channel(2)])
}

/// Relative luminance, WCAG 2.2.
fn luminance(colour: [f64; 3]) -> f64 {
    let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
    0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2])
}

fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_has_the_contrast_of_wcag_aa_and_signs_that_of_graphics() {
    for (scheme, start) in [("light", ":root{color-scheme"), ("dark", "dark){:root{")] {
        let colours = colours(start);
        let mut pairs = Vec::new();
        for ground in ["--ground", "--card"] {
            for text in ["--ink", "--soft", "--link"] {
                pairs.push((text.to_owned(), ground.to_owned(), 4.5));
            }
        }
        for tone in ["good", "busy", "warn", "bad", "unknown"] {
            pairs.push((format!("--{tone}"), "--card".to_owned(), 4.5));
            pairs.push((format!("--{tone}"), format!("--{tone}-tint"), 4.5));
            pairs.push(("--mark".to_owned(), format!("--{tone}"), 4.5));
        }
        pairs.push(("--ink".to_owned(), "--track".to_owned(), 3.0));
        for (front, back, least) in pairs {
            let ratio = contrast(colours[front.as_str()], colours[back.as_str()]);
            assert!(ratio >= least, "{scheme}: {front} on {back} is {ratio:.2}, not {least}");
        }
    }
}
