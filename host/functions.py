"""The functions that this host serves: each with its trigger, its listener, and what stands in its way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..bindings.errors import ConfigurationError, FunchostError
from ..triggers.base import Deliver, ErrorInfo, Listener, Outcome, Resources, Trigger
from ..triggers.descriptor import FunctionDescriptor, Problem
from ..triggers.registry import trigger_class
from ..triggers.unserved import UnservedTrigger
from .app.discovery import Discovery
from .app.function_json import fields_of
from .execution.executor import Executor

#: Pauses between two tries to start a listener, in seconds; the last one repeats.
START_PAUSES = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionStatus:
    """One function as people and tools are shown it."""

    name: str
    trigger: str
    #: Its URL, queue, path or next run.
    where: str
    state: str
    disabled: bool = False
    errors: tuple[str, ...] = ()


class ServedFunction:
    """A function in service: its listener runs from `start` to `stop`, and is tried again when it fails."""

    def __init__(
        self,
        descriptor: FunctionDescriptor,
        trigger: Trigger,
        deliver: Deliver,
        report: Callable[[str], None],
    ) -> None:
        self.descriptor = descriptor
        self.trigger = trigger
        self.deliver = deliver
        #: Why the current code or configuration is not (or not newly) in service.
        self.error: str | None = None
        #: With an error: whether an older version, which was good, goes on instead.
        self.outdated = False
        #: Whether the next `Functions.arrange` is to make it anew, even if nothing about it has changed.
        self.stale = False
        self._report = report
        self._listener: Listener | None = None
        self._starting: asyncio.Task[None] | None = None
        self._failure: str | None = None

    def start(self) -> Coroutine[Any, Any, None]:
        """Start listening. A listener that does not start is tried again until it does."""
        self._listener = self.trigger.listener(self.deliver)
        return self._begin(self._listener)

    async def _begin(self, listener: Listener) -> None:
        if not await self._try_start(listener) and self._listener is listener:
            trying = self._keep_trying(listener)
            self._starting = asyncio.create_task(trying, name=f"start {self.descriptor.name}")

    def stop(self) -> Coroutine[Any, Any, None]:
        """Listen no longer, from now on (it may be started again); what this gives ends when nothing is in
        flight any more."""
        starting, listener = self._starting, self._listener
        self._starting = self._listener = self._failure = None
        if starting:
            starting.cancel()
        return _stopped(starting, listener)

    async def run(self, data: bytes | None) -> Outcome:
        """Run it once by hand."""
        return await self.deliver(self.trigger.manual_event(data))

    @property
    def is_http(self) -> bool:
        """Whether an HTTP request runs it."""
        return self.descriptor.trigger.type == "httpTrigger"

    @property
    def is_started(self) -> bool:
        """Whether it listens, or is tried again until it does."""
        return self._listener is not None

    @property
    def status(self) -> FunctionStatus:
        """How it stands now."""
        errors = tuple(text for text in (self.error, self._failure) if text)
        return FunctionStatus(
            name=self.descriptor.name,
            trigger=self.descriptor.trigger.type,
            where=self.trigger.describe(),
            state=self._state(),
            disabled=self.descriptor.disabled,
            errors=errors,
        )

    def _state(self) -> str:
        if self.descriptor.disabled:
            return "disabled"
        if self._failure:
            return f"failing: {self._failure}"
        if self.error and not self.outdated:
            return "in error"
        if self.descriptor.unserved:
            return f"not served here: {', '.join(self.descriptor.unserved)}"
        if self._listener is None:
            return "not listening"
        return f"{self._listener.state}, with its last good version" if self.error else self._listener.state

    def keep(self, error: str) -> None:
        """Go on as before, since what it is now cannot be served."""
        self.outdated = self.outdated or self.error is None
        self.error = error

    async def _try_start(self, listener: Listener) -> bool:
        try:
            await listener.start()
        except Exception as error:
            if str(error) != self._failure:
                self._report(f"The listener of {self.descriptor.name} does not start: {error}")
            self._failure = str(error)
            return False
        self._failure = None
        return True

    async def _keep_trying(self, listener: Listener) -> None:
        for attempt in range(1_000_000):
            await asyncio.sleep(START_PAUSES[min(attempt, len(START_PAUSES) - 1)])
            if await self._try_start(listener):
                return


async def _stopped(starting: asyncio.Task[None] | None, listener: Listener | None) -> None:
    if starting:
        with contextlib.suppress(asyncio.CancelledError):
            await starting
    if listener:
        await listener.stop()


class Functions:
    """All functions of this host. `arrange` and `listen` bring a new state of the app into service."""

    def __init__(self, executor: Executor, resources: Resources, *, listen: bool = True) -> None:
        self._executor = executor
        self._resources = resources
        self._listen = listen
        self._served: dict[str, ServedFunction] = {}
        #: Functions that cannot be served at all, and why.
        self._broken: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._paused = False
        self._ending: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[ServedFunction]:
        return iter(self._served.values())

    def __len__(self) -> int:
        return len(self._served)

    def get(self, name: str) -> ServedFunction | None:
        """The function of that name, in any case."""
        wanted = name.lower()
        return next((one for key, one in self._served.items() if key.lower() == wanted), None)

    @property
    def outdated(self) -> list[str]:
        """The functions that go on as they were, since what they are now cannot be served."""
        return [name for name, served in self._served.items() if served.error and served.outdated]

    def without_refused(self, discovery: Discovery) -> Discovery:
        """What was found without the functions whose trigger refuses its entry, and why it does."""
        refused = [problem for one in discovery.functions if (problem := self._refusal(one))]
        names = {problem.function for problem in refused}
        accepted = tuple(one for one in discovery.functions if one.name not in names)
        return Discovery(accepted, (*discovery.problems, *refused))

    def arrange(
        self,
        found: Iterable[FunctionDescriptor],
        problems: Iterable[Problem],
        load_errors: Mapping[str, ErrorInfo],
        *,
        still_served: Callable[[str], bool],
    ) -> list[Problem]:
        """Take what was found into service, from the next `listen` on. What cannot be served goes on as it was.

        `load_errors` are the functions whose code does not load; `still_served` tells whether older code of
        theirs is. Returns further problems that showed.
        """
        descriptors = {descriptor.name: descriptor for descriptor in found}
        self._broken = _broken(problems)
        for name in [name for name in self._served if name not in descriptors and name not in self._broken]:
            self._end(self._served.pop(name))
        for name in self._broken.keys() & self._served.keys():
            self._served[name].keep(" ".join(self._broken[name][1]))
        more: list[Problem] = []
        for name, descriptor in descriptors.items():
            error = load_errors.get(name)
            if error and name in self._served and still_served(name):
                self._served[name].keep(_text(error))
                continue
            try:
                self._take_in(descriptor, error)
            except FunchostError as wrong:
                more.append(self._problem(descriptor, wrong))
                self._broken[name] = (descriptor.trigger.type, (str(wrong),))
        return more + self._check_routes()

    def keep(self, error: str) -> None:
        """Go on with everything as it was: what the app is now cannot be read."""
        for served in self._served.values():
            served.keep(error)

    async def listen(self) -> None:
        """Start the listeners that are not started yet; while paused, those of HTTP functions only."""
        if self._listen:
            idle = [served for served in self if not served.is_started and self._should_listen(served)]
            await asyncio.gather(*(served.start() for served in idle))

    def pause(self) -> None:
        """Have all listeners take nothing more until `resume`, but let what runs go on. HTTP functions still
        answer: on Azure, too, they have no listener that could stop."""
        self._paused = True
        for served in self:
            if served.is_started and not served.is_http:
                self._end(served)

    async def resume(self) -> None:
        """Have all listeners take events again."""
        self._paused = False
        await self.listen()

    def renew(self) -> None:
        """Have the next `arrange` make every listener anew."""
        for served in self:
            served.stale = True

    async def stop(self) -> None:
        """Stop all listeners; returns when nothing is in flight."""
        await asyncio.gather(*(served.stop() for served in self._served.values()), *self._ending)

    def status(self) -> list[FunctionStatus]:
        """How every function stands, those included that cannot be served; by name."""
        served = [one.status for one in self._served.values()]
        broken = [
            FunctionStatus(name=name, trigger=trigger, where="", state="in error", errors=errors)
            for name, (trigger, errors) in self._broken.items()
            if name not in self._served
        ]
        return sorted([*served, *broken], key=lambda status: status.name.lower())

    def _take_in(self, descriptor: FunctionDescriptor, error: ErrorInfo | None) -> None:
        """Put the function in the place of what was there, unless that is the same."""
        old = self._served.get(descriptor.name)
        text = _text(error) if error else None
        same = old is not None and old.descriptor == descriptor and not old.stale
        if old and same and (old.is_started or error or descriptor.disabled):
            old.error, old.outdated = text, False
            return
        made = self._make(descriptor)
        made.error = text
        self._served[descriptor.name] = made
        if old:
            self._end(old)

    def _refusal(self, descriptor: FunctionDescriptor) -> Problem | None:
        try:
            self._make(descriptor)
        except FunchostError as wrong:
            return self._problem(descriptor, wrong)
        return None

    def _problem(self, descriptor: FunctionDescriptor, wrong: FunchostError) -> Problem:
        key = wrong.key if isinstance(wrong, ConfigurationError) else None
        place = f"bindings.{descriptor.trigger.name}.{key}" if key else None
        return Problem(str(wrong), _file(descriptor, self._resources), place, function=descriptor.name)

    def _check_routes(self) -> list[Problem]:
        triggers = [served.trigger for served in self._served.values() if served.is_http]
        if not triggers:
            return []
        from ..triggers.http import HttpTrigger, route_problems  # only apps with HTTP functions need it

        problems = route_problems(trigger for trigger in triggers if isinstance(trigger, HttpTrigger))
        for problem in problems:
            if problem.severity == "error" and problem.function:
                self._broken[problem.function] = ("httpTrigger", (problem.message,))
                self._end(self._served.pop(problem.function))
        return problems

    def _make(self, descriptor: FunctionDescriptor) -> ServedFunction:
        unserved = descriptor.trigger.type in descriptor.unserved
        cls = UnservedTrigger if unserved else trigger_class(descriptor.trigger.type)
        fields = fields_of(descriptor.trigger, cls.Fields)
        trigger = cls(descriptor, fields, self._resources)
        return ServedFunction(descriptor, trigger, self._executor.deliver(descriptor), self._resources.report)

    def _should_listen(self, served: ServedFunction) -> bool:
        # A disabled HTTP function is still there for who shows the master key; one whose code does not load
        # answers 500, one that cannot be served 501. All others leave what comes for them where it is.
        one = served.descriptor
        unfit = one.disabled or one.unserved or (served.error and not served.outdated)
        return served.is_http or not (self._paused or unfit)

    def _end(self, served: ServedFunction) -> None:
        """Stop in the background: what is in flight may take its time."""
        task = asyncio.create_task(served.stop(), name=f"stop {served.descriptor.name}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _text(error: ErrorInfo) -> str:
    return f"{error.type}: {error.message}"


def _broken(problems: Iterable[Problem]) -> dict[str, tuple[str, tuple[str, ...]]]:
    broken: dict[str, tuple[str, tuple[str, ...]]] = {}
    for problem in problems:
        if problem.function and problem.severity == "error":
            _, reasons = broken.get(problem.function, ("", ()))
            broken[problem.function] = ("?", (*reasons, problem.message))
    return broken


def _file(descriptor: FunctionDescriptor, resources: Resources) -> str:
    path = descriptor.script_file if descriptor.decorated else descriptor.directory / "function.json"
    return str(path.relative_to(resources.root)) if path.is_relative_to(resources.root) else str(path)
