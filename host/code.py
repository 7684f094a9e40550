"""The app's code: found, told by a worker where decorators define it, loaded, and loaded anew when it changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..bindings.errors import FunchostError
from ..triggers.base import ErrorInfo
from ..triggers.descriptor import Problem
from .app.discovery import Discovery
from .app.function_json import FUNCTION_JSON
from .app.function_models import NOT_SERVED, TRIGGER_FIELDS
from .config.jsonc import loads
from .configuration import Configuration, Mode
from .functions import Functions
from .workers.call import IndexFailed
from .workers.generation import Generation
from .workers.pool import Pool


class Code:
    """The code that the workers of one host run."""

    def __init__(self, configuration: Configuration, pool: Pool, found: Discovery) -> None:
        self._configuration = configuration
        self._pool = pool
        #: What the app holds, as it was last read.
        self.discovery = found
        #: Why the script that defines the functions could not be read at last; None where it could.
        self.failure: Problem | None = None
        #: What decorators say of each function, also where it cannot be served.
        self._decorated: dict[str, dict[str, Any]] = {}

    async def load(self) -> Mapping[str, ErrorInfo]:
        """Have workers load what was found, once they have told us what decorators define.

        Returns the functions that do not load. Raises `WorkerStartError`.
        """
        inspects = self._configuration.options.mode is Mode.INSPECT
        if inspects and self.discovery.script is None:
            return {}
        new = await self._pool.begin()
        try:
            self.discovery = await self._index(new, self.discovery)
        except IndexFailed as failed:
            self.failure = _index_problem(failed)
            self.discovery = Discovery((), (*self.discovery.problems, self.failure))
        return {} if inspects else await self._pool.adopt(new, self.discovery.functions)

    def arrange(self, functions: Functions, load_errors: Mapping[str, ErrorInfo]) -> list[Problem]:
        """Have the functions served that `load` gave; returns further problems that this brings."""
        found = functions.arrange(
            self.discovery.functions,
            self.discovery.problems,
            load_errors,
            triggers=self._triggers(),
            still_served=self._pool.serves,
        )
        return [*found, *(_load_problem(name, error) for name, error in load_errors.items())]

    async def reload(self, functions: Functions, ready: Callable[[], Awaitable[None]]) -> list[Problem]:
        """Find the app as it is now, and have it served by new workers; what cannot be goes on as it was.

        `ready` is awaited before new listeners start.
        Returns the problems that `discovery` does not hold. Raises `WorkerStartError`: then all stays.
        """
        found = self._configuration.finder.find()
        new = await self._pool.begin(self._configuration.worker_settings)
        try:
            found = functions.without_refused(await self._index(new, found))
        except IndexFailed as failed:
            await self._pool.discard(new)
            functions.keep(str(failed))
            self.discovery = found
            self.failure = _index_problem(failed)
            return [self.failure]
        self.failure = None
        broken = {problem.function for problem in found.problems if problem.function}
        errors = await self._pool.adopt(new, found.functions, keep=broken)
        self.discovery = found
        problems = self.arrange(functions, errors)
        await ready()
        await functions.listen()
        return problems

    async def _index(self, new: Generation, found: Discovery) -> Discovery:
        """What was found, completed by what the script's decorators say. Raises `IndexFailed`."""
        self._decorated = {}
        if found.script is None:
            return found
        indexed = await new.index(found.script)
        self._decorated = {one.name: one.document for one in indexed}
        return self._configuration.finder.indexed(found, indexed)

    def _triggers(self) -> dict[str, str]:
        """The trigger types of the functions in error, as far as their definitions name one."""
        wrong = (each for each in self.discovery.problems if each.function and each.severity == "error")
        found = {}
        for problem in wrong:
            document = self._decorated.get(problem.function or "") or self._function_json(problem)
            if trigger := _trigger_type(document):
                found[problem.function or ""] = trigger
        return found

    def _function_json(self, problem: Problem) -> Any:
        """The definition that the problem was found in; None where that cannot be read."""
        file = self._configuration.root / (problem.file or "")
        try:
            return loads(file.read_bytes()).value if file.name == FUNCTION_JSON else None
        except (OSError, FunchostError):
            return None


def _trigger_type(document: Any) -> str | None:
    """The type of the trigger in a definition, in the known spelling where it is known."""
    spellings = {kind.lower(): kind for kind in (*NOT_SERVED, *TRIGGER_FIELDS)}
    types = (kind for kind in _binding_types(document) if kind.lower().endswith("trigger"))
    return next((spellings.get(kind.lower(), kind) for kind in types), None)


def _binding_types(document: Any) -> list[str]:
    """The types of all bindings of a definition, whatever it holds."""
    top = _lowered(document)
    entries = top.get("bindings")
    types = [_lowered(entry).get("type") for entry in (entries if isinstance(entries, list) else [])]
    return [kind for kind in types if isinstance(kind, str)]


def _lowered(value: Any) -> dict[str, Any]:
    return {key.lower(): inner for key, inner in value.items()} if isinstance(value, dict) else {}


def _index_problem(failed: IndexFailed) -> Problem:
    return Problem(f"{failed.error}\n{failed.error.traceback}".rstrip())


def _load_problem(name: str, error: ErrorInfo) -> Problem:
    message = f"The code of {name} does not load: {error}\n{error.traceback}".rstrip()
    return Problem(message, function=name)
