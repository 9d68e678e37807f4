"""Conformance of the simulated S3: buckets, objects, multipart, versions, locks, clients."""

import base64
import hashlib
import json
import random
import urllib.error
import urllib.request
import zlib

from boto3.s3.transfer import TransferConfig

from harness import ACCOUNT, HANGS, Checks, main

checks = Checks()
MIB = 1 << 20


def noise(length, seed=1):
    """Bytes that do not repeat."""
    return random.Random(seed).randbytes(length)


def bucket(aws, name, **parameters):
    aws.s3.create_bucket(Bucket=name, **parameters)
    return name


def put(aws, name, key, body=b"content", **parameters):
    return aws.s3.put_object(Bucket=name, Key=key, Body=body, **parameters)


def body(aws, name, key, **parameters):
    return aws.s3.get_object(Bucket=name, Key=key, **parameters)["Body"].read()


def versioned(aws, name):
    bucket(aws, name)
    aws.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@checks.check("a bucket is made, found, listed and deleted")
def buckets(aws):
    with aws.refused("404", 404):
        aws.s3.head_bucket(Bucket="life-bucket")
    bucket(aws, "life-bucket")
    aws.wait(aws.s3, "bucket_exists", Bucket="life-bucket")
    aws.equal(aws.s3.head_bucket(Bucket="life-bucket").get("BucketRegion"), "us-east-1", "Region")
    aws.s3.get_bucket_location(Bucket="life-bucket")
    listed = [one["Name"] for one in aws.s3.list_buckets()["Buckets"]]
    aws.expect("life-bucket" in listed, "listed")
    put(aws, "life-bucket", "key")
    with aws.refused("BucketNotEmpty", 409):
        aws.s3.delete_bucket(Bucket="life-bucket")
    aws.s3.delete_object(Bucket="life-bucket", Key="key")
    aws.s3.delete_bucket(Bucket="life-bucket")
    aws.wait(aws.s3, "bucket_not_exists", Bucket="life-bucket")
    with aws.refused("NoSuchBucket", 404):
        aws.s3.delete_bucket(Bucket="life-bucket")


