//! Whether any secret is readable in metrics, reports, tags, manifests or logs.

use std::io::Write;
use std::sync::{Arc, Mutex};

use amiferry_audit::report::Report;
use amiferry_simulator::landscape::EXTERNAL_ID;
use amiferry_simulator::world::State;

use super::Stage;

/// The secret access key of every account's root on a stage.
pub const SECRET_KEY: &str = "canary+secret/9d1f40b7c6+access/key+7e52";
/// What the session tokens of the simulated AWS begin with.
const TOKEN: &str = "FwoG";

/// Which secret a text shows.
pub fn shown_in(text: &str) -> Option<&'static str> {
    let secrets = [(SECRET_KEY, "a secret key"), (EXTERNAL_ID, "the external id")];
    let mut all = secrets.into_iter().chain([(TOKEN, "a session token")]);
    all.find(|(secret, _)| text.contains(secret)).map(|(_, what)| what)
}

/// Where in the world, in the metrics or in a report a secret stands.
pub fn leaks(stage: &Stage, report: &Report) -> Vec<String> {
    let report = serde_json::to_string(report).unwrap();
    let logged = stage.logged();
    let texts = [("the metrics", stage.metrics()), ("the report", report), ("the log", logged)];
    let state = stage.world.lock();
    let texts = texts.into_iter().chain(written(&state));
    texts.filter_map(|(place, text)| Some(format!("{} in {place}", shown_in(&text)?))).collect()
}

/// What workers have written into the world: tags, metadata and small objects.
fn written(state: &State) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for site in state.ec2.values() {
        for image in site.images.values() {
            all.push(("an image's tags", format!("{} {:?}", image.name, image.tags)));
        }
        for snapshot in site.snapshots.values() {
            all.push(("a snapshot's tags", format!("{:?}", snapshot.tags)));
        }
    }
    for (_, versions) in state.s3.all().flat_map(|bucket| bucket.all_versions()) {
        for object in versions.iter().filter_map(|version| version.object()) {
            all.push(("an object's facts", format!("{:?}", object.attributes)));
            if object.content.as_synthetic().is_none() && object.content.len() < 1 << 20 {
                let bytes = object.content.to_bytes();
                all.push(("an object", String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    all
}

/// A log in memory; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// All of it so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
