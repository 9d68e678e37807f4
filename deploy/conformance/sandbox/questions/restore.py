"""Restores: refusals, what an image keeps, and how long names and ids linger."""

import math

from .. import naming
from ..cost import Usage
from ..faults import Unanswered
from ..question import Answer, question

RESTORE = ("ec2:CreateRestoreImageTask", "ec2:DescribeImages")
COPIED = ("the stored image of stored-object, copied into bucket vault of the vault account",)
# Seconds between looks at something that ends by itself, and how long to look.
OFTEN, LONG_ENOUGH = 2, 900


def copied(gib):
    """The copy that all restores start from; every question that uses it counts it."""
    return Usage.store(gib) + Usage(objects=gib, snapshots=gib, transfer=gib, requests=50)


@question(
    "restore-codes", "restore",
    "With which codes are a missing object, a bucket of another Region and a taken name refused?",
    calls=RESTORE,
    makes=COPIED + ("an image if the taken name is no obstacle",),
    usage=lambda gib: copied(gib) + Usage.restore(gib) * 2,
    settings=("ec2.codes.object_missing",),
)
def restore_codes(lab):
    bucket, key = lab.vaulted()
    answer = Answer("")
    refusal, _ = lab.restore(bucket, "no/such/ami-0123456789abcdef0.bin", lab.unique("missing"))
    if refusal:
        answer.settings["ec2.codes.object_missing"] = refusal.code
        answer.facts["missing object"] = refusal.facts()
        answer.says = f"A missing object is refused with {refusal.code}."
    else:
        answer.open["ec2.codes.object_missing"] = "a missing object is not refused at the call"
        answer.says = "A missing object is not refused at the call."
    with answer.part("bucket of another account and Region"):
        _, staging, staged = lab.base()
        elsewhere, _ = lab.restore(staging, staged, lab.unique("elsewhere"), denials=True)
        answer.facts["bucket of another account and Region"] = elsewhere and elsewhere.facts()
    with answer.part("taken name"):
        name = lab.unique("taken")
        refusal, image = lab.restore(bucket, key, name)
        if refusal:
            raise Unanswered(f"the restore was refused: {refusal.code}: {refusal.message}")
        again, _ = lab.restore(bucket, key, name)
        answer.facts["taken name"] = again and again.facts()
        with answer.part("end of the restore whose name is taken"):
            lab.restore_ends(image)
    return answer


@question(
    "invalid-object", "restore",
    "What becomes of a restore from an object that is no stored image, and does a failed image keep its "
    "name?",
    calls=RESTORE + ("s3:PutObject", "ec2:RegisterImage"),
    makes=("bucket vault with an object of 1 KiB", "up to 2 images"),
    usage=lambda gib: Usage(snapshots=gib, volumes=gib, requests=100),
    settings=("ec2.failed_image_keeps_name",),
)
def invalid_object(lab):
    bucket = lab.bucket("vault", lab.vault)
    lab.s3(lab.vault).put_object(Bucket=bucket, Key="ami-0123456789abcdef0.bin", Body=b"\0" * 1024)
    name = lab.unique("invalid")
    refusal, image = lab.restore(bucket, "ami-0123456789abcdef0.bin", name)
    if refusal:
        return Answer(f"An object that is no stored image is refused with {refusal.code}.",
                      open={"ec2.failed_image_keeps_name": "no image that failed"}, facts=refusal.facts())
    found = lab.restore_ends(image)
    facts = {"state": found["State"], "reason": found.get("StateReason")}
    if found["State"] != "failed":
        return Answer(f"The image ends {found['State']}.", facts=facts,
                      open={"ec2.failed_image_keeps_name": "no image that failed"})
    snapshot = lab.snapshot(lab.vault)
    taken, _ = lab.refusal(lambda: lab.register(name, lab.vault, snapshot))
    facts["name"] = taken and taken.facts()
    return Answer(f"The image ends failed and {'keeps' if taken else 'frees'} its name.",
                  settings={"ec2.failed_image_keeps_name": taken is not None}, facts=facts)


