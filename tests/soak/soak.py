"""Holds both workers to their bound of memory while queues are full and many images are tracked.

    cargo build --release --bin amiferry
    python3 tests/soak/soak.py target/release/amiferry

Starts the simulated AWS and one worker of each kind as processes that talk over HTTP, fills their
queues, keeps them full, and prints a table of what /proc/PID/status says of each worker. Needs
Linux and nothing but Python's own library. Exit status 1: a bound was broken, or memory grows.
"""

import argparse
import contextlib
import http.client
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

SOURCE = ("source", "111111111111", "us-east-1", "amiferry-source")
VAULT = ("target", "222222222222", "us-west-2", "amiferry-target")
STAGING = "amiferry-staging-111111111111-us-east-1"

# Seconds after which a call without an answer hangs, on however busy a machine.
HANGS = 1800

# How much the fitted line may rise in the window. Between two samples the resident size moves by
# a few MiB, as pages of answers come and go; a record of 64 bytes kept for each message would
# be more than this after 100 messages a second for ten minutes.
GROWTH_MIB = 4.0

# So many images that the workers track what was asked for to the end, though some complete.
SPARE = 1.1

SCENARIO = """
base = "brisk"
[settings.ec2]
throttling = { on = { refill_factor = 10.0 } }
"""

IMAGES = """
[[image]]
name = "{name}"
count = {count}
gib = {gib}
age = "{age}h"
tags = {{ workload = "{workload}", environment = "production", owner = "platform-team", \
cost-centre = "4711", application = "{name}", release = "2026.03.1-rc4", contact = \
"on-call@example.com", pipeline = "https://ci.example.com/builds/4711" }}
"""


