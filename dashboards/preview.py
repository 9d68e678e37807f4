#!/usr/bin/env python3
"""Draws each dashboard as one SVG from what its queries give in a Prometheus.

These are previews, drawn here and not by Grafana: the same queries, panels, places, units and
colours, so that people see what they would import. It needs Python 3.9 and nothing else.
"""

import argparse
import json
import math
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
WIDTH, COLUMNS, ROW, GAP, HEAD = 1200, 24, 38, 8, 46
# For series without a colour of their own. They can be told apart with every kind of colour vision,
# and each also has its own dashes.
SERIES = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C8C2B", "#7F7F7F"]
DASHES = ["", "7 3", "2 3", "10 3 2 3", "12 4", "4 2", "1 2", "8 2 2 2"]
STYLE = """
svg{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",Arial,sans-serif;--ground:#f3f5f8;--card:#fff;--ink:#17202c;--soft:#556172;--line:#dde3ea}
@media (prefers-color-scheme:dark){svg{--ground:#0e131a;--card:#171e27;--ink:#e7ecf2;--soft:#a0acbb;--line:#2a3441}}
text{fill:var(--ink);font-variant-numeric:tabular-nums}.ground{fill:var(--ground)}.card{fill:var(--card);stroke:var(--line)}
.soft{fill:var(--soft)}.grid{stroke:var(--line)}.track{fill:var(--line)}.title{font-weight:600}
.r{text-anchor:end}.m{text-anchor:middle}.ink{stroke:var(--ink)}
"""


class Failure(Exception):
    """What cannot be done: the thing, the reason, and what to do about it."""


class Prometheus:
    """The HTTP interface of a Prometheus, at one moment."""

    def __init__(self, url, now=None):
        self.url = url.rstrip("/")
        if not re.match(r"https?://[^/]", self.url):
            raise Failure(f"{url!r} is no address of a Prometheus: give one like http://127.0.0.1:9090")
        self.now = now or time.time()

    def ask(self, path, **arguments):
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            reason = error.read(500).decode(errors="replace")
            raise Failure(f"{self.url} refuses {arguments}: HTTP status {error.code}, {reason}") from error
        except OSError as error:
            why = getattr(error, "reason", error)
            raise Failure(f"{self.url} does not answer: {why}. Is Prometheus running there?") from error
        except (ValueError, KeyError, TypeError) as error:
            raise Failure(f"{self.url} does not answer as Prometheus does: is it one?") from error

    def values(self, query):
        """Each series of an instant query, as its labels and its one point."""
        series = self.ask("query", query=query, time=self.now)["result"]
        return [(one["metric"], [(self.now, float(one["value"][1]))]) for one in series]

    def lines(self, query, start, step):
        """Each series of a range query, as its labels and its points that are numbers."""
        series = self.ask("query_range", query=query, start=start, end=self.now, step=step)["result"]
        numbers = [(one["metric"], [(at, float(v)) for at, v in one["values"] if v not in ("NaN", "+Inf", "-Inf")])
                   for one in series]
        return [(labels, points) for labels, points in numbers if points]