@checks.check("a bucket's name belongs to one account, and its Region is given where it is not the first")
def bucket_names(aws):
    bucket(aws, "name-bucket")
    bucket(aws, "name-bucket")
    with aws.refused("InvalidBucketName", 400):
        bucket(aws, "Capital_Letters")
    bucket(aws, "west-bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    location = aws.s3.get_bucket_location(Bucket="west-bucket")["LocationConstraint"]
    aws.equal(location, "us-west-2", "location")


@checks.check("an object comes back with its content, metadata and headers")
def objects(aws):
    name = bucket(aws, "object-bucket")
    made = put(aws, name, "a/b c+d ü.txt", b"hello", ContentType="text/plain",
               CacheControl="no-cache", Metadata={"colour": "red"})
    aws.equal(made["ETag"], f'"{hashlib.md5(b"hello").hexdigest()}"', "entity tag")
    aws.wait(aws.s3, "object_exists", Bucket=name, Key="a/b c+d ü.txt")
    head = aws.s3.head_object(Bucket=name, Key="a/b c+d ü.txt")
    aws.equal((head["ContentLength"], head["ContentType"], head["Metadata"]),
              (5, "text/plain", {"colour": "red"}), "headers")
    aws.equal(body(aws, name, "a/b c+d ü.txt"), b"hello", "content")
    aws.s3.delete_object(Bucket=name, Key="a/b c+d ü.txt")
    aws.wait(aws.s3, "object_not_exists", Bucket=name, Key="a/b c+d ü.txt")
    aws.s3.delete_object(Bucket=name, Key="a/b c+d ü.txt")
    with aws.refused("NoSuchKey", 404):
        aws.s3.get_object(Bucket=name, Key="a/b c+d ü.txt")
    with aws.refused("404", 404):
        aws.s3.head_object(Bucket=name, Key="a/b c+d ü.txt")
    with aws.refused("NoSuchBucket", 404):
        aws.s3.get_object(Bucket="no-such-bucket-at-all", Key="x")
    put(aws, name, "empty", b"")
    aws.equal(body(aws, name, "empty"), b"", "an empty object")


@checks.check("ranges are served as asked")
def ranges(aws):
    name = bucket(aws, "range-bucket")
    put(aws, name, "key", b"0123456789")
    for asked, expected in [("bytes=2-4", b"234"), ("bytes=7-", b"789"), ("bytes=-3", b"789"),
                            ("bytes=5-100", b"56789")]:
        aws.equal(body(aws, name, "key", Range=asked), expected, f"content of {asked}")
    with aws.refused("InvalidRange", 416):
        aws.s3.get_object(Bucket=name, Key="key", Range="bytes=10-")


@checks.check("conditions of reads are held")
def conditional_reads(aws):
    name = bucket(aws, "condition-bucket")
    tag = put(aws, name, "key")["ETag"]
    key = {"Bucket": name, "Key": "key"}
    aws.s3.head_object(IfMatch=tag, **key)
    with aws.refused("304", 304):
        aws.s3.head_object(IfNoneMatch=tag, **key)
    with aws.refused("PreconditionFailed", 412):
        aws.s3.get_object(IfMatch='"other"', **key)


@checks.check("conditions of writes are held")
def conditional_writes(aws):
    name = bucket(aws, "write-bucket")
    tag = put(aws, name, "key", IfNoneMatch="*")["ETag"]
    with aws.refused("PreconditionFailed", 412):
        put(aws, name, "key", b"other", IfNoneMatch="*")
    with aws.refused("PreconditionFailed", 412):
        put(aws, name, "key", b"other", IfMatch='"00000000000000000000000000000000"')
    put(aws, name, "key", b"other", IfMatch=tag)
    aws.equal(body(aws, name, "key"), b"other", "content")
    with aws.refused("NoSuchKey", 404):
        put(aws, name, "missing", IfMatch=tag)


@checks.check("checksums are kept, given and verified")
def checksums(aws):
    name = bucket(aws, "checksum-bucket")
    crc = base64.b64encode(zlib.crc32(b"content").to_bytes(4)).decode()
    sha = base64.b64encode(hashlib.sha256(b"content").digest()).decode()
    for algorithm, member, expected in [("CRC32", "ChecksumCRC32", crc),
                                        ("SHA256", "ChecksumSHA256", sha)]:
        made = put(aws, name, algorithm, ChecksumAlgorithm=algorithm)
        aws.equal(made.get(member), expected, f"{algorithm} of the answer")
        head = aws.s3.head_object(Bucket=name, Key=algorithm, ChecksumMode="ENABLED")
        aws.equal(head.get(member), expected, f"{algorithm} of the object")
        attributes = aws.s3.get_object_attributes(
            Bucket=name, Key=algorithm, ObjectAttributes=["Checksum", "ETag", "ObjectSize"])
        aws.equal(attributes["Checksum"].get(member), expected, f"{algorithm} as an attribute")
    with aws.refused("BadDigest", 400):
        put(aws, name, "bad", ChecksumSHA256=base64.b64encode(bytes(32)).decode())
    with aws.refused("BadDigest", 400):
        put(aws, name, "bad", ContentMD5=base64.b64encode(bytes(16)).decode())
    with aws.refused("InvalidDigest", 400):
        put(aws, name, "bad", ContentMD5="nonsense")


@checks.check("lists have prefixes, delimiters, starts and pages")
def lists(aws):
    name = bucket(aws, "list-bucket")
    for key in ("a", "b/1", "b/2", "b/c/3", "d e+f", "z"):
        put(aws, name, key)
    answer = aws.s3.list_objects_v2(Bucket=name, Delimiter="/")
    aws.equal([one["Key"] for one in answer["Contents"]], ["a", "d e+f", "z"], "keys")
    aws.equal([one["Prefix"] for one in answer["CommonPrefixes"]], ["b/"], "common prefixes")
    answer = aws.s3.list_objects_v2(Bucket=name, Prefix="b/", StartAfter="b/1")
    aws.equal([one["Key"] for one in answer["Contents"]], ["b/2", "b/c/3"], "after a start")
    aws.s3.list_objects_v2(Bucket=name, FetchOwner=True, Prefix="a")
    aws.s3.list_objects_v2(Bucket=name, MaxKeys=0)
    aws.s3.list_objects_v2(Bucket=name, Prefix="nothing")
    for operation in ("list_objects_v2", "list_objects"):
        pages = list(aws.s3.get_paginator(operation).paginate(
            Bucket=name, PaginationConfig={"PageSize": 2}))
        keys = [one["Key"] for page in pages for one in page["Contents"]]
        aws.equal(keys, ["a", "b/1", "b/2", "b/c/3", "d e+f", "z"], f"all keys by {operation}")
        aws.equal(len(pages), 3, f"pages by {operation}")
    with aws.refused("InvalidArgument", 400):
        aws.s3.list_objects_v2(Bucket=name, ContinuationToken="")
    with aws.refused("NoSuchBucket", 404):
        aws.s3.list_objects_v2(Bucket="no-such-bucket-at-all")


@checks.check("an object is uploaded in parts")
def multipart(aws):
    name = bucket(aws, "part-bucket")
    parts = [noise(5 * MIB, 1), noise(5 * MIB, 2), b"end"]
    upload = aws.s3.create_multipart_upload(Bucket=name, Key="key", ContentType="x/y",
                                            Metadata={"colour": "red"})["UploadId"]
    of = {"Bucket": name, "Key": "key", "UploadId": upload}
    done = []
    for number, part in enumerate(parts, 1):
        answer = aws.s3.upload_part(PartNumber=number, Body=part, **of)
        done.append({"PartNumber": number, "ETag": answer["ETag"]})
    aws.s3.list_parts(**of)
    pages = aws.s3.get_paginator("list_parts").paginate(PaginationConfig={"PageSize": 2}, **of)
    aws.equal([part["Size"] for page in pages for part in page["Parts"]],
              [len(part) for part in parts], "sizes of the parts")
    uploads = aws.s3.list_multipart_uploads(Bucket=name)
    aws.equal([one["Key"] for one in uploads["Uploads"]], ["key"], "uploads in progress")
    answer = aws.s3.complete_multipart_upload(MultipartUpload={"Parts": done}, **of)
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    aws.equal(answer["ETag"], f'"{hashlib.md5(digests).hexdigest()}-3"', "entity tag")
    aws.equal(body(aws, name, "key"), b"".join(parts), "content")
    head = aws.s3.head_object(Bucket=name, Key="key", PartNumber=3)
    aws.equal((head["ContentLength"], head.get("PartsCount")), (3, 3), "one part of it")
    with aws.refused("NoSuchUpload", 404):
        aws.s3.upload_part(PartNumber=1, Body=b"x", **of)


@checks.check("multipart uploads that cannot be completed are refused")
def multipart_refused(aws):
    name = bucket(aws, "refuse-bucket")
    upload = aws.s3.create_multipart_upload(Bucket=name, Key="key")["UploadId"]
    of = {"Bucket": name, "Key": "key", "UploadId": upload}
    tags = [aws.s3.upload_part(PartNumber=number, Body=part, **of)["ETag"]
            for number, part in enumerate((noise(5 * MIB), b"small", b"last"), 1)]
    def complete(*parts):
        aws.s3.complete_multipart_upload(
            MultipartUpload={"Parts": [{"PartNumber": number, "ETag": tag}
                                       for number, tag in parts]}, **of)
    with aws.refused("EntityTooSmall", 400):
        complete((1, tags[0]), (2, tags[1]), (3, tags[2]))
    with aws.refused("InvalidPartOrder", 400):
        complete((2, tags[1]), (1, tags[0]))
    with aws.refused("InvalidPart", 400):
        complete((1, '"00000000000000000000000000000000"'))
    with aws.refused("InvalidPart", 400):
        complete((4, tags[0]))
    with aws.refused("InvalidArgument", 400):
        aws.s3.upload_part(PartNumber=10_001, Body=b"x", **of)
    aws.s3.abort_multipart_upload(**of)
    with aws.refused("NoSuchUpload", 404):
        aws.s3.list_parts(**of)
    with aws.refused("NoSuchUpload", 404):
        aws.s3.abort_multipart_upload(**of)


@checks.check("boto3 transfers 60 MB in parts, up, across and down")
def transfer(aws):
    name = bucket(aws, "transfer-bucket")
    content = noise(60_000_000)
    source, back = aws.file("up", content), aws.file("down")
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB)
    with aws.unordered():
        aws.s3.upload_file(str(source), name, "key", Config=config,
                           ExtraArgs={"Metadata": {"colour": "red"}})
    head = aws.s3.head_object(Bucket=name, Key="key")
    aws.expect(head["ETag"].endswith('-8"'), "eight parts")
    aws.equal(head["Metadata"], {"colour": "red"}, "metadata")
    with aws.unordered():
        aws.s3.copy({"Bucket": name, "Key": "key"}, name, "copy", Config=config)
    with aws.unordered():
        aws.s3.download_file(name, "copy", str(back), Config=config)
    aws.expect(back.read_bytes() == content, "the same bytes")


