"""Conformance of the simulated STS: who calls, and temporary credentials."""

import json

from harness import Checks, main

checks = Checks()
# The role of the simulated AWS's landscape that another account may assume with its external id.
ROLE = "arn:aws:iam::111111111111:role/amiferry-source-read"
EXTERNAL_ID = "demo-3f9c1f6e0b7a4d52"
VAULT = "222222222222"


def assume(aws, **parameters):
    sts = aws.client("sts", account=VAULT)
    return sts.assume_role(**{"RoleArn": ROLE, "RoleSessionName": "session",
                              "ExternalId": EXTERNAL_ID} | parameters)


@checks.check("the caller is told who it is")
def identity(aws):
    answer = aws.sts.get_caller_identity()
    aws.equal(answer["Arn"], f"arn:aws:iam::{answer['Account']}:root", "ARN")


@checks.check("a role is assumed and its credentials work")
def role(aws):
    answer = assume(aws, DurationSeconds=900)
    aws.equal(answer["AssumedRoleUser"]["Arn"],
              "arn:aws:sts::111111111111:assumed-role/amiferry-source-read/session", "ARN")
    aws.expect(answer["Credentials"]["AccessKeyId"].startswith("ASIA"), "a temporary key")
    session = aws.client("sts", credentials=answer["Credentials"])
    aws.equal(session.get_caller_identity()["Arn"], answer["AssumedRoleUser"]["Arn"], "identity")
    aws.client("ec2", credentials=answer["Credentials"]).describe_images(Owners=["self"])


@checks.check("a role can do what its policy says and no more")
def permissions(aws):
    ec2 = aws.client("ec2", credentials=assume(aws)["Credentials"])
    with aws.refused("UnauthorizedOperation", 403):
        ec2.create_tags(Resources=["ami-0123456789abcdef0"], Tags=[{"Key": "a", "Value": "b"}])


@checks.check("a session policy narrows the role")
def session_policy(aws):
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "ec2:DescribeImages", "Resource": "*"}]}
    answer = assume(aws, Policy=json.dumps(policy))
    aws.expect(answer.get("PackedPolicySize", 0) > 0, "its packed size is given")
    ec2 = aws.client("ec2", credentials=answer["Credentials"])
    ec2.describe_images(Owners=["self"])
    with aws.refused("UnauthorizedOperation", 403):
        ec2.describe_snapshots(OwnerIds=["self"])


@checks.check("a role is not assumed with a wrong external id, nor by anybody")
def not_allowed(aws):
    with aws.refused("AccessDenied", 403):
        assume(aws, ExternalId="wrong-one")
    with aws.refused("AccessDenied", 403):
        aws.client("sts", account="333333333333").assume_role(
            RoleArn=ROLE, RoleSessionName="session", ExternalId=EXTERNAL_ID)
    with aws.refused("AccessDenied", 403):
        assume(aws, RoleArn="arn:aws:iam::111111111111:role/no-such-role")


@checks.check("parameters that are not valid are refused")
def invalid(aws):
    with aws.refused("ValidationError", 400):
        assume(aws, RoleSessionName="not valid")
    with aws.refused("ValidationError", 400):
        assume(aws, DurationSeconds=7200)
    with aws.refused("MalformedPolicyDocument", 400):
        assume(aws, Policy="{")
    with aws.refused("ValidationError", 400):
        assume(aws, RoleArn="arn:aws:s3:::not-a-role-but-long-enough")


@checks.check("credentials that are none are refused by every service")
def unknown_credentials(aws):
    keys = {"AccessKeyId": "ASIAXXXXXXXXXXXXXXXX", "SecretAccessKey": "x", "SessionToken": "x"}
    with aws.refused("InvalidClientTokenId", 403):
        aws.client("sts", credentials=keys).get_caller_identity()
    with aws.refused("AuthFailure", 401):
        aws.client("ec2", credentials=keys).describe_images(Owners=["self"])
    with aws.refused("InvalidAccessKeyId", 403):
        aws.client("s3", credentials=keys).list_buckets()
    with aws.refused("UnrecognizedClientException", 400):
        aws.client("kms", credentials=keys).list_keys()


@checks.check("the aws CLI assumes the role and says who it then is", ours_only="the CLI is botocore")
def cli(aws):
    answer = aws.cli("sts", "assume-role", "--role-arn", ROLE, "--role-session-name", "cli",
                     "--external-id", EXTERNAL_ID, account=VAULT)
    identity = aws.cli("sts", "get-caller-identity", credentials=answer["Credentials"])
    aws.equal(identity["Arn"], answer["AssumedRoleUser"]["Arn"], "identity")
    error = aws.cli("sts", "assume-role", "--role-arn", ROLE, "--role-session-name", "cli",
                    account=VAULT, status=255)
    aws.expect("(AccessDenied)" in error, f"the CLI names the code: {error}")


if __name__ == "__main__":
    main("sts", checks)
