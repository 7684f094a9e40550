"""The disk that the store of the soak is on, and how it is filled.

Best is a small file system of its own. That takes no root where users may have namespaces of their own (`unshare`, on
most Linux systems); elsewhere the errors that a full disk leads to are injected.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from faults.injection import Faults

#: Set in the process that stands in a namespace of its own, where it may mount a disk.
_MOUNTABLE = "FUNCHOST_SOAK_MAY_MOUNT"

#: Seconds after there is room again in which a host may still end for want of it.
_AFTERMATH = 2.0


class Disk:
    """The disk that the store is on. This one never fills."""

    told = "the store's disk is not filled"

    @property
    def is_full(self) -> bool:
        """Whether it is now, or was a moment ago."""
        return False

    def fill(self) -> None:
        """Leave no room."""

    def empty(self) -> None:
        """Make room again."""


class SmallDisk(Disk):
    """A file system of its own in memory, which a file without content fills."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
        self.told = f"the store is on a file system of {megabytes} MiB, which is filled to the last page"
        self._folder = folder
        self._ballast = folder / "ballast"
        self._emptied = -60.0

    @property
    def is_full(self) -> bool:
        return self._ballast.exists() or time.monotonic() < self._emptied + _AFTERMATH

    def fill(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        with self._ballast.open("wb") as file:
            # Others write meanwhile: what is left is taken in ever smaller parts.
            while (free := os.statvfs(self._folder).f_bavail) > 0:
                with contextlib.suppress(OSError):
                    os.posix_fallocate(
                        file.fileno(), os.fstat(file.fileno()).st_size, max(1, free // 2) * page
                    )

    def empty(self) -> None:
        self._ballast.unlink(missing_ok=True)
        self._emptied = time.monotonic()


class FailingStore(Disk):
    """The errors that a full disk leads to, out of the store's own methods."""

    told = "full disks are errors of the store's methods, injected"

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._emptied = -60.0
        self._is_full = False

    @property
    def is_full(self) -> bool:
        return self._is_full or time.monotonic() < self._emptied + _AFTERMATH

    def fill(self) -> None:
        self._is_full = True
        for method in ("send", "receive", "complete", "release", "poison", "renew"):
            self._faults.on(f"queues.{method}", "error")
        for method in ("state.record", "state.change", "state.put", "leases.acquire", "leases.renew"):
            self._faults.on(method, "error")

    def empty(self) -> None:
        self._is_full, self._emptied = False, time.monotonic()
        self._faults.off()


def move_to_where_mounting_is_allowed() -> None:
    """Begin anew in a namespace of our own, where a user who is not root may mount a disk; or return, if there is
    no such thing here."""
    if _MOUNTABLE in os.environ:
        return
    probe = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    with contextlib.suppress(FileNotFoundError):
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            os.environ[_MOUNTABLE] = "1"
            sys.stdout.flush()
            os.execvp("unshare", ["unshare", "-rm", sys.executable, *sys.argv])


def may_mount() -> bool:
    """Whether this process stands where it may mount a disk."""
    return _MOUNTABLE in os.environ
