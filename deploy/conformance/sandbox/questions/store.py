"""What a store makes, and which stores EC2 takes."""

from ..cost import Usage
from ..faults import Unanswered
from ..question import Answer, question
from ..services import deny

# What a checksum says about who computed it: the algorithm and type that S3 gives back.
CHECKSUMS = {
    ("CRC64NVME", "FULL_OBJECT"): "crc64-nvme",
    ("CRC32", "FULL_OBJECT"): "crc32",
    ("CRC32C", "COMPOSITE"): "crc32-c-parts",
    ("SHA256", "COMPOSITE"): "sha256-parts",
}
STORE = ("ec2:CreateStoreImageTask", "ec2:DescribeStoreImageTasks")


@question(
    "stored-object", "store",
    "What is the object like: user metadata, checksum, size, parts, tags? What does the task show?",
    calls=STORE + ("s3:HeadObject",),
    makes=("an image of 1 GiB (or of --image) with its snapshot", "bucket staging with its object"),
    usage=lambda gib: Usage.store(gib) + Usage(snapshots=gib, volumes=gib),
    settings=("ec2.stored_checksum", "ec2.stored_percent"),
)
def stored_object(lab):
    image, bucket, key = lab.base()
    head = lab.s3(lab.source).head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    tasks = lab.ec2(lab.source).describe_store_image_tasks(ImageIds=[image])["StoreImageTaskResults"]
    found = [name for name in ("CRC64NVME", "CRC32", "CRC32C", "SHA1", "SHA256")
             if f"Checksum{name}" in head]
    kind = head.get("ChecksumType", "")
    answer = Answer(
        f"The object has {len(head['Metadata'])} entries of user metadata and the checksum "
        f"{' and '.join(found) or 'none'} {kind}.".replace(" .", "."),
        facts={
            "key": key, "size": head["ContentLength"], "etag": head["ETag"],
            "metadata": head["Metadata"], "checksums": found, "checksum_type": kind,
            "content_type": head.get("ContentType"), "encryption": head.get("ServerSideEncryption"),
            "tasks": [{name: str(value) for name, value in task.items()} for task in tasks],
        })
    switches = {CHECKSUMS.get((name, kind)) for name in found} - {None}
    if len(switches) == 1:
        answer.settings["ec2.stored_checksum"] = switches.pop()
    else:
        answer.open["ec2.stored_checksum"] = f"no switch for {found} {kind}"
    if lab.content:
        [described] = lab.ec2(lab.source).describe_images(ImageIds=[image])["Images"]
        gib = sum(device["Ebs"]["VolumeSize"] for device in described["BlockDeviceMappings"])
        answer.settings["ec2.stored_percent"] = max(1, round(100 * head["ContentLength"] / (gib << 30)))
    else:
        answer.open["ec2.stored_percent"] = "an empty volume says nothing: give --image"
    return answer


@question(
    "second-copy", "store",
    "Is a second store of an image into its bucket refused, with which code, and does a path avoid it?",
    calls=STORE,
    makes=("an image", "bucket copies with up to 3 objects"),
    usage=lambda gib: Usage.store(gib) * 3 + Usage(snapshots=gib),
    settings=("ec2.one_copy", "ec2.codes.second_copy"),
)
def second_copy(lab):
    image, bucket = lab.image("copies"), lab.bucket("copies")
    key = lab.stored(image, bucket)
    refusal, again = lab.store(image, bucket)
    if refusal is None:
        answer = Answer(
            "A second store into the same bucket is taken.",
            settings={"ec2.one_copy": "unlimited"},
            open={"ec2.codes.second_copy": "there is no refusal"}, facts={"keys": [key, again]})
        with answer.part("end of the second store"):
            answer.facts["state"], answer.facts["reason"] = lab.store_ends(image, bucket, again)
        return answer
    answer = Answer(f"A second store is refused with {refusal.code}.",
                    settings={"ec2.codes.second_copy": refusal.code}, facts={"same_key": refusal.facts()})
    with answer.part("path", "ec2.one_copy"):
        elsewhere, path_key = lab.store(image, bucket, "another/path")
        answer.says = (f"A second store is refused with {refusal.code}; a path "
                       f"{'avoids' if elsewhere is None else 'does not avoid'} that.")
        answer.settings["ec2.one_copy"] = "per-key" if elsewhere is None else "per-bucket"
        if elsewhere is None:
            answer.facts["path_key"] = path_key
            with answer.part("path_ends"):
                answer.facts["path_ends"] = lab.store_ends(image, bucket, path_key)
        else:
            answer.facts["path"] = elsewhere.facts()
    return answer


@question(
    "bucket-codes", "store",
    "With which codes are a bucket that does not exist and one of another Region refused?",
    calls=STORE,
    makes=("an image", "bucket far in the vault's Region, empty"),
    usage=lambda gib: Usage(snapshots=gib, requests=50),
    settings=("ec2.codes.bucket_inaccessible", "ec2.codes.bucket_elsewhere"),
)
def bucket_codes(lab):
    image, far = lab.image("codes"), lab.bucket("far", lab.far)
    answer = Answer("")
    said = []
    for setting, bucket, what in (
        ("ec2.codes.bucket_inaccessible", lab.unique("nowhere"), "no such bucket"),
        ("ec2.codes.bucket_elsewhere", far, "bucket of another Region"),
    ):
        with answer.part(what, setting):
            refusal, key = lab.store(image, bucket, denials=True)
            if refusal:
                answer.settings[setting] = refusal.code
                answer.facts[what] = refusal.facts()
                said.append(f"{what}: {refusal.code}")
                continue
            said.append(f"{what}: not refused at the call")
            state, reason = lab.store_ends(image, bucket, key)
            answer.facts[what] = {"state": state, "reason": reason}
            answer.open[setting] = f"taken at first; the task ends {state}: {reason}"
    if not said:
        raise Unanswered("; ".join(answer.missing))
    answer.says = "; ".join(said) + "."
    return answer


