"""Conformance of the simulated KMS: keys, aliases, encryption, grants, key states."""

import base64
import json

from harness import ACCOUNT, Checks, main

checks = Checks()
CONTEXT = {"purpose": "test"}


def key(aws, description=""):
    """The id of a new key."""
    return aws.kms.create_key(Description=description)["KeyMetadata"]["KeyId"]


def arn_of(identifier):
    return f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{identifier}"


@checks.check("a key is made, described and listed")
def keys(aws):
    made = key(aws, "words")
    metadata = aws.kms.describe_key(KeyId=made)["KeyMetadata"]
    aws.equal((metadata["Description"], metadata["KeyState"], metadata["Enabled"]),
              ("words", "Enabled", True), "description and state")
    aws.equal(aws.kms.describe_key(KeyId=arn_of(made))["KeyMetadata"]["KeyId"], made,
              "found by its ARN")
    for _ in range(3):
        key(aws)
    pages = list(aws.kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 3}))
    aws.expect(made in [one["KeyId"] for page in pages for one in page["Keys"]], "listed")
    aws.expect(len(pages) > 1, "in pages")


@checks.check("a key has aliases")
def aliases(aws):
    made = key(aws)
    aws.kms.create_alias(AliasName="alias/conformance", TargetKeyId=made)
    aws.equal(aws.kms.describe_key(KeyId="alias/conformance")["KeyMetadata"]["KeyId"], made,
              "found")
    answer = aws.kms.list_aliases(KeyId=made)
    aws.equal([one["AliasName"] for one in answer["Aliases"]], ["alias/conformance"], "listed")
    with aws.refused("AlreadyExistsException", 400):
        aws.kms.create_alias(AliasName="alias/conformance", TargetKeyId=made)
    aws.kms.delete_alias(AliasName="alias/conformance")
    with aws.refused("NotFoundException", 400):
        aws.kms.describe_key(KeyId="alias/conformance")


@checks.check("what is encrypted is decrypted with the same context only")
def encrypt(aws):
    made = key(aws)
    sealed = aws.kms.encrypt(KeyId=made, Plaintext=b"secret", EncryptionContext=CONTEXT)
    blob = sealed["CiphertextBlob"]
    opened = aws.kms.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)
    aws.equal((opened["Plaintext"], opened["KeyId"]), (b"secret", arn_of(made)), "plaintext and key")
    with aws.refused("InvalidCiphertextException", 400):
        aws.kms.decrypt(CiphertextBlob=blob)
    with aws.refused("IncorrectKeyException", 400):
        aws.kms.decrypt(CiphertextBlob=blob, KeyId=key(aws), EncryptionContext=CONTEXT)
    with aws.refused("InvalidCiphertextException", 400):
        aws.kms.decrypt(CiphertextBlob=b"nonsense")


@checks.check("a ciphertext is moved to another key")
def re_encrypt(aws):
    first, second = key(aws), key(aws)
    blob = aws.kms.encrypt(KeyId=first, Plaintext=b"secret")["CiphertextBlob"]
    moved = aws.kms.re_encrypt(CiphertextBlob=blob, DestinationKeyId=second)
    aws.equal((moved["SourceKeyId"], moved["KeyId"]), (arn_of(first), arn_of(second)), "keys")
    opened = aws.kms.decrypt(CiphertextBlob=moved["CiphertextBlob"])
    aws.equal((opened["Plaintext"], opened["KeyId"]), (b"secret", arn_of(second)), "plaintext and key")


@checks.check("data keys are generated in the length asked for")
def data_keys(aws):
    made = key(aws)
    data = aws.kms.generate_data_key(KeyId=made, KeySpec="AES_256", EncryptionContext=CONTEXT)
    aws.equal(len(data["Plaintext"]), 32, "length")
    opened = aws.kms.decrypt(CiphertextBlob=data["CiphertextBlob"], EncryptionContext=CONTEXT)
    aws.expect(opened["Plaintext"] == data["Plaintext"], "the same key")
    aws.equal(len(aws.kms.generate_data_key(KeyId=made, NumberOfBytes=7)["Plaintext"]), 7, "bytes")
    answer = aws.kms.generate_data_key_without_plaintext(KeyId=made, KeySpec="AES_128")
    aws.expect("Plaintext" not in answer, "none without")
    with aws.refused("ValidationException", 400):
        aws.kms.generate_data_key(KeyId=made)


@checks.check("grants are made, listed, revoked and retired")
def grants(aws):
    made = key(aws)
    principal = f"arn:aws:iam::{ACCOUNT}:root"
    grant = {"KeyId": made, "GranteePrincipal": principal, "RetiringPrincipal": principal,
             "Operations": ["Decrypt", "DescribeKey"]}
    first = aws.kms.create_grant(Name="named", **grant)
    again = aws.kms.create_grant(Name="named", **grant)
    aws.equal(again["GrantId"], first["GrantId"], "the same name makes the same grant")
    second = aws.kms.create_grant(
        Constraints={"EncryptionContextSubset": CONTEXT}, **grant)
    pages = list(aws.kms.get_paginator("list_grants").paginate(
        KeyId=made, PaginationConfig={"PageSize": 1}))
    aws.equal(sorted(one["GrantId"] for page in pages for one in page["Grants"]),
              sorted([first["GrantId"], second["GrantId"]]), "listed")
    aws.kms.list_grants(KeyId=made, GrantId=second["GrantId"])
    aws.kms.revoke_grant(KeyId=made, GrantId=first["GrantId"])
    aws.kms.retire_grant(KeyId=made, GrantId=second["GrantId"])
    aws.equal(aws.kms.list_grants(KeyId=made)["Grants"], [], "none left")
    with aws.refused("NotFoundException", 400):
        aws.kms.revoke_grant(KeyId=made, GrantId=first["GrantId"])


