"""The workers: generations of processes, each with one state of the app's code.

A change of code starts a new generation beside the old one. A function moves over once it loads there; a function
whose new code does not load stays where it last did. A generation that serves no function any more drains and ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from ...bindings.errors import FunchostError
from ...triggers.base import ErrorInfo
from ...triggers.descriptor import FunctionDescriptor
from .call import Call, Result, WorkerLost
from .generation import Generation, Report
from .worker_process import OnLog
from .worker_settings import WorkerSettings


class Pool:
    """All generations, and which of them serves each function."""

    def __init__(self, settings: WorkerSettings, count: int, on_log: OnLog, report: Report) -> None:
        self._settings = settings
        self._count = count
        self._on_log = on_log
        self._report = report
        self._stopped = False
        self._serving: dict[str, Generation] = {}
        #: Why the code of the last generation that was adopted does not load, by function.
        self._errors: dict[str, ErrorInfo] = {}
        self._retiring: dict[asyncio.Task[None], Generation] = {}
        self._generations: list[Generation] = []
        #: Of generations that serve no more.
        self._past_losses = 0

    async def begin(self, settings: WorkerSettings | None = None) -> Generation:
        """A new generation, which serves nothing yet. Raises `WorkerStartError`: then all stays as it was."""
        self._settings = settings or self._settings
        new = Generation(self._count, self._settings, self._on_log, self._report)
        self._generations.append(new)
        try:
            await new.start()
        except BaseException:
            await self.discard(new)
            raise
        return new

    async def discard(self, new: Generation) -> None:
        """End a generation that was begun and shall not serve."""
        self._generations.remove(new)
        await new.stop()

    async def adopt(
        self, new: Generation, functions: Iterable[FunctionDescriptor], *, keep: Collection[str] = ()
    ) -> dict[str, ErrorInfo]:
        """Have a generation that was begun serve the functions, in the place of those before it.

        Returns those that do not load. One that did before goes on being served as it was, and so do those
        that are named in `keep`; all others are not served any more. Raises `WorkerStartError` when a worker
        has to be replaced and none starts: then all stays as it was.
        """
        wanted = list(functions)
        try:
            errors = await new.load(wanted)
        except BaseException:
            await self.discard(new)
            raise
        self._errors = errors
        names = {function.name for function in wanted}
        for name in names - set(errors):
            self._serving[name] = new
        for name in set(self._serving) - names - set(keep):
            del self._serving[name]
        self._retire_unused()
        return errors

    def serves(self, function: str) -> bool:
        """Whether some state of the function's code is in service."""
        return function in self._serving

    def invoke(self, call: Call) -> asyncio.Future[Result] | asyncio.Task[Result]:
        """Run an invocation; raises `FunchostError` when nothing serves the function."""
        return self._generation(call).invoke(call)

    async def invoke_alone(self, call: Call) -> Result:
        """Run an invocation with nothing beside it in its worker."""
        return await self._generation(call).invoke_alone(call)

    @property
    def pids(self) -> list[int]:
        """The process ids of all workers that serve."""
        return [pid for generation in self._generations for pid in generation.pids]

    @property
    def losses(self) -> int:
        """Workers that ended unasked so far, each of which was replaced."""
        return self._past_losses + sum(generation.losses for generation in self._generations)

    def kill(self) -> None:
        """End all workers now, without waiting for it."""
        for generation in self._generations:
            generation.kill()

    async def stop(self) -> None:
        """End all workers now; what is in flight is interrupted."""
        self._stopped = True
        retiring = dict(self._retiring)
        for task in retiring:
            task.cancel()
        await asyncio.gather(*retiring, return_exceptions=True)
        await asyncio.gather(*(generation.stop() for generation in [*self._generations, *retiring.values()]))
        self._serving.clear()

    def _generation(self, call: Call) -> Generation:
        name = call.header["function"]
        try:
            return self._serving[name]
        except KeyError:
            if self._stopped:
                raise WorkerLost("the host is stopping", guilty=False, stopped=True) from None
            error = self._errors.get(name)
            why = f": {error}" if error else "."
            raise FunchostError(f"The function '{name}' is not loaded{why}") from None

    def _retire_unused(self) -> None:
        used = set(self._serving.values())
        for generation in [one for one in self._generations[:-1] if one not in used]:
            self._generations.remove(generation)
            self._past_losses += generation.losses
            task = asyncio.get_running_loop().create_task(generation.retire())
            self._retiring[task] = generation
            task.add_done_callback(self._retiring.pop)