@checks.check("an object is copied with its metadata, or with others")
def copies(aws):
    name = bucket(aws, "copy-bucket")
    tag = put(aws, name, "from", Metadata={"colour": "red"}, Tagging="a=1")["ETag"]
    source = {"Bucket": name, "Key": "from"}
    aws.s3.copy_object(Bucket=name, Key="same", CopySource=source)
    aws.equal(aws.s3.head_object(Bucket=name, Key="same")["Metadata"], {"colour": "red"}, "kept")
    aws.s3.get_object_tagging(Bucket=name, Key="same")
    aws.s3.copy_object(Bucket=name, Key="other", CopySource=source, MetadataDirective="REPLACE",
                       Metadata={"shape": "round"}, ContentType="x/y")
    aws.equal(aws.s3.head_object(Bucket=name, Key="other")["Metadata"], {"shape": "round"}, "new")
    with aws.refused("InvalidRequest", 400):
        aws.s3.copy_object(Bucket=name, Key="from", CopySource=source)
    with aws.refused("PreconditionFailed", 412):
        aws.s3.copy_object(Bucket=name, Key="x", CopySource=source, CopySourceIfNoneMatch=tag)
    with aws.refused("NoSuchKey", 404):
        aws.s3.copy_object(Bucket=name, Key="x", CopySource={"Bucket": name, "Key": "missing"})


