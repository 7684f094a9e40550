"""How a function gets to know of new versions of blobs: by scans alone, or by notifications with a scan now and then."""

from __future__ import annotations

from functools import partial

from ..bindings.blob import BlobStore, NotifyingBlobs
from ..bindings.errors import BindingError, ConfigurationError
from ..bindings.storages import storage_type
from .base import Listener, Resources
from .blob_source import BlobSource
from .descriptor import FunctionDescriptor
from .fields import BlobTriggerFields
from .notifications import NotificationQueue, Receiver, Remove
from .notified import Notified, Sweep
from .poison import poison_queue_name
from .scan import Scanner, scan_interval
from .singleton import ListenerLease

#: Seconds between two scans for what no notification told.
SWEEP_INTERVAL = 3600.0

#: The `scanInterval` that stands for no scans at all.
NO_SCANS = "-1"


class BlobFinding:
    """What the fields of a blob trigger say of it. `resources` are where versions are remembered and queued."""

    def __init__(
        self, function: FunctionDescriptor, fields: BlobTriggerFields, store: BlobStore, resources: Resources
    ) -> None:
        """Raises `ConfigurationError` for fields that do not fit each other or the store."""
        self._function = function
        self._fields = fields
        self._store = store
        self._resources = resources
        #: The store, where it is to send notifications.
        self._notifying = self._checked()
        self._interval = self._chosen_interval()
        self._cost_told = False

    def scans(self, source: BlobSource) -> Listener:
        """What scans, on one of all hosts."""
        resources = self._resources
        told = f"listening (notifications from {self._fields.notificationQueue})"
        if self._notifying and self._interval is None:
            return Sweep(told, None, None)
        scanner = Scanner(source, watch=resources.watch, interval=self._interval, report=resources.report)
        lease = ListenerLease(scanner, f"scan:blob:{self._function.name}", resources)
        return Sweep(told, scanner, lease) if self._notifying else lease

    def notified(self, source: BlobSource, listener: Listener) -> Listener:
        """The function's listener, with notifications for as long as it runs where it is to have them."""
        if self._notifying is None:
            return listener
        return Notified(listener, partial(self._subscribe, source, self._notifying))

    def scanned(self, blobs: int) -> str:
        """The state after a scan that found so many blobs; what it costs, where that is much, is told once."""
        cost = None
        if isinstance(self._store, NotifyingBlobs) and not self._notifying and self._interval:
            cost = self._store.scan_cost(blobs, self._interval)
        if cost is None:
            return "listening"
        if not self._cost_told:
            self._cost_told = True
            self._resources.report(f"{self._function.name} polls {self._fields.path}: {cost}.")
        return f"listening; {cost}"

    def _subscribe(self, source: BlobSource, blobs: NotifyingBlobs) -> tuple[Receiver, Remove]:
        name = self._fields.notificationQueue or ""
        longest = storage_type(self._function.trigger.storage).longest_queue_name
        queue = NotificationQueue(
            name=name,
            store=self._resources.queues(self._fields.connection or ""),
            poison=poison_queue_name(name, None, longest=longest),
            report=self._resources.report,
            clock=self._resources.clock,
        )
        return self._resources.notifications.add(source, blobs, queue)

    def _checked(self) -> NotifyingBlobs | None:
        queue = self._fields.notificationQueue
        if self._fields.source != "notifications":
            if queue:
                message = 'A notificationQueue is read only with "source": "notifications".'
                raise ConfigurationError(message, key="notificationQueue")
            return None
        if not isinstance(self._store, NotifyingBlobs):
            raise ConfigurationError(
                "The storage of this connection sends no notifications; one on AWS does. Leave 'source' out: new "
                "blobs are found all the same.",
                key="source",
            )
        if not queue:
            message = (
                'With "source": "notifications" a \'notificationQueue\' has to say which queue brings them.'
            )
            raise ConfigurationError(message, key="source")
        try:
            self._store.notification_queue(queue)
        except BindingError as error:
            raise ConfigurationError(str(error), key="notificationQueue") from error
        return self._store

    def _chosen_interval(self) -> float | None:
        """Seconds between two scans; None leaves it to the scanner or, with notifications, means none."""
        said = self._fields.scanInterval
        if said is None:
            return SWEEP_INTERVAL if self._notifying else self._store.scan_interval
        if said.strip() != NO_SCANS:
            return scan_interval(said)
        if self._notifying is None:
            raise ConfigurationError(
                "Without scans nothing would be found; only notifications can do without.", key="scanInterval"
            )
        return None