class Client:
    """One connection to the simulated AWS."""

    def __init__(self, endpoint, account, region):
        self.connection = http.client.HTTPConnection(endpoint, timeout=HANGS)
        self.account, self.region = account, region

    def call(self, service, body, headers):
        day = time.strftime("%Y%m%d")
        scope = f"{self.account}/{day}/{self.region}/{service}/aws4_request"
        headers = {
            "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, "
                             "Signature=0",
            "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), **headers}
        for _ in range(50):
            self.connection.request("POST", "/", body, headers)
            answer = self.connection.getresponse()
            content = answer.read().decode()
            if answer.status == 503:
                time.sleep(0.5)
                continue
            if answer.status >= 300:
                raise RuntimeError(f"{service} answers {answer.status}: {content[:300]}")
            return content
        raise RuntimeError(f"{service} does not stop throttling")

    def sqs(self, action, **fields):
        return json.loads(self.call("sqs", json.dumps(fields).encode(), {
            "content-type": "application/x-amz-json-1.0", "x-amz-target": f"AmazonSQS.{action}"}))

    def images(self):
        """The ids of all images, page by page."""
        token, ids = {}, []
        while token is not None:
            answer = self.call("ec2", urlencode({
                "Action": "DescribeImages", "Version": "2016-11-15", "Owner.1": "self",
                "MaxResults": 1000, **token}).encode(),
                {"content-type": "application/x-www-form-urlencoded"})
            ids += re.findall("<imageId>(ami-[0-9a-f]+)</imageId>", answer)
            more = re.search("<nextToken>([^<]+)</nextToken>", answer)
            token = {"NextToken": more[1]} if more else None
        return ids


class Bodies:
    """Messages that wait in a queue: real events, duplicates of them, and garbage."""

    def __init__(self, seed, role, images):
        self.random, self.role, self.images = random.Random(seed), role, images
        self.last = None

    def next(self):
        kind = self.random.random()
        if kind < 0.45 or self.last is None:
            image = self.random.choice(self.images)
            self.last = self.object(image) if self.role == "target" else self.state(image)
            return self.last
        if kind < 0.7:
            return self.last
        return self.random.choice([
            lambda: "garbage " + "x" * self.random.randrange(4_000),
            lambda: '{"a":' * self.random.randrange(1, 2_000),
            lambda: self.state(f"ami-{self.random.getrandbits(68):017x}", "999999999999"),
            lambda: self.object("../etc/passwd"),
            lambda: json.dumps({"detail-type": "Something", "detail": {
                str(key): "y" * 50 for key in range(self.random.randrange(100))}}),
        ])()

    def event(self, source, kind, account, detail):
        return json.dumps({
            "version": "0", "id": f"{self.random.getrandbits(128):032x}", "detail-type": kind,
            "source": source, "account": account, "time": "2026-03-01T12:00:00Z",
            "region": "us-east-1", "resources": [], "detail": detail})

    def state(self, image, account=SOURCE[1]):
        return self.event("aws.ec2", "EC2 AMI State Change", account, {
            "RequestId": f"{self.random.getrandbits(128):032x}", "ImageId": image,
            "State": "available", "ErrorMessage": ""})

    def object(self, image):
        return self.event("aws.s3", "Object Created", SOURCE[1], {
            "version": "0", "bucket": {"name": STAGING}, "object": {
                "key": f"amiferry/us-east-1/{image}.bin", "size": 5_000_000_000, "etag": "x",
                "version-id": "v", "sequencer": "1"},
            "request-id": "r", "requester": SOURCE[1], "reason": "PutObject"})


class Queue:
    """A worker's queue, kept at a depth."""

    def __init__(self, endpoint, place, bodies):
        self.name, account, region, queue = place
        self.client = Client(endpoint, account, region)
        self.url = f"http://{endpoint}/{account}/{queue}"
        self.bodies, self.sent = bodies, 0

    def depth(self):
        answer = self.client.sqs("GetQueueAttributes", QueueUrl=self.url, AttributeNames=[
            "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"])
        waiting, flying = (int(value) for _, value in sorted(answer["Attributes"].items()))
        return waiting, flying

    def fill(self, depth, until=float("inf")):
        missing = depth - self.depth()[0]
        while missing > 0 and time.monotonic() < until:
            entries = [{"Id": str(n), "MessageBody": self.bodies.next()}
                       for n in range(min(10, missing))]
            answer = self.client.sqs("SendMessageBatch", QueueUrl=self.url, Entries=entries)
            if answer.get("Failed"):
                raise RuntimeError(f"{self.name}: {answer['Failed'][0]}")
            missing -= len(entries)
            self.sent += len(entries)


@contextlib.contextmanager
def running(command, **options):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def scenario(images):
    """Images of every kind of tier, in six sorts."""
    sorts = [("orders-db", "[20, 60]"), ("web", "[8]"), ("payments", "[30, 10, 10]"),
             ("analytics", "[40]"), ("render-batch", "[16, 16]"), ("analytics-lake", "[100]")]
    total = round(images * SPARE)
    counts = [total // len(sorts) + (n < total % len(sorts)) for n in range(len(sorts))]
    return SCENARIO + "".join(
        IMAGES.format(name=name, workload=name, count=count, gib=gib, age=3 + 5 * n)
        for n, ((name, gib), count) in enumerate(zip(sorts, counts)) if count)


def configuration(text):
    """The simulated AWS's own, at a pace at which work lasts."""
    workers = """
[workers]
sweep_interval = "60s"
poll_interval = "30s"
copies_in_flight = 4
part_size_mib = 256
source_listen = "127.0.0.1:0"
target_listen = "127.0.0.1:0"
"""
    return re.sub(r"\[workers\]\n(?:[^\[\n]*\n)*", lambda _: workers.lstrip() + "\n", text)


class Worker:
    """A worker's process: its memory, and what it says of itself."""

    def __init__(self, name, process, log):
        self.name, self.process, self.log, self.address = name, process, log, None

    def memory(self):
        """VmRSS, VmHWM and RssAnon in MiB."""
        if self.process.poll() is not None:
            raise RuntimeError(f"the {self.name} worker ended with {self.process.returncode}")
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return [int(re.search(rf"{field}:\s*(\d+) kB", status)[1]) / 1024
                for field in ("VmRSS", "VmHWM", "RssAnon")]

    def metrics(self):
        """Its metrics; nothing before it has said where it serves them."""
        if self.address is None:
            with open(self.log, encoding="utf-8") as log:
                said = re.search(r'"server.address":"([\d.]+)","server.port":(\d+)', log.read())
            if said is None:
                return ""
            self.address = f"{said[1]}:{said[2]}"
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=HANGS) as page:
                return page.read().decode()
        return ""


def total(page, metric, label=""):
    lines = [line for line in page.splitlines() if line.startswith(metric) and label in line]
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines))


