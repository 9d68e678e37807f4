"""Unit tests of the questions of deploy/conformance that neither the simulated AWS nor moto can answer:
botocore checks what they send, and answers as AWS's pages say.

    python tests/conformance/sandbox_stubbed.py
"""

import json
import sys
import unittest
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "deploy/conformance"))

import boto3  # noqa: E402
from botocore.stub import ANY, Stubber  # noqa: E402
from sandbox import aws, lab, services  # noqa: E402
from sandbox.faults import Unanswered  # noqa: E402
from sandbox.questions import encryption, quotas, restore, store, tasks  # noqa: E402

SOURCE = aws.Place("source", "111111111111", "us-east-1")
KEY = "arn:aws:kms:us-east-1:111111111111:key/0123"
IMAGE, BUCKET, OBJECT = "ami-0123456789abcdef0", "bucket", "ami-0123456789abcdef0.bin"


class Counted(aws.Clock):
    """A clock that only waiting moves."""

    def __init__(self):
        self.at = 0

    def now(self):
        return self.at

    def sleep(self, seconds):
        self.at += seconds


class Stubbed(lab.Lab):
    """A lab whose images and buckets are there already, and whose clients are stubbed."""

    def __init__(self, *services_):
        self.clients, self.stubs = {}, {}
        for service in services_:
            client = boto3.client(service, "us-east-1", aws_access_key_id="any", aws_secret_access_key="any")
            self.clients[service], self.stubs[service] = client, Stubber(client)
            self.stubs[service].activate()
        journal = SimpleNamespace(making=lambda *_: 1, made=lambda *_: None)
        of_place = SimpleNamespace(
            override=None,
            at=lambda service, _: self.clients["ec2" if service == "tasks" else service],
            client=lambda *_, **more: self.clients["ec2"])
        places = dict.fromkeys(("source", "vault", "near", "far"), SOURCE)
        super().__init__(of_place, places, journal, Counted(), "0123456789")

    def image(self, *_, **more):
        return IMAGE

    def bucket(self, *_, **more):
        return BUCKET

    def answers(self, service, operation, answer, sends=None):
        self.stubs[service].add_response(operation, answer, sends)

    def task(self, state, progress, **more):
        self.answers("ec2", "describe_store_image_tasks", {"StoreImageTaskResults": [
            {"AmiId": IMAGE, "Bucket": BUCKET, "S3objectKey": OBJECT, "StoreTaskState": state,
             "ProgressPercentage": progress} | more]}, {"ImageIds": [IMAGE]})

    def stores(self, key=OBJECT):
        self.answers("ec2", "create_store_image_task", {"ObjectKey": key})

    def refuses(self, operation, code):
        self.stubs["ec2"].add_client_error(operation, code, f"{code} it is", 400)

    def done(self):
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


class Quotas(unittest.TestCase):
    def test_a_first_store_that_is_refused_is_no_quota_of_nothing(self):
        asked = Stubbed("ec2")
        asked.refuses("create_store_image_task", "InvalidParameterValue")
        with self.assertRaisesRegex(Unanswered, "the first store was refused: InvalidParameterValue"):
            quotas.store_quota(asked)
        asked.done()

    def test_a_refusal_while_stores_run_is_the_quota_that_they_reach(self):
        asked = Stubbed("ec2")
        asked.stores()
        asked.stores()
        asked.refuses("create_store_image_task", "TooMuch")
        asked.stores()
        asked.answers("ec2", "describe_store_image_tasks", {"StoreImageTaskResults": [
            {"AmiId": IMAGE, "StoreTaskState": "InProgress"}] * 2})
        answer = quotas.store_quota(asked)
        asked.done()
        self.assertEqual(answer.settings, {"ec2.store_quota_gb": 1200, "ec2.codes.quota": "TooMuch",
                                           "ec2.quota_scope": "account-and-region"})

    def test_only_quotas_on_store_and_restore_are_kept(self):
        asked = Stubbed("service-quotas")
        names = {"ec2": ["CreateStoreImageTask request bucket refill rate", "Running On-Demand instances"],
                 "ebs": ["Concurrent restore image tasks", "Snapshots per Region"]}
        for service, found in names.items():
            asked.answers("service-quotas", "list_aws_default_service_quotas", {"Quotas": [
                {"QuotaName": name, "QuotaCode": "L-1", "Value": 1.0, "Adjustable": True} for name in found]},
                {"ServiceCode": service})
        asked.answers("service-quotas", "list_service_quotas", {"Quotas": [
            {"QuotaName": names["ec2"][0], "QuotaCode": "L-1", "Value": 1.0, "Adjustable": True}]},
            {"ServiceCode": "ec2"})
        answer = quotas.quota_list(asked)
        asked.done()
        self.assertEqual([quota["QuotaName"] for quota in answer.facts["quotas"]],
                         [names["ec2"][0], names["ebs"][0]])
        # One of four.
        self.assertEqual(answer.settings, {"servicequotas.buckets_listed": False})
        self.assertTrue(answer.facts["quotas"][0]["Adjustable"])


