//! Writes what the fuzz targets begin with, the valid bodies of each parser, to `fuzz/corpus`.

use std::error::Error;
use std::fs;
use std::path::Path;

use amiferry_hostile::{config, event, manifest, note, tags};

fn main() -> Result<(), Box<dyn Error>> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, body) in event::VALID {
        write(&seeds.join("event"), name, body)?;
    }
    write(&seeds.join("manifest"), "valid", &manifest::valid()?)?;
    write(&seeds.join("note"), "valid", &note::valid()?)?;
    write(&seeds.join("config"), "valid", &config::valid())?;
    write(&seeds.join("tags"), "valid", tags::VALID)?;
    Ok(())
}

fn write(folder: &Path, name: &str, body: &str) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(name), body)?;
    Ok(())
}