@checks.check("parts are copied from ranges of an object")
def part_copies(aws):
    name = bucket(aws, "part-copy-bucket")
    content = noise(6 * MIB)
    put(aws, name, "from", content)
    upload = aws.s3.create_multipart_upload(Bucket=name, Key="to")["UploadId"]
    of = {"Bucket": name, "Key": "to", "UploadId": upload}
    parts = []
    for number, asked in enumerate((f"bytes=0-{5 * MIB - 1}", f"bytes={5 * MIB}-{6 * MIB - 1}"), 1):
        answer = aws.s3.upload_part_copy(PartNumber=number, CopySourceRange=asked,
                                         CopySource={"Bucket": name, "Key": "from"}, **of)
        parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
    with aws.refused("InvalidArgument", 400):
        aws.s3.upload_part_copy(PartNumber=3, CopySourceRange=f"bytes=0-{7 * MIB}",
                                CopySource={"Bucket": name, "Key": "from"}, **of)
    aws.s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **of)
    aws.expect(body(aws, name, "to") == content, "the same bytes")


@checks.check("a versioned bucket keeps what is overwritten and deleted")
def versions(aws):
    name = versioned(aws, "version-bucket")
    aws.equal(aws.s3.get_bucket_versioning(Bucket=name)["Status"], "Enabled", "versioning")
    first = put(aws, name, "key", b"one")["VersionId"]
    second = put(aws, name, "key", b"two")["VersionId"]
    aws.equal(body(aws, name, "key", VersionId=first), b"one", "the first version")
    aws.equal(body(aws, name, "key"), b"two", "the current version")
    marker = aws.s3.delete_object(Bucket=name, Key="key")
    aws.equal(marker["DeleteMarker"], True, "a delete marker")
    with aws.refused("NoSuchKey", 404):
        aws.s3.get_object(Bucket=name, Key="key")
    with aws.refused("405", 405):
        aws.s3.head_object(Bucket=name, Key="key", VersionId=marker["VersionId"])
    answer = aws.s3.list_object_versions(Bucket=name)
    aws.equal([one["VersionId"] for one in answer["Versions"]], [second, first], "newest first")
    aws.equal([one["IsLatest"] for one in answer["DeleteMarkers"]], [True], "the marker is current")
    aws.s3.list_object_versions(Bucket=name, MaxKeys=1)
    aws.s3.delete_object(Bucket=name, Key="key", VersionId=marker["VersionId"])
    aws.equal(body(aws, name, "key"), b"two", "back")
    aws.s3.delete_object(Bucket=name, Key="key", VersionId=second)
    aws.equal(body(aws, name, "key"), b"one", "the version before")
    with aws.refused("NoSuchVersion", 404):
        aws.s3.get_object(Bucket=name, Key="key", VersionId=second)


