"""host.json, local.settings.json and what else a start tells of the app as a whole."""

from __future__ import annotations

from collections.abc import Iterable

from ...app.discovery import DEFAULT_SCRIPT
from ...config.host_json import HOST_JSON
from ...config.local_settings import LOCAL_SETTINGS
from .check import Check, ok, told, warning
from .patient import Patient

NAME = "configuration"


async def check(patient: Patient) -> Iterable[Check]:
    """What `start` would say of the files of the app."""
    found = [told(NAME, problem) for problem in patient.configuration.settings.problems]
    if not any((patient.root / name).exists() for name in (HOST_JSON, DEFAULT_SCRIPT)):
        text = f"{patient.root} has no {HOST_JSON}, as apps have."
        found.append(
            warning(NAME, text, "Name the app's folder with --root, or make this one an app: funchost init.")
        )
    if found:
        return found
    there = [name for name in (HOST_JSON, LOCAL_SETTINGS) if (patient.root / name).exists()]
    return [ok(NAME, f"{' and '.join(there)} can be read." if there else "There are no settings files.")]
