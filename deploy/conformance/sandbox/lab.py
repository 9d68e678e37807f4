"""What the questions work with: images, buckets, keys, queues and rules of this run, and waiting.

Everything is made through `Lab.made`, which writes the journal first, and carries the run's id from
its first moment: in a tag of the call that makes it, in its name, or (keys) in its description.
"""

import json
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from . import naming
from .faults import Unanswered

# Failures that say nothing about a question: AWS is busy or broken, or the caller lacks a permission
# that no question is about.
NO_ANSWER = {
    "ExpiredToken", "InternalError", "InternalFailure", "InvalidAction",
    "InvalidClientTokenId", "NotImplemented", "OptInRequired", "RequestExpired", "RequestLimitExceeded",
    "ServiceUnavailable", "SlowDown", "Throttling", "ThrottlingException", "Unavailable",
}
LACKING = "a call got an answer that is none of AWS's: the endpoint lacks the operation"
# Refusals for want of a permission: an answer only where permissions are the question.
DENIALS = {"AuthFailure", "UnauthorizedOperation"}
# What AWS says of something that it has just made, until that is known everywhere.
NOT_YET = {
    "AWS.SimpleQueueService.NonExistentQueue", "InvalidAMIID.NotFound", "InvalidSnapshot.NotFound",
    "InvalidVolume.NotFound", "NoSuchBucket", "NoSuchEntity", "NotFoundException", "OperationAborted",
    "QueueDoesNotExist",
}
# Seconds for that to pass.
KNOWN = 300
# Seconds between looks, and until a changed policy holds everywhere.
LOOK, SETTLE = 15, 15
ROOT_DEVICE = "/dev/xvda"
# The partition of Regions whose name begins so; that of all others is "aws".
PARTITIONS = {"cn-": "aws-cn", "eusc-": "aws-eusc", "us-gov-": "aws-us-gov"}


@dataclass
class Refusal:
    """A call that AWS refused."""

    code: str
    message: str
    status: int

    def facts(self):
        return {"code": self.code, "status": self.status, "message": self.message}


