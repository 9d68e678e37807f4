"""Runs the checks of one service against an endpoint, and the same checks against moto.

    python tests/conformance/s3.py http://127.0.0.1:4566

A check is a function with a sentence for a name. It uses boto3's clients, whose calls are
recorded, or other clients as processes. Against the endpoint every expectation must hold; against
moto nothing is expected: the two recordings are compared instead (see agreement.py).
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError
from botocore.parsers import ResponseParserError

from agreement import Agreement, normalised
from oracle import Oracle

ACCOUNT = "123456789012"
REGION = "us-east-1"
# Waiters ask AWS every 15 seconds; a simulated minute is shorter.
QUICK = {"Delay": 0.2, "MaxAttempts": 200}
# Seconds after which a client or a server without an answer hangs, on however busy a machine.
HANGS = 1800


@dataclass
class Check:
    """A named check; `ours_only` says why it is not run against moto."""

    name: str
    run: object
    ours_only: str | None = None


@dataclass
class Call:
    """One recorded call: `outcome` is "ok", "CODE STATUS" or "not implemented"."""

    operation: str
    outcome: str
    answer: dict


class Checks(list):
    """The checks of a service, in order."""

    def check(self, name, ours_only=None):
        def add(run):
            self.append(Check(name, run, ours_only))
            return run
        return add


class Aws:
    """The clients of one endpoint, and what was called through them."""

    def __init__(self, service, endpoint, oracle=None, log=None):
        self.service = service
        self.endpoint = endpoint
        self.oracle = oracle
        self.log = log
        self.strict = log is None
        self.calls = []
        self.unmet = []
        self._polling = False
        self._clients = {}
        self.directory = Path(tempfile.mkdtemp(prefix="conformance-"))

    def client(self, service, account=ACCOUNT, credentials=None, **config):
        """A client of `service` that acts as `account`, or with temporary credentials."""
        key = (service, account, str(credentials), str(config))
        if key not in self._clients:
            keys = credentials or {"AccessKeyId": account, "SecretAccessKey": "x"}
            client = boto3.session.Session().client(
                service, endpoint_url=self.endpoint, region_name=REGION,
                aws_access_key_id=keys["AccessKeyId"],
                aws_secret_access_key=keys["SecretAccessKey"],
                aws_session_token=keys.get("SessionToken"),
                config=Config(retries={"total_max_attempts": 1}, connect_timeout=HANGS,
                              read_timeout=HANGS, **config))
            client.meta.events.register("after-call", self._record)
            if not self.strict:
                self._forgive(client)
            if self.oracle:
                self.oracle.attach(client)
            self._clients[key] = client
        return self._clients[key]

    ec2 = property(lambda self: self.client("ec2"))
    kms = property(lambda self: self.client("kms"))
    s3 = property(lambda self: self.client("s3"))
    sqs = property(lambda self: self.client("sqs"))
    sts = property(lambda self: self.client("sts"))

    def _record(self, http_response, parsed, model, **_):
        operation = f"{model.service_model.service_name}:{model.name}"
        status = http_response.status_code
        if status in (500, 501):
            return
        if status >= 300:
            call = Call(operation, f"{parsed.get('Error', {}).get('Code')} {status}", {})
        else:
            answer = {name: value for name, value in parsed.items()
                      if name not in ("ResponseMetadata", "Body")}
            call = Call(operation, "ok", normalised(answer))
        self.calls.append(call)

    def _forgive(self, client):
        """Lets calls at which moto breaks down answer with nothing, and notes them.

        moto answers what it does not implement, and its own mistakes, with status 500 and a page
        of HTML; its log says which of the two it was.
        """
        make_call = client._make_api_call
        service = client.meta.service_model.service_name

        def call(operation, parameters):
            start = self.log.stat().st_size
            try:
                return make_call(operation, parameters)
            except ResponseParserError:
                pass
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (500, 501):
                    raise
            outcome = "not implemented" if self._lacks(start) else "fails with 500"
            self.calls.append(Call(f"{service}:{operation}", outcome, {}))
            if self._polling:
                raise WaiterError(operation, outcome, {})
            return {}

        client._make_api_call = call

    def _lacks(self, start):
        """Whether the log says behind `start` that an operation is not there; it may lag behind.

        moto says what became of a request before it answers, and why it broke down afterwards.
        """
        hangs = time.monotonic() + HANGS
        while time.monotonic() < hangs:
            said = self.log.read_bytes()[start:]
            ended = re.findall(rb'HTTP/1\.1" (\d+) -$', said, re.MULTILINE)
            if ended and ended[-1] != b"500":
                return False
            if b"Traceback" in said and re.search(rb"^\S*Error\b", said, re.MULTILINE):
                return b"\nNotImplementedError" in said
            time.sleep(0.05)
        raise RuntimeError(f"moto does not say why it fails: {said.decode(errors='replace')}")

    @contextlib.contextmanager
    def waiting(self):
        """Of the calls inside, only the last is recorded: how often one polls is chance."""
        start = len(self.calls)
        self._polling = True
        try:
            yield
        finally:
            self._polling = False
            del self.calls[start:-1]

    @contextlib.contextmanager
    def unordered(self):
        """The calls inside come from several threads: only which, and whether refused, counts."""
        start = len(self.calls)
        yield
        inside = {(call.operation, call.outcome) for call in self.calls[start:]}
        self.calls[start:] = [Call(operation, outcome, {}) for operation, outcome in sorted(inside)]

    def wait(self, client, waiter, **parameters):
        """Waits with one of boto3's waiters."""
        with self.waiting():
            client.get_waiter(waiter).wait(WaiterConfig=QUICK, **parameters)

    def wait_in_vain(self, client, waiter, **parameters):
        """Waits for what fails."""
        try:
            self.wait(client, waiter, **parameters)
        except WaiterError:
            return
        if self.strict:
            raise AssertionError(f"{waiter} did not fail")

    def expect(self, holds, what):
        """A fact about the answers; against moto it is noted whether it holds."""
        if not holds:
            self.unmet.append(what)
            if self.strict:
                raise AssertionError(what)

    def equal(self, actual, expected, what):
        """As `expect`, for two values."""
        if self.strict and actual != expected:
            raise AssertionError(f"{what}: {actual!r:.300} instead of {expected!r:.300}")
        self.expect(actual == expected, what)

    @contextlib.contextmanager
    def refused(self, code, status):
        """The call inside is refused with this code and HTTP status."""
        try:
            yield
        except ClientError as error:
            actual = (error.response["Error"]["Code"],
                      error.response["ResponseMetadata"]["HTTPStatusCode"])
            if self.strict and actual != (code, status):
                raise AssertionError(f"refused with {actual}, not {(code, status)}: {error}")
            return
        if self.strict:
            raise AssertionError(f"not refused with {code} {status}")

    def file(self, name, content=b""):
        """A file for this run."""
        path = self.directory / name
        path.write_bytes(content)
        return path

    def run(self, *command, status=0, account=ACCOUNT, credentials=None):
        """Runs another client as a process; gives its standard output."""
        keys = credentials or {"AccessKeyId": account, "SecretAccessKey": "x"}
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("AWS_")}
        environment |= {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION, "AWS_PAGER": "",
            "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        if "SessionToken" in keys:
            environment["AWS_SESSION_TOKEN"] = keys["SessionToken"]
        done = subprocess.run([str(part) for part in command], env=environment,
                              cwd=self.directory, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=HANGS)
        if done.returncode != status:
            raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}: "
                                 f"{done.stderr.strip() or done.stdout.strip()}")
        return done.stdout if status == 0 else done.stderr

    def cli(self, *arguments, **options):
        """Runs the aws CLI; JSON output comes parsed."""
        text = self.run(program("aws"), "--endpoint-url", self.endpoint, "--output", "json",
                        *arguments, **options)
        return json.loads(text) if text.lstrip().startswith(("{", "[")) else text

    def s5cmd(self, *arguments, **options):
        """Runs s5cmd."""
        return self.run(program("s5cmd"), "--endpoint-url", self.endpoint, "--retry-count", "0",
                        *arguments, **options)

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def program(name):
    """A program installed beside this Python."""
    return Path(sys.executable).with_name(name)


