"""What a connection with ``provider=spool`` leads to: a folder that several machines may share."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from funchost.bindings.clock import Clock
from funchost.bindings.errors import ConfigurationError
from funchost.bindings.folder_blobs import FolderBlobs
from funchost.bindings.storage import BLOBS, QUEUES, ConnectionSettings, Storage

from .queues import SpoolQueues

#: Seconds that a received message is hidden for, unless the setting `lease` says otherwise.
LEASE = 30.0


class SpoolStorage(Storage):
    """Queues and blobs below the folder that the setting `path` names."""

    provides = frozenset({QUEUES, BLOBS})

    def __init__(self, settings: ConnectionSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        unknown = sorted(settings.values.keys() - {"path", "lease"})
        if unknown:
            raise ConfigurationError(
                f"The setting {settings.setting}__{unknown[0]} is none of a spool.",
                fix="It has path and lease.",
            )
        self.folder = _folder(settings)
        self._queues = SpoolQueues(self.folder, clock, lease=_lease(settings))
        self._blobs = FolderBlobs(self.folder)

    @property
    def place(self) -> str:
        return f"the folder {self.folder}"

    def queues(self) -> SpoolQueues:
        return self._queues

    def blobs(self) -> FolderBlobs:
        return self._blobs


def _folder(settings: ConnectionSettings) -> Path:
    folder = Path(settings.values.get("path", ""))
    if not folder.is_absolute():
        raise ConfigurationError(
            f"The connection '{settings.name}' does not say where its folder is.",
            fix=f"Set {settings.setting}__path to the whole path, such as /srv/share.",
        )
    return folder


def _lease(settings: ConnectionSettings) -> timedelta:
    text = settings.values.get("lease", str(LEASE))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 3600:
        raise ConfigurationError(
            f"'{text}' is no time for which a message can be hidden.",
            fix=f"Set {settings.setting}__lease to seconds, from 1 to 3600.",
        )
    return timedelta(seconds=seconds)
