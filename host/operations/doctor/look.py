"""The app as a throw-away worker finds it: nothing listens, no store is opened, and nothing is asked over a network."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp.web import BaseRequest, StreamResponse

from ....bindings.blob import BlobStore
from ....bindings.clock import SystemClock
from ....bindings.errors import ConfigurationError
from ....bindings.memory_blobs import MemoryBlobs
from ....bindings.memory_leases import MemoryLeases
from ....bindings.memory_queues import MemoryQueues
from ....bindings.memory_state import MemoryState
from ....bindings.queue import QueueStore
from ....triggers.base import ErrorInfo, Resources, Trigger
from ....triggers.descriptor import FunctionDescriptor, Problem
from ....triggers.http_endpoint import FrontOptions
from ....triggers.http_front import HttpFront
from ....triggers.locks import Locks
from ....triggers.registry import trigger_class
from ....triggers.unserved import UnservedTrigger
from ....triggers.wakeups import SchedulerWakeups
from ....triggers.watch import Watch
from ...app.discovery import Discovery
from ...app.function_json import FUNCTION_JSON, fields_of
from ...app.source import Decorated
from ...config.jsonc import Document
from ...config.report import Report
from ...configuration import Configuration
from ...storage import Connected
from ...workers.call import IndexFailed, WorkerStartError
from ...workers.frames import Indexed
from ...workers.pool import Pool
from .traceback_place import placed

#: Seconds in which the code of an app should have loaded.
LOAD_LIMIT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What there is of an app."""

    #: The functions whose definitions can be read.
    functions: tuple[FunctionDescriptor, ...] = ()
    #: What is wrong with the definitions, the triggers and the code.
    problems: tuple[Problem, ...] = ()
    #: What makes each function run, where that can be made.
    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    #: The definition of each function as it is written; a report knows the place of each key.
    definitions: tuple[Report, ...] = ()
    #: Why there may be more functions than are known, or why their code was not loaded.
    failure: Problem | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all functions are known."""
        return self.failure is None and not any(
            each.severity == "error" and each.function is None for each in self.problems
        )


async def look_at(configuration: Configuration, *, load: bool = True) -> Look:
    """Read the app, and unless it is only to be read have a worker `load` its code. Never raises for what it holds."""
    looking = _Looking(configuration)
    await looking.ask_worker(load=load)
    return looking.look()


class _Looking:
    """One look: what the files say, completed by what a worker says."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._root = configuration.root
        self._found = configuration.finder.find()
        self._definitions = _written(self._root, self._found)
        self._errors: Mapping[str, ErrorInfo] = {}
        self._failure: Problem | None = None

    async def ask_worker(self, *, load: bool) -> None:
        """Have a worker tell what decorators define, and load what there is; it is ended in any case."""
        if not (self._found.script or (load and self._found.functions)):
            return
        pool = Pool(self._configuration.worker_settings, 1, lambda header, text: None, lambda message: None)
        try:
            async with asyncio.timeout(LOAD_LIMIT):
                await self._ask(pool, load=load)
        except IndexFailed as failed:
            self._failure = placed(Problem(str(failed.error)), failed.error, self._root)
        except WorkerStartError as error:
            self._failure = Problem(str(error))
        except TimeoutError:
            text = f"The code of the app has not loaded within {LOAD_LIMIT:g} s."
            fix = "Look for what takes long, or never ends, when its modules are imported."
            self._failure = Problem(text, fix=fix)
        finally:
            await pool.stop()

    async def _ask(self, pool: Pool, *, load: bool) -> None:
        new, script = await pool.begin(), self._found.script
        if script:
            indexed = await new.index(script)
            self._definitions = [_decorated(self._root, script, each) for each in indexed]
            self._found = self._configuration.finder.indexed(self._found, indexed)
        if load:
            self._errors = await pool.adopt(new, self._found.functions)

    def look(self) -> Look:
        """What was found, with what makes the functions run."""
        triggers, refused = _triggers(self._configuration, self._found.functions)
        not_loaded = [
            placed(Problem(str(error), function=name), error, self._root)
            for name, error in self._errors.items()
        ]
        return Look(
            functions=self._found.functions,
            problems=(*self._found.problems, *refused, *not_loaded),
            triggers=triggers,
            definitions=tuple(self._definitions),
            failure=self._failure,
        )


def _written(root: Path, found: Discovery) -> list[Report]:
    """The definitions in files, as far as these can be read."""
    names = {each.file: each.name for each in found.functions}
    for wrong in found.problems:
        if wrong.function and wrong.file and Path(wrong.file).name == FUNCTION_JSON:
            names.setdefault(wrong.file, wrong.function)
    reports = [Report(file, function=names[file]) for file in sorted(names)]
    return [report for report in reports if report.read(root / report.file)]


def _decorated(root: Path, script: Path, function: Indexed) -> Report:
    decorated = Decorated(script, function.entryPoint, function.document)
    file = Path(function.file or script)
    return Report(
        str(file.relative_to(root) if file.is_relative_to(root) else script.name),
        Document(function.document),
        function=function.name,
        line=function.line,
        named=lambda path: decorated.named(function.name, path),
    )


def _triggers(
    configuration: Configuration, functions: Iterable[FunctionDescriptor]
) -> tuple[dict[str, Trigger], list[Problem]]:
    """What makes the functions run, and what is wrong with that."""
    resources = _resources(configuration)
    made: dict[str, Trigger] = {}
    refused: list[Problem] = []
    for function in functions:
        unserved = function.trigger.type in function.unserved
        try:
            kind = UnservedTrigger if unserved else trigger_class(function.trigger.type)
            made[function.name] = kind(function, fields_of(function.trigger, kind.Fields), resources)
        except ConfigurationError as error:
            refused.append(function.problem(error.key, str(error), fix=error.fix))
        except Exception as error:
            # Also what another package brings is made here, and may fail with anything.
            refused.append(function.problem(None, f"Its trigger cannot be made: {error}"))
    return made, refused + _route_problems(made.values())


def _route_problems(triggers: Iterable[Trigger]) -> list[Problem]:
    from ....triggers.http import HttpTrigger, route_problems

    return route_problems(each for each in triggers if isinstance(each, HttpTrigger))


def _resources(configuration: Configuration) -> Resources:
    """What triggers are made with: connections that lead elsewhere, and nothing on this machine."""
    clock, memory = SystemClock(), MemoryQueues()
    app, connected, inside = configuration.settings.app, Connected(clock), MemoryBlobs()
    locks = Locks(MemoryLeases(), "doctor")
    prefix = configuration.settings.host_json.extensions.http.routePrefix

    def queues(name: str) -> QueueStore:
        other = connected.storage(app.connection(name))
        return other.queues() if other else memory

    def blobs(name: str) -> BlobStore:
        other = connected.storage(app.connection(name))
        return other.blobs() if other else inside

    return Resources(
        root=configuration.root,
        queues=queues,
        blobs=blobs,
        tables=lambda name: memory.tables,
        entities=lambda name: memory,
        locks=locks,
        state=MemoryState(memory),
        own_queues=memory,
        wakeups=SchedulerWakeups(clock),
        watch=Watch(),
        http=HttpFront(FrontOptions(route_prefix=prefix), authorize=_nobody, admin=_nowhere),
        time_zone=configuration.time_zone,
    )


def _nobody(key: str | None, level: str, function: str) -> bool:
    return False


async def _nowhere(request: BaseRequest) -> StreamResponse:
    raise NotImplementedError  # it is never started
