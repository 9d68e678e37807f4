"""Fails where the second of two builds compiles a third-party crate again.

Reads what cargo wrote of both with `--message-format=json`. A crate of a registry that the first
build used may be in the second only as the same files: other files are another build of it, of
other features or another profile.
"""

import json
import sys


def artifacts(path):
    """The files of each package that is no member of the workspace, and which of them are new."""
    files, compiled = {}, set()
    with open(path, encoding="utf-8") as messages:
        for message in map(json.loads, messages):
            package = message.get("package_id", "")
            if message["reason"] != "compiler-artifact" or package.startswith("path+"):
                continue
            files.setdefault(package, set()).update(message["filenames"])
            if not message["fresh"]:
                compiled.add(package)
    return files, compiled


def main():
    first, _ = artifacts(sys.argv[1])
    second, compiled = artifacts(sys.argv[2])
    if not first or not second:
        sys.exit("one_build.py: cargo named no third-party crate")
    again = sorted(package for package, files in first.items()
                   if package in compiled or not second.get(package, files) <= files)
    for package in again:
        print(f"compiled again: {package.rpartition('#')[2]}", file=sys.stderr)
    print(f"{len(first)} third-party crates, {len(again)} compiled again")
    sys.exit(1 if again else 0)


if __name__ == "__main__":
    main()
