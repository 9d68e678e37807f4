"""What SQS leaves open; free, and answered by other emulators too."""

from .. import services
from ..cost import Usage
from ..faults import Unanswered
from ..question import Answer, question

# How often a short poll must find the message before it counts as reliable.
POLLS = 50


def _only(sqs, url, **more):
    """The message of a queue that has one, by a long poll."""
    for _ in range(3):
        found = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10, **more).get("Messages")
        if found:
            return found[0]
    raise Unanswered("the message does not come")


@question(
    "stale-handles", "queues",
    "Does the receipt handle of an earlier receive delete the message?",
    calls=("sqs:ReceiveMessage", "sqs:DeleteMessage"),
    makes=("a queue",),
    settings=("sqs.stale_handles_delete",),
)
def stale_handles(lab):
    url, _ = services.queue(lab, lab.source, "stale")
    sqs = lab.aws.at("sqs", lab.source)
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    stale = _only(sqs, url, VisibilityTimeout=0)["ReceiptHandle"]
    fresh = _only(sqs, url, VisibilityTimeout=600)["ReceiptHandle"]
    if stale == fresh:
        raise Unanswered("both receives gave the same handle")
    refusal, _ = lab.refusal(lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle=stale))
    # A message that is still there becomes visible again; one that is not cannot.
    changed, _ = lab.refusal(lambda: sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=fresh, VisibilityTimeout=0))
    there = changed is None and bool(sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=10, VisibilityTimeout=0).get("Messages"))
    return Answer(f"A stale handle {'does not delete' if there else 'deletes'} the message.",
                  settings={"sqs.stale_handles_delete": not there},
                  facts={"delete": refusal and refusal.facts(), "change": changed and changed.facts()})


@question(
    "short-polls", "queues",
    "Does a short poll miss a message that is there?",
    calls=("sqs:ReceiveMessage",),
    makes=("a queue",),
    usage=lambda gib: Usage(requests=200),
    settings=("sqs.short_polls_sample",),
)
def short_polls(lab):
    url, _ = services.queue(lab, lab.source, "short")
    sqs = lab.aws.at("sqs", lab.source)
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    _only(sqs, url, VisibilityTimeout=0)
    missed = sum(
        not sqs.receive_message(QueueUrl=url, VisibilityTimeout=0).get("Messages") for _ in range(POLLS))
    return Answer(f"{missed} of {POLLS} short polls missed the only message.",
                  settings={"sqs.short_polls_sample": missed > 0}, facts={"polls": POLLS, "missed": missed})
