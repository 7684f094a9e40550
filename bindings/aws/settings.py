"""What a connection to AWS says: where it leads, and nothing secret."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..storage import ConnectionSettings

_KEYS = (
    "region",
    "endpointUrl",
    "profile",
    "bucket",
    "bucketPrefix",
    "createBuckets",
    "queuePrefix",
    "createQueues",
    "emulated",
)
#: Names that lead to this machine or network.
_NEAR = (".localhost", ".local", ".internal", ".test", ".localstack.cloud")
_SECRETS = frozenset({"accesskeyid", "secretaccesskey", "sessiontoken", "accountkey"})
_QUEUE_PREFIX = re.compile(r"[A-Za-z0-9_-]{0,40}", re.ASCII)
_BUCKET_PREFIX = re.compile(r"([a-z0-9][a-z0-9-]{0,39})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSettings:
    """One connection. Credentials are never among its settings: boto3 finds them by its own chain."""

    #: What the names of its settings begin with, for messages.
    name: str
    #: None leaves it to the environment and to the AWS configuration files.
    region: str | None = None
    #: Of an emulator, or of another service that speaks the protocol; None is AWS itself.
    endpoint_url: str | None = None
    #: A profile of the AWS configuration files.
    profile: str | None = None
    #: The bucket for what the hosts themselves keep.
    bucket: str | None = None
    #: Stands before every container's name: buckets share their names with all the world.
    bucket_prefix: str = ""
    #: Whether the bucket of a blob that is written is made when it is missing.
    create_buckets: bool = False
    #: Stands before every queue's name.
    queue_prefix: str = ""
    #: Whether a queue that a message is sent to is made when it is missing.
    create_queues: bool = False
    #: Whether it leads to an emulator, which is shown made-up credentials and never real ones.
    emulated: bool = False

    @property
    def place(self) -> str:
        """Where it leads, for people."""
        return self.endpoint_url or (f"AWS in {self.region}" if self.region else "AWS")

    @property
    def named(self) -> str:
        """The connection and where it leads, to begin a sentence with."""
        return f"The connection '{self.name}' ({self.place})"

    @property
    def is_cloud(self) -> bool:
        """Whether that is AWS, or another service on the internet: no emulator on this machine or beside it."""
        host = urlsplit(self.endpoint_url or "").hostname or ""
        return not self.emulated and (not self.endpoint_url or not _is_near(host))


def aws_settings(
    connection: ConnectionSettings, environment: Mapping[str, str] = MappingProxyType(os.environ)
) -> AwsSettings:
    """What the settings say, and the `environment` where they do not. Raises `ConfigurationError` for a setting that
    is wrong or unknown."""
    values, setting = connection.values, connection.setting
    known = {key.lower(): values.get(key.lower(), "").strip() for key in _KEYS}
    _check_keys(setting, values.keys() - known.keys())
    return AwsSettings(
        name=connection.setting,
        # As boto3 would do it, but known before it is there.
        region=known["region"] or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
        endpoint_url=_endpoint(setting, known["endpointurl"] or _usual_endpoint(environment)),
        profile=known["profile"] or None,
        bucket=known["bucket"] or None,
        bucket_prefix=_prefix(setting, "bucketPrefix", known["bucketprefix"], _BUCKET_PREFIX),
        create_buckets=_is_on(known["createbuckets"]),
        queue_prefix=_prefix(setting, "queuePrefix", known["queueprefix"], _QUEUE_PREFIX),
        create_queues=_is_on(known["createqueues"]),
        emulated=_is_on(known["emulated"]),
    )


def _check_keys(setting: str, unknown: Iterable[str]) -> None:
    for key in sorted(unknown):
        if key in _SECRETS:
            raise ConfigurationError(
                f"The setting '{setting}__{key}' holds a secret that is never read from there.",
                fix="Leave credentials where boto3 finds them: the environment, a profile, or a role.",
            )
        near = difflib.get_close_matches(key, [each.lower() for each in _KEYS], 1, 0.7)
        spelled = next((each for each in _KEYS if each.lower() in near), None)
        raise ConfigurationError(
            f"The setting '{setting}__{key}' is not one of a connection to AWS.",
            fix=f"Did you mean {setting}__{spelled}?" if spelled else f"There are: {', '.join(_KEYS)}.",
        )


def _endpoint(setting: str, text: str) -> str | None:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise ConfigurationError(
            f"The setting '{setting}__endpointUrl' is not a URL: '{text}'.",
            fix="Write it like http://127.0.0.1:4566.",
        )
    return text or None


def _usual_endpoint(environment: Mapping[str, str]) -> str:
    """What the environment says of all services; where it says more than that, it is left to boto3."""
    names = [name for name in environment if name.startswith("AWS_ENDPOINT_URL")]
    ignored = environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
    return environment["AWS_ENDPOINT_URL"] if names == ["AWS_ENDPOINT_URL"] and not ignored else ""


def _is_near(host: str) -> bool:
    """Whether a host is on this machine, or on a network that is not the internet's."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(_NEAR)


def _prefix(setting: str, key: str, text: str, rule: re.Pattern[str]) -> str:
    if not rule.fullmatch(text):
        what, hint = ("queue", "letters, digits, hyphens and underscores")
        if key == "bucketPrefix":
            what, hint = ("bucket", "lower-case letters, digits and hyphens")
        raise ConfigurationError(
            f"The setting '{setting}__{key}' cannot begin the name of a {what}: '{text}'.",
            fix=f"Use at most 40 {hint}, such as dev-.",
        )
    return text


def _is_on(text: str) -> bool:
    return text.lower() in ("1", "true")
