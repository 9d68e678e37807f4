//! Installs the Prometheus recorder of this process and renders it.

use std::time::Duration;

use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use super::table::{ALL, AWS_DURATION, COMPLETION, Kind, STAGE_DURATION, Unit};
use super::{process, record};

/// From one API call to the longest EC2 task, in seconds.
const BUCKETS: [f64; 15] = [
    0.1, 0.5, 2.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0,
    28800.0,
];

/// From a call on loopback to one that the SDK repeated until its deadline, in seconds.
const CALL_BUCKETS: [f64; 12] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 20.0, 60.0];

/// From minutes to the longest backlog that an operator may tolerate, in seconds.
const COMPLETION_BUCKETS: [f64; 14] = [
    60.0,
    300.0,
    600.0,
    1200.0,
    1800.0,
    3600.0,
    7200.0,
    14400.0,
    28800.0,
    43200.0,
    86400.0,
    172_800.0,
    604_800.0,
    2_592_000.0,
];

/// How often histograms are compacted; otherwise an unscraped one grows without limit.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Renders what was recorded in this process.
#[derive(Clone)]
pub struct Exporter(PrometheusHandle);

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exporter")
    }
}

/// Metrics cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The recorder refuses its settings.
    #[error("the metrics recorder cannot be built: {0}")]
    Build(#[from] BuildError),
    /// This process has a recorder already.
    #[error("this process records metrics already")]
    Twice,
}

impl Exporter {
    /// Makes this process record metrics: once, before anything is recorded.
    ///
    /// # Errors
    ///
    /// When the process has a recorder already.
    pub fn install() -> Result<Self, InstallError> {
        let (recorder, exporter) = Self::build()?;
        metrics::set_global_recorder(recorder).map_err(|_| InstallError::Twice)?;
        record::start_at_zero();
        Ok(exporter)
    }

    /// A recorder that is not installed, for tests with `metrics::with_local_recorder`.
    ///
    /// # Errors
    ///
    /// When the recorder refuses its settings.
    pub fn build() -> Result<(PrometheusRecorder, Self), BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(full(STAGE_DURATION.name), &BUCKETS)?
            .set_buckets_for_metric(full(AWS_DURATION.name), &CALL_BUCKETS)?
            .set_buckets_for_metric(full(COMPLETION.name), &COMPLETION_BUCKETS)?
            .build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, describe);
        Ok((recorder, Self(handle)))
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        let mut page = self.0.render();
        process::append(&mut page);
        page
    }

    /// Keeps the memory of unscraped metrics bounded. Never ends; spawn it beside the worker.
    pub async fn upkeep(self) {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            self.0.run_upkeep();
        }
    }
}

fn full(name: &str) -> Matcher {
    Matcher::Full(name.to_owned())
}

fn describe() {
    for metric in ALL {
        let unit = match metric.unit {
            Unit::Count => metrics::Unit::Count,
            Unit::Seconds => metrics::Unit::Seconds,
            Unit::Bytes => metrics::Unit::Bytes,
        };
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, unit, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, unit, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, unit, metric.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, Stage};

    #[test]
    fn what_is_recorded_is_rendered_with_help_and_buckets() {
        let (recorder, exporter) = Exporter::build().unwrap();
        metrics::with_local_recorder(&recorder, || {
            record::start_at_zero();
            record::stage_ended(Stage::Copy, Outcome::Succeeded, None, Duration::from_secs(90));
        });
        let text = exporter.render();
        for line in [
            "# TYPE amiferry_stage_duration_seconds histogram",
            "amiferry_stage_duration_seconds_bucket{stage=\"copy\",outcome=\"succeeded\",le=\"120\"} 1",
            "amiferry_stage_duration_seconds_bucket{stage=\"copy\",outcome=\"succeeded\",le=\"60\"} 0",
            "amiferry_stage_total{stage=\"copy\",outcome=\"succeeded\",reason=\"\"} 1",
            "amiferry_quarantined_messages_total{worker=\"source\",reason=\"not_json\"} 0",
            "amiferry_found_by_sweep_total{worker=\"target\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        for line in text.lines().filter(|line| line.starts_with("# TYPE")) {
            let name = line.split(' ').nth(2).unwrap();
            assert!(ALL.iter().any(|metric| metric.name == name), "{name} is not in the table");
            assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
        }
    }
}
