"""Conformance of the simulated SQS: queues, messages, batches, visibility, dead letters."""

import hashlib
import json

from harness import Checks, main

checks = Checks()
NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"


def queue(aws, name, **attributes):
    values = {key: str(value) for key, value in attributes.items()}
    return aws.sqs.create_queue(QueueName=name, Attributes=values)["QueueUrl"]


def arn(aws, url):
    answer = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]


def receive(aws, url, **parameters):
    return aws.sqs.receive_message(QueueUrl=url, **parameters).get("Messages", [])


@checks.check("a queue is made, found, listed, changed, tagged and deleted")
def life(aws):
    url = queue(aws, "life", VisibilityTimeout=45, MessageRetentionPeriod=600)
    aws.equal(queue(aws, "life", VisibilityTimeout=45), url, "making it again gives the same URL")
    aws.equal(aws.sqs.get_queue_url(QueueName="life")["QueueUrl"], url, "URL found by name")
    aws.equal(aws.sqs.list_queues(QueueNamePrefix="lif")["QueueUrls"], [url], "listed by prefix")
    aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "3"})
    answer = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    aws.equal(answer["Attributes"]["DelaySeconds"], "3", "a changed attribute")
    aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    aws.sqs.tag_queue(QueueUrl=url, Tags={"a": "1", "b": "2"})
    aws.sqs.untag_queue(QueueUrl=url, TagKeys=["a"])
    aws.equal(aws.sqs.list_queue_tags(QueueUrl=url)["Tags"], {"b": "2"}, "tags")
    aws.sqs.delete_queue(QueueUrl=url)
    with aws.refused(NO_QUEUE, 400):
        aws.sqs.get_queue_url(QueueName="life")


@checks.check("a queue's own attributes and tags are given with its creation")
def created_with(aws):
    url = aws.sqs.create_queue(QueueName="created-with", Attributes={"DelaySeconds": "1"},
                               tags={"team": "x"})["QueueUrl"]
    aws.equal(aws.sqs.list_queue_tags(QueueUrl=url)["Tags"], {"team": "x"}, "tags of creation")


@checks.check("lists of queues come in pages")
def pages(aws):
    for number in range(5):
        queue(aws, f"page-{number}")
    paginator = aws.sqs.get_paginator("list_queues")
    found = [url for page in paginator.paginate(
        QueueNamePrefix="page-", PaginationConfig={"PageSize": 2}) for url in page["QueueUrls"]]
    aws.equal(sorted(url.rsplit("/", 1)[1] for url in found),
              [f"page-{number}" for number in range(5)], "every queue once")


@checks.check("a message comes back with its attributes and digests")
def message(aws):
    url = queue(aws, "message")
    sent = aws.sqs.send_message(
        QueueUrl=url, MessageBody="hello ☃",
        MessageAttributes={
            "text": {"DataType": "String", "StringValue": "value"},
            "number": {"DataType": "Number.int", "StringValue": "42"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}})
    aws.equal(sent["MD5OfMessageBody"], hashlib.md5("hello ☃".encode()).hexdigest(), "digest")
    [received] = receive(aws, url, MessageSystemAttributeNames=["All"],
                         MessageAttributeNames=["All"], VisibilityTimeout=60)
    aws.equal(received["Body"], "hello ☃", "body")
    aws.equal(received["MessageAttributes"]["bytes"]["BinaryValue"], b"\x00\xff", "binary value")
    aws.equal(received["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"], "one digest")
    aws.equal(received["Attributes"]["ApproximateReceiveCount"], "1", "receive count")
    aws.equal(receive(aws, url), [], "not received again while invisible")
    aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=received["ReceiptHandle"])
    aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=received["ReceiptHandle"])


