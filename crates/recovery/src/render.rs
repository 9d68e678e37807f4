//! Writes what a recovery came to: as a table, CSV, and commands that publish the map.

use amiferry_audit::page::view::Tone;
use amiferry_audit::render::table::{Cell, Column, Table};
use amiferry_audit::render::{Look, behind, moment, span, wrapped};
use amiferry_core::cost::STANDARD;
use amiferry_core::model::{Depth, Speed};
use amiferry_core::text::{distinct, visible};

use crate::report::{
    Answer, Copying, Found, Making, Mapped, NotRestored, Reading, Recovered, State,
};

/// The longest name in a table.
const LONGEST_NAME: usize = 40;

/// The longest reason for people.
const LONGEST_REASON: usize = 400;

/// The result for people.
pub fn table(recovered: &Recovered, look: Look) -> String {
    let mut text = map(&recovered.map, look);
    text.push_str(&not_restored(&recovered.not_restored, look));
    let (count, missing) = (recovered.map.len(), recovered.not_restored.len());
    let images = if count == 1 { "1 image".to_owned() } else { format!("{count} images") };
    let end = moment(recovered.ended_at);
    let costs = [
        recovered.reading.as_ref().map(reading),
        recovered.copying.as_ref().map(copying),
        recovered.making.as_ref().map(making),
    ];
    for sentence in costs.into_iter().flatten() {
        text.push_str(&wrapped(&sentence, "", look.width));
    }
    let there = match &recovered.into {
        Some(into) => format!("in {}/{}", into.account, into.region),
        None => "there".to_owned(),
    };
    text.push_str(&match recovered.dry_run {
        true => format!("Nothing was changed. {images} would be {there} by about {end}.\n"),
        false => format!("{images} {there} at {end}.\n"),
    });
    if missing > 0 {
        let images = if missing == 1 { "1 is".to_owned() } else { format!("{missing} are") };
        text.push_str(&format!("{images} not restored: see above.\n"));
    }
    text
}

/// What copying objects to the destination costs, in a sentence.
fn copying(copying: &Copying) -> String {
    let Copying { objects, bytes, currency, prices_as_of, cost, requests, kept } = copying;
    let gb = bytes.div_ceil(1 << 30);
    let objects = if *objects == 1 { "1 object".to_owned() } else { format!("{objects} objects") };
    let once = |cost| priced(cost, currency, "once");
    format!(
        "{objects}, {gb} GB in all, would be copied there first. The transfer costs {}, the requests cost {}, \
         and the copies {} while they are kept, by the prices of {prices_as_of}.",
        once(*cost),
        once(*requests),
        priced(*kept, currency, "a month")
    )
}

/// What making the images costs, in sentences.
fn making(making: &Making) -> String {
    let Making { images, size_gib, currency, prices_as_of, blocks, snapshots } = making;
    let images = if *images == 1 { "1 AMI".to_owned() } else { format!("{images} AMIs") };
    format!(
        "{images} of {size_gib} GiB in all would be made. Writing the blocks costs {}, and the snapshots cost \
         {}, by the prices of {prices_as_of}.",
        priced(*blocks, currency, "once"),
        priced(*snapshots, currency, "a month")
    )
}

fn priced(cost: Option<f64>, currency: &str, when: &str) -> String {
    match cost {
        Some(cost) => format!("about {cost:.2} {currency} {when}"),
        None => "an amount that is not assessed".to_owned(),
    }
}

/// What reading objects of other classes costs and waits for, in sentences.
fn reading(reading: &Reading) -> String {
    let Reading { objects, retrieved, bytes, days, currency, prices_as_of, cost } = reading;
    let gb = bytes.div_ceil(1 << 30);
    let retrieval = match retrieved {
        0 => String::new(),
        count => format!(", {count} of which S3 retrieves first, for {days} days"),
    };
    let cost = priced(*cost, currency, "once");
    format!(
        "{objects} objects, {gb} GB in all, are not in STANDARD{retrieval}. To read them costs {cost}, by the \
         prices of {prices_as_of}."
    )
}

