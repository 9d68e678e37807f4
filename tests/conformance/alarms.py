"""The alarms of CloudWatch against the cases of Prometheus's rules.

    python tests/conformance/alarms.py

First everything that is made from deploy/cloudwatch/alarms.toml is compared with the repository. Then
each case of deploy/prometheus/amiferry.test.yml goes the way that metrics take to CloudWatch: through
the scrape configuration of vault.yaml or source.yaml, its relabelling and its declarations, into metrics
with dimensions, and into the alarms of alarms.yaml. Wherever Prometheus's alert is expected to fire, an
alarm must, and nowhere else. The model of CloudWatch has what AWS documents: sliding periods,
statistics, arithmetic in which a missing operand is 0, and the treatment of missing data.
"""

import ast
import math
import re
import sys

import cfn
import cloudwatch
import yaml

CASES = cloudwatch.DEPLOY / "prometheus" / "amiferry.test.yml"
ROLES = ("source", "target")
# When the cases begin, in seconds since 1970: they count from 0, and CloudWatch takes what is missing as 0.
BEGIN = 1_700_000_000
FIRES, SILENT, UNKNOWN = "ALARM", "OK", "INSUFFICIENT_DATA"


# ---- what Prometheus's cases give


def values(text):
    """The values of a series, one a minute; None where there is none."""
    whole = []
    for item in text.split():
        begin, _, times = item.partition("x")
        if begin == "_":
            whole += [None] * int(times or 1)
            continue
        start, step = re.fullmatch(r"(NaN|-?\d+)([+-]\d+)?", begin).groups()
        count = int(times) + 1 if times else 1
        whole += [float(start) + float(step or 0) * at for at in range(count)]
    return whole


def in_minutes(duration):
    """A duration such as 3h10m."""
    return sum(cloudwatch.seconds(part) for part in re.findall(r"\d+[smh]", duration)) // 60


def series(text):
    name, inside = re.fullmatch(r"(\w+)\{(.*)\}", text).groups()
    return name, dict(re.findall(r'(\w+)="([^"]*)"', inside))


def role_of(name, labels):
    """Which worker exports a series; None if it is neither."""
    if name == "up":
        return labels["job"].removeprefix("amiferry-") if "amiferry" in labels["job"] else None
    if "worker" in labels:
        return labels["worker"]
    is_stored = labels.get("stage", "").startswith("store") or labels.get("quota") == "store"
    return "source" if is_stored else "target"


def families(given):
    """`amiferry_families` as a worker counts it from what it exports of each family."""
    rpos = {labels["policy"]: each for name, labels, each in given if name.endswith("policy_rpo_seconds")}
    starts = [(labels, each) for name, labels, each in given if name.endswith("rpo_start_timestamp_seconds")]
    points = [
        (labels, each) for name, labels, each in given if name == "amiferry_recovery_point_timestamp_seconds"
    ]
    for labels, start in starts:
        [point] = [each for found, each in points if found == labels]
        rpo = rpos[labels["policy"]]
        counts = {state: [] for state in ("within_rpo", "pending", "breached", "unprotected", "lost")}
        for minute, since in enumerate(start):
            state = None
            if since is not None and not math.isnan(since):
                passed = minute * 60 - since > rpo[minute] or since == 0
                exists = point[minute] > 0
                state = {
                    (True, False): "within_rpo",
                    (True, True): "breached",
                    (False, False): "pending",
                    (False, True): "unprotected",
                }[exists, passed]
            for one, count in counts.items():
                count.append(None if since is None else float(one == state))
        for state, count in counts.items():
            yield "amiferry_families", labels | {"state": state}, count


def by_role(given):
    """What each worker exports, with `up` where a case leaves it to Prometheus."""
    whole = {}
    for name, labels, each in [*given, *families(given)]:
        if role := role_of(name, labels):
            whole.setdefault(role, []).append((name, labels, each))
    for exported in whole.values():
        if not any(name == "up" for name, _, _ in exported):
            length = max(len(each) for _, _, each in exported)
            seen = [
                1.0 if any(at < len(each) and each[at] is not None for _, _, each in exported) else None
                for at in range(length)
            ]
            exported.append(("up", {}, seen))
    return whole


# ---- the agent


