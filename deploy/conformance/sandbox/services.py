"""Keys, queues, rules and roles of a run."""

import json

from . import naming

EVERYTHING = "*"
# Seconds of a long poll, which asks all servers of a queue; a short one may miss a message that is there.
# An emulator answers at once, and its tests are quick.
POLL, POLL_EMULATOR = 10, 1


def allow(principal, actions, resources=(EVERYTHING,), **more):
    """A statement that allows."""
    return {"Effect": "Allow", "Principal": principal, "Action": list(actions),
            "Resource": list(resources)} | more


def deny(principal, actions, resources=(EVERYTHING,), **more):
    """A statement that denies."""
    return allow(principal, actions, resources, **more) | {"Effect": "Deny"}


def document(*statements):
    """A policy as JSON."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def key(lab, place, what, *statements):
    """A key of the run; without statements its account's own policies decide."""
    kms = lab.aws.at("kms", place)
    owner = allow({"AWS": place.account}, ["kms:*"])
    tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in naming.tags(lab.run)]
    made = lab.made(
        "key", place, what,
        lambda: kms.create_key(Description=naming.description(lab.run, what), Tags=tags,
                               Policy=document(*(statements or [owner]))),
        lambda answer: answer["KeyMetadata"]["Arn"])
    # EBS looks at keys late, and then fails without saying why.
    lab.settle()
    return made


def queue(lab, place, what, service=None):
    """A queue of the run, by default for its own account only; gives its URL and ARN. The policy lets
    a service of the same account send to it."""
    sqs = lab.aws.at("sqs", place)
    name = lab.unique(what)
    url = lab.made(
        "queue", place, name,
        lambda: sqs.create_queue(QueueName=name, tags={naming.TAG: lab.run}),
        lambda answer: answer["QueueUrl"])
    arn = lab.soon(lambda: sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["QueueArn"]))["Attributes"]["QueueArn"]
    if service:
        policy = document(allow({"Service": service}, ["sqs:SendMessage"], [arn], Condition={
            "StringEquals": {"aws:SourceAccount": place.account}}))
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        lab.settle()
    return url, arn


def messages(lab, place, url):
    """The bodies that a queue has now, as JSON; they are deleted."""
    sqs = lab.aws.at("sqs", place)
    bodies = []
    wait = POLL if lab.aws.override is None else POLL_EMULATOR
    while received := sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait).get("Messages"):
        for message in received:
            bodies.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def await_message(lab, place, url, wanted, what, patience=None):
    """Waits for a message; gives it."""

    def look():
        return next((body for body in messages(lab, place, url) if wanted(body)), None)

    return lab.until(look, what, patience=patience)


def rule(lab, place, what, pattern):
    """A rule of the default bus that sends what matches to a new queue; gives the queue's URL."""
    url, arn = queue(lab, place, what, "events.amazonaws.com")
    events = lab.aws.at("events", place)
    name = lab.unique(what)
    lab.made(
        "rule", place, name,
        lambda: events.put_rule(Name=name, EventPattern=json.dumps(pattern),
                                Tags=naming.tags(lab.run)),
        lambda _: name)
    failed = events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    if failed.get("FailedEntryCount"):
        raise RuntimeError(f"rule {name}: {failed['FailedEntries']}")
    lab.settle()
    return url


def role(lab, place, what, *statements):
    """A role of the run that its own account may assume; gives its name and ARN."""
    iam = lab.aws.at("iam", place)
    name = lab.unique(what)
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": place.account}, "Action": "sts:AssumeRole"}]}
    arn = lab.made(
        "role", place, name,
        lambda: iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust),
                                Tags=naming.tags(lab.run)),
        lambda answer: answer["Role"]["Arn"])
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": list(actions), "Resource": "*"} for actions in statements]}
    iam.put_role_policy(RoleName=name, PolicyName="allowed", PolicyDocument=json.dumps(policy))
    lab.settle()
    return name, arn
