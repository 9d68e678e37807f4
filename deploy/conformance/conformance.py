#!/usr/bin/env python3
"""Asks two throw-away AWS accounts what AWS does not document, and prints the answers as settings of
the simulated AWS. README.md says what it does, costs and leaves.

    python3 conformance.py ask                 # what would be asked, made and paid; calls nothing
    python3 conformance.py ask --yes …         # asks, and cleans up
    python3 conformance.py clean …             # what interrupted runs left; with --yes removes it
"""

import argparse
import sys

try:
    import tomllib  # noqa: F401
    from sandbox import run
    from sandbox.aws import Clock
    from sandbox.faults import Misuse
except ModuleNotFoundError as missing:
    sys.exit(f"conformance.py needs Python 3.11 or newer and boto3 (pip install boto3): {missing}")


def parser():
    whole = argparse.ArgumentParser(prog="conformance.py", description=__doc__.split("\n\n")[0])
    commands = whole.add_subparsers(dest="command", required=True)
    ask = commands.add_parser("ask", help="show what would be asked; with --yes ask it")
    clean = commands.add_parser("clean", help="show what interrupted runs left; with --yes remove it")
    for command in (ask, clean):
        command.add_argument("--source-profile", help="profile of the throw-away source account")
        command.add_argument("--vault-profile", help="profile of the throw-away vault account")
        command.add_argument("--source-account", help="its id, which STS must confirm")
        command.add_argument("--vault-account", help="its id, which STS must confirm")
        command.add_argument("--source-region", default="us-east-1", help="(%(default)s)")
        command.add_argument("--vault-region", default="us-west-2", help="(%(default)s)")
        command.add_argument("--endpoint-url", help="of a simulated AWS; loopback addresses only")
        command.add_argument("--patience", type=seconds, default=1800,
                             help="seconds to wait for one task, and for the clean-up (%(default)s)")
        command.add_argument("--yes", action="store_true", help="do it")
    ask.add_argument("--plan", action="store_true", help="only show what would be done (the default)")
    ask.add_argument("--only", action="append", default=[], metavar="ID",
                     help="a question or group; may be repeated")
    ask.add_argument("--skip", action="append", default=[], metavar="ID",
                     help="a question or group; may be repeated")
    ask.add_argument("--image", help="a small image with data of the source account, instead of an empty one")
    ask.add_argument("--max-cost", type=dollars, default=5.0, metavar="USD",
                     help="refuse to run if the bound is above it (%(default)s)")
    ask.add_argument("--output", help="folder for the journal, the report and the settings file")
    clean.add_argument("--run", help="only this run")
    clean.add_argument("--journal", help="only the run of this journal")
    return whole


def seconds(text):
    value = int(text)
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError("must be 1 to 86400 seconds")
    return value


def dollars(text):
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("must be a number of dollars")
    return value


def main(words=None, clock=None):
    """Runs a command; gives the exit status."""
    args = parser().parse_args(words)
    try:
        if args.command == "clean" or args.yes:
            missing = [name for name in ("source_profile", "vault_profile", "source_account", "vault_account")
                       if not getattr(args, name)]
            if missing:
                named = ", ".join("--" + name.replace("_", "-") for name in missing)
                raise Misuse(f"{named}: needed to know which accounts may be used")
        if args.command == "ask" and args.yes and args.plan:
            raise Misuse("--plan and --yes contradict each other")
        command = run.ask if args.command == "ask" else run.clean_up
        return command(args, clock or Clock())
    except Misuse as misuse:
        print(f"conformance.py: {misuse}", file=sys.stderr)
        return misuse.status


if __name__ == "__main__":
    sys.exit(main())