class Agent:
    """The collector as a template configures it."""

    def __init__(self, role):
        file, _ = cloudwatch.WORKERS[role]
        task = cfn.read(cloudwatch.DEPLOY / "cloudformation" / file)["Resources"]["Task"]
        _, agent, _ = task["Properties"]["ContainerDefinitions"][1]["Fn::If"]
        [content] = [one["Value"]["Fn::Sub"] for one in agent["Environment"] if one.get("Name") == "AOT_CONFIG_CONTENT"]
        content = re.sub(r"\$\{(?!!)[^}]*\}", "filled", content).replace("${!", "${")
        config = yaml.safe_load(content)
        [scrape] = config["receivers"]["prometheus"]["config"]["scrape_configs"]
        [target] = scrape["static_configs"]
        self.labels, self.relabel = target["labels"], scrape["metric_relabel_configs"]
        exporter = config["exporters"]["awsemf"]
        self.namespace, self.declarations = exporter["namespace"], exporter["metric_declarations"]
        assert exporter["dimension_rollup_option"] == "NoDimensionRollup"
        assert config["service"]["pipelines"] == {
            "metrics": {"receivers": ["prometheus"], "processors": ["batch"], "exporters": ["awsemf"]}
        }

    def relabelled(self, name, labels):
        """The labels of a scraped series; None if the agent drops it."""
        labels = labels | self.labels
        if name == "up":
            return labels
        for rule in self.relabel:
            source = ";".join((labels | {"__name__": name}).get(one, "") for one in rule["source_labels"])
            matches = re.fullmatch(rule["regex"], source) is not None
            if matches == (rule["action"] == "drop") if "action" in rule else False:
                return None
            if matches and "target_label" in rule:
                labels = labels | {rule["target_label"]: rule["replacement"]}
        return {label: value for label, value in labels.items() if value}

    def metrics(self, exported):
        """What CloudWatch has afterwards: of name and dimensions, the values of each minute."""
        found = {}
        for name, labels, each in exported:
            labels = self.relabelled(name, labels)
            if labels is None:
                continue
            if name.endswith("_total"):
                each = deltas(each)
            if name.endswith(("_timestamp_seconds", "_eta_seconds")):
                each = [None if value is None else value + BEGIN for value in each]
            for one in self.declarations:
                if not any(re.search(selector, name) for selector in one["metric_name_selectors"]):
                    continue
                for dimensions in one["dimensions"]:
                    if set(dimensions) <= labels.keys():
                        key = (name, tuple(sorted((label, labels[label]) for label in dimensions)))
                        minutes = found.setdefault(key, {})
                        for minute, value in enumerate(each):
                            if value is not None and not math.isnan(value):
                                minutes.setdefault(minute, []).append(value)
        return found


def deltas(each):
    """What a counter grew by since the scrape before; nothing at the first."""
    whole = [None]
    for before, now in zip(each, each[1:]):
        is_known = before is not None and now is not None
        whole.append((now - before if now >= before else now) if is_known else None)
    return whole


# ---- CloudWatch

STATISTICS = {"Maximum": max, "Minimum": min, "Sum": sum}


class Alarm:
    def __init__(self, name, body, role):
        properties = body["Properties"]
        self.name, self.missing = name, properties["TreatMissingData"]
        assert properties["ComparisonOperator"] == "GreaterThanThreshold" and properties["Threshold"] == 0
        self.count, self.stats = properties["EvaluationPeriods"], {}
        for one in properties["Metrics"]:
            if "Expression" in one:
                self.expression = ast.parse(
                    one["Expression"].replace(" AND ", " and ").replace(" OR ", " or "), mode="eval"
                ).body
                continue
            stat = one["MetricStat"]
            dimensions = {
                each["Name"]: role if each["Value"] == {"Ref": "Worker"} else each["Value"]
                for each in stat["Metric"]["Dimensions"]
            }
            key = (stat["Metric"]["MetricName"], tuple(sorted(dimensions.items())))
            self.stats[one["Id"]] = (key, STATISTICS[stat["Stat"]])
            self.period = stat["Period"] // 60

    def value(self, metrics, begin):
        """The expression's data point of the period that begins with a minute; None without one."""
        points = {}
        for id_, (key, statistic) in self.stats.items():
            minutes = metrics.get(key, {})
            seen = [v for at in range(begin, begin + self.period) for v in minutes.get(at, [])]
            points[id_] = statistic(seen) if seen else None
        return evaluate(self.expression, points, BEGIN + begin * 60)

    def state(self, metrics, minute):
        """What the alarm says at a minute, having been there since the first."""
        begins = [minute - self.period * (back + 1) for back in range(self.count)]
        if self.period == 1 and begins[-1] < 0:
            return UNKNOWN
        points = [self.value(metrics, begin) for begin in begins]
        if self.missing == "missing":
            points = [point for point in points if point is not None]
            if not points:
                return UNKNOWN
        is_breaching = [self.missing == "breaching" if point is None else point > 0 for point in points]
        return FIRES if all(is_breaching) else SILENT


