"""All functions that this host serves: brought into service, paused, and ended as the app changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from ..bindings.errors import ConfigurationError, FunchostError
from ..triggers.base import ErrorInfo, Resources
from ..triggers.descriptor import FunctionDescriptor, Problem
from ..triggers.registry import trigger_class
from ..triggers.unserved import UnservedTrigger
from .app.discovery import Discovery
from .app.function_json import fields_of
from .execution.executor import Executor
from .served_function import FunctionStatus, ServedFunction
from .switches import Switches


class Functions:
    """All functions of this host. `arrange` and `listen` bring a new state of the app into service."""

    def __init__(
        self,
        executor: Executor,
        resources: Resources,
        *,
        listen: bool = True,
        switches: Switches | None = None,
    ) -> None:
        self._executor = executor
        self._resources = resources
        self._listen = listen
        self._switches = switches or Switches(resources.state)
        #: Those in service as the app defines them, whatever was switched since.
        self.defined: Mapping[str, FunctionDescriptor] = {}
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

    @property
    def current(self) -> list[ServedFunction]:
        """The functions that are in service as the app has them now."""
        return [served for served in self if not served.error]

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
        triggers: Mapping[str, str],
        still_served: Callable[[str], bool],
    ) -> list[Problem]:
        """Take what was found into service, from the next `listen` on. What cannot be served goes on as it was.

        `load_errors` are the functions whose code does not load; `still_served` tells whether older code of
        theirs is; `triggers` are the types that are known of functions with problems. Returns further problems
        that showed.
        """
        self.defined = {descriptor.name: descriptor for descriptor in found}
        descriptors = {name: self._switches.applied(one) for name, one in self.defined.items()}
        self._broken = _broken(problems, triggers)
        self._leave_out(descriptors.keys())
        more: list[Problem] = []
        for name, descriptor in descriptors.items():
            error = load_errors.get(name)
            if error and name in self._served and still_served(name):
                self._served[name].keep(str(error))
                continue
            try:
                self._take_in(descriptor, error)
            except Exception as wrong:
                problem = _problem(descriptor, wrong)
                more.append(problem)
                self._broken[name] = (descriptor.trigger.type, (problem.message,))
        return more + self._check_routes()

    def keep(self, error: str) -> None:
        """Go on with everything as it was: what the app is now cannot be read."""
        for served in self._served.values():
            served.keep(error)

    async def listen(self) -> None:
        """Start the listeners that are not started yet; while paused, those of HTTP functions only."""
        if self._listen:
            self._hold_requests()
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

    async def switch(self) -> None:
        """Go by what people have switched by now: pause, disable or take up again. What runs goes on."""
        for name, served in list(self._served.items()):
            defined = self.defined.get(name)
            if defined and self._switches.applied(defined).disabled != served.descriptor.disabled:
                self._exchange(served, self._switches.applied(defined))
            elif served.is_started and not served.is_http and self._switches.pause_of(served.descriptor):
                self._end(served)
        await self.listen()

    async def revive(self, served: ServedFunction, ailment: str, limit: float) -> None:
        """Make the listener of a function anew, for this reason. The old one is given `limit` seconds to end before,
        and what it has in flight may end after that, too."""
        ending = self._end(served)
        served.ailment = ailment
        await asyncio.wait({ending}, timeout=limit)
        # Unless something else became of the function meanwhile.
        if self._served.get(served.descriptor.name) is served:
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

    def _leave_out(self, found: Collection[str]) -> None:
        """End what is gone from the app; what is broken there goes on as it was."""
        for name in [name for name in self._served if name not in found]:
            if name in self._broken:
                self._served[name].keep(" ".join(self._broken[name][1]))
            else:
                self._end(self._served.pop(name))

    def _take_in(self, descriptor: FunctionDescriptor, error: ErrorInfo | None) -> None:
        """Put the function in the place of what was there, unless that is the same."""
        old = self._served.get(descriptor.name)
        text = str(error) if error else None
        same = old is not None and old.descriptor == descriptor and not old.stale
        if old and same and (old.is_started or error or descriptor.disabled):
            old.error, old.outdated = text, False
            return
        made = self._make(descriptor)
        made.error = text
        self._served[descriptor.name] = made
        if old:
            self._end(old)

    def _exchange(self, old: ServedFunction, descriptor: FunctionDescriptor) -> None:
        """Put the function, which somebody has switched, in the place of itself as it was."""
        made = self._make(descriptor)
        made.error, made.outdated, made.stale = old.error, old.outdated, old.stale
        self._served[descriptor.name] = made
        self._end(old)

    def _hold_requests(self) -> None:
        """Have the front refuse requests for functions that are paused."""
        if self._resources.http:
            paused = (one.descriptor.name for one in self if self._switches.pause_of(one.descriptor))
            self._resources.http.hold(paused)

    def _refusal(self, descriptor: FunctionDescriptor) -> Problem | None:
        try:
            self._make(descriptor)
        except Exception as wrong:
            return _problem(descriptor, wrong)
        return None

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
        return ServedFunction(
            descriptor,
            trigger,
            self._executor.deliver(descriptor),
            self._resources.report,
            lambda: self._executor.waits(descriptor.name),
            lambda: self._switches.told(descriptor),
        )

    def _should_listen(self, served: ServedFunction) -> bool:
        # A disabled HTTP function is still there for who shows the master key; one whose code does not load
        # answers 500, one that cannot be served 501. All others leave what comes for them where it is.
        one = served.descriptor
        unfit = one.disabled or one.unserved or (served.error and not served.outdated)
        return served.is_http or not (self._paused or unfit or self._switches.pause_of(one))

    def _end(self, served: ServedFunction) -> asyncio.Task[None]:
        """Stop in the background: what is in flight may take its time."""
        task = asyncio.create_task(served.stop(), name=f"stop {served.descriptor.name}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task


def _problem(descriptor: FunctionDescriptor, wrong: Exception) -> Problem:
    """Why a function cannot be served; anything but an error of ours is one of a package that brought its parts."""
    if isinstance(wrong, ConfigurationError):
        return descriptor.problem(wrong.key, str(wrong), fix=wrong.fix)
    if isinstance(wrong, FunchostError):
        return descriptor.problem(None, str(wrong))
    type_ = descriptor.trigger.type
    return descriptor.problem(
        None, f"It cannot be served: what brings its {type_} or a binding failed with {wrong!r}."
    )


def _broken(
    problems: Iterable[Problem], triggers: Mapping[str, str]
) -> dict[str, tuple[str, tuple[str, ...]]]:
    broken: dict[str, tuple[str, tuple[str, ...]]] = {}
    for problem in problems:
        if problem.function and problem.severity == "error":
            _, reasons = broken.get(problem.function, ("", ()))
            trigger = triggers.get(problem.function, "?")
            broken[problem.function] = (trigger, (*reasons, problem.message))
    return broken
