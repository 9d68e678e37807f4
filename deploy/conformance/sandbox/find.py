"""Finds what runs have made, by tag, name or description, in every place of both accounts."""

from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from . import naming
from .aws import Place

FAILURES = (BotoCoreError, ClientError, ResponseParserError)
# Kinds in the order in which they can be deleted: a rule before its queue, an image before its snapshot.
ORDER = ("rule", "image", "snapshot", "volume", "bucket", "queue", "role", "key")


@dataclass(frozen=True)
class Item:
    """Something with our prefix. `run` is None where it names no run: never deleted."""

    kind: str
    place: Place
    id: str
    run: str | None

    def __str__(self):
        return f"{self.kind} {self.id} in {self.place}"


def lacks(error, aws):
    """Whether an emulator lacks what was called. AWS itself lacks nothing."""
    if aws.override is None:
        return False
    if isinstance(error, ResponseParserError):
        return True
    return (isinstance(error, ClientError)
            and error.response["ResponseMetadata"].get("HTTPStatusCode", 0) >= 500)


def find(aws, places, run=None):
    """Everything with our prefix, or only that of one run, and what could not be looked at."""
    items, problems = [], []
    accounts = {place.role: place for place in reversed(places)}
    looks = [(kind, place) for place in places for kind in ORDER if kind not in ("bucket", "role")]
    looks += [(kind, place) for place in accounts.values() for kind in ("bucket", "role")]
    for kind, place in looks:
        try:
            items += FINDERS[kind](aws, place)
        except FAILURES as error:
            if not lacks(error, aws):
                problems.append(f"could not look for any {kind} in {place}: {error}")
    found = [item for item in items if run is None or item.run == run]
    return sorted(set(found), key=lambda item: (ORDER.index(item.kind), str(item))), problems


def _tagged(operation, result, key, unless=()):
    """A finder of EC2 resources that carry our tag."""

    def look(aws, place):
        pages = aws.at("ec2", place).get_paginator(operation).paginate(
            Filters=[{"Name": "tag-key", "Values": [naming.TAG]}],
            **({"Owners": ["self"]} if operation == "describe_images" else {}),
            **({"OwnerIds": ["self"]} if operation == "describe_snapshots" else {}))
        for page in pages:
            for found in page[result]:
                run = naming.run_of_tags(found.get("Tags"))
                if run and found.get("State") not in unless:
                    yield Item(operation.removeprefix("describe_")[:-1], place, found[key], run)

    return look


def _images(aws, place):
    # By name as well as by tag: an emulator may ignore the tags of RegisterImage.
    yield from _tagged("describe_images", "Images", "ImageId", unless=("deregistered",))(aws, place)
    for image in aws.at("ec2", place).describe_images(
            Owners=["self"], Filters=[{"Name": "name", "Values": [f"{naming.PREFIX}-*"]}])["Images"]:
        run = naming.run_of_name(image["Name"])
        if run and image["State"] != "deregistered":
            yield Item("image", place, image["ImageId"], run)


def _buckets(aws, place):
    s3 = aws.at("s3", place)
    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        if name.startswith(naming.PREFIX):
            region = s3.get_bucket_location(Bucket=name)["LocationConstraint"] or "us-east-1"
            yield Item("bucket", Place(place.role, place.account, region), name, naming.run_of_name(name))


def _queues(aws, place):
    pages = aws.at("sqs", place).get_paginator("list_queues").paginate(QueueNamePrefix=naming.PREFIX)
    for page in pages:
        for url in page.get("QueueUrls", ()):
            yield Item("queue", place, url, naming.run_of_name(url.rsplit("/", 1)[-1]))


def _rules(aws, place):
    pages = aws.at("events", place).get_paginator("list_rules").paginate(NamePrefix=naming.PREFIX)
    for page in pages:
        for rule in page["Rules"]:
            yield Item("rule", place, rule["Name"], naming.run_of_name(rule["Name"]))


def _roles(aws, place):
    for page in aws.at("iam", place).get_paginator("list_roles").paginate():
        for role in page["Roles"]:
            if role["RoleName"].startswith(naming.PREFIX):
                yield Item("role", place, role["RoleName"], naming.run_of_name(role["RoleName"]))


def _keys(aws, place):
    kms = aws.at("kms", place)
    for page in kms.get_paginator("list_keys").paginate():
        for entry in page["Keys"]:
            key = kms.describe_key(KeyId=entry["KeyId"])["KeyMetadata"]
            run = naming.run_of_description(key.get("Description", ""))
            if run and key["KeyManager"] == "CUSTOMER" and key["KeyState"] != "PendingDeletion":
                yield Item("key", place, key["KeyId"], run)


FINDERS = {
    "rule": _rules,
    "image": _images,
    "snapshot": _tagged("describe_snapshots", "Snapshots", "SnapshotId"),
    "volume": _tagged("describe_volumes", "Volumes", "VolumeId", unless=("deleting", "deleted")),
    "bucket": _buckets,
    "queue": _queues,
    "role": _roles,
    "key": _keys,
}
