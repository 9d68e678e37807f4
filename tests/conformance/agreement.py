"""Compares two recordings of the same checks call by call, and holds the differences to a list.

A call is compared as a caller sees it: error code and HTTP status, or every member of the parsed
answer. Identifiers, times and tokens are compared by presence only.
"""

import datetime
import json
import re
import tomllib
from difflib import SequenceMatcher
from pathlib import Path

LIST = Path(__file__).with_name("differences.toml")

# Members whose values the service makes up.
OPAQUE = {
    "AbortRuleId", "AccessKeyId", "AssumedRoleId", "CiphertextBlob", "ContinuationToken",
    "CopySourceVersionId", "DeleteMarkerVersionId", "DisplayName", "GrantId", "GrantToken",
    "GrantTokens", "ID", "Marker", "Message", "MessageId", "NextContinuationToken", "NextMarker", "NextToken",
    "NextUploadIdMarker", "NextVersionIdMarker", "ReceiptHandle", "SecretAccessKey", "SenderId",
    "SessionToken", "TaskHandle", "UploadId", "UploadIdMarker", "UserId", "VersionId",
    "VersionIdMarker", "nextToken", "SentTimestamp", "ApproximateFirstReceiveTimestamp",
    "CreatedTimestamp", "LastModifiedTimestamp", "StartedTimestamp",
    "CiphertextForRecipient", "CreationDate", "DeprecationTime", "ZoneId",
}
PATTERNS = [
    (re.compile(r"\b(ami|snap|vol|i|eipalloc)-[0-9a-f]{8,17}\b"), r"<\1>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"https?://[^/]+/(queue/)?"), "<endpoint>/"),
    (re.compile(r"\b(123456789012|222222222222)\b"), "<account>"),
]
ABSENT = "(absent)"


def normalised(value, name=None):
    """A parsed answer without what differs from run to run, and without empty members.

    Empty and absent are one: AWS documents neither, and callers treat both alike.
    """
    if name in OPAQUE and value not in ("", [], None):
        return f"<{name}>"
    if isinstance(value, dict):
        return {key: normalised(item, key) for key, item in value.items()
                if item not in ("", [], {}, None)}
    if isinstance(value, list):
        items = [normalised(item) for item in value]
        return sorted(items, key=order)
    if isinstance(value, datetime.datetime):
        return "<time>"
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if name == "Policy":
        return json.loads(value)
    if isinstance(value, str):
        for pattern, replacement in PATTERNS:
            value = pattern.sub(replacement, value)
    return value


def order(item):
    if isinstance(item, dict):
        for name in ("Key", "Id", "Name", "PartNumber", "RegionName", "ZoneName", "AliasName",
                     "DeviceName", "Prefix"):
            if name in item:
                return str(item[name]) + json.dumps(item, sort_keys=True, default=str)
    return json.dumps(item, sort_keys=True, default=str)


def differences(ours, theirs):
    """Paths at which two recorded calls differ, each with both values."""
    if ours.outcome != theirs.outcome:
        return [(f"outcome {ours.outcome} | {theirs.outcome}", ours.outcome, theirs.outcome)]
    return list(unlike("", ours.answer, theirs.answer))


def unlike(path, ours, theirs):
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            yield from unlike(f"{path}.{name}".lstrip("."), ours.get(name, ABSENT),
                              theirs.get(name, ABSENT))
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield f"{path}[]", f"{len(ours)} items", f"{len(theirs)} items"
            return
        for one, other in zip(ours, theirs):
            yield from unlike(f"{path}[]", one, other)
    elif ours != theirs:
        yield path, ours, theirs


class Agreement:
    """What became of each operation of a service."""

    def __init__(self, service):
        self.service = service
        self.compared = {}
        self.found = {}
        self.lacking = {}
        self.ours_only = set()

    def add(self, check, ours, theirs, unmet):
        """Compares the recordings of one check; `unmet` is what moto's answers did not hold.

        Calls of other services only prepare the ground.
        """
        ours, theirs = self.own(ours), self.own(theirs)
        known = len(self.found) + sum(self.lacking.values())
        for call in ours:
            self.compared.setdefault(call.operation, 0)
        # Where one run makes more calls than the other, for a difference in an answer before,
        # those of the same operations are still compared.
        names = [[call.operation for call in calls] for calls in (ours, theirs)]
        for block in SequenceMatcher(None, *names, autojunk=False).get_matching_blocks():
            for call, other in zip(ours[block.a:block.a + block.size], theirs[block.b:]):
                if other.outcome == "not implemented":
                    self.lacking[call.operation] = self.lacking.get(call.operation, 0) + 1
                    continue
                self.compared[call.operation] += 1
                for path, one, another in differences(call, other):
                    self.found.setdefault((call.operation, path), (one, another))
                    known = None
        if known == len(self.found) + sum(self.lacking.values()) and unmet:
            # Every call agrees and yet a fact about them does not: a body, or an order.
            self.found[f"{self.service}:({check})", unmet[0]] = ("holds", "does not")

    def add_ours_only(self, ours):
        self.ours_only |= {call.operation for call in self.own(ours)}

    def own(self, calls):
        return [call for call in calls if call.operation.startswith(f"{self.service}:")]

    def verdicts(self):
        """One row for each operation: name, calls compared, verdict, where it differs."""
        operations = self.compared.keys() | self.lacking.keys() | self.ours_only
        operations |= {operation for operation, _ in self.found}
        for operation in sorted(operations):
            paths = [path for name, path in sorted(self.found) if name == operation]
            count = self.compared.get(operation, 0)
            if paths:
                verdict = "differ"
            elif count:
                verdict = "agree"
            elif operation in self.lacking:
                verdict = "moto lacks it"
            elif operation in self.ours_only:
                verdict = "only ours"
            else:
                verdict = "not reached"
            yield operation, count, verdict, paths

    def table(self):
        rows = [("operation", "calls", "verdict", "differs in")]
        for operation, count, verdict, paths in self.verdicts():
            where = ", ".join(paths)
            rows.append((operation, str(count), verdict,
                         where if len(where) <= 70 else f"{len(paths)} places"))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        return "\n".join("  ".join(
            [cell.ljust(width) for cell, width in zip(row, widths)] + [row[3]]).rstrip()
            for row in rows)

    def complaints(self):
        """Differences that are not listed, and listed ones that no longer occur."""
        listed = set()
        for entry in tomllib.loads(LIST.read_text())["difference"]:
            for member in ("operations", "paths", "document", "why"):
                if not entry.get(member):
                    yield f"{LIST.name}: an entry of {entry.get('operations')} has no {member}"
            listed |= {(operation, path) for operation in entry.get("operations", [])
                       if operation.startswith(f"{self.service}:")
                       for path in entry.get("paths", [])}
        for key in sorted(self.found.keys() - listed):
            ours, moto = self.found[key]
            yield (f"{key[0]}: {key[1]!r} differs and is not in {LIST.name}: "
                   f"ours {ours!r:.200}, moto {moto!r:.200}")
        for operation, path in sorted(listed - self.found.keys()):
            yield f"{LIST.name}: {operation} no longer differs in {path!r}; remove it"