@checks.check("a disabled key refuses what encrypts and answers what describes")
def disabled(aws):
    made = key(aws)
    blob = aws.kms.encrypt(KeyId=made, Plaintext=b"secret")["CiphertextBlob"]
    aws.kms.disable_key(KeyId=made)
    aws.equal(aws.kms.describe_key(KeyId=made)["KeyMetadata"]["KeyState"], "Disabled", "state")
    with aws.refused("DisabledException", 400):
        aws.kms.decrypt(CiphertextBlob=blob)
    with aws.refused("DisabledException", 400):
        aws.kms.generate_data_key(KeyId=made, KeySpec="AES_256")
    aws.kms.list_grants(KeyId=made)
    aws.kms.enable_key(KeyId=made)
    aws.equal(aws.kms.decrypt(CiphertextBlob=blob)["Plaintext"], b"secret", "enabled again")


@checks.check("a key is scheduled for deletion, and saved")
def deletion(aws):
    made = key(aws)
    answer = aws.kms.schedule_key_deletion(KeyId=made, PendingWindowInDays=7)
    aws.equal(answer["KeyState"], "PendingDeletion", "state")
    with aws.refused("KMSInvalidStateException", 400):
        aws.kms.encrypt(KeyId=made, Plaintext=b"secret")
    with aws.refused("KMSInvalidStateException", 400):
        aws.kms.enable_key(KeyId=made)
    aws.kms.cancel_key_deletion(KeyId=made)
    aws.equal(aws.kms.describe_key(KeyId=made)["KeyMetadata"]["KeyState"], "Disabled", "saved")
    with aws.refused("KMSInvalidStateException", 400):
        aws.kms.cancel_key_deletion(KeyId=made)
    with aws.refused("ValidationException", 400):
        aws.kms.schedule_key_deletion(KeyId=made, PendingWindowInDays=6)


@checks.check("a key has one policy")
def policy(aws):
    made = key(aws)
    document = json.loads(aws.kms.get_key_policy(KeyId=made, PolicyName="default")["Policy"])
    aws.equal(document["Statement"][0]["Principal"], {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
              "the default policy trusts the account")
    document["Statement"].append({
        "Effect": "Deny", "Principal": "*", "Action": "kms:Encrypt", "Resource": "*"})
    aws.kms.put_key_policy(KeyId=made, Policy=json.dumps(document))
    answer = aws.kms.get_key_policy(KeyId=made)
    aws.equal(len(json.loads(answer["Policy"])["Statement"]), 2, "replaced")
    with aws.refused("AccessDeniedException", 400):
        aws.kms.encrypt(KeyId=made, Plaintext=b"secret")
    with aws.refused("MalformedPolicyDocumentException", 400):
        aws.kms.put_key_policy(KeyId=made, Policy="{")


@checks.check("a dry run ends in an error that says it would have worked")
def dry_run(aws):
    made = key(aws)
    with aws.refused("DryRunOperationException", 400):
        aws.kms.encrypt(KeyId=made, Plaintext=b"secret", DryRun=True)
    with aws.refused("DryRunOperationException", 400):
        aws.kms.decrypt(KeyId=made, DryRun=True, DryRunModifiers=["IGNORE_CIPHERTEXT"])
    with aws.refused("NotFoundException", 400):
        aws.kms.encrypt(KeyId="00000000-0000-4000-8000-000000000000", Plaintext=b"x", DryRun=True)


@checks.check("a key's ARN serves where its id does")
def by_arn(aws):
    arn = arn_of(key(aws))
    aws.kms.disable_key(KeyId=arn)
    aws.equal(aws.kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"], "Disabled", "state")
    aws.kms.enable_key(KeyId=arn)
    aws.kms.schedule_key_deletion(KeyId=arn)
    aws.kms.cancel_key_deletion(KeyId=arn)
    policy = aws.kms.get_key_policy(KeyId=arn).get("Policy", "{}")
    aws.kms.put_key_policy(KeyId=arn, Policy=policy)


@checks.check("keys that are not there are refused")
def absent(aws):
    missing = "00000000-0000-4000-8000-000000000000"
    for call in (aws.kms.describe_key, aws.kms.list_grants, aws.kms.disable_key):
        with aws.refused("NotFoundException", 400):
            call(KeyId=missing)


@checks.check("the aws CLI makes keys and uses them", ours_only="the CLI is botocore")
def cli(aws):
    made = aws.cli("kms", "create-key", "--description", "cli")["KeyMetadata"]["KeyId"]
    plain = aws.file("plain", b"secret")
    blob = aws.cli("kms", "encrypt", "--key-id", made, "--plaintext", f"fileb://{plain}",
                   "--query", "CiphertextBlob", "--output", "text").strip()
    sealed = aws.directory / "sealed"
    sealed.write_bytes(base64.b64decode(blob))
    opened = aws.cli("kms", "decrypt", "--ciphertext-blob", f"fileb://{sealed}")
    aws.equal(base64.b64decode(opened["Plaintext"]), b"secret", "plaintext")
    aws.cli("kms", "list-grants", "--key-id", made)
    error = aws.cli("kms", "describe-key", "--key-id", "alias/none", status=255)
    aws.expect("(NotFoundException)" in error, f"the CLI names the code: {error}")


if __name__ == "__main__":
    main("kms", checks)