/// The map as a table, in its order, that fits the terminal.
pub fn map(map: &[Mapped], look: Look) -> String {
    if map.is_empty() {
        return String::new();
    }
    let mut table = Table::new([
        Column::whole("SOURCE IMAGE"),
        Column::cut("NAME", 8),
        Column::cut("FAMILY", 8),
        Column::whole("CREATED").rank(1),
        Column::whole("AMI"),
        Column::whole("STATE"),
    ]);
    for one in map {
        table.row([
            Cell::new(one.source_image_id.as_str()),
            Cell::name(&one.source_name),
            Cell::name(&one.family),
            Cell::new(moment(one.source_created_at)),
            Cell::new(one.image_id.as_ref().map_or("", |image| image.as_str())),
            Cell::new(state(one)).tone(tone(one.state)),
        ]);
    }
    table.write(look) + "\n"
}

fn tone(state: State) -> Tone {
    match state {
        State::There | State::Restored | State::Recorded => Tone::Good,
        State::Planned => Tone::Busy,
        State::GivenUp => Tone::Warn,
    }
}

fn state(one: &Mapped) -> String {
    let copied = if one.copy_bytes.is_some() { ", copied first" } else { "" };
    match &one.retrieval {
        None if one.state == State::Planned && one.image_id.is_some() => "under way".to_owned(),
        None => format!("{}{copied}", one.state.as_str()),
        Some(first) => {
            let takes = span(i64::try_from(first.takes_seconds).unwrap_or(i64::MAX));
            let of = format!("{} from {}", first.speed.as_str(), first.from);
            format!("{} after {takes} ({of}){copied}", one.state.as_str())
        }
    }
}

/// What is not restored, for people; empty where all is.
pub fn missing(rows: &[NotRestored], look: Look) -> String {
    not_restored(rows, look)
}

/// What the bucket records, for people.
pub fn inventory(listed: &Recovered, look: Look) -> String {
    let text = map(&listed.map, look) + &not_restored(&listed.not_restored, look);
    let given_up = listed.map.iter().filter(|one| one.state == State::GivenUp).count();
    let (count, unreadable) = (listed.map.len() - given_up, listed.not_restored.len());
    let given_up = match given_up {
        0 => String::new(),
        count => format!("{count} given up by a record while the object is there, "),
    };
    format!("{text}{count} recorded, {given_up}{unreadable} without a record that can be read.\n")
}

/// The answer to a lookup, for people.
pub fn answer(answer: &Answer, look: Look) -> String {
    let width = look.width.max(80);
    let mut text = String::new();
    for Found { mapped, complete, code, detail, storage_class, archived } in &answer.points {
        let line = |name: &str, value: &str| behind(&format!("  {name:<9} "), value, width);
        let name = distinct(&mapped.source_name, LONGEST_NAME);
        text.push_str(&format!("{}  {name}\n", mapped.source_image_id));
        let of = format!("{}/{}", mapped.source_account, mapped.source_region);
        text.push_str(&line(
            "source",
            &format!("{of}, created {}", moment(mapped.source_created_at)),
        ));
        text.push_str(&line("family", &distinct(&mapped.family, LONGEST_NAME)));
        text.push_str(&line(
            "policy",
            &format!("{}, tier {}", visible(&mapped.policy, LONGEST_NAME), mapped.tier.as_str()),
        ));
        let version = mapped.version_id.as_deref().map(|id| format!(" version {id}"));
        let object =
            format!("s3://{}/{}{}", mapped.bucket, mapped.key, version.unwrap_or_default());
        text.push_str(&line("object", &object));
        let class = storage_class.as_deref().unwrap_or(STANDARD);
        text.push_str(&line("class", &kept(class, archived.as_deref())));
        let image = mapped
            .image_id
            .as_ref()
            .map_or("none: amiferry restore makes it".to_owned(), ToString::to_string);
        text.push_str(&line("AMI", &image));
        let complete = match complete {
            true => format!("yes, since {}", moment(mapped.completed_at)),
            false => format!("no: {code}: {}", visible(detail, LONGEST_REASON)),
        };
        text.push_str(&line("complete", &complete));
    }
    text + &not_restored(&answer.unreadable, look)
}

/// In which class an object is, and whether a restore waits for it.
fn kept(class: &str, archived: Option<&str>) -> String {
    let Some(place) = archived else { return class.to_owned() };
    let takes = Speed::Standard.takes(Depth::of(place), 0).duration().as_secs();
    let takes = span(i64::try_from(takes).unwrap_or(i64::MAX));
    format!("{class}: a restore waits up to {takes} for its retrieval from {place}")
}