class Board:
    """A dashboard with the values of its variables, as Grafana would put them into its queries."""

    def __init__(self, path, prometheus, span, scrape, chosen):
        try:
            self.json = json.loads(Path(path).read_text(encoding="utf-8"))
            self.panels, variables = self.json["panels"], self.json["templating"]["list"]
        except OSError as error:
            raise Failure(f"{path} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise Failure(f"{path} is not the JSON of a dashboard: {error!r}") from error
        self.prometheus, self.start = prometheus, prometheus.now - span
        self.step = max(scrape, math.ceil(span / 300))
        self.values = {
            "__interval": f"{self.step}s", "__range": f"{span}s",
            "__rate_interval": f"{max(self.step + scrape, 4 * scrape)}s",
        }
        for variable in [variable for variable in variables if variable["type"] == "query"]:
            self.values[variable["name"]] = chosen.get(variable["name"]) or self.choose(variable)

    def choose(self, variable):
        """All where that can be chosen, otherwise the first one."""
        if variable.get("includeAll"):
            return variable["allValue"]
        query = self.fill(variable["query"]["query"])
        function, inner = re.fullmatch(r"(\w+)\((.*)\)", query).groups()
        if function == "label_values":
            selector, label = inner.rsplit(",", 1)
            match = {"match[]": selector.strip(), "start": self.start, "end": self.prometheus.now}
            options = self.prometheus.ask(f"label/{label.strip()}/values", **match)
        else:
            rows = [",".join(f'{name}="{value}"' for name, value in labels.items())
                    for labels, _ in self.prometheus.values(inner)]
            options = [match.group(1) for row in rows for match in re.finditer(variable["regex"].strip("/"), row)]
        if not options:
            raise Failure(f"nothing can be chosen as {variable['name']!r}: {query} gives nothing. "
                          "Does this Prometheus scrape amiferry and record its rules?")
        return sorted(options)[0]

    def fill(self, text):
        """The text with the values of the variables that it names."""
        return re.sub(r"\$(\w+)", lambda found: self.values.get(found.group(1), found.group(0)), text)

    def title(self):
        """The title, with what was chosen."""
        single = [v["name"] for v in self.json["templating"]["list"] if v.get("multi") is False]
        return ", ".join([self.json["title"]] + [f"{name} {self.values[name]}" for name in single])

    def series(self, panel):
        """What the panel's queries give: a name, labels and points (one for an instant query) each."""
        found = []
        for target in panel["targets"]:
            query = self.fill(target["expr"])
            ranged = target.get("range")
            rows = self.prometheus.lines(query, self.start, self.step) if ranged else self.prometheus.values(query)
            for labels, points in rows:
                name = re.sub(r"\{\{(\w+)\}\}", lambda m: labels.get(m.group(1), ""), target.get("legendFormat", ""))
                found.append((target["refId"], name, labels, points))
        return found


class Field:
    """How a value is shown: the panel's defaults, and what overrides them for a name."""

    def __init__(self, panel, name=""):
        config = panel["fieldConfig"]
        self.settings = {**config["defaults"], **config["defaults"].get("custom", {})}
        entries = [o["properties"] for o in config["overrides"] if o["matcher"]["options"] == name]
        self.settings.update((e["id"].removeprefix("custom."), e["value"]) for of_name in entries for e in of_name)
        self.name = self.settings.get("displayName", name)

    def mapped(self, value):
        """The text and colour that a value is given by name."""
        for mapping in self.settings.get("mappings", []) if value is not None else []:
            options, kind = mapping["options"], mapping["type"]
            if kind == "value" and f"{value:g}" in options:
                return options[f"{value:g}"]
            if kind == "range" and options["from"] <= value <= options["to"] or kind == "special" and math.isnan(value):
                return options["result"]
        return {}

    def text(self, value):
        if value is None:
            return self.settings.get("noValue", "-")
        return self.mapped(value).get("text") or quantity(value, self.settings["unit"], self.settings.get("decimals"))

    def tone(self, value):
        """The colour by mapping or threshold; nothing for that of text."""
        steps = self.settings.get("thresholds", {}).get("steps", []) if value is not None else []
        reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
        color = self.mapped(value).get("color", reached[-1] if reached else "")
        return color if color != "text" else ""


TIMES = [(1e-6, "µs"), (1e-3, "ms"), (1, "s"), (60, "min"), (3600, "hours"), (86400, "days"), (604800, "weeks")]


def quantity(value, unit, decimals=None):
    """A value with its unit, scaled to be readable as Grafana does it."""
    if not math.isfinite(value):
        return str(value)
    if unit == "dateTimeAsIso":
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(value / 1000))
    if unit == "dateTimeFromNow":
        return quantity(time.time() - value / 1000, "s", 0) + " ago"
    scale, word = 1, {"opm": " /min", "reqps": " req/s", "percentunit": "%"}.get(unit, "")
    if unit == "percentunit":
        scale = 0.01
    elif unit == "s":
        scale, word = next((t for t in reversed(TIMES) if abs(value) >= t[0]), (1, "s"))
        word = " " + (word.rstrip("s") if value == scale > 60 else word)
    elif unit in ("bytes", "decbytes", "Bps"):
        base, words = (1024, ["B", "KiB", "MiB", "GiB", "TiB"]) if unit == "bytes" else (1000, ["B", "kB", "MB", "GB", "TB"])
        power = min(int(math.log(abs(value), base)), 4) if abs(value) >= 1 else 0
        scale, word = base**power, " " + words[power] + ("/s" if unit == "Bps" else "")
    number = value / scale
    if decimals is not None:
        return f"{number:.{decimals}f}{word}"
    text = f"{number:.{max(0, 2 - int(math.log10(abs(number))))}f}" if number else "0"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + word


