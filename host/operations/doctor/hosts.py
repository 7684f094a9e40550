"""The hosts that run on the store, and whether they answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from urllib.parse import urlsplit

from ...runtime import Runtime, running_hosts
from .check import Check, ok, problem, warning
from .patient import Patient, aside

NAME = "hosts"

#: Seconds in which a host that is well answers.
_LIMIT = 3.0


async def check(patient: Patient) -> Iterable[Check]:
    """Each host that the store names."""
    found = running_hosts(patient.configuration.store_folder)
    if not found:
        return [ok(NAME, "None runs on this store.")]
    return await asyncio.gather(*(_host(patient, one) for one in found))


async def _host(patient: Patient, runtime: Runtime) -> Check:
    shown = f"The host at {runtime.url} (process {runtime.pid})"
    reason = await aside(lambda: _silence(runtime.url))
    if reason:
        fix = "If that process hangs, end it; if it is no host, remove the .json files in the store's folder 'hosts'."
        return problem(NAME, f"{shown} does not answer: {reason}.", fix)
    if runtime.version != version("funchost"):
        text = f"{shown} answers, and is of version {runtime.version}, not {version('funchost')}."
        return warning(NAME, text, "Start it again, so that it and the commands are of one version.")
    app = "" if runtime.root == str(patient.root) else f" It serves another app, {runtime.root}."
    return ok(NAME, f"{shown} answers.{app}")


def _silence(url: str) -> str | None:
    """Why there is no answer; None when there is one, whatever it says."""
    try:
        place = urlsplit(url)
        with closing(HTTPConnection(place.hostname or "", place.port, timeout=_LIMIT)) as connection:
            connection.request("GET", "/admin/host/ping")
            connection.getresponse().read()
    except TimeoutError:
        return f"nothing came within {_LIMIT:g} s"
    except (OSError, HTTPException, ValueError) as error:
        return str(getattr(error, "strerror", None) or error or type(error).__name__)
    return None