fn not_restored(rows: &[NotRestored], look: Look) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = "NOT RESTORED\n".to_owned();
    for row in rows {
        let image = row.source_image_id.as_ref().map(ToString::to_string);
        let what = (!row.what.is_empty()).then(|| distinct(&row.what, LONGEST_NAME));
        let family =
            row.family.as_ref().map(|family| format!("family {}", distinct(family, LONGEST_NAME)));
        let head: Vec<String> = [image, what, family].into_iter().flatten().collect();
        let code = row.code.map(|code| format!("{code}: ")).unwrap_or_default();
        text.push_str(&format!("- {}\n", head.join("  ")));
        let reason = format!("{code}{}", visible(&row.reason, LONGEST_REASON));
        text.push_str(&wrapped(&reason, "    ", look.width.max(80)));
        text.push_str(&wrapped(&format!("to do: {}", row.remedy), "    ", look.width.max(80)));
    }
    text.push('\n');
    text
}

/// The map as CSV: every cell in quotes, and none that a spreadsheet takes for a formula.
pub fn csv(recovered: &Recovered) -> String {
    let header = [
        "source_account",
        "source_region",
        "source_image_id",
        "source_name",
        "source_created_at",
        "family",
        "policy",
        "tier",
        "state",
        "image_id",
        "image_name",
        "code",
        "reason",
        "image_account",
        "image_region",
    ];
    let mut text = line(header.map(str::to_owned));
    for one in &recovered.map {
        text.push_str(&line([
            digits(one.source_account.as_str()),
            one.source_region.to_string(),
            one.source_image_id.to_string(),
            one.source_name.clone(),
            moment(one.source_created_at),
            one.family.clone(),
            one.policy.clone(),
            one.tier.as_str().to_owned(),
            one.state.as_str().to_owned(),
            one.image_id.as_ref().map(ToString::to_string).unwrap_or_default(),
            one.image_name.clone().unwrap_or_default(),
            String::new(),
            String::new(),
            digits(one.image_account.as_str()),
            one.image_region.to_string(),
        ]));
    }
    for row in &recovered.not_restored {
        let text_of = |value: Option<String>| value.unwrap_or_default();
        text.push_str(&line([
            text_of(row.source_account.as_ref().map(|account| digits(account.as_str()))),
            text_of(row.source_region.as_ref().map(ToString::to_string)),
            text_of(row.source_image_id.as_ref().map(ToString::to_string)),
            row.what.clone(),
            String::new(),
            text_of(row.family.clone()),
            String::new(),
            String::new(),
            "not_restored".to_owned(),
            String::new(),
            String::new(),
            text_of(row.code.map(|code| code.to_string())),
            row.reason.clone(),
            String::new(),
            String::new(),
        ]));
    }
    text
}

/// What looks like a number stays text in a spreadsheet.
fn digits(text: &str) -> String {
    format!("'{text}")
}

fn line<const N: usize>(cells: [String; N]) -> String {
    let quoted = cells.map(|cell| {
        let shown = distinct(&cell, 2_560);
        let is_formula = shown.starts_with(['=', '+', '-', '@']);
        let safe = if is_formula { format!("'{shown}") } else { shown };
        format!("\"{}\"", safe.replace('"', "\"\""))
    });
    quoted.join(",") + "\n"
}

/// A shell script that writes the map to the Parameter Store, one parameter for each source image.
///
/// Names and families are never part of a command: they come from the source.
pub fn ssm(recovered: &Recovered) -> String {
    let region = recovered.into.as_ref().map_or(&recovered.vault_region, |into| &into.region);
    let commands = recovered.map.iter().filter_map(|one| {
        let image = one.image_id.as_ref()?;
        Some(format!(
            "aws ssm put-parameter --region {region} --overwrite --type String --data-type aws:ec2:image \
             --name /amiferry/{}/{}/{} --value {image}\n",
            one.source_account, one.source_region, one.source_image_id
        ))
    });
    commands.collect()
}

#[cfg(test)]
mod tests {
    use amiferry_core::code::Code;
    use amiferry_core::manifest::Manifest;

    use super::*;

    const MANIFEST: &[u8] = include_bytes!("../../core/src/manifest/fixtures/manifest-1-full.json");