@contextlib.contextmanager
def moto_server():
    """moto on a free port, without its stock of images; gives its endpoint and its log."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("AWS_", "MOTO_"))}
    log = Path(tempfile.mkstemp(prefix="moto-", suffix=".log")[1])
    server = subprocess.Popen(
        [sys.executable, "-c", "from moto.server import main; main()",
         "-H", "127.0.0.1", "-p", "0"],
        env=environment | {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log.open("w"))
    try:
        hangs = time.monotonic() + HANGS
        while not (said := re.search(rb"Running on (http://127\.0\.0\.1:\d+)", log.read_bytes())):
            if server.poll() is not None or time.monotonic() > hangs:
                raise RuntimeError(f"moto_server does not start ({server.returncode}): "
                                   f"{log.read_text(errors='replace')}")
            time.sleep(0.1)
        endpoint = said[1].decode()
        reset = urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset, timeout=HANGS).read()
        yield endpoint, log
    finally:
        server.terminate()
        server.wait()
        log.unlink()


def passes(check, aws):
    """Runs one check where its expectations must hold; gives the failure as text, or None."""
    try:
        check.run(aws)
        return None
    except Exception as error:  # a failed check must not hide the next
        place = traceback.extract_tb(error.__traceback__)
        line = next((frame for frame in place if frame.name == check.run.__name__), place[-1])
        return f"{type(error).__name__}: {error} ({Path(line.filename).name}:{line.lineno})"


def record(check, aws):
    """Runs one check for its recording only, as far as it gets."""
    try:
        check.run(aws)
    except Exception as error:  # the call that raised it is in the recording
        aws.unmet.append(str(error))


def main(service, checks):
    """Runs a service's script; the exit status is 0 if all holds."""
    parser = argparse.ArgumentParser(description=f"Conformance checks of {service}.")
    parser.add_argument("endpoint", help="the simulated AWS, such as http://127.0.0.1:4566")
    parser.add_argument("--without-moto", action="store_true", help="compare with nothing")
    parser.add_argument("--only", help="run the checks whose name contains this")
    options = parser.parse_args()
    chosen = [check for check in checks if not options.only or options.only in check.name]
    lines, failures = [], []
    oracle = Oracle()
    agreement = Agreement(service)
    with contextlib.ExitStack() as stack:
        moto = None
        if not options.without_moto:
            address, log = stack.enter_context(moto_server())
            moto = Aws(service, address, log=log)
            stack.callback(moto.close)
        ours = Aws(service, options.endpoint, oracle)
        stack.callback(ours.close)
        for check in chosen:
            ours.calls = []
            started = time.monotonic()
            failure = passes(check, ours)
            took = time.monotonic() - started
            lines.append(f"{'FAIL' if failure else 'ok  '} {check.name} ({took:.1f} s)")
            if failure:
                failures.append(f"{check.name}: {failure}")
                continue
            if moto is None:
                continue
            if check.ours_only:
                agreement.add_ours_only(ours.calls)
                continue
            moto.calls, moto.unmet = [], []
            record(check, moto)
            agreement.add(check.name, ours.calls, moto.calls, moto.unmet)
    failures += [f"against the model: {violation}" for violation in sorted(oracle.violations)]
    if moto and not options.only:
        failures += agreement.complaints()
    report = [f"{service}: {len(chosen)} checks, {len(oracle.operations)} operations held to "
              f"their models, {len(failures)} failures", *lines]
    if moto:
        report += ["", f"{service}: agreement with moto {version('moto')}", agreement.table()]
    report += ["", *failures] if failures else []
    sys.stdout.write("\n".join(report) + "\n")
    sys.exit(1 if failures else 0)


def version(package):
    from importlib.metadata import version as of
    return of(package)


def digits(text):
    """The first number in a text, for outputs such as `42 bytes in 1 objects`."""
    found = re.search(r"\d+", text)
    return int(found[0]) if found else None
