"""Runs deploy/conformance against the simulated AWS and moto, as tests/tests/conformance.rs asks.

    python tests/conformance/sandboxed.py ask ENDPOINT FOLDER [ARGUMENTS]
    python tests/conformance/sandboxed.py interrupts ENDPOINT FOLDER
    python tests/conformance/sandboxed.py plan ENDPOINT FOLDER
    python tests/conformance/sandboxed.py refusals ENDPOINT FOLDER
    python tests/conformance/sandboxed.py switches
    python tests/conformance/sandboxed.py moto FOLDER

The questions' clock is that of the simulated AWS, set forward instead of waiting: an hour takes no
time, and a task never ends before its second call. Whatever a run makes must be gone afterwards:
both accounts are listed before and after, whole, not by the tags that the clean-up goes by.
"""

import contextlib
import io
import json
import os
import shlex
import signal
import sys
import urllib.request
from datetime import datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "deploy/conformance"), str(HERE)]

import boto3  # noqa: E402
import conformance  # noqa: E402
from sandbox import aws, naming, question  # noqa: E402

SOURCE, VAULT = "111111111111", "222222222222"
REGIONS = ("us-east-1", "us-west-2")
READS = ("Describe", "Get", "Head", "List", "Receive", "Lookup")


class SimulatedClock:
    """The clock of the simulated AWS; waiting sets it forward."""

    def __init__(self, endpoint):
        self.url = f"{endpoint}/_amiferry/clock"

    def now(self):
        with urllib.request.urlopen(self.url) as answer:
            return datetime.fromisoformat(json.load(answer)["now"]).timestamp()

    def sleep(self, seconds):
        body = json.dumps({"advance": f"{seconds}s"}).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url, data=body)) as answer:
            answer.read()


class NoClock(aws.Clock):
    """For emulators whose tasks take no time: waiting is counted and not done."""

    def __init__(self):
        self.slept = 0

    def now(self):
        return super().now() + self.slept

    def sleep(self, seconds):
        self.slept += seconds


def profiles(folder, source, vault):
    """Credentials files with a profile for each account."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    lines = []
    for name, keys in (("sandbox-source", source), ("sandbox-vault", vault)):
        lines += [f"[{name}]"] + [f"{key} = {value}" for key, value in keys.items()]
    (folder / "credentials").write_text("\n".join(lines) + "\n")
    os.environ |= {"AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
                   "AWS_CONFIG_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}


class Session:
    """A session of a profile that makes each client once. A script makes its own; a test of a dozen runs
    would spend its time on reading botocore's models."""

    made = {}

    def __init__(self, profile):
        self.session, self.clients = boto3.session.Session(profile_name=profile), {}

    @classmethod
    def of(cls, profile):
        if profile not in cls.made:
            cls.made[profile] = cls(profile)
        return cls.made[profile]

    def client(self, service, region_name, **more):
        key = (service, region_name, more.get("endpoint_url"), more.get("aws_access_key_id"))
        if key not in self.clients:
            self.clients[key] = self.session.client(service, region_name=region_name, **more)
        return self.clients[key]


def share_clients():
    """Lets the script make its clients once for several runs."""
    aws.Aws.session = lambda self, role: Session.of(self._profiles[role])


def simulated(folder):
    """Profiles of the simulated AWS, where an account's id is the key of its root user."""
    keys = [{"aws_access_key_id": account, "aws_secret_access_key": "any"} for account in (SOURCE, VAULT)]
    profiles(folder, *keys)


def common(endpoint, source=SOURCE):
    """The arguments of every command."""
    return ["--source-profile", "sandbox-source", "--vault-profile", "sandbox-vault",
            "--source-account", source, "--vault-account", VAULT, "--endpoint-url", endpoint]


def inventory(endpoint):
    """Everything that a run could have made or changed, by account and Region."""
    seen = {}
    for profile in ("sandbox-source", "sandbox-vault"):
        session = Session.of(profile)
        for region in REGIONS:
            def client(service):
                return session.client(service, region, endpoint_url=endpoint)
            ec2, kms = client("ec2"), client("kms")
            keys = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
            seen[profile, region] = {
                "images": {image["ImageId"] for image in ec2.describe_images(Owners=["self"])["Images"]
                           if image["State"] != "deregistered"},
                "snapshots": {one["SnapshotId"]
                              for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
                              # moto makes these by itself, for images too that have snapshots.
                              if not one["Description"].startswith("Auto-created snapshot")},
                "volumes": {one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]},
                "buckets": {one["Name"] for one in client("s3").list_buckets()["Buckets"]},
                "queues": set(client("sqs").list_queues().get("QueueUrls", ())),
                "rules": {one["Name"] for one in client("events").list_rules()["Rules"]},
                "keys": {key["Arn"] for key in keys
                         if key["KeyState"] != "PendingDeletion" and key["KeyManager"] == "CUSTOMER"},
                "encryption": {ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"]},
            }
    return seen