def evaluate(node, points, now):
    """Metric math at one time. A missing operand is 0 where the other one has a value."""
    if isinstance(node, ast.Name):
        return points[node.id]
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Call) and node.func.id == "EPOCH":
        return now
    if isinstance(node, ast.Call) and node.func.id == "IF":
        condition = evaluate(node.args[0], points, now)
        return evaluate(node.args[1], points, now) if condition else None
    if isinstance(node, ast.BoolOp):
        sides = [evaluate(side, points, now) for side in node.values]
        if all(side is None for side in sides):
            return None
        return float((all if isinstance(node.op, ast.And) else any)(side or 0 for side in sides))
    if isinstance(node, ast.Compare):
        left, right, [operator] = node.left, node.comparators[0], node.ops
    else:
        assert isinstance(node, ast.BinOp), ast.dump(node)
        left, right, operator = node.left, node.right, node.op
    sides = [evaluate(side, points, now) for side in (left, right)]
    series_ = [side for side, part in zip(sides, (left, right)) if not isinstance(part, ast.Constant)]
    if all(side is None for side in series_):
        return None
    a, b = (side or 0 for side in sides)
    return float(OPERATORS[type(operator)](a, b))


OPERATORS = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.Lt: lambda a, b: a < b,
    ast.Eq: lambda a, b: a == b,
}


def alarms(role):
    """The alarms beside a worker, by the alert that they stand for."""
    resources = cfn.read(cloudwatch.TEMPLATE)["Resources"]
    names = {cloudwatch.name(one): one["alert"] for one in cloudwatch.made(cloudwatch.load()[1])}
    assert names.keys() == resources.keys()
    whole = {}
    for name, body in resources.items():
        if body.get("Condition", f"OfThe{role.capitalize()}") == f"OfThe{role.capitalize()}":
            whole.setdefault(names[name], []).append(Alarm(name, body, role))
    return whole


# ---- the comparison


def check_cases():
    agents = {role: Agent(role) for role in ROLES}
    beside = {role: alarms(role) for role in ROLES}
    expressed = {alert for role in ROLES for alert in beside[role]}
    lasting = {alert: rule.get("for", "0s") for alert, rule in cloudwatch.alerts().items()}
    checked = {alert: set() for alert in expressed}
    for case in yaml.safe_load(CASES.read_text())["tests"]:
        # Between two samples of a case a worker still exports the first.
        every = in_minutes(case["interval"])
        given = [
            (*series(one["series"]), [value for value in values(one["values"]) for _ in range(every)])
            for one in case["input_series"]
        ]
        exported = by_role(given)
        metrics = {role: agents[role].metrics(each) for role, each in exported.items()}
        for test in case.get("promql_expr_test", []):
            [alert] = re.findall(r'alertname="(\w+)",alertstate="firing"', test["expr"])
            minute = in_minutes(test["eval_time"])
            if alert not in expressed:
                continue
            here = [(role, alarm) for role in exported for alarm in beside[role].get(alert, [])]
            if minute * 60 < cloudwatch.seconds(lasting[alert]):
                # An alarm that counts over a longer period needs no `for`, and fires that much sooner.
                here = [(role, alarm) for role, alarm in here if alarm.period == 1]
            firing = [alarm.name for role, alarm in here if alarm.state(metrics[role], minute) == FIRES]
            expected = int(sum(one["value"] for one in test["exp_samples"]))
            # An alarm stands for several families or reasons, and never for less than one alert.
            if bool(firing) != bool(expected) or len(firing) > expected:
                sys.exit(
                    f"{case['name']}: after {minute} minutes {alert} fires {expected} times in Prometheus; "
                    f"in CloudWatch {firing or 'nothing does'}"
                )
            checked[alert].add(bool(expected))
    unsaid = [alert for alert, both in checked.items() if both != {True, False}]
    assert not unsaid, f"no case in which {unsaid} fire, or none in which they do not"
    return len(checked), sum(len(each) for role in ROLES for each in beside[role].values())