class Parts(unittest.TestCase):
    def test_a_key_answer_outlives_a_failure_to_disable_the_key(self):
        asked = Stubbed("ec2", "kms")
        asked.answers("kms", "put_key_policy", {})
        asked.refuses("create_store_image_task", "InvalidKey")
        asked.answers("kms", "put_key_policy", {})
        asked.stubs["kms"].add_client_error("disable_key", "KMSInternalException", "try again", 500)
        with mock.patch.object(services, "key", lambda *_: KEY):
            answer = encryption.key_check(asked)
        asked.done()
        self.assertEqual(answer.settings, {"ec2.keys_checked_at_call": True,
                                           "ec2.codes.key_inaccessible": "InvalidKey"})
        self.assertIn("KMSInternalException", answer.facts["disabled"])
        self.assertEqual(len(answer.missing), 1)

    def test_the_code_of_a_missing_object_outlives_the_parts_after_it(self):
        asked = Stubbed("ec2")
        asked.refuses("create_restore_image_task", "NoSuchObject")
        for _ in range(2):
            asked.refuses("create_restore_image_task", "RequestLimitExceeded")
        with mock.patch.object(asked, "vaulted", lambda: (BUCKET, OBJECT)), \
                mock.patch.object(asked, "base", lambda: (IMAGE, BUCKET, OBJECT)):
            answer = restore.restore_codes(asked)
        asked.done()
        self.assertEqual(answer.settings, {"ec2.codes.object_missing": "NoSuchObject"})
        self.assertEqual([part.partition(":")[0] for part in answer.missing],
                         ["bucket of another account and Region", "taken name"])

    def test_the_code_of_a_second_copy_outlives_the_store_to_a_path(self):
        asked = Stubbed("ec2")
        asked.refuses("create_store_image_task", "AlreadyThere")
        asked.refuses("create_store_image_task", "RequestLimitExceeded")
        with mock.patch.object(asked, "stored", lambda *_: OBJECT):
            answer = store.second_copy(asked)
        asked.done()
        self.assertEqual(answer.settings, {"ec2.codes.second_copy": "AlreadyThere"})
        self.assertIn("RequestLimitExceeded", answer.open["ec2.one_copy"])

    def test_the_code_of_one_bucket_outlives_the_other_and_none_is_no_answer(self):
        asked = Stubbed("ec2")
        asked.refuses("create_store_image_task", "RequestLimitExceeded")
        asked.refuses("create_store_image_task", "Elsewhere")
        answer = store.bucket_codes(asked)
        self.assertEqual(answer.settings, {"ec2.codes.bucket_elsewhere": "Elsewhere"})
        for _ in range(2):
            asked.refuses("create_store_image_task", "RequestLimitExceeded")
        with self.assertRaisesRegex(Unanswered, "RequestLimitExceeded"):
            store.bucket_codes(asked)
        asked.done()


class Policies(unittest.TestCase):
    def test_a_policy_names_its_bucket_in_the_partition_of_the_region(self):
        for region, partition in (("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"),
                                  ("eusc-de-east-1", "aws-eusc")):
            asked = Stubbed("s3")
            asked.answers("s3", "put_bucket_policy", {}, {"Bucket": BUCKET, "Policy": services.document(
                services.deny("*", ["s3:PutObject"], [f"arn:{partition}:s3:::{BUCKET}/*"]))})
            asked.bucket_policy(BUCKET, aws.Place("source", "111111111111", region),
                                services.deny("*", ["s3:PutObject"], ["{bucket}/*"]))
            asked.done()


