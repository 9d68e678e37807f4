"""Who the events of a store and a restore name."""

from .. import services
from ..cost import Usage
from ..question import Answer, question
from .restore import COPIED, RESTORE, copied
from .store import STORE

# Seconds after the image's own event within which those of its snapshots should have come.
AFTERWARDS = 300


@question(
    "event-identity", "events",
    "Whom does userIdentity name in the S3 notification of a stored image, and what is its eventName?",
    calls=STORE + ("s3:PutBucketNotificationConfiguration", "sqs:ReceiveMessage"),
    makes=("a queue", "an image", "bucket notified with its object"),
    usage=lambda gib: Usage.store(gib) + Usage(snapshots=gib, requests=500),
)
def event_identity(lab):
    bucket = lab.bucket("notified")
    url, arn = services.queue(lab, lab.source, "notified", "s3.amazonaws.com")
    # S3 sends a test message at once, and refuses while the queue's policy is not known to it.
    lab.soon(lambda: lab.s3(lab.source).put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [
            {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}), "InvalidArgument")
    key = lab.stored(lab.image("notified"), bucket)
    message = services.await_message(lab, lab.source, url, lambda body: body.get("Records"),
                                     "the notification", patience=600)
    record = message["Records"][0]
    return Answer(
        f"{record['eventName']} names {record['userIdentity'].get('principalId')}.",
        facts={"key": key, "eventName": record["eventName"], "eventVersion": record["eventVersion"],
               "userIdentity": record["userIdentity"], "requestParameters": record["requestParameters"],
               "caller": lab.aws.caller("source", lab.source.region)[1], "object": record["s3"]["object"]})


@question(
    "event-requester", "events",
    "Whom does requester name in the EventBridge event of a stored image, and what is its reason?",
    calls=STORE + ("s3:PutBucketNotificationConfiguration", "events:PutRule", "events:PutTargets"),
    makes=("a rule and a queue", "an image", "bucket bridged with its object"),
    usage=lambda gib: Usage.store(gib) + Usage(snapshots=gib, requests=500),
)
def event_requester(lab):
    bucket = lab.bucket("bridged")
    url = services.rule(lab, lab.source, "bridged", {
        "source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [bucket]}}})
    lab.s3(lab.source).put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    lab.settle()
    lab.stored(lab.image("bridged"), bucket)
    event = services.await_message(lab, lab.source, url, lambda body: True, "the event", patience=600)
    detail = event["detail"]
    return Answer(f"The event's reason is {detail.get('reason')}, its requester {detail.get('requester')}.",
                  facts={"detail": detail, "source_account": lab.source.account,
                         "caller": lab.aws.caller("source", lab.source.region)[1]})


@question(
    "snapshot-events", "events",
    "Do the snapshots of a restore have EBS Snapshot Notifications?",
    calls=RESTORE + ("events:PutRule", "events:PutTargets"),
    makes=COPIED + ("a rule and a queue", "an image with its snapshot"),
    usage=lambda gib: copied(gib) + Usage.restore(gib) + Usage(requests=500),
    settings=("ec2.restored_snapshot_events",),
)
def snapshot_events(lab):
    bucket, key = lab.vaulted()
    url = services.rule(lab, lab.vault, "snapshots", {
        "source": ["aws.ec2"], "detail-type": ["EC2 AMI State Change", "EBS Snapshot Notification"]})
    image = lab.restored(bucket, key, "snapshots")
    ids = [device["Ebs"]["SnapshotId"] for device in image["BlockDeviceMappings"] if "Ebs" in device]
    seen = []

    def look():
        seen.extend(services.messages(lab, lab.vault, url))
        return True if any(body["detail"].get("ImageId") == image["ImageId"] for body in seen) else None

    # The image's own event shows that events arrive at all.
    lab.until(look, "the image's own event", patience=900)
    lab.clock.sleep(AFTERWARDS)
    seen.extend(services.messages(lab, lab.vault, url))
    about = [body for body in seen
             if str(body["detail"].get("snapshot_id", "")).rsplit("/", 1)[-1] in ids]
    return Answer(f"{len(about)} notifications about the {len(ids)} restored snapshots came.",
                  settings={"ec2.restored_snapshot_events": bool(about)}, facts={"events": seen})
