"""Keys: of restored snapshots, of other accounts, locked to services, lost, and new grants."""

import math

from botocore.exceptions import ClientError

from .. import naming, services
from ..cost import Usage
from ..faults import Unanswered
from ..question import Answer, question
from ..services import allow, deny
from .restore import COPIED, RESTORE, copied
from .store import STORE

CRYPTO = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")
# What an administrator needs without being able to use the key.
ADMINISTRATION = (
    "kms:CancelKeyDeletion", "kms:Describe*", "kms:DisableKey", "kms:EnableKey", "kms:Get*", "kms:List*",
    "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource",
)
ENCRYPTED = ("a key", "an encrypted snapshot of 1 GiB and images of it")


def encrypted(gib):
    """A key, and an encrypted image made with it."""
    return Usage(keys=1, snapshots=1, volumes=1, requests=100)


@question(
    "default-encryption", "encryption",
    "What encrypts restored snapshots while EBS encryption by default is off, and while it is on?",
    calls=RESTORE + ("ec2:GetEbsEncryptionByDefault", "ec2:DisableEbsEncryptionByDefault",
                     "ec2:EnableEbsEncryptionByDefault", "ec2:DescribeSnapshots"),
    makes=COPIED + (f"a bucket {naming.MARKER}-… that records the vault's earlier setting",
                    "2 images with their snapshots"),
    usage=lambda gib: copied(gib) + Usage.restore(gib) * 2,
)
def default_encryption(lab):
    bucket, key = lab.vaulted()
    ec2 = lab.ec2(lab.vault)
    earlier = ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"]
    # Its name is the record that a clean-up finds even without the journal.
    lab.bucket(f"{naming.MARKER}-{'on' if earlier else 'off'}", lab.vault)
    facts = {"earlier": "on" if earlier else "off",
             "default_key": ec2.get_ebs_default_kms_key_id()["KmsKeyId"]}

    def snapshots():
        image = lab.restored(bucket, key, "encryption")
        ids = [device["Ebs"]["SnapshotId"] for device in image["BlockDeviceMappings"] if "Ebs" in device]
        found = ec2.describe_snapshots(SnapshotIds=ids)["Snapshots"]
        return [{"encrypted": one["Encrypted"], "key": one.get("KmsKeyId")} for one in found]

    try:
        ec2.disable_ebs_encryption_by_default()
        facts["off"] = snapshots()
        ec2.enable_ebs_encryption_by_default()
        facts["on"] = snapshots()
    finally:
        set_default(ec2, earlier)

    def words(state):
        return "encrypted" if all(one["encrypted"] for one in facts[state]) else "not encrypted"

    return Answer(f"Restored snapshots are {words('off')} while the setting is off and {words('on')} "
                  "while it is on.", facts=facts)


def set_default(ec2, on):
    """Sets EBS encryption by default."""
    if on:
        ec2.enable_ebs_encryption_by_default()
    else:
        ec2.disable_ebs_encryption_by_default()


