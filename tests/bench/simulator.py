"""Measures the simulated AWS over HTTP: against moto on the same calls, streaming, and memory.

    cargo build --release --bin amiferry
    target/clients/bin/python tests/bench/simulator.py target/release/amiferry

Requests are written to sockets as bytes, so that no SDK's own time is measured. The two servers
take turns; of the runs the median counts. Exit status 1 means that a goal was missed.
"""

import argparse
import contextlib
import datetime
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit

sys.path.insert(0, str(Path(__file__).parent.parent / "conformance"))
from harness import ACCOUNT, REGION, moto_server  # noqa: E402

GIB = 1 << 30
BATCH = 200


class Server:
    """One connection to an endpoint, made again where the server closes it."""

    def __init__(self, name, endpoint):
        self.name = name
        self.address = (urlsplit(endpoint).hostname, urlsplit(endpoint).port)
        self.endpoint = endpoint
        self.file = None

    def message(self, service, method, path, body=b"", headers=()):
        """A request as bytes; both servers read the access key and check no signature."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        lines = [f"{method} {path} HTTP/1.1", f"host: {self.address[0]}:{self.address[1]}",
                 f"authorization: AWS4-HMAC-SHA256 Credential={ACCOUNT}/{now[:8]}/{REGION}/"
                 f"{service}/aws4_request, SignedHeaders=host, Signature=0",
                 f"x-amz-date: {now}", f"content-length: {len(body)}", *headers, "", ""]
        return "\r\n".join(lines).encode() + body

    def send(self, message):
        if self.file is None:
            self.socket = socket.create_connection(self.address)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.file = self.socket.makefile("rb")
        self.socket.sendall(message)

    def answer(self):
        """Status and body of the next answer."""
        status = int(self.file.readline().split()[1])
        length, close = 0, False
        while (line := self.file.readline().strip().lower()):
            name, _, value = line.partition(b":")
            if name == b"content-length":
                length = int(value)
            close |= name == b"connection" and value.strip() == b"close"
        body = self.file.read(length)
        if close:
            self.file.close()
            self.socket.close()
            self.file = None
        return status, body

    def call(self, *request, **options):
        """One call; throttled ones are made again, others must succeed."""
        while True:
            self.send(self.message(*request, **options))
            status, body = self.answer()
            if status == 503:
                time.sleep(0.05)
                continue
            if status >= 300:
                raise RuntimeError(f"{self.name} answers {status}: {body[:300]}")
            return body

    def ec2(self, action, **parameters):
        form = urlencode({"Action": action, "Version": "2016-11-15", **parameters}).encode()
        return self.call("ec2", "POST", "/", form,
                         ["content-type: application/x-www-form-urlencoded"])

    def sqs(self, action, body):
        return self.call("sqs", "POST", "/", body.encode(),
                         ["content-type: application/x-amz-json-1.0",
                          f"x-amz-target: AmazonSQS.{action}"])


def element(body, name):
    return re.search(f"<{name}>([^<]*)</{name}>".encode(), body)[1].decode()


def sqs_round(server):
    """A message sent, received and deleted, 50 times."""
    url = f'"QueueUrl":"{server.queue}"'
    for _ in range(50):
        server.sqs("SendMessage", f'{{{url},"MessageBody":"hello"}}')
        received = server.sqs("ReceiveMessage", f"{{{url}}}")
        handle = re.search(rb'"ReceiptHandle": ?"([^"]*)"', received)[1].decode()
        server.sqs("DeleteMessage", f'{{{url},"ReceiptHandle":"{handle}"}}')


def images_round(server):
    """All images described, 3 times."""
    for _ in range(3):
        body = server.ec2("DescribeImages", **{"Owner.1": "self"})
    assert body.count(b"<imageId>") >= 1000, "the images are there"


def object_round(server):
    """An object of 4 KiB written and read, 100 times."""
    for number in range(100):
        server.call("s3", "PUT", f"/bench/object-{number}", b"x" * 4096)
        server.call("s3", "GET", f"/bench/object-{number}")


def list_round(server):
    """10,000 keys listed in pages."""
    token, keys = "", 0
    while token is not None:
        body = server.call("s3", "GET", f"/listed?list-type=2{token}")
        keys += body.count(b"<Key>")
        more = re.search(rb"<NextContinuationToken>([^<]*)<", body)
        token = "&" + urlencode({"continuation-token": more[1].decode()}) if more else None
    assert keys == 10_000, f"{keys} keys listed"


ROUNDS = [("SQS send, receive, delete (50)", sqs_round), ("DescribeImages of 1,000 (3)",
          images_round), ("S3 put and get of 4 KiB (100)", object_round),
          ("list of 10,000 keys", list_round)]


def prepare(server):
    created = server.sqs("CreateQueue", '{"QueueName":"bench"}')
    server.queue = re.search(rb'"QueueUrl": ?"([^"]*)"', created)[1].decode()
    for bucket in ("bench", "listed"):
        server.call("s3", "PUT", f"/{bucket}")
    for number in range(10_000):
        server.call("s3", "PUT", f"/listed/key-{number:06}", b"x")
    snapshot = make_snapshot(server, 1)
    for number in range(1_000):
        register(server, f"image-{number}", snapshot)


def make_snapshot(server, size):
    volume = element(server.ec2("CreateVolume", AvailabilityZone=f"{REGION}a", Size=size),
                     "volumeId")
    snapshot = element(server.ec2("CreateSnapshot", VolumeId=volume), "snapshotId")
    while b"completed" not in server.ec2("DescribeSnapshots", **{"SnapshotId.1": snapshot}):
        time.sleep(0.1)
    return snapshot


def register(server, name, snapshot):
    return element(server.ec2("RegisterImage", **{
        "Name": name, "Architecture": "x86_64", "VirtualizationType": "hvm",
        "RootDeviceName": "/dev/xvda", "BlockDeviceMapping.1.DeviceName": "/dev/xvda",
        "BlockDeviceMapping.1.Ebs.SnapshotId": snapshot}), "imageId")


def compare(ours, moto, runs):
    """Rows of name, milliseconds of ours and of moto, and their ratio."""
    for name, run in ROUNDS:
        times = {ours: [], moto: []}
        for _ in range(runs):
            for server in (ours, moto):
                start = time.perf_counter()
                run(server)
                times[server].append(time.perf_counter() - start)
        one, other = (statistics.median(times[server]) for server in (ours, moto))
        yield name, one * 1e3, other * 1e3, other / one


def stored_image(server):
    """The key of a stored image of 5,000 GB in the bucket bench."""
    image = register(server, "large", make_snapshot(server, 5_000))
    server.ec2("CreateStoreImageTask", ImageId=image, Bucket="bench")
    while b"Completed" not in server.ec2("DescribeStoreImageTasks", **{"ImageId.1": image}):
        time.sleep(0.2)
    return f"{image}.bin"


def stream(server, key, gib, runs):
    """GB/s of GET and PUT of a part of a stored image, with curl."""
    lines = server.message("s3", "GET", "/").decode().split("\r\n")
    headers = [part for line in lines if line.startswith(("authorization", "x-amz-date"))
               for part in ("-H", line)]
    rates = {"GET": [], "PUT": []}
    with tempfile.NamedTemporaryFile(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as file:
        curl = ["curl", "--silent", "--fail", "--show-error", *headers]
        subprocess.run([*curl, "--range", f"0-{gib * GIB - 1}", "-o", file.name,
                        f"{server.endpoint}/bench/{key}"], check=True)
        for _ in range(runs):
            for method, options in [
                    ("GET", ["--range", f"0-{gib * GIB - 1}", "-o", "/dev/null", "-w",
                             "%{speed_download}", f"{server.endpoint}/bench/{key}"]),
                    ("PUT", ["-T", file.name, "-H", "Expect:", "-H",
                             "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-w", "%{speed_upload}",
                             f"{server.endpoint}/bench/part"])]:
                done = subprocess.run([*curl, *options], check=True, capture_output=True, text=True)
                rates[method].append(float(done.stdout) / 1e9)
    return {method: statistics.median(values) for method, values in rates.items()}


def fill(server, keys):
    """Puts keys into a bucket, many requests on their way at a time."""
    server.call("s3", "PUT", "/million")
    for start in range(0, keys, BATCH):
        end = min(start + BATCH, keys)
        server.send(b"".join(server.message("s3", "PUT", f"/million/prefix/key-{number:09}", b"x")
                             for number in range(start, end)))
        for _ in range(start, end):
            status, body = server.answer()
            if status != 200:
                raise RuntimeError(f"{status}: {body[:300]}")


@contextlib.contextmanager
def simulator(binary):
    process = subprocess.Popen([binary, "sim", "serve", "--listen", "127.0.0.1:0"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    try:
        endpoint = re.search(r"http://[\d.]+:\d+", process.stderr.readline())[0]
        yield process, endpoint
    finally:
        process.terminate()
        process.wait()


def memory(process):
    """Largest resident size so far, in GiB (Linux)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / (1 << 20)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="amiferry, built with --release")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--gib", type=int, default=2, help="how much is streamed at a time")
    parser.add_argument("--keys", type=int, default=1_000_000)
    options = parser.parse_args()
    missed = []

    def row(what, value, unit, holds):
        if not holds:
            missed.append(what)
        print(f"{what:<40} {value:>10.2f} {unit:<8} {'' if holds else 'goal missed'}", flush=True)

    with simulator(options.binary) as (_, endpoint), moto_server() as (moto_endpoint, _):
        ours, moto = Server("ours", endpoint), Server("moto", moto_endpoint)
        for server in (ours, moto):
            prepare(server)
        for name, one, other, ratio in compare(ours, moto, options.runs):
            row(f"{name}: ours", one, "ms", True)
            row(f"{name}: moto", other, "ms", True)
            row(f"{name}: moto / ours", ratio, "times", ratio >= 5)
    with simulator(options.binary) as (process, endpoint):
        ours = Server("ours", endpoint)
        ours.call("s3", "PUT", "/bench")
        key = stored_image(ours)
        for method, rate in stream(ours, key, options.gib, options.runs).items():
            row(f"{method} of {options.gib} GiB", rate, "GB/s", rate >= 1)
        fill(ours, options.keys)
        size = memory(process)
        row(f"memory: 5,000 GB image, {options.keys:,} keys", size, "GiB", size <= 1)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