def text_width(text, size):
    """About how wide a text is, in pixels."""
    return size * sum(0.38 if c in "ijlt.,:;'|()[]fI !" else 0.95 if c in "mwMW%@" else 0.7 if c.isupper() else 0.62 for c in text)


def fit(text, width, size):
    """The text, cut where it would be too wide."""
    while text and text_width(text, size) > width:
        text = text[:-2].rstrip() + "…" if len(text) > 2 else ""
    return text


def on(color):
    """Black or white, whichever is read more easily on a colour; nothing without one."""
    if not color:
        return ""
    red, green, blue = (int(color[i:i + 2], 16) / 255 for i in (1, 3, 5))
    return "#fff" if 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 < 0.2 else "#10151c"


class Canvas:
    """The elements of one SVG."""

    def __init__(self):
        self.parts = []

    def add(self, tag, inside="", **attributes):
        """An element with those attributes that have a value."""
        told = ""
        for name, value in attributes.items():
            value = value if isinstance(value, str) else f"{value:.1f}"
            told += f' {name.rstrip("_").replace("_", "-")}="{value}"' if value else ""
        self.parts.append(f"<{tag}{told}>{escape(inside)}</{tag}>" if inside else f"<{tag}{told}/>")

    def text(self, x, y, text, size=13, kind="", color=""):
        if text:
            style = f"font-size:{size:.0f}px" + (f";fill:{color}" if color else "")
            self.add("text", text, x=x, y=y, class_=kind, style=style)

    def box(self, x, y, width, height, kind="", color="", radius=4):
        if kind or color:
            style = f"fill:{color}" if color else ""
            self.add("rect", x=x, y=y, width=max(width, 0), height=height, rx=radius, class_=kind, style=style)

    def path(self, points, color="", dash="", kind="", width=2):
        where = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.add("path", d=where, fill="none", stroke_width=width, stroke=color, stroke_dasharray=dash, class_=kind)


def draw_stat(canvas, panel, series, area, _board):
    """Large values, with their names if there are several; on colour where the panel says so."""
    x, y, width, height = area
    shown = [(name, points[-1][1]) for _, name, _, points in series] or [("", None)]
    options, values = panel["options"], []
    cell = (width - GAP * (len(shown) - 1)) / len(shown)
    for index, (name, value) in enumerate(shown):
        field, middle = Field(panel, name), x + index * (cell + GAP) + cell / 2
        text = name if options["textMode"] == "name" else field.text(value)
        label = name if options["textMode"] == "value_and_name" else ""
        color = field.tone(value) if options["colorMode"] == "background_solid" else ""
        canvas.box(middle - cell / 2, y, cell, height, color=color)
        size = min(34, 34 * (cell - 16) / max(text_width(text, 34), 1))
        canvas.text(middle, y + height / 2 + size * (0.1 if label else 0.35), text, size, "m title", on(color))
        canvas.text(middle, y + height - 12, fit(label, cell - 8, 13), 13, "m", on(color))
        values.append(f"{label} {text}".strip())
    return ", ".join(values)


