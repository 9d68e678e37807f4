"""What a question may cost at most.

A bound, not an estimate: every image counts as if it were full, everything as if it lived for a whole
day, and prices as if each Region were three times as dear as us-east-1, and ten times for transfer out of
it. `../prices.toml` has the prices that amiferry's own estimates use; those of volumes and keys are here.
"""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

PRICES = Path(__file__).resolve().parents[2] / "prices.toml"
# A price of us-east-1 times this bounds that of any Region of the same partition: assumed, not looked up.
# Regions differ most in transfer.
DEAREST, DEAREST_TRANSFER = 3.0, 10.0
# Everything is gone after a day; storage is billed by the month.
DAYS = 1 / 30
BLOCKS_PER_GIB = 2048
# USD for each GB and month, us-east-1: Cold HDD (sc1) for large volumes, gp3 for small ones.
COLD_VOLUME, VOLUME = 0.015, 0.08
# USD for each key and month, charged by the hour; a key whose deletion is scheduled costs nothing.
KEY = 1.0


@dataclass(frozen=True)
class Usage:
    """What a question uses at most."""

    # GiB of objects, of snapshots, of gp3 and of sc1 volumes, each for a day.
    objects: float = 0
    snapshots: float = 0
    volumes: float = 0
    cold_volumes: float = 0
    # GiB that a store reads from snapshots, and a restore writes to them.
    read: float = 0
    written: float = 0
    # GiB that leave a Region.
    transfer: float = 0
    keys: int = 0
    requests: int = 0

    def __add__(self, other):
        return Usage(*(getattr(self, field.name) + getattr(other, field.name)
                       for field in fields(self)))

    def __mul__(self, times):
        return Usage(*(getattr(self, field.name) * times for field in fields(self)))

    @staticmethod
    def store(gib):
        """One store task of an image of `gib`."""
        return Usage(objects=gib, read=gib, requests=200)

    @staticmethod
    def restore(gib):
        """One restore of an image of `gib`."""
        return Usage(snapshots=gib, written=gib, requests=200)


def prices(path=PRICES):
    """The prices of us-east-1 in USD."""
    with open(path, "rb") as file:
        table = tomllib.load(file)
    region = next(region for region in table["region"] if region["name"] == "us-east-1")
    return {
        "objects": region["objects"]["STANDARD"] * DAYS,
        "snapshots": region["snapshots"] * DAYS,
        "volumes": VOLUME * DAYS,
        "cold_volumes": COLD_VOLUME * DAYS,
        "read": region["blocks_read"] * BLOCKS_PER_GIB / 1000,
        "written": region["blocks_written"] * BLOCKS_PER_GIB / 1000,
        "transfer": region["transfer"],
        "keys": KEY * DAYS,
        "requests": region["requests"] / 1000,
    }


def bound(usage, table):
    """The most that a usage costs, in USD."""
    return sum(getattr(usage, unit) * price * (DEAREST_TRANSFER if unit == "transfer" else DEAREST)
               for unit, price in table.items())
