"""Removes everything of one run, and nothing else, until two looks in a row find nothing."""

from botocore.exceptions import ClientError

from . import naming
from .faults import Unanswered
from .find import FAILURES, find
from .questions.encryption import set_default

# Seconds between looks: what AWS has just made or deleted shows late.
BETWEEN = 15
# The shortest waiting period of KMS. A key that waits costs nothing.
KEY_DAYS = 7
# Codes of a deletion of something that is gone already.
GONE = {"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable", "InvalidSnapshot.NotFound",
        "InvalidVolume.NotFound", "NoSuchBucket", "NoSuchEntity", "ResourceNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue", "NotFoundException"}


def clean(aws, places, run, clock, patience, say):
    """Deletes what carries the run's id. Gives what is left and what could not be looked at."""
    if not naming.is_run(run):
        raise Unanswered(f"{run!r} is no run id: nothing is deleted")
    end = clock.now() + patience
    quiet = 0
    while True:
        items, problems = find(aws, places, run)
        quiet = quiet + 1 if not items else 0
        if quiet == 2 or (problems and not items):
            return [], problems
        failures = []
        for item in items:
            try:
                delete(aws, item, run)
                say(f"deleted {item}")
            except FAILURES as error:
                failures.append(f"{item}: {str(error).partition(chr(10))[0]}")
        if clock.now() >= end:
            left, more = find(aws, places, run)
            return [str(item) for item in left], problems + more + failures
        clock.sleep(BETWEEN)


def delete(aws, item, run):
    """Deletes one item of the run; one that is gone already is fine."""
    if item.run != run:
        raise Unanswered(f"{item} is not of run {run}: it is not deleted")
    try:
        DELETERS[item.kind](aws, item)
    except ClientError as error:
        if error.response["Error"].get("Code") not in GONE:
            raise


def _bucket(aws, item):
    s3 = aws.at("s3", item.place)
    for state in ("on", "off"):
        if item.id == naming.name(item.run, f"{naming.MARKER}-{state}"):
            set_default(aws.at("ec2", item.place), state == "on")
    # First, as it may deny the deletes that follow.
    s3.delete_bucket_policy(Bucket=item.id)
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=item.id):
        for upload in page.get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=item.id, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=item.id):
        for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
            bypass = {"BypassGovernanceRetention": True} if item.id.endswith("-locked") else {}
            s3.delete_object(Bucket=item.id, Key=version["Key"], VersionId=version["VersionId"], **bypass)
    s3.delete_bucket(Bucket=item.id)


def _rule(aws, item):
    events = aws.at("events", item.place)
    targets = events.list_targets_by_rule(Rule=item.id)["Targets"]
    if targets:
        events.remove_targets(Rule=item.id, Ids=[target["Id"] for target in targets])
    events.delete_rule(Name=item.id)


def _role(aws, item):
    iam = aws.at("iam", item.place)
    for name in iam.list_role_policies(RoleName=item.id)["PolicyNames"]:
        iam.delete_role_policy(RoleName=item.id, PolicyName=name)
    iam.delete_role(RoleName=item.id)


DELETERS = {
    "rule": _rule,
    "image": lambda aws, item: aws.at("ec2", item.place).deregister_image(ImageId=item.id),
    "snapshot": lambda aws, item: aws.at("ec2", item.place).delete_snapshot(SnapshotId=item.id),
    "volume": lambda aws, item: aws.at("ec2", item.place).delete_volume(VolumeId=item.id),
    "bucket": _bucket,
    "queue": lambda aws, item: aws.at("sqs", item.place).delete_queue(QueueUrl=item.id),
    "role": _role,
    "key": lambda aws, item: aws.at("kms", item.place).schedule_key_deletion(
        KeyId=item.id, PendingWindowInDays=KEY_DAYS),
}