def draw_bargauge(canvas, panel, series, area, _board):
    """One bar for each value, with its name and its value."""
    x, y, width, height = area
    rows, room = [(name, points[-1][1]) for _, name, _, points in series], max(1, int(height // 30))
    top = panel["fieldConfig"]["defaults"].get("max") or max([v for _, v in rows if math.isfinite(v)], default=0) or 1
    pitch = min(44, height / max(1, min(len(rows), room)))
    for index, (name, value) in enumerate(rows[:room]):
        field, at = Field(panel, name), y + index * pitch
        text = field.text(value)
        canvas.text(x + width, at + 13, text, 13, "r title")
        canvas.text(x, at + 13, fit(field.name, width - text_width(text, 13) - 12, 13))
        canvas.box(x, at + 18, width, 7, "track", radius=2)
        part = min(1, max(0, value / top)) if math.isfinite(value) else 0
        canvas.box(x, at + 18, width * part, 7, color=field.tone(value) or SERIES[0], radius=2)
    return f"{len(rows)} bars"


def draw_table(canvas, panel, series, area, _board):
    """The queries' values side by side, one row for each set of labels."""
    x, y, width, height = area
    organize, merged = panel["transformations"][-1]["options"], {}
    for ref, _, labels, points in series:
        row = merged.setdefault(tuple(sorted(labels.items())), dict(labels))
        row[f"Value #{ref}"] = points[-1][1]
    keys = sorted(organize["indexByName"], key=organize["indexByName"].get)
    titles = {key: organize["renameByName"].get(key, key) for key in keys}
    order = panel["options"]["sortBy"]
    by = [key for one in order for key in keys if titles[key] == one["displayName"]]
    rows = sorted(merged.values(), key=lambda row: [row.get(key, -math.inf) for key in by], reverse=order[0]["desc"])
    fields = {key: Field(panel, titles[key]) for key in keys}
    shown = lambda row, key: fields[key].text(row.get(key)) if key.startswith("Value") else row.get(key, "")
    room = int((height - 24) // 25)
    visible = rows if len(rows) <= room else rows[:room - 1]
    wanted = [max([text_width(titles[k], 13)] + [text_width(shown(r, k), 13) for r in visible]) + 18 for k in keys]
    share, left = width / sum(wanted), x
    for key, want in zip(keys, wanted):
        cell = want * share
        numeric = key.startswith("Value") and "cellOptions" not in fields[key].settings
        side, at = ("r", left + cell - 14) if numeric else ("", left + 2)
        canvas.text(at, y + 12, fit(titles[key], cell - 6, 12), 12, f"soft {side}")
        for index, row in enumerate(visible):
            base, text = y + 38 + index * 25, fit(shown(row, key), cell - 8, 13)
            color = fields[key].tone(row.get(key)) if "cellOptions" in fields[key].settings else ""
            canvas.box(left - 4, base - 16, text_width(text, 13) + 14, 21, color=color)
            canvas.text(at, base, text, 13, side, on(color))
        left += cell
    for index in range(len(visible)):
        canvas.path([(x, y + 21 + index * 25), (x + width, y + 21 + index * 25)], kind="grid", width=1)
    if len(visible) < len(rows):
        canvas.text(x + 2, y + 38 + len(visible) * 25, f"and {len(rows) - len(visible)} more", 13, "soft")
    return f"{len(rows)} rows"


def nice(span, unit, whole=False):
    """A round distance between a few marks."""
    if unit == "bytes":
        return 2 ** math.ceil(math.log2(span / 4.5))
    if unit == "s" and span > 10:
        rounds = [5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800]
        return next((step for step in rounds if span / step <= 5.5), 1209600)
    step = 10 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 4.5)
    return max(step, 1) if whole else step


def pieces(points, longest):
    """The points in a list for each stretch without a gap that is longer."""
    found = [[points[0]]]
    for before, point in zip(points, points[1:]):
        found.append([point]) if point[0] - before[0] > longest else found[-1].append(point)
    return found


def draw_timeseries(canvas, panel, series, area, board):
    """Lines over time above a legend with the last values, the largest first."""
    (x, y, width, height), start, end, lines = area, board.start, board.prometheus.now, []
    for index, (_, name, _, points) in enumerate(series):
        field = Field(panel, name)
        color = field.settings["color"].get("fixedColor") or SERIES[index % len(SERIES)]
        dash = "9 5" if "lineStyle" in field.settings else DASHES[index % len(DASHES)]
        lines.append((field, points, color, dash))
    lines.sort(key=lambda line: -line[1][-1][1])
    defaults, columns = panel["fieldConfig"]["defaults"], 2 if width > 240 and len(lines) > 3 else 1
    legend = lines if len(lines) <= 8 else lines[:7]
    more, rows = len(lines) - len(legend), math.ceil(min(len(lines), 8) / columns)
    unit, bottom = defaults["unit"], y + height - 17 * rows - 22
    most = max([value for _, points, _, _ in lines for _, value in points], default=0)
    top = 1 if unit == "percentunit" and 0.95 < most <= 1 else 1.05 * most or 1
    mark = nice(top, unit, defaults.get("decimals") == 0)
    marks = [mark * n for n in range(int(top / mark) + 1)]
    labels = [quantity(m, unit) for m in marks]
    left = x + max(text_width(label, 11) for label in labels) + 8
    across = lambda at: left + (at - start) / (end - start) * (x + width - left)
    down = lambda value: bottom - max(0, value) / top * (bottom - y - 4)
    for value, label in zip(marks, labels):
        canvas.path([(left, down(value)), (x + width, down(value))], kind="grid", width=1)
        canvas.text(left - 6, down(value) + 4, label, 11, "soft r")
    step = nice((end - start) * (1 if width > 300 else 2), "s")
    for count in range(int((end - start) / step) + 1):
        label = f"-{quantity(count * step, 's')}" if count else "now"
        where = across(end - count * step)
        if count == 0 or where - text_width(label, 11) / 2 > x:
            canvas.text(where, bottom + 15, label, 11, "soft m" if count else "soft r")
    for _, points, color, dash in reversed(lines):
        for piece in pieces(points, 1.5 * board.step):
            canvas.path([(across(at), down(value)) for at, value in piece], color, dash)
    half = width / columns
    for index, (field, points, color, dash) in enumerate(legend):
        at, base = x + index % columns * half, bottom + 34 + index // columns * 17
        text = field.text(points[-1][1])
        canvas.path([(at, base - 4), (at + 20, base - 4)], color, dash, width=3)
        canvas.text(at + 26, base, fit(field.name, half - 44 - text_width(text, 12), 12), 12)
        canvas.text(at + half - 12, base, text, 12, "r soft")
    if more:
        canvas.text(x + width - 12, bottom + 17 + rows * 17, f"and {more} more", 12, "r soft")
    return f"{len(lines)} lines"


KINDS = {"stat": draw_stat, "bargauge": draw_bargauge, "table": draw_table, "timeseries": draw_timeseries}


def draw(board, span_text):
    """The SVG of a dashboard."""
    canvas, said, column = Canvas(), [], (WIDTH - GAP) / COLUMNS
    for panel in board.panels:
        place = panel["gridPos"]
        x, y = GAP + place["x"] * column, HEAD + place["y"] * ROW
        width, height = place["w"] * column - GAP, place["h"] * ROW - GAP
        canvas.box(x, y, width, height, "card", radius=6)
        canvas.text(x + 10, y + 20, fit(panel["title"], (width - 16) / 1.1, 13), 13, "title")
        area, series = (x + 10, y + 32, width - 20, height - 42), board.series(panel)
        if panel["type"] not in KINDS:
            raise Failure(f"{panel['title']!r} is a {panel['type']!r}: only {', '.join(KINDS)} can be drawn")
        said.append(f"{panel['title']}: {KINDS[panel['type']](canvas, panel, series, area, board)}.")
    height = HEAD + max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in board.panels) * ROW + 28
    canvas.text(GAP + 2, 29, board.title(), 19, "title")
    canvas.text(WIDTH - GAP, 29, span_text, 13, "soft r")
    canvas.text(GAP + 2, height - 12, "A preview drawn by dashboards/preview.py. Grafana draws the same panels from the same queries in its own way.", 12, "soft")
    inside = "\n".join(canvas.parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="t d">\n'
            f'<title id="t">{escape(board.title())}</title>\n<desc id="d">{escape(" ".join([board.json["description"]] + said))}</desc>\n'
            f'<style>{STYLE}</style>\n<rect class="ground" width="{WIDTH}" height="{height}"/>\n{inside}\n</svg>\n')


def seconds(text):
    """A length of time such as 90s, 15m or 6h."""
    found = re.fullmatch(r"([1-9][0-9]*)([smhd])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time: write one like 90s, 15m, 6h or 7d")
    return int(found.group(1)) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found.group(2)]