@checks.check("many objects are deleted in one call, which reports each")
def delete_many(aws):
    name = versioned(aws, "many-bucket")
    version = put(aws, name, "a")["VersionId"]
    put(aws, name, "b")
    answer = aws.s3.delete_objects(Bucket=name, Delete={"Objects": [
        {"Key": "a", "VersionId": version}, {"Key": "b"}, {"Key": "missing"}]})
    aws.equal(sorted(one["Key"] for one in answer["Deleted"]), ["a", "b", "missing"], "deleted")
    answer = aws.s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "x"}], "Quiet": True})
    aws.expect("Deleted" not in answer, "a quiet call says nothing")
    with aws.refused("MalformedXML", 400):
        aws.s3.delete_objects(Bucket=name, Delete={
            "Objects": [{"Key": str(number)} for number in range(1001)]})


@checks.check("a locked version cannot be deleted")
def lock(aws):
    name = bucket(aws, "lock-bucket", ObjectLockEnabledForBucket=True)
    aws.s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration={
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}})
    aws.s3.get_object_lock_configuration(Bucket=name)
    version = put(aws, name, "key")["VersionId"]
    retention = aws.s3.get_object_retention(Bucket=name, Key="key").get("Retention", {})
    aws.equal(retention.get("Mode"), "GOVERNANCE", "mode")
    of = {"Bucket": name, "Key": "key", "VersionId": version}
    with aws.refused("AccessDenied", 403):
        aws.s3.delete_object(**of)
    denied = aws.s3.delete_objects(Bucket=name, Delete={"Objects": [
        {"Key": "key", "VersionId": version}]})
    aws.equal([one["Code"] for one in denied.get("Errors", [])], ["AccessDenied"],
              "denied in a batch")
    aws.s3.put_object_legal_hold(LegalHold={"Status": "ON"}, **of)
    aws.equal(aws.s3.get_object_legal_hold(**of)["LegalHold"]["Status"], "ON", "legal hold")
    with aws.refused("AccessDenied", 403):
        aws.s3.delete_object(BypassGovernanceRetention=True, **of)
    aws.s3.put_object_legal_hold(LegalHold={"Status": "OFF"}, **of)
    aws.s3.delete_object(BypassGovernanceRetention=True, **of)
    with aws.refused("InvalidRequest", 400):
        aws.s3.get_object_retention(Bucket=bucket(aws, "unlocked-bucket"), Key="key")


@checks.check("an archived object is restored before it is read",
              ours_only="moto restores at once, and reads what is archived")
def archive(aws):
    name = bucket(aws, "archive-bucket")
    put(aws, name, "cold", StorageClass="GLACIER")
    put(aws, name, "warm", StorageClass="STANDARD_IA")
    of = {"Bucket": name, "Key": "cold"}
    request = {"Days": 2, "GlacierJobParameters": {"Tier": "Expedited"}}
    with aws.refused("InvalidObjectState", 403):
        aws.s3.get_object(**of)
    aws.expect("Restore" not in aws.s3.head_object(**of), "not restored yet")
    asked = aws.s3.restore_object(RestoreRequest=request, **of)
    aws.equal(asked["ResponseMetadata"]["HTTPStatusCode"], 202, "status of the first request")
    aws.equal(aws.s3.head_object(**of).get("Restore"), 'ongoing-request="true"', "under way")
    with aws.refused("RestoreAlreadyInProgress", 409):
        aws.s3.restore_object(RestoreRequest=request, **of)
    with aws.refused("InvalidObjectState", 403):
        aws.s3.restore_object(Bucket=name, Key="warm", RestoreRequest=request)
    with aws.refused("NoSuchKey", 404):
        aws.s3.restore_object(Bucket=name, Key="missing", RestoreRequest=request)
    put(aws, name, "deep", StorageClass="DEEP_ARCHIVE")
    with aws.refused("InvalidArgument", 400):
        aws.s3.restore_object(Bucket=name, Key="deep", RestoreRequest=request)