    /// One image that is there and one that is not, both named by a source that means harm.
    fn recovered(name: &str) -> Recovered {
        let mut manifest = Manifest::from_json(MANIFEST).unwrap();
        manifest.source.name = name.to_owned();
        manifest.family = name.to_owned();
        let now = manifest.completed_at;
        let mut recovered = Recovered::new(manifest.recovery_point.vault(), false, now);
        let restored = manifest.restored.clone();
        recovered.map.push(Mapped::of(&manifest, restored.as_ref(), State::There));
        let id = &manifest.recovery_point;
        let (code, reason) = (Code::ObjectLost, name.to_owned());
        recovered.not_restored.push(NotRestored::point(id, Some(&manifest), code, reason));
        recovered
    }

    #[test]
    fn no_name_that_a_source_chose_becomes_part_of_a_command() {
        let script = ssm(&recovered("$(reboot); `reboot`"));
        assert_eq!(script.lines().count(), 1, "{script}");
        assert!(!script.contains("reboot"), "{script}");
        let value = "--name /amiferry/111111111111/us-east-1/ami-0123456789abcdef0 --value ami-0ccccccccccccccc1";
        assert!(script.contains(value), "{script}");
    }

    #[test]
    fn no_name_is_a_formula_a_new_line_or_invisible() {
        for name in ["=1+1", "+1", "@x", "a\n\"b\",c", "a\u{202e}b\u{1b}[2J"] {
            let recovered = recovered(name);
            let lines = csv(&recovered);
            assert_eq!(lines.lines().count(), 3, "{lines}");
            for sign in ["\"=", "\"+", "\"@", "\u{202e}", "\u{1b}"] {
                assert!(!lines.contains(sign), "{sign:?} in {lines}");
            }
            let table = table(&recovered, Look::PLAIN);
            assert!(!table.contains(['\u{202e}', '\u{1b}']), "{table:?}");
            assert!(table.contains("object_lost") && table.contains("NOT RESTORED"), "{table}");
        }
    }

    #[test]
    fn the_key_of_an_object_has_a_line_of_its_own_where_it_is_longer_than_the_others() {
        let manifest = Manifest::from_json(MANIFEST).unwrap();
        let found = |manifest: &Manifest| Found {
            mapped: Mapped::of(manifest, manifest.restored.as_ref(), State::Recorded),
            complete: true,
            code: Code::Complete,
            detail: String::new(),
            storage_class: None,
            archived: None,
        };
        let told =
            Answer { schema_version: 1, points: vec![found(&manifest)], unreadable: Vec::new() };
        let text = answer(&told, Look::PLAIN);
        let key = format!("s3://{}/", manifest.vault_object.at.bucket);
        assert!(text.contains(&format!("  object\n    {key}")), "{text}");
        assert!(text.contains("\n  class     STANDARD\n"), "{text}");
    }

    #[test]
    fn a_dry_run_says_what_is_paid_once_and_what_each_month_and_what_is_not_assessed() {
        let mut recovered = recovered("web-1");
        recovered.dry_run = true;
        let making = Making {
            images: 2,
            size_gib: 16,
            currency: "USD".to_owned(),
            prices_as_of: "2026-11-30".to_owned(),
            blocks: Some(0.196),
            snapshots: None,
        };
        recovered.making = Some(making);
        let text = table(&recovered, Look { width: 400, ..Look::PLAIN });
        let expected = "2 AMIs of 16 GiB in all would be made. Writing the blocks costs about 0.20 USD once, and \
                        the snapshots cost an amount that is not assessed, by the prices of 2026-11-30.";
        assert!(text.contains(expected), "{text}");
        (recovered.map[0].state, recovered.map[0].retrieval) = (State::Planned, None);
        assert!(table(&recovered, Look::PLAIN).contains("under way"));
    }

    #[test]
    fn the_end_of_the_table_says_how_many_are_there_and_how_many_are_not() {
        let mut recovered = recovered("web-1");
        let text = table(&recovered, Look::PLAIN);
        assert!(
            text.ends_with(
                "1 image there at 2026-01-15T02:00:00Z.\n1 is not restored: see above.\n"
            ),
            "{text}"
        );
        (recovered.dry_run, recovered.not_restored) = (true, Vec::new());
        let text = table(&recovered, Look::PLAIN);
        let end = "Nothing was changed. 1 image would be there by about 2026-01-15T02:00:00Z.\n";
        assert!(text.ends_with(end), "{text}");
    }
}
