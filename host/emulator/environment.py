"""The environment in which AWS clients find the emulator, and nobody's account."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

#: The region of whoever names none.
REGION = "us-east-1"

#: What would lead elsewhere: other credentials, and endpoints of single services.
_ELSEWHERE = frozenset(
    {
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_USE_FIPS_ENDPOINT",
    }
)
_ENDPOINTS = "AWS_ENDPOINT_URL"
_PROXIES = ("NO_PROXY", "no_proxy")


def made_up(url: str, region: str = REGION) -> dict[str, str]:
    """What to export so that any client leads to the emulator; it takes every credential."""
    return {
        _ENDPOINTS: url,
        "AWS_ACCESS_KEY_ID": "emulator",
        "AWS_SECRET_ACCESS_KEY": "emulator",
        "AWS_DEFAULT_REGION": region,
    }


def command_line(url: str) -> str:
    """A first command for the AWS command line, which wants credentials although any do."""
    return (
        f"AWS_ACCESS_KEY_ID=emulator AWS_SECRET_ACCESS_KEY=emulator "
        f"aws --endpoint-url {url} --region {REGION} sqs list-queues"
    )


def emulated_environment(environ: Mapping[str, str], url: str) -> dict[str, str]:
    """The environment with every AWS client in it led to the emulator at `url`, whatever it said before."""
    kept = {name: text for name, text in environ.items() if not _leads_elsewhere(name)}
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or REGION
    return {
        **kept,
        **made_up(url, region),
        "AWS_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        # An AWS configuration file may say otherwise.
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        **_without_proxy(environ, url),
    }


def _leads_elsewhere(name: str) -> bool:
    return name.upper() in _ELSEWHERE or name.upper().startswith(_ENDPOINTS)


def _without_proxy(environ: Mapping[str, str], url: str) -> dict[str, str]:
    """A proxy is not for what is on this machine. Of two spellings programs read one, so both are told."""
    if not any(name.lower().endswith("_proxy") for name in environ):
        return {}
    host = urlsplit(url).hostname or ""
    return {name: ",".join(filter(None, (environ.get(name), host))) for name in _PROXIES}
