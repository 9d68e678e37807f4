"""The journal: what is about to be made, on disk before the call that makes it.

One JSON object a line: `{"run": …}` first, then `{"making": …}` before and `{"made": …}` after each
call. It says which accounts and Regions a run has touched even if nothing else survives.
"""

import json
import os


class Journal:
    """The journal of a running run."""

    def __init__(self, path, run, places):
        self.path = path
        self._seq = 0
        # Exclusive: a journal is never written over.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        self._write({"run": run, "places": [[p.role, p.account, p.region] for p in places]})

    def _write(self, entry):
        self._file.write(json.dumps(entry, sort_keys=True) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def making(self, kind, place, name):
        """Says that something is about to be made; gives the number to pass to `made`."""
        self._seq += 1
        self._write({"making": self._seq, "kind": kind, "place": str(place), "name": name})
        return self._seq

    def made(self, seq, identifier):
        """Says what came of it."""
        self._write({"made": seq, "id": identifier})

    def cleaned(self, left):
        """Says that the run was cleaned up, and how much is left."""
        self._write({"cleaned": True, "left": left})

    def close(self):
        self._file.close()


def read(path):
    """The run id of a journal and its entries. A last line that is cut off is left out: it was
    being written when the run ended."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    entries = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            entries.append(json.loads(line))
        except ValueError:
            if number != len(lines):
                raise ValueError(f"{path}, line {number}: not a line of a journal") from None
    try:
        first = entries[0]
        names = [first["run"], *(name for _, *pair in first["places"] for name in pair)]
        touched(entries)
    except (IndexError, KeyError, TypeError, ValueError):
        names = []
    if len(names) < 3 or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path}: the first line names no run with its accounts and Regions")
    return first["run"], entries


def touched(entries):
    """The accounts and Regions that a run may have touched."""
    return {(account, region) for _, account, region in entries[0]["places"]}
