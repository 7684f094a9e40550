"""The settings of a connection to AWS: ``<Name>__provider=aws`` and what stands beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from ...bindings.aws.settings import AwsSettings
from ...bindings.errors import ConfigurationError
from .vocabulary import nearest

_KEYS = ("provider", "region", "endpointUrl", "profile", "bucket", "queuePrefix", "createQueues")
_SECRETS = frozenset({"accesskeyid", "secretaccesskey", "sessiontoken", "accountkey"})
_QUEUE_PREFIX = re.compile(r"[A-Za-z0-9_-]{0,40}", re.ASCII)


class AwsProblem(ConfigurationError):
    """A setting of the connection cannot be used."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


def aws_settings(setting: str, parts: Mapping[str, str]) -> AwsSettings:
    """What the parts say, whose keys are in lower case. Raises `AwsProblem` for one that is wrong or unknown."""
    known = {key.lower(): parts.get(key.lower(), "").strip() for key in _KEYS}
    _check_keys(setting, parts.keys() - known.keys())
    return AwsSettings(
        name=setting.removeprefix("ConnectionStrings:"),
        region=known["region"] or None,
        endpoint_url=_endpoint(setting, known["endpointurl"]),
        profile=known["profile"] or None,
        bucket=known["bucket"] or None,
        queue_prefix=_prefix(setting, known["queueprefix"]),
        create_queues=known["createqueues"].lower() in ("1", "true"),
    )


def _check_keys(setting: str, unknown: set[str]) -> None:
    for key in sorted(unknown):
        if key in _SECRETS:
            raise AwsProblem(
                f"The setting '{setting}__{key}' holds a secret that is never read from there.",
                "Leave credentials where boto3 finds them: the environment, a profile, or a role.",
            )
        near = nearest(key, _KEYS)
        raise AwsProblem(
            f"The setting '{setting}__{key}' is not one of a connection to AWS.",
            f"Did you mean {setting}__{near}?" if near else f"There are: {', '.join(_KEYS)}.",
        )


def _endpoint(setting: str, text: str) -> str | None:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise AwsProblem(
            f"The setting '{setting}__endpointUrl' is not a URL: '{text}'.",
            "Write it like http://127.0.0.1:5000.",
        )
    return text or None


def _prefix(setting: str, text: str) -> str:
    if not _QUEUE_PREFIX.fullmatch(text):
        raise AwsProblem(
            f"The setting '{setting}__queuePrefix' cannot begin the name of a queue: '{text}'.",
            "Use at most 40 letters, digits, hyphens and underscores, such as dev-.",
        )
    return text
