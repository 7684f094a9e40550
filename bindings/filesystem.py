"""What kind of file system a path is on: network mounts have neither dependable locks nor change events."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: File systems that live on another machine, by the names that mount tables give them.
NETWORK_TYPES = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "ncpfs",
        "afs",
        "afpfs",
        "9p",
        "ceph",
        "glusterfs",
    }
    | {"lustre", "beegfs", "davfs", "webdav", "ocfs2", "gfs2", "fuse.sshfs", "fuse.s3fs", "fuse.glusterfs"}
    | {"fuse.rclone", "fuse.ceph", "fuse.davfs2", "fuse.gcsfuse", "fuse.blobfuse", "fuse.blobfuse2"}
)


def network_type(path: Path) -> str | None:
    """The name of the network file system that holds `path`, or None when it is local or cannot be told."""
    kind = mount_type(path)
    return kind if kind in NETWORK_TYPES else None


def mount_type(path: Path) -> str | None:
    """The file system type of the mount that holds `path` (which need not exist yet), where it can be told."""
    best: tuple[int, str] | None = None
    target = str(path.resolve())
    for folder, kind in _mounts():
        holds = target == folder or target.startswith(folder.rstrip("/") + "/")
        # The last mount on the deepest folder is the one that is seen.
        if holds and (best is None or len(folder) >= best[0]):
            best = (len(folder), kind)
    return best[1] if best else None


def _mounts() -> list[tuple[str, str]]:
    if sys.platform == "linux":
        return _linux_mounts()
    if sys.platform == "darwin":
        return _darwin_mounts()
    return []


def _linux_mounts() -> list[tuple[str, str]]:
    try:
        lines = Path("/proc/self/mounts").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
    mounts = []
    for line in lines:
        _, folder, kind, *_ = line.split(" ")
        mounts.append((folder.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"), kind))
    return mounts


def _darwin_mounts() -> list[tuple[str, str]]:
    # Lines such as: //user@server/share on /Volumes/share (smbfs, nodev, nosuid)
    try:
        shown = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    mounts = []
    for line in shown.splitlines():
        _, _, rest = line.partition(" on ")
        folder, _, options = rest.rpartition(" (")
        mounts.append((folder, options.split(",")[0].rstrip(")")))
    return mounts