@checks.check("only the message attributes asked for come back")
def some_attributes(aws):
    url = queue(aws, "some-attributes")
    string = {"DataType": "String", "StringValue": "x"}
    aws.sqs.send_message(QueueUrl=url, MessageBody="x",
                         MessageAttributes={"app.a": string, "app.b": string, "other": string})
    [received] = receive(aws, url, MessageAttributeNames=["app.*"], VisibilityTimeout=0)
    aws.equal(sorted(received["MessageAttributes"]), ["app.a", "app.b"], "by prefix")
    [received] = receive(aws, url, VisibilityTimeout=0)
    aws.expect("MessageAttributes" not in received, "none without asking")


@checks.check("a message that is released is received again and counted")
def released(aws):
    url = queue(aws, "released")
    aws.sqs.send_message(QueueUrl=url, MessageBody="again")
    [first] = receive(aws, url)
    aws.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"],
                                      VisibilityTimeout=0)
    [second] = receive(aws, url, MessageSystemAttributeNames=["ApproximateReceiveCount"])
    aws.equal(second["Attributes"]["ApproximateReceiveCount"], "2", "counted")
    aws.expect(first["ReceiptHandle"] != second["ReceiptHandle"], "a new receipt handle")


@checks.check("a batch reports each entry by itself")
def batch(aws):
    url = queue(aws, "batch")
    sent = aws.sqs.send_message_batch(QueueUrl=url, Entries=[
        {"Id": "a", "MessageBody": "one"}, {"Id": "b", "MessageBody": "two"},
        {"Id": "c", "MessageBody": "three"}])
    aws.equal(sorted(entry["Id"] for entry in sent["Successful"]), ["a", "b", "c"], "all sent")
    messages = []
    while len(messages) < 3:
        messages += receive(aws, url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    changed = aws.sqs.change_message_visibility_batch(QueueUrl=url, Entries=[
        {"Id": "good", "ReceiptHandle": messages[0]["ReceiptHandle"], "VisibilityTimeout": 50},
        {"Id": "bad", "ReceiptHandle": "nonsense", "VisibilityTimeout": 50}])
    aws.equal([entry["Id"] for entry in changed["Successful"]], ["good"], "the good one")
    aws.equal([entry["Id"] for entry in changed["Failed"]], ["bad"], "the bad one")
    aws.equal(changed["Failed"][0]["Code"], "ReceiptHandleIsInvalid", "its code")
    deleted = aws.sqs.delete_message_batch(QueueUrl=url, Entries=[
        {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
        for number, message in enumerate(messages)] + [{"Id": "bad", "ReceiptHandle": "nonsense"}])
    aws.equal(len(deleted["Successful"]), 3, "deleted")
    aws.equal(deleted["Failed"][0]["Code"], "ReceiptHandleIsInvalid", "the code of the other")


@checks.check("an entry of a batch that is refused leaves the others alone")
def partial(aws):
    url = queue(aws, "partial")
    answer = aws.sqs.send_message_batch(QueueUrl=url, Entries=[
        {"Id": "good", "MessageBody": "x"}, {"Id": "bad", "MessageBody": "x\x01"}])
    aws.equal([entry["Id"] for entry in answer["Successful"]], ["good"], "sent")
    aws.equal([entry["Code"] for entry in answer["Failed"]], ["InvalidMessageContents"], "refused")


@checks.check("a batch that is none is refused as a whole")
def bad_batch(aws):
    url = queue(aws, "bad-batch")
    prefix = "AWS.SimpleQueueService."
    entry = {"Id": "a", "MessageBody": "x"}
    with aws.refused(prefix + "EmptyBatchRequest", 400):
        aws.sqs.send_message_batch(QueueUrl=url, Entries=[])
    with aws.refused(prefix + "BatchEntryIdsNotDistinct", 400):
        aws.sqs.send_message_batch(QueueUrl=url, Entries=[entry, entry])
    with aws.refused(prefix + "TooManyEntriesInBatchRequest", 400):
        aws.sqs.send_message_batch(QueueUrl=url, Entries=[
            {"Id": str(number), "MessageBody": "x"} for number in range(11)])
    with aws.refused(prefix + "InvalidBatchEntryId", 400):
        aws.sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "a b", "MessageBody": "x"}])
    with aws.refused(prefix + "BatchRequestTooLong", 400):
        aws.sqs.send_message_batch(QueueUrl=url, Entries=[
            {"Id": str(number), "MessageBody": "x" * 600_000} for number in range(2)])


