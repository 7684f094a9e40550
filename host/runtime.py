"""Where running hosts can be found: `.funchost/runtime.json`, for the command line and other tools.

The file names the host that started last; each host also keeps a file of its own beside its lock, so that the
name passes on when that host ends.
"""

from __future__ import annotations

import contextlib
import os
from itertools import filterfalse
from pathlib import Path

import msgspec

from ..bindings.private_files import private_opener

#: The store is beside the app, unless `--store` says otherwise.
STORE_FOLDER = ".funchost"

RUNTIME_FILE = "runtime.json"


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """A running host."""

    pid: int
    url: str
    version: str
    root: str
    #: The names of the functions it serves.
    functions: list[str]
    started: str
    #: The URL of the emulator that its connections lead to.
    emulator: str | None = None


class RuntimeFile:
    """This host's entry, written when it serves and removed when it ends."""

    def __init__(self, store: Path, owner: str) -> None:
        self._store = store
        self._own = store / "hosts" / f"{owner}.json"

    def write(self, runtime: Runtime) -> None:
        """Tell where this host is, and forget those that ended without a word. Raises `OSError`."""
        for path in [*filterfalse(_is_alive, _entries(self._store)), *_drafts_of_the_dead(self._store)]:
            _unlink(path)
        _write(self._own, runtime)
        _write(self._store / RUNTIME_FILE, runtime)

    def remove(self) -> None:
        """Tell of another host that still runs, or of none. Never raises: a host ends without it too."""
        _unlink(self._own)
        others = running_hosts(self._store)
        current = self._store / RUNTIME_FILE
        if not others:
            _unlink(current)
            return
        with contextlib.suppress(OSError):
            _write(current, others[-1])


def running_hosts(store: Path) -> list[Runtime]:
    """All hosts on the store whose process exists, the one that started last at the end."""
    found = [runtime for path in _entries(store) if _is_alive(path) and (runtime := _read(path))]
    return sorted(found, key=lambda runtime: runtime.started)


def runtime_of(store: Path, owner: str) -> Runtime | None:
    """What the host with this mark has told of itself; None where it serves nothing."""
    return _read(store / "hosts" / f"{owner}.json")


def _entries(store: Path) -> list[Path]:
    return list((store / "hosts").glob("*.json"))


def _is_alive(path: Path) -> bool:
    # The lock beside it goes with its host, so that the process id of a dead one may safely be used again.
    runtime = _read(path)
    return runtime is not None and path.with_suffix(".lock").exists() and process_exists(runtime.pid)


def _read(path: Path) -> Runtime | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Runtime)
    except (OSError, msgspec.MsgspecError):
        return None


def _write(path: Path, runtime: Runtime) -> None:
    # Readers see the old file or the new one, never half of it.
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb", opener=private_opener) as file:
            file.write(msgspec.json.format(msgspec.json.encode(runtime)) + b"\n")
        temporary.replace(path)
    except OSError:
        _unlink(temporary)
        raise


def _drafts_of_the_dead(store: Path) -> list[Path]:
    """What hosts left that were killed in the middle of `_write`."""
    drafts = [*store.glob(f".{RUNTIME_FILE}.*"), *(store / "hosts").glob(".*.json.*")]
    return [path for path in drafts if path.suffix[1:].isdigit() and not process_exists(int(path.suffix[1:]))]


def process_exists(pid: int) -> bool:
    """Whether a process of this machine has that id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