@question(
    "metadata-read", "restore",
    "Does a restore read the object's user metadata, or only its content?",
    calls=RESTORE + ("s3:CopyObject",),
    makes=COPIED + ("a second copy with other metadata", "an image with its snapshot"),
    usage=lambda gib: copied(gib) + Usage.restore(gib) + Usage(objects=gib),
)
def metadata_read(lab):
    bucket, key = lab.vaulted()
    bare = "bare.bin"
    lab.s3(lab.vault).copy_object(Bucket=bucket, Key=bare, CopySource={"Bucket": bucket, "Key": key},
                                  MetadataDirective="REPLACE", Metadata={"replaced": "yes"})
    refusal, image = lab.restore(bucket, bare, lab.unique("bare"))
    if refusal:
        return Answer(f"Without its metadata the object is refused with {refusal.code}.",
                      facts=refusal.facts())
    found = lab.restore_ends(image)
    return Answer(f"Without its metadata the object is restored; the image ends {found['State']}.",
                  facts=_kept(found))


def _kept(image):
    """What an image shows of where it comes from."""
    names = ("State", "StateReason", "Description", "SourceImageId", "SourceImageRegion", "Architecture",
             "BootMode", "EnaSupport", "VirtualizationType", "RootDeviceName", "Tags")
    return {name: image.get(name) for name in names}


@question(
    "restored-tags", "restore",
    "Are the tags in the object and those of the request merged, and what else does an image keep?",
    calls=RESTORE + ("ec2:DescribeSnapshots",),
    makes=COPIED + ("an image with its snapshot",),
    usage=lambda gib: copied(gib) + Usage.restore(gib),
    settings=("ec2.restored_tags",),
)
def restored_tags(lab):
    bucket, key = lab.vaulted()
    image = lab.restored(bucket, key, "tags", asked="restored")
    keys = {tag["Key"] for tag in image["Tags"]}
    kept = f"{naming.PREFIX}:kept" in keys
    if f"{naming.PREFIX}:asked" not in keys:
        return Answer("The request's tags are not set.", facts=_kept(image),
                      open={"ec2.restored_tags": f"the image has {sorted(keys)}"})
    return Answer(f"The stored tags are {'kept beside' if kept else 'replaced by'} those of the request.",
                  settings={"ec2.restored_tags": "merge" if kept else "replace"}, facts=_kept(image))


@question(
    "names", "restore",
    "How long does a deregistered image's name stay taken, and how long is the image still listed?",
    calls=("ec2:RegisterImage", "ec2:DeregisterImage", "ec2:DescribeImages"),
    makes=("2 images",),
    usage=lambda gib: Usage(snapshots=gib, volumes=gib, requests=2000),
    settings=("ec2.name_release", "ec2.deregistered_listed"),
)
def names(lab):
    ec2, snapshot, name = lab.ec2(lab.source), lab.snapshot(lab.source), lab.unique("name")
    image = lab.available(lab.register(name, lab.source, snapshot), lab.source)
    start = lab.clock.now()
    ec2.deregister_image(ImageId=image)
    first = {}

    def look():
        for what, free in (("name", name_free), ("listed", gone)):
            if what not in first and free():
                # A look that succeeds at once has not waited for anything.
                first[what] = 0 if attempts == 0 else math.ceil(lab.clock.now() - start)
        return first if len(first) == 2 else None

    def name_free():
        refusal, _ = lab.refusal(lambda: lab.register(name, lab.source, snapshot))
        if refusal and not refusal.code.startswith("InvalidAMIName."):
            raise Unanswered(f"the name is refused for another reason: {refusal.code}: {refusal.message}")
        return refusal is None

    def gone():
        refusal, answer = lab.refusal(lambda: ec2.describe_images(ImageIds=[image]))
        return refusal is not None or not answer["Images"]

    attempts = 0
    while look() is None and lab.clock.now() - start < LONG_ENOUGH:
        attempts += 1
        lab.clock.sleep(OFTEN)
    answer = Answer(
        f"The name is free after {first.get('name', 'more than 900')} s, the image gone after "
        f"{first.get('listed', 'more than 900')} s.", facts={"looked every": OFTEN} | first)
    for what, setting in (("name", "ec2.name_release"), ("listed", "ec2.deregistered_listed")):
        if what in first:
            answer.settings[setting] = f"{first[what]}s"
        else:
            answer.open[setting] = "not within 15 minutes"
    return answer