def tracked(page):
    """Images that wait, are parked, or are worked on."""
    return sum(total(page, name) for name in
               ("amiferry_waiting{", "amiferry_parked{", "amiferry_in_flight_effects{"))


def line_through(points):
    """Slope per minute of the least-squares line, and the deviation of the points from it."""
    count = len(points)
    mean_x, mean_y = (sum(point[axis] for point in points) / count for axis in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points) / count
    return slope, rest ** 0.5


def watch(workers, queues, options):
    """Samples until the time is over, or until all is taken in; the samples by worker.

    Time counts from when each worker tracks its images: until then memory must grow.
    """
    start = time.monotonic()
    warm = options.drain
    samples = {worker.name: [] for worker in workers}
    done = 0
    stop = threading.Event()

    def keep_full(queue):
        while not stop.wait(options.interval):
            with contextlib.suppress(OSError, http.client.HTTPException):
                queue.fill(options.messages // 2, time.monotonic() + 30)

    feeders = [] if options.drain else [threading.Thread(target=keep_full, args=[queue])
                                        for queue in queues]
    for feeder in feeders:
        feeder.start()
    meters = {queue.name: Client(queue.url.split("/")[2], queue.client.account,
                                 queue.client.region) for queue in queues}
    print(f"{'minute':>6} {'worker':>7} {'RSS':>7} {'HWM':>7} {'Anon':>7} {'tracked':>8} "
          f"{'waiting':>8} {'flying':>7} {'effects':>8}   (MiB)", flush=True)
    try:
        while True:
            minute = (time.monotonic() - start) / 60
            drained, all_tracked = True, True
            for worker, queue in zip(workers, queues):
                rss, peak, anonymous = worker.memory()
                page = worker.metrics()
                attributes = meters[queue.name].sqs(
                    "GetQueueAttributes", QueueUrl=queue.url, AttributeNames=[
                        "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"])
                waiting, flying = (int(value) for _, value in
                                   sorted(attributes["Attributes"].items()))
                keys = tracked(page)
                effects = total(page, "amiferry_stage_duration_seconds_count")
                if warm:
                    samples[worker.name].append((minute, rss, peak, anonymous, keys, waiting))
                all_tracked &= keys >= options.images
                drained &= waiting + flying == 0 and keys + effects >= options.images
                if minute * 60 >= done or options.drain:
                    print(f"{f'{minute:.2f}' if warm else 'warm':>6} {worker.name:>7} {rss:>7.1f} {peak:>7.1f} "
                          f"{anonymous:>7.1f} {keys:>8} {waiting:>8} {flying:>7} {effects:>8}",
                          flush=True)
            if minute * 60 >= done:
                done += 30
            if options.drain and drained:
                return samples
            if not warm and all_tracked:
                start, done, warm = time.monotonic(), 0, True
            elif not warm and minute >= options.warm_up:
                raise RuntimeError(f"not all images were tracked within {minute:.0f} minutes")
            elif warm and minute >= options.minutes:
                if options.drain:
                    raise RuntimeError(f"not everything was taken in within {minute:.0f} minutes")
                return samples
            time.sleep(options.interval)
    finally:
        stop.set()
        for feeder in feeders:
            feeder.join()


def verdict(samples, options):
    """What is broken, in sentences."""
    broken = []
    for worker, rows in samples.items():
        peak = max(row[2] for row in rows)
        print(f"{worker}: at most {peak:.1f} MiB, {max(row[4] for row in rows)} images tracked")
        if peak >= options.bound_mib:
            broken.append(f"{worker}: {peak:.1f} MiB, not below {options.bound_mib} MiB")
        if options.drain:
            continue
        window = [(row[0], row[1]) for row in rows if row[0] >= options.minutes / 3]
        slope, noise = line_through(window)
        rise = slope * (window[-1][0] - window[0][0])
        print(f"{worker}: from minute {window[0][0]:.1f} to {window[-1][0]:.1f} the fitted line "
              f"rises by {rise:+.2f} MiB; the samples lie {noise:.2f} MiB about it")
        if rise > GROWTH_MIB:
            broken.append(f"{worker}: grows by {rise:.2f} MiB, more than {GROWTH_MIB} MiB")
        if window[-1] and min(row[4] for row in rows if row[0] >= options.minutes / 3) \
                < options.images:
            broken.append(f"{worker}: did not track {options.images} images all the time")
    return broken


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="amiferry, built with --release")
    parser.add_argument("--images", type=int, default=10_000, help="tracked by each worker")
    parser.add_argument("--messages", type=int, default=100_000, help="waiting in both queues")
    parser.add_argument("--minutes", type=float, default=15,
                        help="growth is measured after the first third of them")
    parser.add_argument("--warm-up", type=float, default=60,
                        help="most minutes until all images are tracked; only then time counts")
    parser.add_argument("--bound-mib", type=float, default=128)
    parser.add_argument("--interval", type=float, default=5, help="seconds between samples")
    parser.add_argument("--drain", action="store_true",
                        help="end once all is taken in, at the latest after --minutes; only the "
                             "bound counts, no growth")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "scenario.toml").write_text(scenario(options.images))
        config = folder / "amiferry.toml"
        talk = stack.enter_context(open(folder / "simulator", "w+"))
        simulator = stack.enter_context(running(
            [options.binary, "sim", "serve", "--listen", "127.0.0.1:0", "--scenario",
             str(folder / "scenario.toml"), "--write-config", str(config)], stderr=talk))
        endpoint = None
        while endpoint is None:
            if simulator.poll() is not None:
                raise RuntimeError((folder / "simulator").read_text())
            found = re.search(r"http://([\d.]+:\d+)", (folder / "simulator").read_text())
            endpoint = found[1] if found else time.sleep(0.1)
        config.write_text(configuration(config.read_text()))
        images = Client(endpoint, *SOURCE[1:3]).images()
        queues = [Queue(endpoint, place, Bodies(options.seed + n, place[0], images))
                  for n, place in enumerate((SOURCE, VAULT))]
        for queue in queues:
            queue.fill(options.messages // 2)
        print(f"{len(images)} images, {sum(queue.sent for queue in queues)} messages", flush=True)
        workers = []
        for name, account, _, _ in (SOURCE, VAULT):
            log = stack.enter_context(open(folder / f"{name}.log", "w", encoding="utf-8"))
            process = stack.enter_context(running(
                [options.binary, name, "run", "--config", str(config)], stderr=log,
                env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "AWS_ACCESS_KEY_ID": account,
                     "AWS_SECRET_ACCESS_KEY": "any", "AWS_EC2_METADATA_DISABLED": "true"}))
            workers.append(Worker(name, process, log.name))
        samples = watch(workers, queues, options)
        print(f"{sum(queue.sent for queue in queues)} messages were sent in all")
        broken = verdict(samples, options)
    for what in broken:
        print(f"BROKEN: {what}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
