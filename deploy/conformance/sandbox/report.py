"""The answers as the simulated AWS's settings file, as JSON, and as text."""

import json


def value(it):
    """A value as TOML writes it."""
    if isinstance(it, bool):
        return "true" if it else "false"
    if isinstance(it, int):
        return str(it)
    if isinstance(it, list):
        return f"[{', '.join(value(one) for one in it)}]"
    if isinstance(it, str):
        # A JSON string is a TOML basic string but for DEL, which TOML wants escaped too.
        return json.dumps(it, ensure_ascii=True).replace("\x7f", "\\u007f")
    raise TypeError(f"no setting has a value like {it!r}")


def settings_file(answers, heading):
    """A scenario file of the simulated AWS with the settings that were seen. `answers` maps
    "ec2.codes.quota" to a value; `heading` becomes comments."""
    tables = {}
    for path, it in answers.items():
        table, _, name = path.rpartition(".")
        tables.setdefault(table, {})[name] = it
    lines = [f"# {line}".rstrip() for line in heading]
    for table in sorted(tables):
        lines += ["", f"[settings.{table}]"]
        lines += [f"{name} = {value(it)}" for name, it in sorted(tables[table].items())]
    return "\n".join(lines) + "\n"


def settings_of(results):
    """All settings of all answers; an unanswered question has none."""
    merged = {}
    for result in results:
        for path, it in result.get("settings", {}).items():
            if merged.get(path, it) != it:
                raise ValueError(f"{path}: {merged[path]!r} and {it!r}")
            merged[path] = it
    return merged


def text(report):
    """The report for people."""
    lines = [f"Run {report['run']} of {report['at']} against {report['endpoint']}",
             f"source {report['source']}, vault {report['vault']}", ""]
    for result in report["questions"]:
        lines.append(f"{result['id']}: {result['asks']}")
        if "says" in result:
            lines.append(f"  {result['says']}")
        if "cause" in result:
            lines.append(f"  NOT ANSWERED: {result['cause']}")
        for path, it in sorted(result.get("settings", {}).items()):
            lines.append(f"  {path} = {value(it)}")
        for path, why in sorted(result.get("open", {}).items()):
            lines.append(f"  {path}: not settled: {why}")
        if not result["switches"]:
            lines.append("  The simulated AWS has no switch for this.")
        lines.append("")
    answered = sum(result["status"] == "answered" for result in report["questions"])
    partly = sum(result["status"] == "answered in part" for result in report["questions"])
    lines.append(f"{answered} of {len(report['questions'])} questions answered"
                 + (f", {partly} in part." if partly else "."))
    if report["left"] or report["problems"]:
        lines += ["LEFT BEHIND:"] + [f"  {one}" for one in report["left"] + report["problems"]]
    else:
        lines.append("Nothing is left behind but keys that wait for their deletion.")
    return "\n".join(lines) + "\n"
