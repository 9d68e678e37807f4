"""The rules of deploy/guard over the templates of deploy/cloudformation, by AWS's Guard.

    python tests/conformance/guard.py

The package cfn_guard_rs carries Guard 3.0.1 as a library; `cfn-guard validate` takes the same files.
Every template must keep every rule, and every rule must fail for a template that breaks it.
"""

import copy
import json
import sys

import cfn
import cloudwatch

try:
    from cfn_guard_rs.cfn_guard_rs import run_checks_rs
except ImportError:
    # requirements.txt leaves it out where it has no wheel.
    print("SKIPPED guard: cfn_guard_rs is not installed; cfn-guard validate -r deploy/guard -d deploy/cloudformation")
    sys.exit()

TEMPLATES = sorted((cloudwatch.DEPLOY / "cloudformation").glob("*.yaml"))
RULES = sorted((cloudwatch.DEPLOY / "guard").glob("*.guard"))
GONE = object()

BUCKET, KEY, QUEUE = ("VaultBucket", "Properties"), ("VaultKey", "Properties"), ("VaultQueue", "Properties")
WORKER, STATEMENT = ("Task", "Properties", "ContainerDefinitions", 0), ("PolicyDocument", "Statement")
AGENT = ("Task", "Properties", "ContainerDefinitions", 1, "Fn::If", 1)
TRUST = ("WorkerRole", "Properties", "AssumeRolePolicyDocument", "Statement", 0)
OWN = ("WorkerRole", "Properties", "Policies", 0, *STATEMENT, 0)
METRICS = ("WorkerRole", "Properties", "Policies", 1, "Fn::If", 1, *STATEMENT, 0)
TOKEN = ("StartRole", "Properties", "Policies", 2, "Fn::If", 1, *STATEMENT, 0)
ONLY_TLS = ("VaultBucketPolicy", "Properties", *STATEMENT, 2)
EVERYONE = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
EVERY_ACCOUNT = EVERYONE | {"Principal": {"AWS": "*"}}
AMONG_OTHERS = {"AWS": ["arn:aws:iam::111111111111:root", "*"]}
EVERYONE_IN_A_LIST = EVERYONE | {"Principal": AMONG_OTHERS}