@checks.check("a queue that is not there is refused by every call")
def absent(aws):
    url = queue(aws, "present").replace("present", "absent")
    for call, parameters in [
            (aws.sqs.send_message, {"MessageBody": "x"}), (aws.sqs.receive_message, {}),
            (aws.sqs.delete_message, {"ReceiptHandle": "x"}), (aws.sqs.purge_queue, {}),
            (aws.sqs.get_queue_attributes, {"AttributeNames": ["All"]}),
            (aws.sqs.list_queue_tags, {}), (aws.sqs.delete_queue, {})]:
        with aws.refused(NO_QUEUE, 400):
            call(QueueUrl=url, **parameters)


@checks.check("values outside their range are refused")
def ranges(aws):
    url = queue(aws, "ranges")
    with aws.refused("InvalidParameterValue", 400):
        aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=11)
    with aws.refused("InvalidParameterValue", 400):
        aws.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=21)
    with aws.refused("InvalidParameterValue", 400):
        aws.sqs.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=901)
    with aws.refused("InvalidAttributeValue", 400):
        queue(aws, "ranges-other", VisibilityTimeout=43_201)
    with aws.refused("InvalidAttributeName", 400):
        queue(aws, "ranges-other", Colour="red")
    with aws.refused("InvalidAttributeName", 400):
        aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Colour"])
    with aws.refused("InvalidParameterValue", 400):
        queue(aws, "no spaces")
    with aws.refused("QueueAlreadyExists", 400):
        queue(aws, "ranges", VisibilityTimeout=1)


@checks.check("contents that cannot be sent are refused")
def contents(aws):
    url = queue(aws, "contents", MaximumMessageSize=1024)
    with aws.refused("InvalidMessageContents", 400):
        aws.sqs.send_message(QueueUrl=url, MessageBody="\x01")
    with aws.refused("MissingParameter", 400):
        aws.sqs.send_message(QueueUrl=url, MessageBody="")
    with aws.refused("InvalidParameterValue", 400):
        aws.sqs.send_message(QueueUrl=url, MessageBody="x" * 1025)
    aws.sqs.send_message(QueueUrl=url, MessageBody="x" * 1024)


@checks.check("a receipt handle that is none is refused")
def handles(aws):
    url = queue(aws, "handles")
    with aws.refused("ReceiptHandleIsInvalid", 400):
        aws.sqs.delete_message(QueueUrl=url, ReceiptHandle="nonsense")
    with aws.refused("ReceiptHandleIsInvalid", 400):
        aws.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle="nonsense",
                                          VisibilityTimeout=1)


@checks.check("the visibility of a message that is not in flight cannot be changed")
def not_in_flight(aws):
    url = queue(aws, "not-in-flight")
    aws.sqs.send_message(QueueUrl=url, MessageBody="x")
    [received] = receive(aws, url)
    handle = {"QueueUrl": url, "ReceiptHandle": received["ReceiptHandle"]}
    with aws.refused("InvalidParameterValue", 400):
        aws.sqs.change_message_visibility(VisibilityTimeout=43_201, **handle)
    aws.sqs.change_message_visibility(VisibilityTimeout=0, **handle)
    with aws.refused("AWS.SimpleQueueService.MessageNotInflight", 400):
        aws.sqs.change_message_visibility(VisibilityTimeout=5, **handle)


