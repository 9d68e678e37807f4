"""Places (an account and a Region), the clients of each, and which endpoints they may talk to."""

import ipaddress
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .faults import Misuse

# Where AWS answers in the partitions that are open to the public, with FIPS and dual-stack endpoints.
AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu",
               ".api.aws", ".api.amazonwebservices.com.cn", ".api.amazonwebservices.eu")
# Retries of calls that may be repeated. Store and restore have no client token: never repeated.
ATTEMPTS = 5
NEVER_REPEATED = "tasks"


@dataclass(frozen=True)
class Place:
    """An account's half of a Region. `role` is "source" or "vault": which credentials it needs."""

    role: str
    account: str
    region: str

    def __str__(self):
        return f"{self.account}/{self.region}"


class Clock:
    """Time as the questions see it; tests put simulated time in its place."""

    def now(self):
        """Seconds from any start; only differences count."""
        return time.monotonic()

    def sleep(self, seconds):
        time.sleep(seconds)


def is_loopback(url):
    """Whether a URL can reach this machine only."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_endpoint(url, override):
    """Refuses an endpoint that is neither AWS's own nor the loopback address that was asked for."""
    parts = urlsplit(url)
    if override is not None and is_loopback(url):
        return
    if override is None and parts.scheme == "https" and (parts.hostname or "").endswith(AWS_DOMAINS):
        return
    raise Misuse(
        f"calls would go to {url}: only AWS's own endpoints, or a loopback address given with "
        "--endpoint-url, are allowed; remove the endpoint from the environment and the profile"
    )


def refuse_configured(core, role):
    """Refuses a profile that names an endpoint: what it is for would not be what is called."""
    profile = core.get_scoped_config()
    services = core.full_config.get("services", {}).get(profile.get("services"), {})
    named = [one for one in (profile, *services.values()) if isinstance(one, dict) and "endpoint_url" in one]
    if named:
        raise Misuse(f"--{role}-profile names the endpoint {named[0]['endpoint_url']}: remove it from the "
                     "profile, and use --endpoint-url for a simulated AWS")


class Aws:
    """The clients of both accounts."""

    def __init__(self, profiles, override=None):
        if override is not None and not is_loopback(override):
            raise Misuse(f"--endpoint-url {override} is not a loopback address: use 127.0.0.1")
        self.override = override
        self._profiles = profiles
        self._sessions = {}
        self._clients = {}
        self.on_client = []

    def session(self, role):
        """The session of "source" or "vault"."""
        if role not in self._sessions:
            try:
                core = botocore.session.Session(profile=self._profiles[role])
                # For the clients too that read credentials, which the caller never sees.
                core.set_config_variable("ignore_configured_endpoint_urls", True)
                if self.override is None:
                    refuse_configured(core, role)
                self._sessions[role] = boto3.session.Session(botocore_session=core)
            except BotoCoreError as error:
                raise Misuse(f"--{role}-profile: {error}") from error
        return self._sessions[role]

    def client(self, service, role, region, credentials=None):
        """A client; "tasks" is EC2 without any retry. `credentials` as AssumeRole gives them."""
        key = (service, role, region, credentials and credentials["AccessKeyId"])
        if key in self._clients:
            return self._clients[key]
        once = service == NEVER_REPEATED or self.override is not None
        keys = {}
        if credentials:
            keys = {
                "aws_access_key_id": credentials["AccessKeyId"],
                "aws_secret_access_key": credentials["SecretAccessKey"],
                "aws_session_token": credentials["SessionToken"],
            }
        client = self.session(role).client(
            "ec2" if service == NEVER_REPEATED else service,
            region_name=region,
            endpoint_url=self.override,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": 1 if once else ATTEMPTS},
                s3={"addressing_style": "path"} if self.override else None,
                user_agent_extra="amiferry-conformance",
            ),
            **keys,
        )
        check_endpoint(client.meta.endpoint_url, self.override)
        for register in self.on_client:
            register(client)
        self._clients[key] = client
        return client

    def at(self, service, place):
        """The client of a service in a place."""
        return self.client(service, place.role, place.region)

    def caller(self, role, region):
        """Account and ARN of whoever the credentials belong to."""
        try:
            identity = self.client("sts", role, region).get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            raise Misuse(f"the credentials of the {role} account do not work: {error}",
                         status=11) from error
        return identity["Account"], identity["Arn"]