# What breaks a rule in vault.yaml: where among its resources, and what stands there then.
BROKEN = {
    "buckets_keep_versions": [((*BUCKET, "VersioningConfiguration", "Status"), "Suspended")],
    "buckets_block_public_access": [
        ((*BUCKET, "PublicAccessBlockConfiguration", "BlockPublicPolicy"), False),
        ((*BUCKET, "PublicAccessBlockConfiguration", "RestrictPublicBuckets"), GONE),
        ((*BUCKET, "PublicAccessBlockConfiguration"), GONE),
    ],
    "buckets_have_no_acls": [((*BUCKET, "OwnershipControls", "Rules", 0, "ObjectOwnership"), "ObjectWriter")],
    "buckets_encrypt_under_a_key_of_the_stack": [
        ((*BUCKET, "BucketEncryption"), GONE),
        (
            (*BUCKET, "BucketEncryption", "ServerSideEncryptionConfiguration", 0, "ServerSideEncryptionByDefault"),
            {"SSEAlgorithm": "AES256"},
        ),
    ],
    "buckets_outlive_their_stack": [(("VaultBucket", "DeletionPolicy"), "Delete")],
    "buckets_end_abandoned_uploads": [((*BUCKET, "LifecycleConfiguration", "Rules"), [])],
    "the_vault_locks_objects": [
        ((*BUCKET, "ObjectLockEnabled"), False),
        ((*BUCKET, "ObjectLockConfiguration", "Rule"), GONE),
    ],
    "the_vault_expires_nothing": [((*BUCKET, "LifecycleConfiguration", "Rules", 0, "ExpirationInDays"), 30)],
    "keys_rotate": [((*KEY, "EnableKeyRotation"), False), ((*KEY, "EnableKeyRotation"), GONE)],
    "keys_take_long_to_delete": [((*KEY, "PendingWindowInDays"), 7)],
    "keys_outlive_their_stack": [(("VaultKey", "DeletionPolicy"), GONE)],
    "queues_are_encrypted": [((*QUEUE, "SqsManagedSseEnabled"), False)],
    "queues_have_dead_letters": [((*QUEUE, "RedrivePolicy"), GONE)],
    "working_queues_have_a_policy": [(("VaultQueuePolicy",), GONE)],
    "no_resource_lets_everyone_in": [
        (("VaultQueuePolicy", "Properties", *STATEMENT, 0), EVERYONE),
        (("VaultBucketPolicy", "Properties", *STATEMENT, 0), EVERY_ACCOUNT),
        (("VaultBucketPolicy", "Properties", *STATEMENT, 0), EVERYONE_IN_A_LIST),
    ],
    "no_key_lets_everyone_in": [
        ((*KEY, "KeyPolicy", "Statement", 0), EVERYONE),
        ((*KEY, "KeyPolicy", "Statement", 0), EVERY_ACCOUNT),
        ((*KEY, "KeyPolicy", "Statement", 0), EVERYONE_IN_A_LIST),
    ],
    "services_act_for_their_own_account_only": [((*TRUST, "Condition"), GONE)],
    "no_role_trusts_everyone": [
        ((*TRUST, "Principal"), "*"),
        ((*TRUST, "Principal"), {"AWS": "*"}),
        ((*TRUST, "Principal"), AMONG_OTHERS),
    ],
    "roles_have_policies_of_their_own": [
        (("WorkerRole", "Properties", "ManagedPolicyArns"), ["arn:aws:iam::aws:policy/AdministratorAccess"])
    ],
    "no_role_may_do_everything": [
        ((*OWN, "Action"), "*"),
        ((*OWN, "Action"), "s3:*"),
        ((*OWN, "Action"), ["s3:GetObject", "ec2:*"]),
        ((*OWN, "NotAction"), "iam:CreateUser"),
        ((*METRICS, "Action"), "*"),
        ((*METRICS, "Action"), ["logs:PutLogEvents", "s3:*"]),
        ((*METRICS, "NotAction"), "iam:CreateUser"),
        ((*TOKEN, "Action"), "secretsmanager:*"),
    ],
    "buckets_take_only_tls": [
        (("VaultBucketPolicy", "Properties", *STATEMENT), []),
        ((*ONLY_TLS, "Effect"), "Allow"),
        (ONLY_TLS, GONE),
    ],
    "log_groups_have_an_end": [(("LogGroup", "Properties", "RetentionInDays"), GONE)],
    "containers_cannot_write_to_their_disk": [
        ((*WORKER, "ReadonlyRootFilesystem"), GONE),
        ((*AGENT, "ReadonlyRootFilesystem"), False),
    ],
    "containers_have_no_capabilities": [((*AGENT, "LinuxParameters"), GONE)],
    "workers_are_not_root": [((*WORKER, "User"), "0"), ((*WORKER, "User"), GONE)],
    "services_have_no_public_address": [
        (("Service", "Properties", "NetworkConfiguration", "AwsvpcConfiguration", "AssignPublicIp"), "ENABLED")
    ],
    "alarms_say_what_absence_means": [(("StuckAlarm", "Properties", "TreatMissingData"), GONE)],
    "no_secret_stands_in_a_template": [
        (("ExternalIdSecret", "Properties", "SecretString"), "hush"),
        (("ExternalIdSecret", "Properties", "GenerateSecretString", "PasswordLength"), 8),
    ],
}


def results(template, rules):
    """What Guard says: of each rule of a file PASS, FAIL or SKIP."""
    # The short answer has text before its JSON for some failures.
    answer = json.loads(run_checks_rs(json.dumps(template), rules, True))
    checks = [one["container"]["RuleCheck"] for one in answer["children"]]
    return {one["name"]: one["status"] for one in checks}


def broken(template, path, value):
    template = copy.deepcopy(template)
    inside = template["Resources"]
    for key in path[:-1]:
        inside = inside[key]
    if value is GONE:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return template


def main():
    vault = cfn.read(cloudwatch.DEPLOY / "cloudformation" / "vault.yaml")
    kept = 0
    for path in RULES:
        rules = path.read_text()
        for template in TEMPLATES:
            found = results(cfn.read(template), rules)
            failing = [rule for rule, said in found.items() if said == "FAIL"]
            assert not failing, f"{template.name} breaks {failing} of {path.name}"
        for rule in found:
            for where, value in BROKEN.pop(rule):
                said = results(broken(vault, where, value), rules)
                failing = [name for name, word in said.items() if word == "FAIL"]
                assert rule in failing, f"{path.name}: {rule} does not notice {where}: {said[rule]}"
                kept += 1
    if BROKEN:
        sys.exit(f"no file of deploy/guard has the rules {list(BROKEN)}")
    print(f"guard: {len(TEMPLATES)} templates keep every rule, and {kept} broken ones are noticed")


main()