@checks.check("objects have tags, ten at most")
def tags(aws):
    name = bucket(aws, "tag-bucket")
    put(aws, name, "key", Tagging="a=1&b=2")
    key = {"Bucket": name, "Key": "key"}
    aws.equal(aws.s3.head_object(**key).get("TagCount"), 2, "count")
    aws.s3.put_object_tagging(Tagging={"TagSet": [{"Key": "c", "Value": "3"}]}, **key)
    aws.equal(aws.s3.get_object_tagging(**key)["TagSet"], [{"Key": "c", "Value": "3"}], "replaced")
    with aws.refused("BadRequest", 400):
        aws.s3.put_object_tagging(Tagging={"TagSet": [
            {"Key": str(number), "Value": "x"} for number in range(11)]}, **key)
    with aws.refused("InvalidTag", 400):
        aws.s3.put_object_tagging(Tagging={"TagSet": [{"Key": "a", "Value": "1"}] * 2}, **key)
    aws.s3.delete_object_tagging(**key)
    aws.equal(aws.s3.get_object_tagging(**key)["TagSet"], [], "none left")


@checks.check("a bucket keeps its policy, encryption and notifications")
def configuration(aws):
    name = bucket(aws, "config-bucket")
    of = {"Bucket": name}
    with aws.refused("NoSuchBucketPolicy", 404):
        aws.s3.get_bucket_policy(**of)
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject",
        "Resource": f"arn:aws:s3:::{name}/*"}]}
    aws.s3.put_bucket_policy(Policy=json.dumps(policy), **of)
    aws.equal(json.loads(aws.s3.get_bucket_policy(**of)["Policy"]), policy, "policy")
    with aws.refused("MalformedPolicy", 400):
        aws.s3.put_bucket_policy(Policy="{", **of)
    put(aws, name, "key")
    with aws.refused("AccessDenied", 403):
        aws.s3.delete_object(Key="key", **of)
    aws.s3.delete_bucket_policy(**of)
    aws.s3.get_bucket_encryption(**of)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"},
            "BucketKeyEnabled": True}
    aws.s3.put_bucket_encryption(ServerSideEncryptionConfiguration={"Rules": [rule]}, **of)
    answer = aws.s3.get_bucket_encryption(**of)["ServerSideEncryptionConfiguration"]
    aws.equal(answer["Rules"][0]["BucketKeyEnabled"], True, "encryption")
    made = put(aws, name, "encrypted")
    aws.equal(made["ServerSideEncryption"], "aws:kms", "an object takes it over")
    queue = aws.sqs.create_queue(QueueName="notified", Attributes={"Policy": json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage", "Resource": f"arn:aws:sqs:us-east-1:{ACCOUNT}:notified"}],
    })})["QueueUrl"]
    aws.s3.put_bucket_notification_configuration(NotificationConfiguration={
        "QueueConfigurations": [{"QueueArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:notified",
                                 "Events": ["s3:ObjectCreated:*"]}]}, **of)
    answer = aws.s3.get_bucket_notification_configuration(**of)
    aws.equal(len(answer["QueueConfigurations"]), 1, "notifications")
    put(aws, name, "announced")
    found = []
    with aws.waiting():
        for _ in range(20):
            for message in aws.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10,
                                                   WaitTimeSeconds=1).get("Messages", []):
                found += json.loads(message["Body"]).get("Records", [])
            if found:
                break
    aws.equal([one["eventName"] for one in found], ["ObjectCreated:Put"], "the event arrives")
    aws.equal(found[0]["s3"]["object"]["key"], "announced", "its key")


@checks.check("presigned URLs work without credentials")
def presigned(aws):
    name = bucket(aws, "presigned-bucket")
    # Without the word boto3 signs as version 2, which newer buckets do not take.
    s3 = aws.client("s3", signature_version="s3v4")
    put_url = s3.generate_presigned_url("put_object", {"Bucket": name, "Key": "key"})
    request = urllib.request.Request(put_url, data=b"by URL", method="PUT")
    aws.equal(urllib.request.urlopen(request, timeout=HANGS).status, 200, "put")
    get_url = s3.generate_presigned_url("get_object", {"Bucket": name, "Key": "key"})
    aws.equal(urllib.request.urlopen(get_url, timeout=HANGS).read(), b"by URL", "get")
    try:
        urllib.request.urlopen(f"{aws.endpoint}/{name}/key", timeout=HANGS)
        status = 200
    except urllib.error.HTTPError as error:
        status = error.code
    aws.equal(status, 403, "nothing without a signature")


@checks.check("a bucket of another owner than expected is refused")
def expected_owner(aws):
    name = bucket(aws, "owner-bucket")
    put(aws, name, "key", ExpectedBucketOwner=ACCOUNT)
    with aws.refused("AccessDenied", 403):
        aws.s3.get_object(Bucket=name, Key="key", ExpectedBucketOwner="222222222222")
    with aws.refused("403", 403):
        aws.s3.head_bucket(Bucket=name, ExpectedBucketOwner="222222222222")


