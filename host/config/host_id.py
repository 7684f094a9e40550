"""The id by which an app's hosts are known, the same from one start to the next (functions-semantics 3.5)."""

from __future__ import annotations

import platform
from pathlib import Path

from .settings import AppSettings

#: Characters of an id, as storage names allow.
_LONGEST = 32


def host_id(settings: AppSettings, root: Path, machine: str | None = None) -> str:
    """The id that the settings give, else one made of the site's name in App Service, else of machine and root."""
    given = settings.get("AzureFunctionsWebHost__hostid")
    if given:
        return given
    site = settings.get("WEBSITE_SITE_NAME")
    if site and settings.get("WEBSITE_INSTANCE_ID"):
        slot = settings.get("WEBSITE_SLOT_NAME") or "production"
        return _legal(site if slot.lower() == "production" else f"{site}-{slot}")
    name = "".join(char for char in machine or platform.node() if char.isalnum())
    return _legal(f"{name}-{abs(_stable_hash(str(root)))}")


def shared_name(settings: AppSettings) -> str:
    """What tells the hosts of this app from those of others in a storage that they share; empty when nothing was said.

    Not `host_id`, in which the machine has a part: hosts of one app are on several.
    """
    return _legal(settings.get("AzureFunctionsWebHost__hostid") or "")


def _legal(name: str) -> str:
    return name[:_LONGEST].lower().rstrip("-")


def _stable_hash(text: str) -> int:
    """A hash of 32 bits with sign that does not change from process to process."""
    value = 23
    for char in text:
        value = (value * 31 + ord(char)) & 0xFFFF_FFFF
    return value - (1 << 32) if value & 0x8000_0000 else value
