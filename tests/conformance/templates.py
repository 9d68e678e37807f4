"""The templates of deploy/cloudformation: cfn-lint, their rules, and all deployed into moto.

    python tests/conformance/templates.py [FOLDER]

The hub is deployed into one account and Region, the spoke into another with the hub's outputs as its
parameters. What moto then has is compared with deploy/iam and deploy/events: the policies of every
role, queue, bucket, key and bus, and the patterns of every rule. The tables that the outputs give for
amiferry.toml are written to FOLDER.
"""

import ast
import difflib
import json
import logging
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import boto3
import cfn
from moto import mock_aws

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
VAULT = ("222222222222", "us-west-2")
SOURCE = ("111111111111", "us-east-1")
DESTINATION = ("444444444444", "eu-central-1")
OTHER = "333333333333"
EXTERNAL_ID = "0123456789abcdef0123"

# What moto does not create; the script resolves what the template says of it by itself.
NOT_IN_MOTO = {
    "AWS::CloudWatch::Alarm",
    "AWS::Events::EventBusPolicy",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SecretsManager::Secret",
}


class Template:
    def __init__(self, name, place):
        self.name = name
        self.path = DEPLOY / "cloudformation" / f"{name}.yaml"
        self.text = self.path.read_text()
        self.tree = cfn.read(self.path)
        self.account, self.region = place
        self.parameters = {}
        self.physical = {}
        self.attributes = {}

    def given(self, **parameters):
        """The parameters as CloudFormation sees them: a list where the type is one."""
        declared = self.tree["Parameters"]
        unknown = parameters.keys() - declared.keys()
        assert not unknown, f"{self.name} has no parameters {unknown}"
        values = {name: one.get("Default") for name, one in declared.items()} | parameters
        missing = [name for name, value in values.items() if value is None]
        assert not missing, f"{self.name} needs {missing}"
        self.parameters = values
        return self

    def value(self, name):
        pseudo = {"AWS::AccountId": self.account, "AWS::Region": self.region}
        if name in pseudo:
            return pseudo[name]
        if name in self.parameters:
            text = str(self.parameters[name])
            kind = self.tree["Parameters"][name]["Type"]
            return text.split(",") if kind == "CommaDelimitedList" else text
        if name in self.attributes:
            return self.attributes[name]
        if "." in name:
            raise KeyError(f"{self.name}: no attribute {name} is known")
        return self.physical[name]

    def resolve(self, value):
        """A part of the template with its functions replaced by what they give."""
        if isinstance(value, list):
            return [self.resolve(one) for one in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(key, operand)] = value.items()
            if key == "Ref":
                return self.value(operand)
            if key == "Fn::GetAtt":
                return self.value(".".join(operand))
            if key == "Fn::Sub":
                text = re.sub(r"\$\{([^!}]+)\}", lambda name: self.value(name[1]), operand)
                return text.replace("${!", "${")
            if key.startswith("Fn::"):
                return self.test(value)
        return {key: self.resolve(one) for key, one in value.items()}

    def test(self, value):
        """Whether a condition or an assertion holds."""
        [(key, operand)] = value.items()
        if key == "Fn::Equals":
            left, right = map(self.resolve, operand)
            return left == right
        if key == "Fn::Not":
            return not self.test(operand[0])
        if key == "Fn::Contains":
            values, one = map(self.resolve, operand)
            return one in values
        raise ValueError(f"{self.name}: {key} is not known here")

    def refusals(self):
        """The rules that the parameters break."""
        broken = []
        for rule, body in self.tree["Rules"].items():
            if "RuleCondition" in body and not self.test(body["RuleCondition"]):
                continue
            broken += [rule for one in body["Assertions"] if not self.test(one["Assert"])]
        for name, one in self.tree["Parameters"].items():
            values = self.value(name) if one["Type"] == "CommaDelimitedList" else [self.value(name)]
            for text in values:
                pattern = one.get("AllowedPattern")
                wrong = (
                    (pattern and not re.fullmatch(pattern, text))
                    or ("AllowedValues" in one and text not in one["AllowedValues"])
                    or ("MinLength" in one and len(text) < one["MinLength"])
                    or ("MinValue" in one and float(text) < one["MinValue"])
                    or ("MaxValue" in one and float(text) > one["MaxValue"])
                )
                broken += [name] if wrong else []
        return sorted(set(broken))

    def deploy(self):
        client = aws(self, "cloudformation")
        parameters = [
            {"ParameterKey": name, "ParameterValue": str(value)}
            for name, value in self.parameters.items()
        ]
        client.create_stack(
            StackName=f"amiferry-{self.name}",
            TemplateBody=self.text,
            Parameters=parameters,
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        stack = client.describe_stacks(StackName=f"amiferry-{self.name}")["Stacks"][0]
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        made = client.list_stack_resources(StackName=f"amiferry-{self.name}")
        for one in made["StackResourceSummaries"]:
            if one["LogicalResourceId"]:
                self.physical[one["LogicalResourceId"]] = one["PhysicalResourceId"]
        wanted = {
            name
            for name, one in self.tree["Resources"].items()
            if one["Type"] not in NOT_IN_MOTO
        }
        assert wanted <= self.physical.keys(), f"moto lacks {wanted - self.physical.keys()}"
        self.look_up()
        return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    def look_up(self):
        """The attributes that policies use."""
        for name, one in self.tree["Resources"].items():
            here = f"{self.region}:{self.account}"
            physical = self.physical.get(name)
            if one["Type"] == "AWS::SQS::Queue":
                arn = f"arn:aws:sqs:{here}:{physical.rsplit('/', 1)[-1]}"
            elif one["Type"] == "AWS::KMS::Key":
                arn = f"arn:aws:kms:{here}:key/{physical}"
            else:
                continue
            self.attributes[f"{name}.Arn"] = arn


def aws(template, service):
    os.environ["MOTO_ACCOUNT_ID"] = template.account
    return boto3.client(
        service,
        region_name=template.region,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def filled(kind, name, values):
    """A file of deploy with its placeholders filled in, without the template's help."""

    def fill(value):
        if isinstance(value, dict):
            return {key: fill(one) for key, one in value.items()}
        if isinstance(value, list):
            # A placeholder that stands for a list, alone in a list.
            if len(value) == 1 and isinstance(listed := fill(value[0]), list):
                return listed
            return [fill(one) for one in value]
        if not isinstance(value, str):
            return value
        whole = re.fullmatch(r"\$\{(\w+)\}", value)
        if whole:
            return values[whole[1]]
        return re.sub(r"\$\{(\w+)\}", lambda one: values[one[1]], value)

    return fill(json.loads((DEPLOY / kind / f"{name}.json").read_text()))


def document(answer):
    """A policy as moto answers it: some of its services write Python instead of JSON."""
    if not isinstance(answer, str):
        return answer
    try:
        return json.loads(answer)
    except ValueError:
        return ast.literal_eval(answer)


def compare(what, found, expected):
    if found != expected:
        texts = [json.dumps(one, indent=1).splitlines() for one in (expected, found)]
        difference = "\n".join(difflib.unified_diff(*texts, "deploy", what, lineterm=""))
        sys.exit(f"{what} is not what deploy says:\n{difference}")


def common(template, sources):
    """What the placeholders stand for in the two stacks."""
    account, region = template.account, template.region
    vault_account, vault_region = VAULT
    queue = "amiferry-target" if template.name == "vault" else "amiferry-source"
    log = "target" if template.name == "vault" else "source"
    return {
        "DestinationAccount": account,
        "DestinationAccounts": [DESTINATION[0]],
        "DestinationBucket": f"amiferry-destination-{account}-{region}",
        "DestinationKey": template.attributes.get("DestinationKey.Arn"),
        "DestinationRegion": region,
        "BreakGlassRole": f"arn:aws:iam::{account}:role/amiferry-break-glass",
        "ExternalId": EXTERNAL_ID,
        # moto does not create the secrets, and leaves the references as they are.
        "ExternalIdSecret": "${ExternalIdSecret}",
        "ListenTokenSecret": "${ListenTokenSecret}",
        "LogGroup": f"arn:aws:logs:{region}:{account}:log-group:/amiferry/{log}-worker:*",
        "MaxRetentionDays": "400",
        "MetricsLogGroup": f"arn:aws:logs:{region}:{account}:log-group:/amiferry/{log}-metrics:*",
        "Queue": f"arn:aws:sqs:{region}:{account}:{queue}",
        "QueueAccount": account,
        "Rules": f"arn:aws:events:{region}:{account}:rule/amiferry-*",
        "SourceAccount": account,
        "SourceAccounts": sources,
        "SourceQueue": f"arn:aws:sqs:{region}:{account}:amiferry-source",
        "SourceRegion": region,
        "StagingBucket": f"amiferry-staging-{account}-{region}",
        "TaskAccount": account,
        "VaultAccount": vault_account,
        "VaultBucket": f"amiferry-vault-{vault_account}-{vault_region}",
        "VaultBus": f"arn:aws:events:{vault_region}:{vault_account}:event-bus/default",
        "VaultQueue": f"arn:aws:sqs:{vault_region}:{vault_account}:amiferry-target",
        "VaultReaders": f"arn:aws:iam::{vault_account}:role/amiferry-vault-*",
        "VaultRegion": vault_region,
    }


# Where each file of deploy/iam stands in a template; a role by its trust and its policies.
POLICIES = {
    "vault": {
        ("VaultKey", "KeyPolicy"): "vault-key",
        ("VaultBucketPolicy", "PolicyDocument"): "vault-bucket",
        ("VaultQueuePolicy", "PolicyDocument"): "queue",
    },
    "source": {
        ("StagingKey", "KeyPolicy"): "staging-key",
        ("StagingBucketPolicy", "PolicyDocument"): "staging-bucket",
        ("SourceQueuePolicy", "PolicyDocument"): "queue",
    },
    "destination": {
        ("DestinationKey", "KeyPolicy"): "destination-key",
        ("DestinationBucketPolicy", "PolicyDocument"): "destination-bucket",
    },
}
ROLES = {
    "vault": {
        "WorkerRole": ("task", ["vault-worker", "task-metrics"]),
        "AuditRole": ("people", ["vault-audit"]),
        "RestoreRole": ("people", ["vault-restore", "destination-copy"]),
        "PruneRole": ("people", ["vault-prune"]),
        "StartRole": ("task", ["task-start", "task-secret", "task-token"]),
    },
    "source": {
        "WorkerRole": ("task", ["source-worker", "task-metrics"]),
        "ReadRole": ("source-read", ["source-read"]),
        "ForwardRole": ("forward-events", ["forward-events"]),
        "StartRole": ("task", ["task-start", "task-token"]),
    },
    "destination": {"DestinationRole": ("destination", ["destination-restore"])},
}
EVENTS = {
    "vault": {"amiferry-staged": "forwarded", "amiferry-restored": "image-states"},
    "source": {"amiferry-images": "image-states", "amiferry-staged": "staged"},
    "destination": {},
}


def compare_with_files(template, sources):
    values = common(template, sources)
    values["VaultKey"] = template.attributes.get("VaultKey.Arn")
    values["StagingKey"] = template.attributes.get("StagingKey.Arn")
    resources, used = template.tree["Resources"], set()
    for (name, element), file in POLICIES[template.name].items():
        found = template.resolve(resources[name]["Properties"][element])
        compare(f"{template.name}: {name}", found, filled("iam", file, values))
        used.add(file)
    if template.name == "vault":
        found = template.resolve(resources["VaultBusPolicy"]["Properties"]["Statement"])
        [expected] = filled("iam", "vault-bus", values)["Statement"]
        compare("vault: VaultBusPolicy", found, {k: v for k, v in expected.items() if k != "Sid"})
        used.add("vault-bus")
    kms = aws(template, "kms")
    for name, one in resources.items():
        if one["Type"] == "AWS::KMS::Key":
            key = template.physical[name]
            policy = document(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
            [file] = [f for (n, _), f in POLICIES[template.name].items() if n == name]
            compare(f"{template.name}: {name} in moto", policy, filled("iam", file, values))
            assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"], f"{name} does not rotate"
    iam = aws(template, "iam")
    roles = {name for name, one in resources.items() if one["Type"] == "AWS::IAM::Role"}
    assert roles == ROLES[template.name].keys(), roles
    for name, (trust, policies) in ROLES[template.name].items():
        role = template.physical[name]
        found = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
        compare(f"the trust of {name}", document(found), filled("iam", f"{trust}.trust", values))
        assert iam.list_role_policies(RoleName=role)["PolicyNames"] == policies, name
        assert not iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"], name
        for policy in policies:
            found = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            compare(f"{name}: {policy}", document(found), filled("iam", policy, values))
        used |= {f"{trust}.trust", *policies}
    events = aws(template, "events")
    for name, file in EVENTS[template.name].items():
        found = json.loads(events.describe_rule(Name=name)["EventPattern"])
        compare(f"{template.name}: rule {name}", found, filled("events", file, values))
    return used


def check_buckets(vault, source, destination):
    """moto makes the buckets without versioning and lock, so these are read from the template."""
    for template, name, key in [
        (vault, "VaultBucket", "VaultKey"),
        (source, "StagingBucket", "StagingKey"),
        (destination, "DestinationBucket", "DestinationKey"),
    ]:
        properties = template.resolve(template.tree["Resources"][name]["Properties"])
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}, name
        block = properties["PublicAccessBlockConfiguration"]
        assert len(block) == 4 and all(block.values()), block
        rules = aws(template, "s3").get_bucket_encryption(Bucket=template.physical[name])
        [rule] = rules["ServerSideEncryptionConfiguration"]["Rules"]
        found = rule["ApplyServerSideEncryptionByDefault"]
        expected = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": template.attributes[f"{key}.Arn"]}
        assert found == expected, found
        if name == "VaultBucket":
            lock = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": "35"}}
            lock = {"ObjectLockEnabled": "Enabled", "Rule": lock}
            assert properties["ObjectLockEnabled"] is True
            assert properties["ObjectLockConfiguration"] == lock, properties
        elif name == "StagingBucket":
            bridge = {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
            assert properties["NotificationConfiguration"] == bridge, properties


def check_targets(vault, source):
    targets = lambda template, rule: [
        (one["Arn"], "RoleArn" in one)
        for one in aws(template, "events").list_targets_by_rule(Rule=rule)["Targets"]
    ]
    bus = f"arn:aws:events:{VAULT[1]}:{VAULT[0]}:event-bus/default"
    assert targets(source, "amiferry-staged") == [(bus, True)]
    for template, rule, queue in [
        (source, "amiferry-images", "SourceQueue"),
        (vault, "amiferry-staged", "VaultQueue"),
        (vault, "amiferry-restored", "VaultQueue"),
    ]:
        assert targets(template, rule) == [(template.attributes[f"{queue}.Arn"], False)], rule


def check_services(template):
    ecs = aws(template, "ecs")
    task = ecs.describe_task_definition(taskDefinition=template.physical["Task"])["taskDefinition"]
    worker, agent = task["containerDefinitions"]
    assert worker["readonlyRootFilesystem"] and worker["user"] == "65532", worker
    assert worker["essential"] and not agent["essential"], agent
    # moto knows no ARN of a secret that it does not create, and leaves it out.
    secrets = {one["name"]: {each["name"] for each in one["secrets"]} for one in (worker, agent)}
    token = {"AMIFERRY_LISTEN_TOKEN"}
    external_id = {"AMIFERRY_EXTERNAL_ID"} if template.name == "vault" else set()
    assert secrets == {"worker": token | external_id, "agent": token}, secrets


def check_rules():
    """Good parameters pass; each wrong hand-shake is refused by the rule that says why."""
    vault = {"SourceAccounts": f"{SOURCE[0]},{OTHER}"}
    source = {"VaultAccount": VAULT[0], "VaultRegion": VAULT[1], "ExternalId": EXTERNAL_ID}
    destination = {"VaultAccount": VAULT[0], "VaultRegion": VAULT[1]}
    runs = {"Image": "amiferry:1", "Subnets": "subnet-12345678", "SecurityGroups": "sg-12345678"}
    cases = [
        ("vault", VAULT, vault, []),
        ("vault", VAULT, vault | runs, []),
        ("source", SOURCE, source, []),
        ("source", SOURCE, source | runs, []),
        # Deployed the wrong way round.
        ("vault", SOURCE, vault, ["TheVaultIsNoSource"]),
        ("source", VAULT, source, ["TheVaultIsAnotherAccount", "TheVaultIsInAnotherRegion"]),
        ("source", (SOURCE[0], VAULT[1]), source, ["TheVaultIsInAnotherRegion"]),
        ("source", (VAULT[0], SOURCE[1]), source, ["TheVaultIsAnotherAccount"]),
        # The lock off, or without a bound.
        ("vault", VAULT, vault | {"DefaultRetentionDays": 0}, ["DefaultRetentionDays"]),
        ("vault", VAULT, vault | {"MaxRetentionDays": 0}, ["MaxRetentionDays"]),
        ("vault", VAULT, vault | {"LockMode": "NONE"}, ["LockMode"]),
        ("vault", VAULT, {"SourceAccounts": "1111"}, ["SourceAccounts"]),
        ("source", SOURCE, source | {"ExternalId": "short"}, ["ExternalId"]),
        ("source", SOURCE, source | {"VaultRegion": "west"}, ["VaultRegion"]),
        ("vault", VAULT, vault | {"Image": "amiferry:1"}, ["AWorkerHasANetwork"]),
        ("source", SOURCE, source | {"Image": "amiferry:1"}, ["AWorkerHasANetwork"]),
        ("vault", VAULT, vault | {"DestinationAccounts": f"{DESTINATION[0]},{VAULT[0]}"}, []),
        ("vault", VAULT, vault | {"DestinationAccounts": "4444"}, ["DestinationAccounts"]),
        ("destination", DESTINATION, destination, []),
        ("destination", (VAULT[0], DESTINATION[1]), destination, []),
        ("destination", (DESTINATION[0], VAULT[1]), destination, []),
        ("destination", VAULT, destination, ["TheVaultIsElsewhere"]),
    ]
    for name, place, parameters, expected in cases:
        found = Template(name, place).given(**parameters).refusals()
        assert found == expected, f"{name} in {place} with {parameters}: {found}, not {expected}"
    return len(cases)


def lint():
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    paths = sorted(str(path) for path in (DEPLOY / "cloudformation").glob("*.yaml"))
    run = subprocess.run([cfn_lint, "--", *paths], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"cfn-lint complains:\n{run.stdout}{run.stderr}")


def main():
    lint()
    cases = check_rules()
    # It says on every stack what it does not create; NOT_IN_MOTO does, too.
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore", message="Tried to parse AWS::")
    runs = {"Image": "amiferry:1", "Subnets": "subnet-12345678", "SecurityGroups": "sg-12345678"}
    runs |= {"ListenToken": "yes", "AgentImage": "collector:1"}
    with mock_aws():
        sources = [SOURCE[0], OTHER]
        vault = Template("vault", VAULT).given(
            SourceAccounts=",".join(sources), DestinationAccounts=DESTINATION[0], **runs
        )
        out = vault.deploy()
        source = Template("source", SOURCE).given(
            VaultAccount=out["VaultAccount"], VaultRegion=out["VaultRegion"], ExternalId=EXTERNAL_ID, **runs
        )
        source_out = source.deploy()
        destination = Template("destination", DESTINATION)
        destination_out = destination.given(VaultAccount=VAULT[0], VaultRegion=VAULT[1]).deploy()
        used = compare_with_files(vault, sources) | compare_with_files(source, sources)
        used |= compare_with_files(destination, sources)
        files = {path.stem for path in (DEPLOY / "iam").glob("*.json")}
        assert used == files, f"no template uses {files - used}"
        check_buckets(vault, source, destination)
        check_targets(vault, source)
        for template in (vault, source):
            check_services(template)
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        (folder / "vault.toml").write_text(out["Configuration"])
        (folder / "source.toml").write_text(source_out["Configuration"])
        (folder / "destination.toml").write_text(destination_out["Configuration"])
    skipped = ", ".join(sorted(NOT_IN_MOTO))
    print(f"templates: cfn-lint is silent, {cases} hand-shakes are judged, {len(files)} policies agree")
    print(f"templates: moto creates no {skipped}; their properties were resolved by the script alone")


main()
