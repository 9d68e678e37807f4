//! What a container of the compose file would see, laid out in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::FOLDER;
use crate::tools::root;

/// One service of the compose file.
pub struct Service {
    /// Its name, which is its host name for the others.
    pub name: String,
    /// Everything that the file tells of it.
    pub told: Value,
    /// What it sees of the repository.
    pub mounts: Vec<Mount>,
    /// Where its volumes are.
    volumes: Vec<String>,
}

/// A file or folder of the repository in a container.
pub struct Mount {
    /// In the repository.
    pub from: PathBuf,
    /// In the container.
    pub to: String,
    /// Whether the container cannot change it.
    pub is_read_only: bool,
}

impl Service {
    /// Reads a service; mounts are written as `FROM:TO:ro`, volumes as `NAME:TO`.
    pub fn of(name: &str, told: &Value) -> Self {
        let mut service =
            Self { name: name.to_owned(), told: told.clone(), mounts: vec![], volumes: vec![] };
        for volume in told["volumes"].as_array().into_iter().flatten() {
            let parts: Vec<&str> = volume.as_str().unwrap().split(':').collect();
            if parts[0].starts_with('.') {
                let from = root().join(FOLDER).join(parts[0]);
                service.mounts.push(Mount {
                    from: from.canonicalize().unwrap_or(from),
                    to: parts[1].to_owned(),
                    is_read_only: parts.get(2) == Some(&"ro"),
                });
            } else {
                service.volumes.push(parts[1].to_owned());
            }
        }
        service
    }

    /// Copies what is mounted to where the container would see it, with `folder` as its root, and
    /// makes its volumes.
    pub fn lay_out(&self, folder: &Path) {
        let place = |to: &str| folder.join(to.trim_start_matches('/'));
        for volume in &self.volumes {
            fs::create_dir_all(place(volume)).unwrap();
        }
        for mount in &self.mounts {
            let to = place(&mount.to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&mount.from, &to).unwrap_or_else(|error| {
                panic!("{} as {}: {error}", mount.from.display(), mount.to)
            });
        }
    }

    /// Its arguments, with `folder` before every path in them.
    pub fn arguments(&self, folder: &Path) -> Vec<String> {
        let command = self.told["command"].as_array().unwrap().iter();
        let path = format!("=/{}/", folder.to_str().unwrap().trim_matches('/'));
        command.map(|word| word.as_str().unwrap().replacen("=/", &path, 1)).collect()
    }
}