@checks.check("the aws CLI copies, lists, syncs and removes", ours_only="the CLI is botocore")
def cli(aws):
    large, back = aws.file("large.bin", noise(20 * MIB)), aws.directory / "large.back"
    aws.cli("s3", "mb", "s3://cli-bucket")
    aws.cli("s3", "cp", large, "s3://cli-bucket/large.bin", "--no-progress")
    aws.cli("s3", "cp", "s3://cli-bucket/large.bin", "s3://cli-bucket/copy.bin", "--no-progress")
    aws.cli("s3", "cp", "s3://cli-bucket/copy.bin", back, "--no-progress")
    aws.expect(back.read_bytes() == large.read_bytes(), "the same bytes")
    tree = aws.directory / "tree"
    (tree / "sub").mkdir(parents=True)
    for number in range(12):
        (tree / "sub" / f"{number}.txt").write_text(str(number))
    aws.cli("s3", "sync", tree, "s3://cli-bucket/tree", "--no-progress")
    aws.equal(aws.cli("s3", "sync", tree, "s3://cli-bucket/tree", "--no-progress"), "",
              "a second sync has nothing to do")
    lines = aws.cli("s3", "ls", "s3://cli-bucket", "--recursive").splitlines()
    aws.equal(len(lines), 14, "lines of ls")
    head = aws.cli("s3api", "head-object", "--bucket", "cli-bucket", "--key", "large.bin")
    aws.equal(head["ContentLength"], 20 * MIB, "length")
    listed = aws.cli("s3api", "list-objects-v2", "--bucket", "cli-bucket", "--prefix", "tree/",
                     "--page-size", "5")
    aws.equal(len(listed["Contents"]), 12, "listed in pages")
    aws.cli("s3api", "get-object-attributes", "--bucket", "cli-bucket", "--key", "large.bin",
            "--object-attributes", "Checksum", "ObjectParts", "ETag")
    error = aws.cli("s3api", "get-object", "--bucket", "cli-bucket", "--key", "none", "out",
                    status=255)
    aws.expect("(NoSuchKey)" in error, f"the CLI names the code: {error}")
    aws.cli("s3", "rb", "s3://cli-bucket", "--force")


@checks.check("s5cmd copies, lists, reads and removes", ours_only="s5cmd is no botocore")
def s5cmd(aws):
    large, back = aws.file("s5.bin", noise(60_000_000)), aws.directory / "s5.back"
    aws.s5cmd("mb", "s3://s5-bucket")
    aws.s5cmd("cp", "--part-size", "8", large, "s3://s5-bucket/large.bin")
    aws.s5cmd("cp", "s3://s5-bucket/large.bin", back)
    aws.expect(back.read_bytes() == large.read_bytes(), "the same bytes")
    head = aws.s3.head_object(Bucket="s5-bucket", Key="large.bin")
    aws.expect("-" in head["ETag"], "it came in parts")
    aws.s5cmd("cp", "s3://s5-bucket/large.bin", "s3://s5-bucket/copy.bin")
    small = aws.file("small.txt", b"small content\n")
    aws.s5cmd("cp", small, "s3://s5-bucket/dir/small file+1.txt")
    aws.equal(aws.s5cmd("cat", "s3://s5-bucket/dir/small file+1.txt"), "small content\n", "cat")
    listed = aws.s5cmd("ls", "s3://s5-bucket/*").splitlines()
    aws.equal(len(listed), 3, "lines of ls")
    aws.expect("120000014 bytes in 3 objects" in aws.s5cmd("du", "s3://s5-bucket/*"), "du")
    tree = aws.directory / "s5tree"
    tree.mkdir()
    for number in range(25):
        (tree / f"{number}.txt").write_text(str(number))
    aws.s5cmd("sync", f"{tree}/", "s3://s5-bucket/tree/")
    aws.equal(len(aws.s5cmd("ls", "s3://s5-bucket/tree/").splitlines()), 25, "synced")
    aws.s5cmd("rm", "s3://s5-bucket/*")
    error = aws.s5cmd("cat", "s3://s5-bucket/large.bin", status=1)
    aws.expect("not found" in error, f"s5cmd knows what is missing: {error}")
    aws.s5cmd("rb", "s3://s5-bucket")


if __name__ == "__main__":
    main("s3", checks)
