//! Finds the series that a `PromQL` query selects, with as much of the language as the dashboards
//! need. Prometheus itself checks whether a query is valid.

/// A series that is selected, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Selector<'q> {
    /// The name of the series.
    pub metric: &'q str,
    /// What stands between the braces; empty without braces.
    pub matchers: &'q str,
    /// What stands between the brackets of a range.
    pub range: Option<&'q str>,
    /// The function or aggregation whose argument it is, alone or with others.
    pub function: Option<&'q str>,
}

impl Selector<'_> {
    /// Whether a label must match this, written as in the query: `job=~"$job"`.
    pub fn matches(&self, matcher: &str) -> bool {
        self.matchers.split(',').any(|found| found.trim() == matcher)
    }
}

/// Words that are neither series nor functions.
const OPERATORS: &[&str] = &["and", "or", "unless", "bool", "offset", "inf", "nan"];

/// Words whose parentheses hold labels.
const GROUPINGS: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Words that may be followed by a grouping before their own parentheses.
const AGGREGATIONS: &[&str] = &[
    "avg",
    "bottomk",
    "count",
    "count_values",
    "group",
    "max",
    "min",
    "quantile",
    "stddev",
    "stdvar",
    "sum",
    "topk",
];

/// Everything that a query selects, from left to right.
pub fn selectors(query: &str) -> Vec<Selector<'_>> {
    let mut found = Vec::new();
    // The functions in whose parentheses we are; nothing for mere parentheses.
    let mut around: Vec<Option<&str>> = Vec::new();
    let mut function = None;
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        if !(first.is_ascii_alphabetic() || first == '_' || first == ':') {
            match first {
                '(' => around.push(function.take()),
                ')' => drop(around.pop()),
                '"' => rest = enclosed(rest, '"').1,
                _ => {}
            }
            // A number may have letters in it: those of a time such as 15m.
            let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            rest = if digits.len() < rest.len() {
                digits.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.')
            } else {
                rest.get(first.len_utf8()..).unwrap_or_default()
            };
            continue;
        }
        let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let (word, after) = rest.split_at(rest.find(|c| !in_word(c)).unwrap_or(rest.len()));
        let next = after.trim_start();
        rest = after;
        if GROUPINGS.contains(&word) {
            rest = if next.starts_with('(') { &enclosed(next, ')').1[1..] } else { next };
        } else if AGGREGATIONS.contains(&word) || next.starts_with('(') {
            function = Some(word);
        } else if !OPERATORS.contains(&word.to_ascii_lowercase().as_str()) {
            let mut matchers = "";
            if next.starts_with('{') {
                (matchers, rest) = enclosed(next, '}');
                rest = &rest[1..];
            }
            let mut range = None;
            if rest.starts_with('[') {
                let (inside, after) = enclosed(rest, ']');
                (range, rest) = (Some(inside), &after[1..]);
            }
            let function = around.last().copied().flatten();
            found.push(Selector { metric: word, matchers, range, function });
        }
    }
    found
}

/// What follows the first character up to a closing one outside of quotes, and the rest from that
/// one on.
///
/// # Panics
/// When it is not closed.
fn enclosed(text: &str, close: char) -> (&str, &str) {
    let mut quoted = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == close && !quoted {
            return (&text[1..at], &text[at..]);
        }
        quoted ^= c == '"';
    }
    panic!("nothing closes {text:?} with {close:?}");
}

#[test]
fn every_selected_series_is_found_with_its_matchers_its_range_and_its_function() {
    let query = "sum by (a, b) (rate(x_total{job=~\"$job\", c=\"}(\"}[$__rate_interval])) >= bool 15m \
                 or on () label_replace(vector(0), \"x\", \"y z\", \"\", \"\") + group:y:min and time() - up{}";
    let series = |metric, matchers, range, function| Selector { metric, matchers, range, function };
    let counted = "job=~\"$job\", c=\"}(\"";
    assert_eq!(
        selectors(query),
        [
            series("x_total", counted, Some("$__rate_interval"), Some("rate")),
            series("group:y:min", "", None, None),
            series("up", "", None, None),
        ]
    );
    assert!(selectors(query)[0].matches("job=~\"$job\""));
    assert!(!selectors(query)[1].matches("job=~\"$job\""));
    let nested = selectors("max(a_total) / (max by (x) (0.5 * b_total[5m]))");
    assert_eq!(nested[0], series("a_total", "", None, Some("max")));
    assert_eq!(nested[1], series("b_total", "", Some("5m"), Some("max")));
}
