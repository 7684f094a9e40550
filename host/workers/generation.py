"""Worker processes with one state of the app's code: kept at their number, and drained when they are replaced."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from ...triggers.base import ErrorInfo
from ...triggers.descriptor import FunctionDescriptor
from .call import Call, Result, WorkerLost, WorkerStartError
from .code_version import code_versions
from .frames import Indexed
from .solo import Solo
from .worker_process import OnLog, WorkerProcess
from .worker_settings import WorkerSettings

#: Pauses before a dead worker is replaced, in seconds: none, then growing while they die young.
BACK_OFF = (0.0, 0.1, 0.2, 0.4, 0.8)

#: A worker that lived this long, in seconds, is replaced without a pause.
GROWN_UP = 30.0

#: A function whose import ends this many workers in a row is left out of the next.
_MOST_DEATHS = 2

Report = Callable[[str], None]


class Generation:
    """Worker processes with one state of the code."""

    def __init__(self, count: int, settings: WorkerSettings, on_log: OnLog, report: Report) -> None:
        self._count = count
        self._settings = settings
        self._on_log = on_log
        self._report = report
        self._functions: dict[str, FunctionDescriptor] = {}
        #: Which state of each function's code it has.
        self._codes: dict[str, str] = {}
        self._workers: list[WorkerProcess] = []
        #: Those that do not serve yet.
        self._starting: set[WorkerProcess] = set()
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        #: No worker is replaced any more.
        self._retired = False
        #: No worker is started any more.
        self._stopped = False
        self._deaths = 0
        #: Workers that ended unasked while they served.
        self.losses = 0
        self._solo = Solo(self._start_for_suspects)

    async def start(self) -> None:
        """Start the first worker. Raises `WorkerStartError`, or `WorkerLost` when it is stopped."""
        self._first = await self._start_one()

    async def index(self, script: Path) -> list[Indexed]:
        """The functions that decorators define in the script. Raises `IndexFailed`."""
        return await self._first.index(script)

    async def load(self, functions: Iterable[FunctionDescriptor]) -> dict[str, ErrorInfo]:
        """Load the functions; returns those that cannot be loaded, with the reason.

        The other workers start in the background. Raises as `start` does, for a worker that has to be replaced.
        """
        errors: dict[str, ErrorInfo] = {}
        worker = self._first
        wanted = list(functions)
        # Before the code is read, so that a change in between is told by the next state, not by this one.
        self._codes = await asyncio.to_thread(code_versions, wanted)
        for function in wanted:
            error = await worker.load(function)
            if error and error.type == "WorkerLost":
                # Perhaps somebody else ended it, as a machine does that has no memory left.
                worker = await self._start_loaded()
                error = await worker.load(function)
            if error:
                errors[function.name] = error
            else:
                self._functions[function.name] = function
            if not worker.alive:
                # The function took the worker with it.
                worker = await self._start_loaded()
        self._take_in(worker)
        for _ in range(self._count - 1):
            self._spawn(self._replace(0))
        return errors

    def invoke(self, call: Call) -> asyncio.Future[Result] | asyncio.Task[Result]:
        """Run an invocation on the worker with the least to do."""
        call.code = self._codes.get(call.header["function"])
        workers = self._workers
        if len(workers) == 1 and workers[0].alive:
            return workers[0].invoke(call)
        alive = [worker for worker in workers if worker.alive]
        if alive:
            return min(alive, key=lambda worker: worker.in_flight).invoke(call)
        return asyncio.ensure_future(self._invoke_later(call))

    async def invoke_alone(self, call: Call) -> Result:
        """Run an invocation with nothing beside it in its worker, so that only it can be to blame."""
        call.code = self._codes.get(call.header["function"])
        return await self._solo.invoke(call)

    async def retire(self) -> None:
        """Take nothing new; return once all in flight are answered and the workers are gone."""
        await self._replace_no_more()
        await asyncio.gather(*(worker.drain() for worker in self._workers), self._solo.drain())

    async def stop(self) -> None:
        """End all workers now; what is in flight is interrupted."""
        self._stopped = True
        await self._replace_no_more()
        workers = [*self._workers, *self._starting]
        await asyncio.gather(*(worker.stop() for worker in workers), self._solo.stop())

    def kill(self) -> None:
        """End all workers now, without waiting for it."""
        self._retired = self._stopped = True
        for worker in [*self._workers, *self._starting]:
            worker.kill(stopping=True)

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that serve."""
        return [worker.pid for worker in self._workers if worker.alive]

    async def _replace_no_more(self) -> None:
        self._retired = True
        self._changed.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _invoke_later(self, call: Call) -> Result:
        while not any(worker.alive for worker in self._workers):
            if self._retired:
                raise _stopping()
            self._changed.clear()
            await self._changed.wait()
        return await self.invoke(call)

    # -- starting workers

    async def _start_one(self) -> WorkerProcess:
        if self._stopped:
            raise _stopping()
        worker = WorkerProcess(self._settings, self._on_log)
        self._starting.add(worker)
        worker.ended.add_done_callback(lambda _: self._starting.discard(worker))
        try:
            await worker.start()
        except WorkerStartError:
            self._starting.discard(worker)
            if self._stopped:
                raise _stopping() from None
            raise
        return worker

    async def _start_loaded(self) -> WorkerProcess:
        """A new worker with every function that is known to load."""
        deaths: Counter[str] = Counter()
        while True:
            worker = await self._start_one()
            try:
                last = await self._load_all(worker, deaths)
            except asyncio.CancelledError:
                worker.kill(stopping=True)
                raise
            if last is None:
                self._starting.discard(worker)
                return worker
            deaths[last] += 1

    async def _start_for_suspects(self) -> WorkerProcess:
        """As `_start_loaded`. That a worker does not start is no fault of the invocation that waits for it: another
        one is tried, a few times."""
        for pause in BACK_OFF[1:]:
            try:
                return await self._start_loaded()
            except WorkerStartError as error:
                self._report(str(error))
            await asyncio.sleep(pause)
        return await self._start_loaded()

    async def _load_all(self, worker: WorkerProcess, deaths: Counter[str]) -> str | None:
        """Load what is known to load; returns the function that ended the worker, if one did."""
        for function in self._functions.values():
            if deaths[function.name] == _MOST_DEATHS:
                continue
            error = await worker.load(function)
            if error and not self._stopped:
                self._report(f"{function.name} no longer loads in a new worker: {error}")
            if not worker.alive:
                return function.name
        return None

    def _take_in(self, worker: WorkerProcess) -> None:
        self._starting.discard(worker)
        self._workers.append(worker)
        self._changed.set()
        self._spawn(self._watch(worker))

    async def _watch(self, worker: WorkerProcess) -> None:
        born = asyncio.get_running_loop().time()
        reason = await asyncio.shield(worker.ended)
        self._workers.remove(worker)
        if self._retired:
            return
        if asyncio.get_running_loop().time() - born > GROWN_UP:
            self._deaths = 0
        pause = BACK_OFF[min(self._deaths, len(BACK_OFF) - 1)]
        self._deaths += 1
        self.losses += 1
        self._report(f"Worker {worker.pid} is gone: {reason}. A new one is being started.")
        await self._replace(pause)

    async def _replace(self, pause: float) -> None:
        while not self._retired:
            await asyncio.sleep(pause)
            try:
                worker = await self._start_loaded()
            except WorkerStartError as error:
                if self._retired:
                    return
                self._report(str(error))
                pause = BACK_OFF[-1]
                continue
            self._take_in(worker)
            return

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _stopping() -> WorkerLost:
    return WorkerLost("the host is stopping", guilty=False, stopped=True)
