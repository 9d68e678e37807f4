//! What Linux says about this process, under the names that every Prometheus client library uses;
//! other systems have none of these metrics.

use std::fmt::Write as _;
use std::fs;

use super::table::{
    Kind, Metric, PROCESS_CPU, PROCESS_MEMORY, PROCESS_MOST_FILES, PROCESS_OPEN_FILES,
    PROCESS_STARTED, PROCESS_THREADS,
};

/// `USER_HZ`, the unit of times in `/proc`: 100 on every architecture that Rust's tier 1 and 2
/// Linux targets have.
const TICKS_PER_SECOND: f64 = 100.0;

/// Appends the metrics of this process to a page.
pub(super) fn append(page: &mut String) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let open = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let open = open.map(|open| open as f64);
    for (metric, value) in [
        (PROCESS_CPU, cpu(&stat)),
        (PROCESS_MEMORY, field(&status, "VmRSS:").map(|kib| kib * 1024.0)),
        (PROCESS_THREADS, field(&status, "Threads:")),
        (PROCESS_OPEN_FILES, open),
        (PROCESS_MOST_FILES, field(&limits, "Max open files")),
        (PROCESS_STARTED, started(&stat, &boot)),
    ] {
        if let Some(value) = value {
            line(page, &metric, value);
        }
    }
}

fn line(page: &mut String, metric: &Metric, value: f64) {
    let kind = if metric.kind == Kind::Counter { "counter" } else { "gauge" };
    let (name, help) = (metric.name, metric.help);
    // Writing to a String cannot fail.
    let _ = write!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n");
}

/// A number of `/proc/self/stat` by its position in proc(5); the command's name before position 3
/// may hold spaces and brackets.
fn position(stat: &str, position: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(position.checked_sub(3)?)?.trim().parse().ok()
}

fn cpu(stat: &str) -> Option<f64> {
    Some((position(stat, 14)? + position(stat, 15)?) / TICKS_PER_SECOND)
}

fn started(stat: &str, boot: &str) -> Option<f64> {
    Some(field(boot, "btime")? + position(stat, 22)? / TICKS_PER_SECOND)
}

/// The first number of the line that begins with this word.
fn field(page: &str, word: &str) -> Option<f64> {
    let rest = page.lines().find_map(|line| line.strip_prefix(word))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_a_hostile_name_is_read_like_any_other() {
        let fields: Vec<String> = (3..=52).map(|number| number.to_string()).collect();
        let stat = format!("1 (a) b) (c d) {}", fields.join(" "));
        assert_eq!(cpu(&stat), Some(0.29));
        assert_eq!(started(&stat, "cpu 1 2\nbtime 1000\nprocesses 3\n"), Some(1000.22));
        assert_eq!(
            field("Max open files            1024    4096    files\n", "Max open files"),
            Some(1024.0)
        );
        assert_eq!((cpu("nonsense"), started("", ""), field("", "x")), (None, None, None));
    }
}
