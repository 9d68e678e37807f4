"""Names and tags that say which run something belongs to."""

import re
import secrets

PREFIX = "amiferry-conformance"
TAG = f"{PREFIX}:run"
# A bucket of this name stands for an account setting that was changed: it says the earlier value.
MARKER = "ebs-default-was"

_RUN = re.compile(r"[0-9a-f]{10}")
_NAME = re.compile(rf"{PREFIX}-([0-9a-f]{{10}})-[a-z0-9-]+")
_DESCRIPTION = re.compile(rf"{PREFIX} ([0-9a-f]{{10}}): .*")


def new_run():
    """The id of a new run: 40 random bits, so that no other run and no stranger has it."""
    return secrets.token_hex(5)


def is_run(text):
    """Whether a text is a run id."""
    return bool(_RUN.fullmatch(text))


def name(run, what):
    """The name of something of a run."""
    return f"{PREFIX}-{run}-{what}"


def run_of_name(text):
    """The run that a name names, or None."""
    found = _NAME.fullmatch(text)
    return found and found[1]


def description(run, what):
    """A description that names the run: keys have no names, and it is there from the first moment."""
    return f"{PREFIX} {run}: {what}"


def run_of_description(text):
    """The run that a description names, or None."""
    found = _DESCRIPTION.fullmatch(text)
    return found and found[1]


def tags(run, **more):
    """Tags of a run as EC2 and IAM write them."""
    return [{"Key": TAG, "Value": run}] + [{"Key": f"{PREFIX}:{key}", "Value": value}
                                            for key, value in more.items()]


def run_of_tags(pairs):
    """The run that a list of tags names, or None."""
    runs = [pair["Value"] for pair in pairs or () if pair["Key"] == TAG]
    return runs[0] if len(runs) == 1 and is_run(runs[0]) else None
