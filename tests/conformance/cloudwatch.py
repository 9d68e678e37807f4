"""What is made from deploy/cloudwatch/alarms.toml and the rules of Prometheus: the template of the
alarms, the agent's configuration in the templates of the workers, and the table of the README.

    AMIFERRY_BLESS=1 python tests/conformance/alarms.py
"""

import os
import re
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
ALARMS = DEPLOY / "cloudwatch" / "alarms.toml"
RULES = DEPLOY / "prometheus" / "amiferry.rules.yml"
TEMPLATE = DEPLOY / "cloudformation" / "alarms.yaml"
README = DEPLOY / "cloudwatch" / "README.md"
# The template of each worker, and the port that the worker listens on by default.
WORKERS = {"source": ("source.yaml", 9464), "target": ("vault.yaml", 9465)}
# What CloudFormation takes inline; a longer template needs a bucket.
INLINE = 51_200
# AWS's limit for an alarm.
METRICS_OF_AN_ALARM = 10
MISSING = {"breaching", "missing", "notBreaching"}
# What a metric of an alarm may choose besides its name and statistic: dimensions.
DIMENSIONS = ("use", "stage", "service", "alarm")


def fail(text):
    sys.exit(f"{ALARMS.relative_to(ROOT)}: {text}")


def alerts():
    """The alerts of Prometheus by name."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    return {rule["alert"]: rule for rule in rules}


def seconds(duration):
    number, unit = re.fullmatch(r"(\d+)([smh])", duration).groups()
    return int(number) * {"s": 1, "m": 60, "h": 3600}[unit]


def load():
    """The selects and the alarms of the file; one with `each` once for each value."""
    tree = tomllib.loads(ALARMS.read_text())
    known, every = alerts(), []
    for one in tree["alarm"]:
        if one["alert"] not in known:
            fail(f"{one['alert']} is no alert of {RULES.relative_to(ROOT)}")
        for label, values in one.pop("each", {None: [None]}).items():
            for value in values:
                part = one.get("part", "") + (value or "").capitalize()
                metrics = {id_: dict(metric) for id_, metric in one.get("metrics", {}).items()}
                if label:
                    metrics = {id_: metric | {label: value} for id_, metric in metrics.items()}
                every.append(one | {"part": part, "metrics": metrics, "rule": known[one["alert"]]})
    lost = known.keys() - {one["alert"] for one in every}
    if lost:
        fail(f"says nothing of {', '.join(sorted(lost))}: give each an alarm, or a reason in `never`")
    for one in every:
        kinds = [key for key in ("expression", "never", "stack") if key in one]
        if len(kinds) != 1:
            fail(f"{one['alert']} needs one of expression, never and stack, not {kinds}")
        if kinds == ["expression"] and one["missing"] not in MISSING:
            fail(f"{one['alert']}: missing = {one['missing']!r}")
        if kinds == ["expression"] and one["missing"] != "breaching" and "note" not in one:
            fail(f"{one['alert']}: a note must say why absence is not alarming")
        if kinds == ["expression"] and one["missing"] == "missing":
            told = set(re.findall(r"Amiferry\w+", one["note"])) & known.keys() - {one["alert"]}
            if not told:
                fail(f"{one['alert']}: its note must name the alert that tells of the absence")
        if len(one["metrics"]) > METRICS_OF_AN_ALARM:
            fail(f"{one['alert']}: an alarm has at most {METRICS_OF_AN_ALARM} metrics")
    # The states of families stand in no rule; tests/tests/tidy/cloudwatch.rs knows them.
    rules = RULES.read_text()
    for one in tree["select"]:
        if "|" in one["regex"] and one["metric"] != "amiferry_families" and f'"{one["regex"]}"' not in rules:
            fail(f"no rule of {RULES.relative_to(ROOT)} chooses {one['regex']}")
    return tree["select"], every


def made(every):
    return [one for one in every if "expression" in one]


def name(one):
    return one["alert"].removeprefix("Amiferry") + one["part"]


def periods(one):
    """How many data points in a row must breach: as long as the alert's `for`, or as the alarm `lasts`."""
    period = one.get("period", 60)
    return max(1, -(-seconds(one.get("lasts", one["rule"].get("for", "0s"))) // period))


def dimensions(metric):
    return ["role"] + [key for key in DIMENSIONS if key in metric]


def resource(one):
    severity = one["rule"]["labels"]["severity"]
    summary = one["rule"]["annotations"]["summary"]
    runbook = one["rule"]["annotations"]["runbook_url"]
    lines = [f"  {name(one)}:", "    Type: AWS::CloudWatch::Alarm"]
    if "worker" in one:
        lines.append(f"    Condition: OfThe{one['worker'].capitalize()}")
    lines += [
        "    Properties:",
        f'      AlarmName: !Sub "amiferry-${{Worker}}-{name(one)}"',
        f'      AlarmDescription: "{severity}: {summary} See {runbook}."',
        "      Metrics:",
        f"        - {{Id: fires, Expression: '{one['expression']}'}}",
    ]
    period = one.get("period", 60)
    for id_, metric in one["metrics"].items():
        values = ["{Name: role, Value: !Ref Worker}"]
        values += [f"{{Name: {key}, Value: {metric[key]}}}" for key in DIMENSIONS if key in metric]
        lines += [
            f"        - Id: {id_}",
            "          ReturnData: false",
            "          MetricStat:",
            f"            Metric: {{Namespace: amiferry, MetricName: {metric['name']}, "
            f"Dimensions: [{', '.join(values)}]}}",
            f"            Stat: {metric['stat']}",
            f"            Period: {period}",
        ]
    topics = "Critical" if severity == "critical" else "Other"
    lines += [
        f"      EvaluationPeriods: {periods(one)}",
        "      Threshold: 0",
        "      ComparisonOperator: GreaterThanThreshold",
        f"      TreatMissingData: {one['missing']}",
        f"      AlarmActions: !If [{topics}Notify, !Ref {topics}Topics, !Ref AWS::NoValue]",
    ]
    return "\n".join(lines)


HEAD = """\
# Made from deploy/cloudwatch/alarms.toml and deploy/prometheus/amiferry.rules.yml by tests/conformance/cloudwatch.py.
AWSTemplateFormatVersion: "2010-09-09"
Description: >-
  amiferry, alarms of CloudWatch over the metrics that the agent of vault.yaml or source.yaml ships. Deploy it
  beside either, with AgentImage set there.

Parameters:
  Worker:
    Type: String
    AllowedValues: [source, target]
    Description: The worker of this account and Region. It is target beside vault.yaml, and source beside source.yaml.
  CriticalTopics:
    Type: CommaDelimitedList
    Default: ""
    Description: ARNs of SNS topics that critical alarms notify. Empty, alarms only change colour.
  OtherTopics:
    Type: CommaDelimitedList
    Default: ""
    Description: ARNs of SNS topics that warnings and notes notify. Empty, alarms only change colour.

Conditions:
  OfTheSource: !Equals [!Ref Worker, source]
  OfTheTarget: !Equals [!Ref Worker, target]
  CriticalNotify: !Not [!Equals [!Join ["", !Ref CriticalTopics], ""]]
  OtherNotify: !Not [!Equals [!Join ["", !Ref OtherTopics], ""]]

Resources:
"""


def template(every):
    return HEAD + "\n\n".join(map(resource, made(every))) + "\n"


def of_worker(every, worker):
    return [one for one in made(every) if one.get("worker", worker) == worker]


def collector(selects, every, worker):
    """The configuration of the collector beside a worker."""
    wanted = [metric for one in of_worker(every, worker) for metric in one["metrics"].values()]
    names = sorted({metric["name"] for metric in wanted} - {"up"})
    whole = {metric["name"] for metric in wanted if "alarm" not in metric}
    chosen = sorted(set(names) - whole)
    lines = [
        "receivers:",
        "  prometheus:",
        "    config:",
        "      scrape_configs:",
        "        - job_name: amiferry",
        "          scrape_interval: 60s",
        "          authorization:",
        '            credentials: "${!env:AMIFERRY_LISTEN_TOKEN}"',
        "          static_configs:",
        f'            - targets: ["127.0.0.1:{WORKERS[worker][1]}"]',
        f"              labels: {{role: {worker}}}",
        "          metric_relabel_configs:",
        f"            - {{source_labels: [__name__], regex: '{'|'.join(names)}', action: keep}}",
    ]
    for one in selects:
        if one["metric"] in names:
            labels = one["label"] if isinstance(one["label"], list) else [one["label"]]
            lines.append(
                f"            - {{source_labels: [__name__, {', '.join(labels)}], regex: "
                f"'{one['metric']};({one['regex']})', target_label: alarm, replacement: '{one['alarm']}'}}"
            )
    lines += [
        f"            - {{source_labels: [__name__, alarm], regex: '({'|'.join(chosen)});', action: drop}}",
        "processors:",
        "  batch: {}",
        "exporters:",
        "  awsemf:",
        "    region: ${AWS::Region}",
        "    namespace: amiferry",
        "    log_group_name: ${MetricsLogGroup}",
        f"    log_stream_name: {worker}",
        "    dimension_rollup_option: NoDimensionRollup",
        "    metric_declarations:",
    ]
    by_dimensions = {}
    for metric in wanted:
        by_dimensions.setdefault(tuple(dimensions(metric)), set()).add(metric["name"])
    for dims, metrics in sorted(by_dimensions.items()):
        # Without a dollar sign, which the collector may take for a variable; no name here begins another.
        assert not any(a != b and b.startswith(a) for a in names for b in names), names
        lines += [
            f"      - dimensions: [[{', '.join(dims)}]]",
            f"        metric_name_selectors: ['^({'|'.join(sorted(metrics))})']",
        ]
    lines += [
        "service:",
        "  pipelines:",
        "    metrics:",
        "      receivers: [prometheus]",
        "      processors: [batch]",
        "      exporters: [awsemf]",
    ]
    return lines


MARK = "Value: !Sub | # deploy/cloudwatch/alarms.toml"


def with_collector(text, lines):
    """A template with the configuration below the line that asks for it."""
    found = [line for line in text.splitlines() if line.strip() == MARK]
    assert len(found) == 1, f"{len(found)} lines are {MARK}"
    indent = len(found[0]) - len(found[0].lstrip()) + 2
    before, after = text.split(found[0] + "\n")
    rest = after.splitlines(keepends=True)
    while rest and (not rest[0].strip() or len(rest[0]) - len(rest[0].lstrip()) >= indent):
        rest.pop(0)
    below = "".join(" " * indent + line + "\n" for line in lines)
    return before + found[0] + "\n" + below + "".join(rest)


def table(every):
    rows = ["| alert | alarms | without data | |", "|---|---|---|---|"]
    by_alert = {}
    for one in every:
        by_alert.setdefault(one["alert"], []).append(one)
    for alert in alerts():
        group = by_alert[alert]
        first = group[0]
        link = f"[{alert}](../../docs/runbooks/{alert}.md)"
        if "never" in first:
            rows.append(f"| {link} | none | | {first['never']} |")
        elif "stack" in first:
            rows.append(f"| {link} | `{first['stack']}` of the worker's stack | silent | {first['note']} |")
        else:
            which = f", {first['worker']} only" if all("worker" in one for one in group) else ""
            if {one.get("worker") for one in group} == {"source", "target"}:
                which = ""
            names = ", ".join(f"`{name(one)}`" for one in group)
            say = {"breaching": "fires", "missing": "INSUFFICIENT_DATA", "notBreaching": "silent"}
            # One for each name, in the order of the names; a single one where all are equal.
            states = [say[one["missing"]] for one in group]
            states = states[:1] if len(set(states)) == 1 else states
            notes = [note for note in dict.fromkeys(one.get("note") for one in group) if note]
            rows.append(f"| {link} | {names}{which} | {', '.join(states)} | {'; '.join(notes)} |")
    return rows


BEGIN, END = "<!-- Made from alarms.toml. -->\n", "<!-- End of what is made. -->\n"


def with_table(text, rows):
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return before + BEGIN + "\n" + "\n".join(rows) + "\n\n" + END + after


def products():
    """Every file that is made, with what it should be."""
    selects, every = load()
    whole = {TEMPLATE: template(every)}
    for worker, (file, _) in WORKERS.items():
        path = DEPLOY / "cloudformation" / file
        whole[path] = with_collector(path.read_text(), collector(selects, every, worker))
    whole[README] = with_table(README.read_text(), table(every))
    return whole


def check_products():
    for path, text in products().items():
        if os.environ.get("AMIFERRY_BLESS"):
            path.write_text(text)
        if not path.exists() or path.read_text() != text:
            sys.exit(f"{path.relative_to(ROOT)} is out of date: run with AMIFERRY_BLESS=1")
    for path in (DEPLOY / "cloudformation").glob("*.yaml"):
        size = len(path.read_bytes())
        assert size <= INLINE, f"{path.name} has {size} bytes; CloudFormation takes {INLINE} inline"
    for one in made(load()[1]):
        assert len(one["expression"]) <= 2048, one["alert"]
    for one in load()[1]:
        if "stack" in one:
            for file, _ in WORKERS.values():
                text = (DEPLOY / "cloudformation" / file).read_text()
                assert f"\n  {one['stack']}:\n    Type: AWS::CloudWatch::Alarm\n" in text, (file, one["stack"])