class Lab:
    """The fixtures of one run; those that questions share are made once."""

    def __init__(self, aws, places, journal, clock, run, *, image=None, patience=1800):
        self.aws, self.journal, self.clock, self.run = aws, journal, clock, run
        self.source, self.vault, self.near, self.far = (
            places["source"], places["vault"], places["near"], places["far"])
        self.patience = patience
        self._image = image
        self._shared = {}
        self._count = 0

    # Calls

    def ec2(self, place):
        return self.aws.at("ec2", place)

    def s3(self, place):
        return self.aws.at("s3", place)

    def tasks(self, place):
        """EC2 without retries: a repeated store or restore is a second one."""
        return self.aws.at("tasks", place)

    def refusal(self, call, *, denials=False):
        """Makes a call that may be refused: the refusal, or None and what it answered. `denials`
        says that a lacking permission is an answer too."""
        try:
            return None, call()
        except ClientError as error:
            code = error.response["Error"].get("Code", "")
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            denied = code in DENIALS and not denials
            if code in NO_ANSWER or denied or status >= 500 or not code:
                raise Unanswered(str(error)) from error
            return Refusal(code, error.response["Error"].get("Message", ""), status), None

    def until(self, look, what, patience=None, every=LOOK):
        """Looks until `look` gives something other than None; gives that."""
        end = self.clock.now() + (self.patience if patience is None else patience)
        while (seen := look()) is None:
            if self.clock.now() >= end:
                raise Unanswered(f"{what}: not within the time of --patience")
            self.clock.sleep(every)
        return seen

    def soon(self, call, *also):
        """Makes a call about something new, again while AWS does not know of it yet; `also` names
        further codes that pass."""

        def look():
            try:
                return (call(),)
            except ClientError as error:
                if error.response["Error"].get("Code") not in NOT_YET.union(also):
                    raise
                latest.append(error)
                return None

        latest = []
        try:
            return self.until(look, "it is not known yet", patience=KNOWN, every=5)[0]
        except Unanswered:
            raise latest[-1] from None

    def settle(self):
        """Waits until a changed policy holds."""
        self.clock.sleep(SETTLE)

    def unique(self, what):
        """A name of this run that was not used before."""
        self._count += 1
        return naming.name(self.run, f"{what}-{self._count}")

    def made(self, kind, place, name, call, identify):
        """Makes something: journal, call, journal. Gives what `identify` finds in the answer."""
        seq = self.journal.making(kind, place, name)
        identifier = identify(call())
        self.journal.made(seq, identifier)
        return identifier

    def shared(self, key, make):
        """What `make` makes, once for the whole run; a failure is remembered too."""
        if key not in self._shared:
            try:
                self._shared[key] = (make(), None)
            except (Unanswered, ClientError, BotoCoreError, ResponseParserError) as error:
                why = LACKING if isinstance(error, ResponseParserError) else error
                self._shared[key] = (None, Unanswered(f"{key[0]} could not be made: {why}"))
        made, failure = self._shared[key]
        if failure:
            raise failure
        return made

    def specification(self, kind, **more):
        return {"ResourceType": kind, "Tags": naming.tags(self.run, **more)}

    # Images

    def snapshot(self, place, gib=1, key=None):
        """The snapshot of an empty volume of this run, or in the source that of `--image`."""
        if self._image and place == self.source and key is None and gib == 1:
            return self.shared(("the snapshot of --image",), self._given_snapshot)
        return self.shared(("a snapshot", place, gib, key),
                           lambda: self._new_snapshot(place, gib, key))

    @property
    def content(self):
        """Whether the images of the source hold data."""
        return self._image is not None

    def _given_snapshot(self):
        [image] = self.ec2(self.source).describe_images(ImageIds=[self._image])["Images"]
        devices = [device["Ebs"] for device in image["BlockDeviceMappings"] if "Ebs" in device]
        if len(devices) != 1:
            raise Unanswered(f"{self._image} has {len(devices)} volumes: give an image with one")
        return devices[0]["SnapshotId"]

    def _new_snapshot(self, place, gib, key):
        ec2 = self.ec2(place)
        zones = ec2.describe_availability_zones(
            Filters=[{"Name": "state", "Values": ["available"]}])["AvailabilityZones"]
        zones = [zone["ZoneName"] for zone in zones
                 if zone.get("ZoneType", "availability-zone") == "availability-zone"]
        if not zones:
            raise Unanswered(f"{place} has no Availability Zone")
        encryption = {"Encrypted": True, "KmsKeyId": key} if key else {}
        volume = self.made(
            "volume", place, f"{gib} GiB",
            lambda: ec2.create_volume(
                AvailabilityZone=zones[0], Size=gib, VolumeType="sc1" if gib >= 125 else "gp3",
                TagSpecifications=[self.specification("volume")], **encryption),
            lambda answer: answer["VolumeId"])
        self.reached("volume", volume, "available",
                     lambda: ec2.describe_volumes(VolumeIds=[volume])["Volumes"])
        snapshot = self.made(
            "snapshot", place, volume,
            lambda: ec2.create_snapshot(
                VolumeId=volume, Description=naming.description(self.run, "empty"),
                TagSpecifications=[self.specification("snapshot", kept="stored")]),
            lambda answer: answer["SnapshotId"])
        self.reached("snapshot", snapshot, "completed",
                     lambda: ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"])
        ec2.delete_volume(VolumeId=volume)
        return snapshot

    def reached(self, kind, identifier, state, describe):
        """Waits until something that was made is in its state."""

        def look():
            found = self.soon(describe)
            now = found[0]["State"] if found else None
            if now in ("error", "failed"):
                raise Unanswered(f"{kind} {identifier} is {now}: {found[0].get('StateMessage', '')}")
            return True if now == state else None

        self.until(look, f"{kind} {identifier}", every=5)

    def image(self, what, place=None, **snapshot):
        """A new image of this run; images are registered from one snapshot, which costs nothing."""
        place = place or self.source
        made_from = self.snapshot(place, **snapshot)
        return self.available(self.register(self.unique(what), place, made_from), place)

    def available(self, image, place):
        """The image, once it can be used."""
        ec2 = self.ec2(place)
        self.reached("image", image, "available", lambda: ec2.describe_images(ImageIds=[image])["Images"])
        return image

    def register(self, name, place, snapshot, **more):
        """Registers an image."""
        ec2 = self.ec2(place)
        call = dict(
            Name=name, Description=f"asked by {naming.PREFIX}", Architecture="x86_64",
            RootDeviceName=ROOT_DEVICE, VirtualizationType="hvm", EnaSupport=True,
            BlockDeviceMappings=[{"DeviceName": ROOT_DEVICE, "Ebs": {"SnapshotId": snapshot}}],
            TagSpecifications=[self.specification("image", kept="stored")])
        return self.made("image", place, name, lambda: ec2.register_image(**(call | more)),
                         lambda answer: answer["ImageId"])

    # Buckets and objects

    def bucket(self, what, place=None, lock=False):
        """A bucket of this run, by default in the source."""
        return self.shared(("a bucket", what), lambda: self._new_bucket(what, place or self.source, lock))

    def _new_bucket(self, what, place, lock):
        name = naming.name(self.run, what)
        more = {}
        if place.region != "us-east-1":
            more["CreateBucketConfiguration"] = {"LocationConstraint": place.region}
        if lock:
            more["ObjectLockEnabledForBucket"] = True
        s3 = self.s3(place)
        self.made("bucket", place, name, lambda: s3.create_bucket(Bucket=name, **more), lambda _: name)
        try:
            self.soon(lambda: s3.put_bucket_tagging(
                Bucket=name, Tagging={"TagSet": naming.tags(self.run)}))
        except (ClientError, ResponseParserError):
            # The tag is for people who read their bill: the name has the run's id too.
            if self.aws.override is None:
                raise
        return name

    def bucket_policy(self, bucket, place, *statements):
        """Sets the policy of a bucket of this run; {bucket} in a resource stands for its ARN."""
        partition = next((one for start, one in PARTITIONS.items() if place.region.startswith(start)), "aws")
        arn = f"arn:{partition}:s3:::{bucket}"
        document = {"Version": "2012-10-17", "Statement": [
            statement | {"Resource": [resource.format(bucket=arn) for resource in statement["Resource"]]}
            for statement in statements]}
        self.s3(place).put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))
        self.settle()

    def exists(self, bucket, key, place):
        """Whether a key has an object."""
        refusal, _ = self.refusal(lambda: self.s3(place).head_object(Bucket=bucket, Key=key))
        if refusal and refusal.status not in (403, 404):
            raise Unanswered(f"HEAD of {key}: {refusal.code}")
        return refusal is None

    # Store and restore

    def store(self, image, bucket, path="", place=None, denials=False):
        """Asks for a store: (refusal, None) or (None, key)."""
        tasks = self.tasks(place or self.source)
        where = f"{bucket}/{path}" if path else bucket
        refusal, answer = self.refusal(
            lambda: tasks.create_store_image_task(ImageId=image, Bucket=where), denials=denials)
        return refusal, answer and answer["ObjectKey"]

    def store_ends(self, image, bucket, key, place=None):
        """Waits for a store; gives "Completed" or "Failed" and the reason."""
        place = place or self.source

        def look():
            for task in self.ec2(place).describe_store_image_tasks(ImageIds=[image])["StoreImageTaskResults"]:
                if task["S3objectKey"] == key and task["Bucket"].split("/")[0] == bucket:
                    if task["StoreTaskState"] != "InProgress":
                        return task["StoreTaskState"], task.get("StoreTaskFailureReason", "")
                    return None
            # Only an image's newest task may be listed: then the object decides.
            return ("Completed", "") if self.exists(bucket, key, place) else None

        return self.until(look, f"the store of {image}")

    def stored(self, image, bucket, path="", place=None):
        """Stores an image; gives the key. Unanswered if that is refused or fails."""
        refusal, key = self.store(image, bucket, path, place)
        if refusal:
            raise Unanswered(f"the store of {image} was refused: {refusal.code}: {refusal.message}")
        state, reason = self.store_ends(image, bucket, key, place)
        if state != "Completed":
            raise Unanswered(f"the store of {image} failed: {reason}")
        return key

    def base(self):
        """An image, its bucket and its key, stored once for all questions that only look at it."""

        def make():
            image, bucket = self.image("base"), self.bucket("staging")
            return image, bucket, self.stored(image, bucket)

        return self.shared(("a stored image",), make)

    def vaulted(self):
        """Bucket and key of a copy of the stored image in the vault, made by S3."""

        def make():
            _, staging, key = self.base()
            self.bucket_policy(staging, self.source, {
                "Effect": "Allow", "Principal": {"AWS": self.vault.account},
                "Action": ["s3:GetObject", "s3:GetObjectTagging", "s3:ListBucket"],
                "Resource": ["{bucket}", "{bucket}/*"]})
            bucket = self.bucket("vault", self.vault)
            self.s3(self.vault).copy_object(
                Bucket=bucket, Key=key, CopySource={"Bucket": staging, "Key": key})
            return bucket, key

        return self.shared(("a stored image in the vault",), make)

    def restore(self, bucket, key, name, place=None, denials=False, **tags):
        """Asks for a restore: (refusal, None) or (None, image)."""
        place = place or self.vault
        tasks = self.tasks(place)
        seq = self.journal.making("image", place, name)
        refusal, answer = self.refusal(lambda: tasks.create_restore_image_task(
            Bucket=bucket, ObjectKey=key, Name=name,
            TagSpecifications=[self.specification("image", **tags), self.specification("snapshot")]),
            denials=denials)
        if refusal:
            return refusal, None
        self.journal.made(seq, answer["ImageId"])
        return None, answer["ImageId"]

    def restore_ends(self, image, place=None):
        """Waits for a restore; gives the image as EC2 describes it."""
        ec2 = self.ec2(place or self.vault)

        def look():
            refusal, answer = self.refusal(lambda: ec2.describe_images(ImageIds=[image]))
            if refusal and refusal.code != "InvalidAMIID.NotFound":
                raise Unanswered(f"{image}: {refusal.code}: {refusal.message}")
            images = [] if refusal else answer["Images"]
            return next((found for found in images if found["State"] != "pending"), None)

        return self.until(look, f"the restore of {image}")

    def restored(self, bucket, key, what, **tags):
        """Restores an object; gives the image. Unanswered if that is refused or fails."""
        refusal, image = self.restore(bucket, key, self.unique(what), **tags)
        if refusal:
            raise Unanswered(f"the restore was refused: {refusal.code}: {refusal.message}")
        found = self.restore_ends(image)
        if found["State"] != "available":
            raise Unanswered(f"the restored image is {found['State']}: {found.get('StateReason')}")
        return found
