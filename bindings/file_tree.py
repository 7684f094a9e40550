"""Files in a folder: which there are, and which version of each.

Links: a link to a file counts as that file while it stays inside the folder; a link that leads out, and any link
to a folder (which could go round in circles), is passed over.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, MutableSequence
from pathlib import Path


def version_of(status: os.stat_result) -> str:
    """What tells one version of a file from another: time of change, size and inode."""
    return f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"


def is_inside(folder: str, path: str) -> bool:
    """Whether `path`, with all links followed, is below `folder`."""
    return os.path.realpath(path).startswith(os.path.realpath(folder).rstrip(os.sep) + os.sep)


def file_status(root: str, path: str) -> os.stat_result | None:
    """The status of the regular file at `path`, or None when there is none that counts. Raises no `OSError`."""
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode) and is_inside(root, path):
            status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def is_gone(path: str) -> bool:
    """Whether there is surely nothing at `path`: what cannot be told (a network that is down) is not gone."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def files_below(
    root: str,
    *,
    start: str = "",
    descend: Callable[[str], bool] = lambda folder: True,
    unreadable: MutableSequence[str] | None = None,
) -> Iterator[tuple[str, os.stat_result]]:
    """Path relative to `root` (with slashes) and status of each regular file, in no order.

    `start` is the folder below `root` to begin with, and `descend` says which folders to enter; both are
    written with a slash at the end. Folders that cannot be read are added to `unreadable` and passed over; the
    first of them is an `OSError` when nobody asked for them. What disappears meanwhile is left out.
    """
    pending = [start]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(Path(root, folder)) as entries:
                for entry in entries:
                    relative = folder + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if descend(relative + "/"):
                            pending.append(relative + "/")
                    elif status := file_status(root, entry.path):
                        yield relative, status
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            if unreadable is None:
                raise
            unreadable.append(folder)
