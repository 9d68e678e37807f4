//! `AWS::SecretsManager::Secret`, with a given or a random value.

use super::properties::Properties;
use super::{Ground, Made, Wish, made, taken};
use crate::secrets;

/// The characters of a random value with and without punctuation (API of `GetRandomPassword`).
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

pub(super) fn put(ground: &mut Ground<'_>, wish: &Wish<'_>) -> Result<Made, String> {
    let properties = &wish.properties;
    properties.only(&["Description", "GenerateSecretString", "Name", "SecretString"])?;
    let given = properties.text("Name")?;
    let old = wish.old.and_then(|old| old.attributes.get("Name").map(|name| (old, name.clone())));
    let name = given.or_else(|| old.as_ref().map(|(_, name)| name.clone()));
    let name = ground.name(wish, name);
    let place = ground.place();
    if let Some((old, _)) = old.filter(|(_, before)| *before == name) {
        if let Some(text) = properties.text("SecretString")? {
            secrets::set(ground.state, &place, &name, text);
        }
        return Ok(old.clone());
    }
    if secrets::find(ground.state, &place, &name).is_some() {
        return Err(taken("AWS::SecretsManager::Secret", &name));
    }
    let text = match (properties.text("SecretString")?, properties.inner("GenerateSecretString")?) {
        (Some(text), None) => text,
        (None, Some(how)) => generated(&mut ground.state.rng, &how)?,
        (None, None) => String::new(),
        (Some(_), Some(_)) => {
            return Err("SecretString and GenerateSecretString exclude each other".to_owned());
        }
    };
    let arn = secrets::create(ground.state, ground.now, &place, &name, text);
    Ok(made(arn.clone(), [("Id", arn), ("Name", name)]))
}

fn generated(rng: &mut fastrand::Rng, how: &Properties<'_>) -> Result<String, String> {
    how.only(&["ExcludePunctuation", "PasswordLength"])?;
    let length = how.number("PasswordLength")?.unwrap_or(32);
    if !(1..=4096).contains(&length) {
        return Err(format!("PasswordLength must be 1 to 4096, not {length}"));
    }
    let mut letters: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
    if !how.flag("ExcludePunctuation")? {
        letters.extend(PUNCTUATION.chars());
    }
    Ok((0..length).map(|_| letters[rng.usize(..letters.len())]).collect())
}

pub(super) fn delete(
    ground: &mut Ground<'_>,
    made: &Made,
    _: &Properties<'_>,
) -> Result<(), String> {
    secrets::delete(ground.state, &ground.place(), &made.physical);
    Ok(())
}