@question(
    "foreign-key", "encryption",
    "Does a store write into a bucket that is encrypted with another account's key?",
    calls=STORE + ("kms:CreateKey", "s3:PutBucketEncryption"),
    makes=("a key of the vault account in the source's Region", "an image",
           "bucket foreign-key with its object"),
    usage=lambda gib: Usage.store(gib) + Usage(keys=1, snapshots=gib),
)
def foreign_key(lab):
    key = services.key(
        lab, lab.near, "foreign key", allow({"AWS": lab.vault.account}, ["kms:*"]),
        allow({"AWS": lab.source.account}, CRYPTO + ("kms:DescribeKey", "kms:CreateGrant")))
    image, bucket = lab.image("foreign-key"), lab.bucket("foreign-key")
    lab.s3(lab.source).put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {
            "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}]})
    lab.settle()
    return _stores(lab, image, bucket, "into a bucket with another account's key")


def _stores(lab, image, bucket, what):
    """Stores an image and says how that ends."""
    refusal, key = lab.store(image, bucket, denials=True)
    if refusal:
        return Answer(f"A store {what} is refused with {refusal.code}.", facts=refusal.facts())
    state, reason = lab.store_ends(image, bucket, key)
    return Answer(f"A store {what} ends {state}{': ' + reason if reason else ''}.",
                  facts={"state": state, "reason": reason})


@question(
    "via-service", "encryption",
    "Does a store read a snapshot whose key may be used only through EC2 (kms:ViaService)?",
    calls=STORE + ("kms:CreateKey", "ec2:CreateVolume"),
    makes=ENCRYPTED + ("bucket via-service with its object",),
    usage=lambda gib: Usage.store(1) + encrypted(gib),
)
def via_service(lab):
    suffix = "amazonaws.com.cn" if lab.source.region.startswith("cn-") else "amazonaws.com"
    through = {"kms:ViaService": f"ec2.{lab.source.region}.{suffix}",
               "kms:CallerAccount": lab.source.account}
    key = services.key(
        lab, lab.source, "only through EC2", allow({"AWS": lab.source.account}, ADMINISTRATION),
        allow({"AWS": lab.source.account}, CRYPTO + ("kms:CreateGrant",),
              Condition={"StringEquals": through}))
    return _stores(lab, lab.image("via-service", key=key), lab.bucket("via-service"),
                   "from a key that is locked to EC2")


@question(
    "key-check", "encryption",
    "Is a store whose caller may not use the snapshot's key refused at the call, or does the task fail?",
    calls=STORE + ("kms:CreateKey", "kms:PutKeyPolicy", "kms:DisableKey", "ec2:CreateVolume"),
    makes=ENCRYPTED + ("bucket key-check with up to 2 objects",),
    usage=lambda gib: Usage.store(1) * 2 + encrypted(gib),
    settings=("ec2.keys_checked_at_call", "ec2.codes.key_inaccessible"),
)
def key_check(lab):
    kms, bucket = lab.aws.at("kms", lab.source), lab.bucket("key-check")
    owner = allow({"AWS": lab.source.account}, ["kms:*"])
    key = services.key(lab, lab.source, "checked", owner)
    denied, disabled = lab.image("denied", key=key), lab.image("disabled", key=key)
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=services.document(
        owner, deny("*", CRYPTO + ("kms:CreateGrant",))))
    lab.settle()
    answer = Answer("")
    refusal, stored = lab.store(denied, bucket, denials=True)
    if refusal:
        answer.says = f"A key that the caller may not use is refused at the call with {refusal.code}."
        answer.settings |= {"ec2.keys_checked_at_call": True,
                            "ec2.codes.key_inaccessible": refusal.code}
        answer.facts["denied"] = refusal.facts()
    else:
        state, reason = lab.store_ends(denied, bucket, stored)
        answer.says = f"A key that the caller may not use is found later: the task ends {state}."
        answer.facts["denied"] = {"state": state, "reason": reason}
        answer.open["ec2.codes.key_inaccessible"] = "there is no refusal at the call"
        if state == "Failed":
            answer.settings["ec2.keys_checked_at_call"] = False
        else:
            answer.open["ec2.keys_checked_at_call"] = "the task does not need the caller's permission"
    with answer.part("disabled"):
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=services.document(owner))
        kms.disable_key(KeyId=key)
        lab.settle()
        answer.facts["disabled"] = _stores(lab, disabled, bucket, "").facts
    return answer


@question(
    "key-trail", "encryption",
    "Which principal and which service does CloudTrail name where a store uses a key?",
    calls=STORE + ("kms:CreateKey", "ec2:CreateVolume", "cloudtrail:LookupEvents"),
    makes=ENCRYPTED + ("bucket key-trail with its object",),
    usage=lambda gib: Usage.store(1) + encrypted(gib),
)
def key_trail(lab):
    # Asked first: without it the store would be in vain.
    trail = lab.aws.at("cloudtrail", lab.source)
    trail.lookup_events(MaxResults=1)
    key = services.key(lab, lab.source, "trailed")
    image, bucket = lab.image("key-trail", key=key), lab.bucket("key-trail")
    stored = lab.stored(image, bucket)

    def look():
        pages = trail.get_paginator("lookup_events").paginate(
            LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": key}])
        uses = [event for page in pages for event in page["Events"]
                if event["EventName"] in ("Decrypt", "CreateGrant", "ReEncrypt")
                or event["EventName"].startswith("GenerateDataKey")]
        return uses if any(event["EventName"] == "Decrypt" for event in uses) else None

    # The event history lags behind by up to a quarter of an hour.
    uses = lab.until(look, "CloudTrail shows no Decrypt of the key", every=60)
    return Answer(f"CloudTrail shows {len(uses)} uses of the key around a store.",
                  facts={"stored": stored, "events": [event["CloudTrailEvent"] for event in uses]})


@question(
    "grant-delay", "encryption",
    "How long does a new grant not work without its token?",
    calls=("kms:CreateKey", "kms:CreateGrant", "kms:Encrypt", "kms:Decrypt"),
    makes=("a key with a grant for the vault account's caller",),
    usage=lambda gib: Usage(keys=1, requests=1000),
    settings=("kms.grant_delay",),
)
def grant_delay(lab):
    key = services.key(lab, lab.source, "granted")
    kms, foreign = lab.aws.at("kms", lab.source), lab.aws.at("kms", lab.near)
    _, grantee = lab.aws.caller("vault", lab.source.region)
    blob = kms.encrypt(KeyId=key, Plaintext=b"granted?")["CiphertextBlob"]
    start = lab.clock.now()
    kms.create_grant(KeyId=key, GranteePrincipal=grantee, Operations=["Decrypt"])
    looks = 0

    def look():
        nonlocal looks
        looks += 1
        try:
            foreign.decrypt(KeyId=key, CiphertextBlob=blob)
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDeniedException":
                raise Unanswered(str(error)) from error
            return None
        return lab.clock.now() - start

    took = lab.until(look, "the grant does not work", patience=600, every=1)
    seconds = 0 if looks == 1 else math.ceil(took)
    return Answer(f"A new grant works without its token after {seconds} s.",
                  settings={"kms.grant_delay": seconds}, facts={"looks": looks})