@question(
    "unsupported-image", "store",
    "With which code is a paravirtual image refused?",
    calls=("ec2:RegisterImage",) + STORE,
    makes=("a paravirtual image",),
    usage=lambda gib: Usage(snapshots=gib, requests=50),
    settings=("ec2.codes.unsupported_image",),
)
def unsupported_image(lab):
    snapshot = lab.snapshot(lab.source)
    image = lab.available(
        lab.register(lab.unique("paravirtual"), lab.source, snapshot,
                     VirtualizationType="paravirtual", EnaSupport=False), lab.source)
    refusal, key = lab.store(image, lab.bucket("unsupported"))
    if refusal is None:
        state, reason = lab.store_ends(image, lab.bucket("unsupported"), key)
        return Answer("A paravirtual image is taken at the call.", facts={"state": state, "reason": reason},
                      open={"ec2.codes.unsupported_image": f"the task ends {state}: {reason}"})
    return Answer(f"A paravirtual image is refused with {refusal.code}.",
                  settings={"ec2.codes.unsupported_image": refusal.code}, facts=refusal.facts())


@question(
    "foreign-bucket", "store",
    "Does a store write into a bucket of another account whose policy allows it?",
    calls=STORE + ("s3:PutBucketPolicy",),
    makes=("an image", "bucket foreign of the vault account in the source's Region, with its object"),
    usage=lambda gib: Usage.store(gib) + Usage(snapshots=gib),
    settings=("ec2.foreign_buckets",),
)
def foreign_bucket(lab):
    image, bucket = lab.image("foreign"), lab.bucket("foreign", lab.near)
    lab.bucket_policy(bucket, lab.near, {
        "Effect": "Allow", "Principal": {"AWS": lab.source.account},
        "Action": ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListBucket",
                   "s3:PutObject", "s3:PutObjectTagging"],
        "Resource": ["{bucket}", "{bucket}/*"]})
    refusal, key = lab.store(image, bucket, denials=True)
    if refusal:
        return Answer(f"A bucket of another account is refused with {refusal.code}.",
                      settings={"ec2.foreign_buckets": False}, facts=refusal.facts())
    state, reason = lab.store_ends(image, bucket, key)
    if state == "Completed":
        return Answer("A store writes into a bucket of another account.",
                      settings={"ec2.foreign_buckets": True}, facts={"state": state})
    return Answer(f"The store is taken and fails: {reason}", facts={"state": state, "reason": reason},
                  open={"ec2.foreign_buckets": f"taken at the call, failed later: {reason}"})


@question(
    "locked-bucket", "store",
    "Does a store write into a bucket with Object Lock and a default retention?",
    calls=STORE + ("s3:PutObjectLockConfiguration", "s3:HeadObject"),
    makes=("an image", "bucket locked (governance mode, 1 day) with its object"),
    usage=lambda gib: Usage.store(gib) + Usage(snapshots=gib),
)
def locked_bucket(lab):
    image, bucket = lab.image("locked"), lab.bucket("locked", lock=True)
    s3 = lab.s3(lab.source)
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={
        "ObjectLockEnabled": "Enabled",
        # Governance: the clean-up may bypass it.
        "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}})
    refusal, key = lab.store(image, bucket)
    if refusal:
        return Answer(f"A bucket with a default retention is refused with {refusal.code}.",
                      facts=refusal.facts())
    state, reason = lab.store_ends(image, bucket, key)
    facts = {"state": state, "reason": reason}
    if state == "Completed":
        head = s3.head_object(Bucket=bucket, Key=key)
        facts["mode"] = head.get("ObjectLockMode")
        facts["until"] = str(head.get("ObjectLockRetainUntilDate"))
    return Answer(f"The store ends {state}; the object's retention is {facts.get('mode') or 'none'}.",
                  facts=facts)


@question(
    "task-permissions", "store",
    "Which S3 permissions does a store check: none, those of its direction, or the whole list of the guide?",
    calls=STORE + ("s3:PutBucketPolicy",),
    makes=("2 images", "buckets unwritable and unreadable, each with up to one object"),
    usage=lambda gib: Usage.store(gib) * 2 + Usage(snapshots=gib),
    settings=("ec2.task_permissions",),
)
def task_permissions(lab):
    facts = {}

    def ends(what, *actions):
        image, bucket = lab.image(what), lab.bucket(what)
        lab.bucket_policy(bucket, lab.source, deny("*", actions, ["{bucket}/*"]))
        refusal, key = lab.store(image, bucket, denials=True)
        if refusal:
            facts[what] = {"denied": list(actions)} | refusal.facts()
            return False
        state, reason = lab.store_ends(image, bucket, key)
        facts[what] = {"denied": list(actions), "state": state, "reason": reason}
        return state == "Completed"

    if ends("unwritable", "s3:PutObject"):
        checks = "unchecked"
    elif ends("unreadable", "s3:GetObject", "s3:DeleteObject"):
        checks = "by-direction"
    else:
        checks = "whole-list"
    return Answer(f"A store's S3 permissions: {checks}.",
                  settings={"ec2.task_permissions": checks}, facts=facts)
