"""The port that the host would listen on."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

import psutil

from ...runtime import running_hosts
from .check import Check, ok, problem
from .patient import Patient, aside

NAME = "port"


async def check(patient: Patient) -> Iterable[Check]:
    """Free, or held by whom."""
    address, port = patient.configuration.address, patient.configuration.port
    if port == 0:
        return [ok(NAME, "Any free one is taken.")]
    error = await aside(lambda: _trouble(address, port))
    if error is None:
        return [ok(NAME, f"Port {port} at {address} is free.")]
    if error.errno == errno.EADDRINUSE:
        return [await aside(lambda: _taken(patient, port))]
    if error.errno == errno.EACCES:
        text = f"Port {port} may not be listened on by this user."
        return [problem(NAME, text, "Choose one from 1024 on with --port.")]
    text = f"The host cannot listen at {address}: {error.strerror or error}."
    return [problem(NAME, text, "Choose an address of this machine with --address.")]


def _trouble(address: str, port: int) -> OSError | None:
    """Why nothing can listen there; None where it can."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as tried:
            # What a host before has only just left is free, as it is for a start.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(place)
            tried.listen()
    except OSError as error:
        return error
    return None


def _taken(patient: Patient, port: int) -> Check:
    hosts = running_hosts(patient.configuration.store_folder)
    own = [one for one in hosts if one.root == str(patient.root) and urlsplit(one.url).port == port]
    if own:
        return ok(NAME, f"Port {port} is that of this app's host, which runs (process {own[0].pid}).")
    pid = _holder(port)
    by = f" by {_described(pid)}" if pid else ""
    fix = "End that process, or choose another port with --port."
    return problem(NAME, f"Port {port} is in use{by}.", fix)


def _holder(port: int) -> int | None:
    """The process that listens there, where the system tells."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError, RuntimeError):
        return None  # also where processes end while they are looked at
    holders = (
        each.pid
        for each in connections
        if each.laddr and each.laddr.port == port and each.status == psutil.CONN_LISTEN
    )
    return next((pid for pid in holders if pid), None)


def _described(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        command = process.cmdline()
        is_host = "start" in command and any("funchost" in part for part in command[:4])
        what = f"another funchost, started in {process.cwd()}" if is_host else process.name()
    except psutil.Error:
        return f"process {pid}"
    return f"{what} (process {pid})"