class Polls(unittest.TestCase):
    def test_a_queue_is_empty_only_after_a_poll_that_asks_all_servers(self):
        for override, seconds in ((None, 10), ("http://127.0.0.1:1", 1)):
            asked = Stubbed("sqs")
            asked.aws.override = override
            sends = {"QueueUrl": "https://queue", "MaxNumberOfMessages": 10, "WaitTimeSeconds": seconds}
            asked.answers("sqs", "receive_message", {"Messages": [{"Body": "{}", "ReceiptHandle": "r"}]}, sends)
            asked.answers("sqs", "delete_message", {}, {"QueueUrl": "https://queue", "ReceiptHandle": "r"})
            asked.answers("sqs", "receive_message", {}, sends)
            self.assertEqual(services.messages(asked, SOURCE, "https://queue"), [{}])
            asked.done()


class Trails(unittest.TestCase):
    def test_the_history_is_read_until_it_shows_the_decryption(self):
        asked = Stubbed("cloudtrail")
        event = {"EventId": "1", "EventName": "Decrypt", "EventTime": datetime.now(timezone.utc),
                 "CloudTrailEvent": json.dumps({"userIdentity": {"invokedBy": "ebs.amazonaws.com"}})}
        other = event | {"EventName": "DescribeKey", "CloudTrailEvent": "{}"}
        granted = event | {"EventName": "CreateGrant", "CloudTrailEvent": "{}"}
        asked.answers("cloudtrail", "lookup_events", {"Events": []}, {"MaxResults": 1})
        of_key = {"LookupAttributes": [{"AttributeKey": "ResourceName", "AttributeValue": KEY}]}
        for found in ([], [other, granted], [other, granted, event]):
            asked.answers("cloudtrail", "lookup_events", {"Events": found}, of_key)
        with mock.patch.object(services, "key", lambda *_: KEY), \
                mock.patch.object(asked, "stored", lambda *_: OBJECT):
            answer = encryption.key_trail(asked)
        asked.done()
        self.assertEqual(answer.facts["events"], ["{}", event["CloudTrailEvent"]])
        self.assertEqual(asked.clock.at, 120)


class Revoked(unittest.TestCase):
    def asked(self):
        asked = Stubbed("iam", "sts", "ec2")
        role = {"Path": "/", "RoleName": "name", "RoleId": "AROA0123456789ABCDEF",
                "CreateDate": datetime.now(), "Arn": "arn:aws:iam::111111111111:role/name"}
        asked.answers("iam", "create_role", {"Role": role})
        asked.answers("iam", "put_role_policy", {}, {
            "RoleName": ANY, "PolicyName": "allowed", "PolicyDocument": ANY})
        asked.answers("sts", "assume_role", {"Credentials": {
            "AccessKeyId": "ASIA0123456789ABCDEF", "SecretAccessKey": "any", "SessionToken": "any",
            "Expiration": datetime.now()}}, {"RoleArn": role["Arn"], "RoleSessionName": ANY})
        asked.answers("ec2", "create_store_image_task", {"ObjectKey": OBJECT},
                      {"ImageId": IMAGE, "Bucket": BUCKET})
        asked.answers("iam", "put_role_policy", {}, {
            "RoleName": ANY, "PolicyName": "revoked", "PolicyDocument": services.document(
                {"Effect": "Deny", "Action": "*", "Resource": "*"})})
        return asked

    def test_a_task_that_ran_at_the_loss_is_followed_to_its_end(self):
        asked = self.asked()
        asked.task("InProgress", 40)
        asked.task("InProgress", 60)
        asked.task("Failed", 60, StoreTaskFailureReason="access was lost")
        answer = tasks.revoked_session(asked)
        asked.done()
        self.assertEqual(answer.facts, {"state": "Failed", "reason": "access was lost",
                                        "progress_at_loss": 40})

    def test_a_task_that_had_ended_before_the_loss_answers_nothing(self):
        asked = self.asked()
        asked.task("Completed", 100)
        with self.assertRaisesRegex(Unanswered, "had ended"):
            tasks.revoked_session(asked)
        asked.done()


if __name__ == "__main__":
    unittest.main()