def unchanged(before, after, when):
    """Refuses any difference between two inventories."""
    for place, kinds in before.items():
        for kind, there in kinds.items():
            if after[place][kind] != there:
                raise AssertionError(f"{when}: {kind} in {place}: {sorted(there ^ after[place][kind])}")


def command(*words, clock):
    """Runs the script; gives its exit status, what it printed and what it said."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = conformance.main([str(word) for word in words], clock=clock)
    return status, out.getvalue(), err.getvalue()


def expect(status, wanted, said):
    if status != wanted:
        raise AssertionError(f"exit status {status}, not {wanted}:\n{said}")


def ask(endpoint, folder, *words):
    """One whole run. The files are in `folder`/answers; the exit status is that of the script."""
    simulated(folder)
    before = inventory(endpoint)
    if "--image" in words:
        words = [*words]
        at = words.index("--image") + 1
        words[at] = image_called(words[at], endpoint)
    status, out, err = command("ask", *common(endpoint), "--yes", "--output", folder / "answers", *words,
                               clock=SimulatedClock(endpoint))
    unchanged(before, inventory(endpoint), "after the run")
    sys.stderr.write(err)
    print(out, end="")
    return status


def image_called(name, endpoint):
    """The id of an image of the source, by its name."""
    ec2 = boto3.session.Session(profile_name="sandbox-source").client(
        "ec2", REGIONS[0], endpoint_url=endpoint)
    [image] = ec2.describe_images(Filters=[{"Name": "name", "Values": [name]}])["Images"]
    return image["ImageId"]


class Interrupter:
    """Sends this process an interrupt before or after its nth call of an operation."""

    def __init__(self, event, operation, nth=1):
        self.event, self.operation, self.nth, self.count = event, operation, nth, 0

    def attach(self, client):
        client.meta.events.register(f"{self.event}-call.*", self.called)

    def called(self, model, **_):
        if model.name == self.operation:
            self.count += 1
            if self.count == self.nth:
                os.kill(os.getpid(), signal.SIGINT)


@contextlib.contextmanager
def interrupting(*interrupters):
    """Attaches interrupters to all clients that the script makes inside."""
    make = aws.Aws.__init__

    def init(self, *arguments, **named):
        make(self, *arguments, **named)
        self.on_client += [interrupter.attach for interrupter in interrupters]

    aws.Aws.__init__ = init
    try:
        yield
    finally:
        aws.Aws.__init__ = make


# What is asked while interrupts come: it makes every kind of thing and changes the account's setting.
INTERRUPTED = ("default-encryption", "foreign-key", "event-requester")
# Before a call nothing was made; after it, something was made whose id the script has not read. The last
# interrupts the question while it sets the account's setting back: that is then the clean-up's. The first
# interrupt of a run, if it comes in the clean-up, does not end it.
STAGES = [
    [("before", "DeleteSnapshot")],
    [("before", "CreateVolume")],
    [("after", "CreateVolume")],
    [("after", "CreateSnapshot")],
    [("after", "CreateBucket")],
    [("after", "CreateStoreImageTask")],
    [("after", "CreateRestoreImageTask", 2)],
    [("after", "CreateKey")],
    [("after", "PutRule")],
    [("after", "DisableEbsEncryptionByDefault"), ("before", "EnableEbsEncryptionByDefault")],
]
# The same, and then the clean-up is interrupted too.
TWICE = [*STAGES[-1], ("before", "DeleteSnapshot")]


def interrupts(endpoint, folder):
    """Interrupts runs at several stages, the clean-up too, and looks at what is left."""
    # A shell that starts the tests in the background has interrupts ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    simulated(folder)
    share_clients()
    clock = SimulatedClock(endpoint)
    before = inventory(endpoint)
    only = [word for one in INTERRUPTED for word in ("--only", one)]

    def run(name, stage=()):
        interrupters = [Interrupter(*one) for one in stage]
        with interrupting(*interrupters):
            ended = command("ask", *common(endpoint), "--yes", *only, "--output", folder / name, clock=clock)
        for one in interrupters:
            if one.count < one.nth:
                raise AssertionError(f"{name}: only {one.count} calls of {one.operation}:\n{ended[2]}")
        return ended

    for number, stage in enumerate(STAGES):
        status, _, err = run(f"stage-{number}", stage)
        expect(status, 130, err)
        unchanged(before, inventory(endpoint), str(stage))

    # An interrupt of the clean-up leaves things, and a second command finds them.
    status, _, err = run("twice", TWICE)
    expect(status, 20, err)
    [left] = (folder / "twice").glob("journal-*.jsonl")
    if inventory(endpoint) == before:
        raise AssertionError("the interrupted clean-up left nothing: interrupt it earlier")
    printed = shlex.split(err.splitlines()[-1].partition(": ")[2])
    run_id = left.stem.removeprefix("journal-")
    # Things of another run and of nobody, which must stay.
    other, stranger = naming.name("0123456789", "other"), f"{naming.PREFIX}-of-mine"
    s3 = Session.of("sandbox-source").client("s3", "us-east-1", endpoint_url=endpoint)
    for bucket in (other, stranger):
        s3.create_bucket(Bucket=bucket)
    status, _, err = run("refused")
    expect(status, 12, err)
    there = inventory(endpoint)
    status, out, err = command("clean", *common(endpoint), clock=clock)
    expect(status, 0, err)
    unchanged(there, inventory(endpoint), "after a clean-up without --yes")
    for named in (run_id, other, stranger):
        if named not in out:
            raise AssertionError(f"{named} is not shown:\n{out}")
    # The command that the run printed, with the journal in place of the run.
    if printed[:3] != [sys.executable, sys.argv[0], "clean"] or printed[3:5] != ["--run", run_id]:
        raise AssertionError(f"the printed command is {printed}")
    status, _, err = command("clean", *printed[5:], "--journal", left, clock=clock)
    expect(status, 0, err)
    if "1 of 1 run cleaned up" not in err:
        raise AssertionError(f"the run is not counted:\n{err}")
    for bucket in (other, stranger):
        s3.delete_bucket(Bucket=bucket)
    unchanged(before, inventory(endpoint), "after the clean-up of the journal's run")

    # A look at other Regions would find nothing and prove nothing.
    status, _, err = command("clean", *common(endpoint), "--vault-region", "eu-west-1", "--journal", left,
                             clock=clock)
    expect(status, 10, err)
    if f"{VAULT}/{REGIONS[1]}" not in err:
        raise AssertionError(f"the journal's Regions are not said:\n{err}")
    return 0


def refusals(endpoint, folder):
    """What is refused before anything is made."""
    simulated(folder)
    before, clock = inventory(endpoint), SimulatedClock(endpoint)
    good = common(endpoint)

    def refused(status, why, *words):
        if "--output" not in words:
            words += ("--output", folder / "refused")
        ended, _, err = command("ask", *words, "--yes", clock=clock)
        expect(ended, status, err)
        if why not in err:
            raise AssertionError(f"{why!r} is not said:\n{err}")

    def other(option, value):
        words = list(good)
        words[words.index(option) + 1] = value
        return words

    refused(11, "not of --source-account", *other("--source-account", "333333333333"))
    refused(11, "are the same", *other("--vault-account", SOURCE))
    refused(11, "not of --vault-account", *other("--vault-profile", "sandbox-source"))
    refused(10, "--vault-profile", *other("--vault-profile", "no-such-profile"))
    refused(10, "are the same", *good, "--vault-region", REGIONS[0])
    refused(10, "not a loopback address", *other("--endpoint-url", "http://192.0.2.1:4566"))
    refused(10, "--max-cost", *good, "--max-cost", "0.01")
    refused(10, "no question", *good, "--only", "spelling")
    refused(12, "--image", *good, "--max-cost", "20", "--image", "ami-0123456789abcdef0")
    # Before any call: the account is wrong too.
    (folder / "file").write_text("")
    for bad in ("file", "file/inside"):
        refused(10, "name a folder", *other("--source-account", "333333333333"), "--output", folder / bad)
    os.environ["AWS_ENDPOINT_URL_S3"] = endpoint
    refused(10, "AWS_ENDPOINT_URL_S3", *good)
    del os.environ["AWS_ENDPOINT_URL_S3"]
    # An endpoint of the profile counts only if it is asked for.
    (folder / "config").write_text(f"[profile sandbox-source]\nendpoint_url = {endpoint}\n")
    os.environ["AWS_CONFIG_FILE"] = str(folder / "config")
    refused(10, "names the endpoint", *good[:-2])
    (folder / "config").write_text(
        f"[profile sandbox-source]\nservices = any\n[services any]\nsts =\n  endpoint_url = {endpoint}\n")
    refused(10, "names the endpoint", *good[:-2])
    # An endpoint that the option names is called all the same: then nothing is wrong but the account.
    refused(11, "not of --source-account", *other("--source-account", "333333333333"))
    unchanged(before, inventory(endpoint), "after refusals")
    return 0


def calls(endpoint):
    """How often each operation was called, whoever called it."""
    with urllib.request.urlopen(f"{endpoint}/_amiferry/world") as answer:
        return json.load(answer)["calls"]


def plan(endpoint, folder):
    """Shows the plan, which calls nothing, and what a clean-up would remove, which only reads."""
    simulated(folder)
    before = calls(endpoint)
    status, out, err = command("ask", *common(endpoint), clock=SimulatedClock(endpoint))
    expect(status, 0, err)
    if calls(endpoint) != before:
        raise AssertionError(f"the plan called something: {calls(endpoint)}")
    status, _, err = command("clean", *common(endpoint), clock=SimulatedClock(endpoint))
    expect(status, 0, err)
    called = {name.split(":")[1] for name in calls(endpoint)}
    if not called or any(not name.startswith(READS) for name in called):
        raise AssertionError(f"a clean-up without --yes called {sorted(called)}")
    for one in question.REGISTERED:
        if one.id not in out:
            raise AssertionError(f"{one.id} is not in the plan:\n{out}")
    return 0


def switches():
    """Prints the settings that the questions can set, one a line."""
    from sandbox import questions  # noqa: F401
    for one in question.REGISTERED:
        for setting in one.settings:
            print(setting)
    return 0


# moto lacks stores and restores. It answers these, and the others make every kind of thing there.
MOTO_ANSWERS = {"names", "image-pages", "stale-handles", "short-polls"}
MOTO_MAKES = {"revoked-session", "foreign-key", "via-service", "event-requester", "key-trail", "quota-list"}


def moto(folder):
    """Asks moto: what needs a store is not answered, the others go on, and nothing is left."""
    from harness import moto_server

    with moto_server() as (endpoint, _):
        profiles(folder, {"aws_access_key_id": "any", "aws_secret_access_key": "any"},
                 {"aws_access_key_id": "any", "aws_secret_access_key": "any"})
        sts = boto3.session.Session(profile_name="sandbox-source").client(
            "sts", "us-east-1", endpoint_url=endpoint)
        vault = sts.assume_role(RoleArn=f"arn:aws:iam::{VAULT}:role/any", RoleSessionName="test")
        session = vault["Credentials"]
        profiles(folder, {"aws_access_key_id": "any", "aws_secret_access_key": "any"},
                 {"aws_access_key_id": session["AccessKeyId"],
                  "aws_secret_access_key": session["SecretAccessKey"],
                  "aws_session_token": session["SessionToken"]})
        before = inventory(endpoint)
        only = [word for one in sorted(MOTO_ANSWERS | MOTO_MAKES) for word in ("--only", one)]
        status, _, err = command("ask", *common(endpoint, source="123456789012"), "--yes", *only,
                                 "--output", folder / "answers", clock=NoClock())
        expect(status, 3, err)
        unchanged(before, inventory(endpoint), "after the run")
        report = json.loads((folder / "answers/report.json").read_text())
        answered = {one["id"] for one in report["questions"] if one["status"] == "answered"}
        for one in report["questions"]:
            print(f"{one['id']}: {one.get('says') or one['cause']}")
        if answered != MOTO_ANSWERS:
            raise AssertionError(f"moto answers {sorted(answered)}, not {sorted(MOTO_ANSWERS)}")
    return 0


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    rest = [Path(word) if number == (0 if name == "moto" else 1) else word
            for number, word in enumerate(rest)]
    sys.exit({"ask": ask, "interrupts": interrupts, "plan": plan, "refusals": refusals, "switches": switches,
              "moto": moto}[name](*rest))