def choice(text):
    """A variable and its value."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} chooses nothing: write it like family=web")
    return name, value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prometheus", help="address of a Prometheus that scrapes amiferry and records its rules")
    add = parser.add_argument
    add("dashboards", nargs="*", metavar="FILE", help="dashboards; all beside this script if none is named")
    add("--out", type=Path, default=Path("."), metavar="FOLDER", help="where the SVGs go (default: here)")
    add("--range", type=seconds, default="15m", metavar="TIME", help="the time shown, up to now (default: 15m)")
    add("--scrape-interval", type=seconds, default="15s", metavar="TIME", help="time between scrapes (default: 15s)")
    add("--set", type=choice, action="append", default=[], metavar="NAME=VALUE", help="choose, such as family=web")
    options = parser.parse_args()
    try:
        prometheus = Prometheus(options.prometheus)
        for path in options.dashboards or sorted(HERE.glob("*.json")):
            board = Board(path, prometheus, options.range, options.scrape_interval, dict(options.set))
            target = options.out / f"{Path(path).stem}.svg"
            target.write_text(draw(board, f"the last {quantity(options.range, 's')}"), encoding="utf-8")
            print(target)
    except Failure as failure:
        sys.exit(f"preview.py: {failure}")
    except OSError as error:
        sys.exit(f"preview.py: {target} cannot be written: {error.strerror}. Give --out a folder that is there")


if __name__ == "__main__":
    main()