@checks.check("a message that fails too often moves to the dead-letter queue and back")
def redrive(aws):
    dead = queue(aws, "dead")
    policy = {"deadLetterTargetArn": arn(aws, dead), "maxReceiveCount": "2"}
    url = queue(aws, "failing", RedrivePolicy=json.dumps(policy))
    sources = aws.sqs.get_paginator("list_dead_letter_source_queues").paginate(QueueUrl=dead)
    aws.equal([u for page in sources for u in page["queueUrls"]], [url], "its source")
    aws.sqs.send_message(QueueUrl=url, MessageBody="poison")
    for _ in range(2):
        receive(aws, url, VisibilityTimeout=0)
    aws.equal(receive(aws, url), [], "the third receive moves it")
    [moved] = receive(aws, dead, MessageSystemAttributeNames=["All"], VisibilityTimeout=0)
    aws.equal(moved["Body"], "poison", "it is in the dead-letter queue")
    aws.equal(moved["Attributes"].get("DeadLetterQueueSourceArn"), arn(aws, url), "from where")
    aws.sqs.start_message_move_task(SourceArn=arn(aws, dead))
    with aws.waiting():
        for _ in range(20):
            back = receive(aws, url, WaitTimeSeconds=1)
            if back:
                break
    aws.equal([message["Body"] for message in back], ["poison"], "it is back")
    aws.sqs.list_message_move_tasks(SourceArn=arn(aws, dead))


@checks.check("a move task needs a dead-letter queue")
def no_move(aws):
    url = queue(aws, "not-dead")
    with aws.refused("InvalidParameterValue", 400):
        aws.sqs.start_message_move_task(SourceArn=arn(aws, url))
    with aws.refused("ResourceNotFoundException", 400):
        aws.sqs.start_message_move_task(SourceArn=arn(aws, url).replace("not-dead", "missing"))


@checks.check("an empty queue answers with nothing after the wait, and a delayed message later")
def waits(aws):
    url = queue(aws, "waits")
    answer = aws.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)
    aws.expect("Messages" not in answer, "no member for no messages")
    aws.sqs.send_message(QueueUrl=url, MessageBody="late", DelaySeconds=1)
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
    aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)
    aws.equal(receive(aws, url), [], "not yet")
    [late] = receive(aws, url, WaitTimeSeconds=5)
    aws.equal(late["Body"], "late", "then")


@checks.check("a purged queue is empty and cannot be purged again at once")
def purge(aws):
    url = queue(aws, "purge")
    aws.sqs.send_message(QueueUrl=url, MessageBody="x")
    aws.sqs.purge_queue(QueueUrl=url)
    aws.equal(receive(aws, url), [], "empty")
    with aws.refused("AWS.SimpleQueueService.PurgeQueueInProgress", 400):
        aws.sqs.purge_queue(QueueUrl=url)


@checks.check("a name cannot be used again right after its queue was deleted")
def deleted_recently(aws):
    aws.sqs.delete_queue(QueueUrl=queue(aws, "recent"))
    with aws.refused("AWS.SimpleQueueService.QueueDeletedRecently", 400):
        queue(aws, "recent")


@checks.check("the aws CLI sends, receives, counts and deletes", ours_only="the CLI is botocore")
def cli(aws):
    url = aws.cli("sqs", "create-queue", "--queue-name", "cli",
                  "--attributes", "VisibilityTimeout=60")["QueueUrl"]
    of = ("--queue-url", url)
    aws.equal(aws.cli("sqs", "get-queue-url", "--queue-name", "cli")["QueueUrl"], url, "URL")
    aws.cli("sqs", "send-message", *of, "--message-body", "from the CLI")
    [received] = aws.cli("sqs", "receive-message", *of, "--attribute-names", "All")["Messages"]
    aws.equal(received["Body"], "from the CLI", "body")
    counts = aws.cli("sqs", "get-queue-attributes", *of, "--attribute-names", "All")
    aws.equal(counts["Attributes"]["ApproximateNumberOfMessagesNotVisible"], "1", "in flight")
    aws.cli("sqs", "delete-message", *of, "--receipt-handle", received["ReceiptHandle"])
    aws.expect(url in aws.cli("sqs", "list-queues")["QueueUrls"], "listed")
    aws.cli("sqs", "delete-queue", *of)
    error = aws.cli("sqs", "receive-message", *of, status=255)
    aws.expect(f"({NO_QUEUE})" in error, f"the CLI names the code: {error}")


if __name__ == "__main__":
    main("sqs", checks)
