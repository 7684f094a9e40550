"""The one family of errors that funchost raises on purpose; each message is written for a person."""

from __future__ import annotations

from pathlib import Path


class FunchostError(Exception):
    """Something that funchost itself found wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class ConfigurationError(FunchostError):
    """A setting, a host.json or a function.json cannot be used as it stands."""

    def __init__(
        self, message: str, *, file: str | None = None, key: str | None = None, fix: str | None = None
    ) -> None:
        super().__init__(message)
        self.file = file
        self.key = key
        #: What to do about it, where the message does not say.
        self.fix = fix


class StoreError(FunchostError):
    """The store cannot be used now."""


class StoreInUseError(StoreError):
    """Another process keeps the embedded store locked."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        #: The file that is locked.
        self.path = path


class QueueMissing(FunchostError):
    """The queue does not exist (yet)."""


class AccessDenied(FunchostError):
    """The service does not let this host do that."""


class MessageTooLarge(FunchostError):
    """The message is larger than a queue takes."""


class ReceiptLost(FunchostError):
    """The message was handed to someone else meanwhile; this delivery no longer counts."""


class BindingError(FunchostError):
    """A value could not be brought to, or taken from, a binding."""


class NotFound(FunchostError):
    """There is no such thing."""


class HostUnreachable(FunchostError):
    """The host does not answer."""
