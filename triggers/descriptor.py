"""What is known of one function once its folder has been read and checked: frozen records."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any


class SingletonMode(enum.StrEnum):
    """What a singleton guards."""

    FUNCTION = "function"
    LISTENER = "listener"


class RetryStrategy(enum.StrEnum):
    """How the delay between attempts grows."""

    FIXED_DELAY = "fixedDelay"
    EXPONENTIAL_BACKOFF = "exponentialBackoff"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Attempts inside one delivery (functions-semantics, section 9)."""

    strategy: RetryStrategy
    #: Attempts after the first; -1 means for ever.
    max_retry_count: int
    delay_interval: timedelta = timedelta(0)
    minimum_interval: timedelta = timedelta(0)
    maximum_interval: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SingletonPolicy:
    """One run at a time, on all hosts of a store together."""

    mode: SingletonMode = SingletonMode.FUNCTION
    #: A binding expression such as ``{customerId}``: one lock for each value it takes.
    scope: str | None = None
    #: None waits for ever.
    acquisition_timeout: timedelta | None = None
    acquisition_interval: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePolicy:
    """How a queue is read for one function (functions-semantics, section 5)."""

    #: Messages fetched by one poll, 1 to 32.
    batch_size: int = 16
    #: Poll again once no more than this many are running.
    new_batch_threshold: int = 8
    #: Deliveries before a message goes to the poison queue.
    max_dequeue_count: int = 5
    #: How long a failed message stays invisible before it is delivered again.
    visibility_timeout: timedelta = timedelta(0)
    #: The longest wait between two polls of an empty queue.
    max_polling_interval: timedelta = timedelta(minutes=1)
    #: None means ``<queue>-poison``.
    poison_queue: str | None = None


class HistoryMode(enum.StrEnum):
    """Which runs are kept in the history."""

    ALL = "all"
    #: All but those that succeeded.
    FAILURES = "failures"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything that function.json and host.json say about how a function is run."""

    retry: RetryPolicy | None = None
    singleton: SingletonPolicy | None = None
    #: None means no limit.
    timeout: timedelta | None = timedelta(minutes=30)
    #: Runs at a time on one host; None means as many as its trigger brings.
    concurrency: int | None = None
    history: HistoryMode = HistoryMode.ALL
    queue: QueuePolicy = QueuePolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One checked binding, as an entry of a function.json or a decorator says it."""

    #: The type in its known spelling, such as ``queueTrigger``.
    type: str
    name: str
    #: ``in`` or ``out``.
    direction: str = "in"
    #: ``undefined``, ``string``, ``binary`` or ``stream``.
    data_type: str = "undefined"
    #: ``one`` or ``many``.
    cardinality: str = "one"
    #: The fields of its type, in their known spelling, with ``%SETTING%`` already put in.
    fields: dict[str, Any] = field(default_factory=dict)
    #: Where its connection leads: ``embedded``, ``azure`` or ``aws``.
    storage: str = "embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDescriptor:
    """One function, ready to be loaded and listened for."""

    name: str
    #: The function's folder.
    directory: Path
    script_file: Path
    #: The function's name in the script.
    entry_point: str
    trigger: Binding
    #: All other bindings, inputs and outputs, in their order.
    bindings: tuple[Binding, ...] = ()
    policy: Policy = Policy()
    disabled: bool = False
    #: Whether it is defined by decorators in the app's one script, and not by a folder of its own.
    decorated: bool = False
    #: Where that was, for people: the file, relative to the app root, and the line of the `def`. A function that only
    #: moved is the same: its listener is not made anew.
    file: str = field(default="", compare=False, repr=False)
    line: int | None = field(default=None, compare=False, repr=False)
    #: Types of its bindings that need a service which is not spoken here: it can only be run by hand.
    unserved: tuple[str, ...] = ()
    #: A hash of its definition and the app's settings for it: the listener is restarted when it changes.
    fingerprint: str = ""

    def problem(
        self, field: str | None, message: str, *, fix: str | None = None, severity: str = "error"
    ) -> Problem:
        """What is wrong with a field of its trigger, or None for the function as a whole, with its place."""
        key = self.name if self.decorated else None
        if field is not None:
            key = f"{key or 'bindings'}.{self.trigger.name}.{field}"
        return Problem(message, self.file or None, key, self.line, fix, self.name, severity)

    @property
    def needs_binding_data(self) -> bool:
        """Whether an expression such as ``{name}`` is filled in for each event of this function."""
        values = [value for binding in self.bindings for value in binding.fields.values()]
        if self.policy.singleton:
            values.append(self.policy.singleton.scope)
        return any(isinstance(value, str) and "{" in value for value in values)

    @property
    def inputs(self) -> tuple[Binding, ...]:
        """The bindings whose value is brought before the call."""
        return tuple(binding for binding in self.bindings if binding.direction == "in")

    @property
    def outputs(self) -> tuple[Binding, ...]:
        """The bindings whose value is carried away after the call."""
        return tuple(binding for binding in self.bindings if binding.direction == "out")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the configuration that a person should mend."""

    #: What is wrong, in one sentence.
    message: str
    #: Path of the file relative to the app root, as far as there is one.
    file: str | None = None
    #: Key path in the file, such as ``extensions.queues.batchSize``.
    key: str | None = None
    line: int | None = None
    #: What to do.
    fix: str | None = None
    #: The function that is taken out by this; None when it concerns the app.
    function: str | None = None
    #: ``error`` takes something out of service, ``warning`` does not (unless ``--strict``).
    severity: str = "error"