def healthy(minutes):
    """What two workers export while all is well, for some minutes."""
    now = "0+60x" + str(minutes)
    always = lambda value: f"{value}+0x{minutes}"
    whole = [
        ("amiferry_families", {"policy": "gold", "state": state}, always(count))
        for state, count in [("within_rpo", 3), ("breached", 0), ("unprotected", 0), ("lost", 0)]
    ]
    whole += [
        ("amiferry_recovery_points_lost", {"state": "lost"}, always(0)),
        ("amiferry_inventory_last_success_timestamp_seconds", {}, now),
        ("amiferry_inventory_not_assessed", {}, always(0)),
        ("amiferry_kms_key_usable", {"use": "ebs"}, always(1)),
        ("amiferry_kms_key_usable", {"use": "vault_bucket"}, always(1)),
        ("amiferry_quota_used_bytes", {"quota": "store"}, always(10)),
        ("amiferry_quota_limit_bytes", {"quota": "store"}, always(600)),
        ("amiferry_quota_used_bytes", {"quota": "restore"}, always(10)),
        ("amiferry_quota_limit_bytes", {"quota": "restore"}, always(600)),
    ]
    for stage in ("store", "store_task", "copy", "restore", "restore_task", "protect", "manifest"):
        whole.append(("amiferry_stage_total", {"stage": stage, "outcome": "succeeded"}, now))
        whole.append(("amiferry_stage_total", {"stage": stage, "outcome": "failed"}, always(0)))
    for worker in ROLES:
        labels = {"worker": worker}
        whole += [
            ("amiferry_sweep_last_success_timestamp_seconds", labels, now),
            ("amiferry_sweep_interval_seconds", labels, always(900)),
            ("amiferry_unreadable_items", labels, always(0)),
            ("amiferry_check_timestamp_seconds", labels, now),
            ("amiferry_check_findings", labels | {"level": "fail"}, always(0)),
            ("amiferry_check_findings", labels | {"level": "ok"}, always(40)),
            ("amiferry_queue_messages", labels | {"state": "waiting"}, always(0)),
            ("amiferry_queue_last_receive_timestamp_seconds", labels, now),
            ("amiferry_events_total", labels | {"outcome": "accepted"}, now),
            ("amiferry_found_by_sweep_total", labels, always(0)),
            ("amiferry_quarantined_messages_total", labels | {"reason": "not_json"}, always(0)),
            ("amiferry_aws_api_requests_total", labels | {"service": "s3", "outcome": "ok"}, now),
        ]
    return [(name, labels, values(text)) for name, labels, text in whole]


def check_absence():
    """All is green while all is well; when everything falls silent, nothing stays green but what is
    silent without anything to tell."""
    exported = by_role(healthy(600))
    silent = 0
    for role in ROLES:
        metrics = Agent(role).metrics(exported[role])
        for of_alert in alarms(role).values():
            for alarm in of_alert:
                state = alarm.state(metrics, 600)
                assert state == SILENT, f"all is well, and {alarm.name} of the {role} is {state}"
                expected = {"breaching": FIRES, "missing": UNKNOWN, "notBreaching": SILENT}[alarm.missing]
                state = alarm.state(metrics, 600 + alarm.period + 60)
                assert state == expected, f"all is silent, and {alarm.name} of the {role} is {state}"
                silent += expected != SILENT
    return silent


def check_table():
    """The table of the README says of each alarm, in the order of their names, what the template does."""
    resources = cfn.read(cloudwatch.TEMPLATE)["Resources"]
    words = {"breaching": "fires", "missing": UNKNOWN, "notBreaching": "silent"}
    seen = []
    for line in cloudwatch.README.read_text().splitlines():
        row = re.fullmatch(r"\| \[Amiferry.*\] *\([^|]*\) \| ([^|]*) \| ([^|]*) \|.*", line)
        names = [name for name in re.findall(r"`(\w+)`", row[1]) if name in resources] if row else []
        said = row[2].split(", ") if row else []
        said = said * len(names) if len(said) == 1 else said
        does = [words[resources[name]["Properties"]["TreatMissingData"]] for name in names]
        assert not names or said == does, f"the table says {said} of {names}; the template does {does}"
        seen += names
    assert sorted(seen) == sorted(resources), "the table leaves an alarm out, or has one twice"


def main():
    cloudwatch.check_products()
    check_table()
    count, number = check_cases()
    silent = check_absence()
    print(f"alarms: {number} alarms of CloudWatch fire as {count} alerts of Prometheus do, in every case")
    print(f"alarms: while nothing is told, {silent} of them fire or have insufficient data")


main()
