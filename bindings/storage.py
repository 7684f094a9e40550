"""What a connection leads to: the base of every storage that is not the embedded one.

A package brings another storage with a subclass of `Storage`, named as an entry point of the group
``funchost.storage``. The entry point's name is what ``<Name>__provider`` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from .blob import BlobStore
from .clock import Clock
from .errors import ConfigurationError
from .lease import LeaseStore
from .names import queue_name
from .queue import QueueStore
from .state import StateStore
from .table import TableStore

#: What functions may ask a connection for.
QUEUES, BLOBS, TABLES = "queues", "blobs", "tables"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """The settings of one connection: ``<setting>__<key>`` for each of its `values`."""

    #: The name that function.json gives it.
    name: str
    #: What the names of its settings begin with.
    setting: str
    #: By key in lower case, without surrounding blanks and without ``provider``. May hold secrets.
    values: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __hash__(self) -> int:
        return hash((self.name, self.setting, frozenset(self.values.items())))


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """Where the hosts of one app keep what they share."""

    leases: LeaseStore
    state: StateStore
    #: The internal queues of blob triggers, which `state` sends to.
    queues: QueueStore


class Storage:
    """One connection's storage. A subclass overrides what it `provides`."""

    #: What functions can ask it for.
    provides: ClassVar[frozenset[str]] = frozenset()

    #: The longest name that a queue has there.
    longest_queue_name: ClassVar[int] = 63

    def __init__(self, settings: ConnectionSettings, clock: Clock) -> None:
        """Check the settings; nothing is opened or called yet, since a configuration is checked offline too.

        Raises `ConfigurationError`, with what to do as its `fix`.
        """
        self.settings = settings
        self.clock = clock

    @classmethod
    def queue_name(cls, text: str) -> str:
        """The name as it counts. Raises `BindingError` when no queue can be called so."""
        return queue_name(text)

    @property
    def place(self) -> str:
        """Where it is, for people, such as ``AWS in eu-west-1``."""
        return self.settings.setting

    @property
    def is_cloud(self) -> bool:
        """Whether work is taken from a service that others use too, which a developer is to be told."""
        return True

    @property
    def why_no_host_state(self) -> str | None:
        """Why hosts cannot keep here what they share, and what to do; None when they can."""
        return "Set it to UseDevelopmentStorage=true, or to a storage that can keep them."

    def queues(self) -> QueueStore:
        """Its queues, the same object each time."""
        raise self._refusal(QUEUES)

    def blobs(self) -> BlobStore:
        """Its blobs, the same object each time."""
        raise self._refusal(BLOBS)

    def tables(self) -> TableStore:
        """Its tables, the same object each time; entities are written through `queues`."""
        raise self._refusal(TABLES)

    def host_state(self, app: str) -> HostState:
        """Where hosts keep what they share; `app` tells the hosts of one app from those of another.

        Asked once, and only where `why_no_host_state` is None. Nothing is called yet.
        """
        raise self._refusal("place for what hosts share")

    async def check_host_state(self) -> None:
        """Make what `host_state` needs and is missing, and see whether it can be used.

        Raises `StoreError` or `AccessDenied`; it is then asked again later.
        """

    async def close(self) -> None:
        """Close what is open."""

    def _refusal(self, what: str) -> ConfigurationError:
        message = f"The connection '{self.settings.name}' leads to {self.place}, which has no {what}."
        return ConfigurationError(message, key="connection")
