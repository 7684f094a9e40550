"""The app's code: found, told by a worker where decorators define it, loaded, and loaded anew when it changed."""

from __future__ import annotations

from collections.abc import Mapping

from ..triggers.base import ErrorInfo
from ..triggers.descriptor import Problem
from .app.discovery import Discovery
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
            problem = _index_problem(self.discovery, failed)
            self.discovery = Discovery((), (*self.discovery.problems, problem))
        return {} if inspects else await self._pool.adopt(new, self.discovery.functions)

    def arrange(self, functions: Functions, load_errors: Mapping[str, ErrorInfo]) -> list[Problem]:
        """Have the functions served that `load` gave; returns further problems that this brings."""
        found = functions.arrange(
            self.discovery.functions, self.discovery.problems, load_errors, still_served=self._pool.serves
        )
        return [*found, *(_load_problem(name, error) for name, error in load_errors.items())]

    async def reload(self, functions: Functions) -> list[Problem]:
        """Find the app as it is now, and have it served by new workers; what cannot be goes on as it was.

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
            return [_index_problem(found, failed)]
        broken = {problem.function for problem in found.problems if problem.function}
        errors = await self._pool.adopt(new, found.functions, keep=broken)
        self.discovery = found
        problems = self.arrange(functions, errors)
        await functions.listen()
        return problems

    async def _index(self, new: Generation, found: Discovery) -> Discovery:
        """What was found, completed by what the script's decorators say. Raises `IndexFailed`."""
        if found.script is None:
            return found
        return self._configuration.finder.indexed(found, await new.index(found.script))


def _index_problem(discovery: Discovery, failed: IndexFailed) -> Problem:
    script = discovery.script.name if discovery.script else None
    message = f"The app has no functions: {failed.error.message}\n{failed.error.traceback}".rstrip()
    return Problem(message, script, fix="Mend the script; it is read again as soon as it changes.")


def _load_problem(name: str, error: ErrorInfo) -> Problem:
    return Problem(
        f"The code of {name} does not load: {error.type}: {error.message}\n{error.traceback}".rstrip(),
        fix="Mend the code; it is read again as soon as it changes.",
        function=name,
    )
