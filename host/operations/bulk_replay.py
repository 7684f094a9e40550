"""Many runs are made once more: which ones, at which pace, and so that an end in the middle loses and repeats none.

What is to be done is kept in the store before it begins (`ReplayBatches`). Where the queue is one of the embedded
store a message is sent and its run noted as done in one transaction. Elsewhere a run that somebody had begun with is
looked for in the history, and repeated where there is no trace of it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from ...bindings.clock import new_id
from ...bindings.errors import BindingError, FunchostError, MessageTooLarge, NotFound
from ...bindings.history import HistoryStore, RunFilter, RunRecord, RunState
from ...bindings.replay_batches import Batch, ReplayBatches
from ...triggers.descriptor import FunctionDescriptor
from .pace import Pace
from .replay import BY_HAND, check_ended, connection_of, goes_by_queue, replay_input, replay_messages
from .workbench import Workbench

#: How long a batch is remembered.
_KEPT = timedelta(days=30)

#: Messages that are sent at once where no rate is said: they share a transaction.
_AT_ONCE = 100

#: Has the host run something once more, and returns when that has ended. Raises `FunchostError`.
RunLive = Callable[[RunRecord], Awaitable[None]]

_IN_HAND = (RunState.RUNNING, RunState.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the runs that were found are to be replayed, and how many are not, by the reason."""

    runs: list[RunRecord]
    left_out: dict[str, int]


@dataclass(slots=True)
class Progress:
    """How far a batch is."""

    total: int
    replayed: int = 0
    #: Why some could not be replayed, with the ids of their runs.
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Those that nothing is left to do for."""
        return self.replayed + len(self.refused)


async def choose(
    history: HistoryStore,
    wanted: RunFilter,
    *,
    still_queued: Collection[str] = (),
    again: bool = False,
) -> Choice:
    """The runs to be replayed, the one that began first first: the last one of each message, unless that message is
    `still_queued` and so comes again, or has succeeded since or is at it, or a replay has or is. Runs of several
    messages at once are left out. With `again`, all that fit and have ended."""
    left_out: Counter[str] = Counter()
    candidates: dict[str, RunRecord] = {}
    async for run in history.all(wanted):
        if run.state is RunState.RUNNING:
            left_out["still running"] += 1
        elif again:
            candidates[run.id] = run
        elif _is_batch(run):
            left_out["of several messages at once"] += 1
        else:
            key = f"{run.function} {run.message}" if run.message else run.id
            left_out["not the last of their message"] += key in candidates
            # It takes the place in the order that it has itself.
            candidates.pop(key, None)
            candidates[key] = run
    chosen = list(candidates.values())
    if not again:
        chosen = await _needed(history, chosen, still_queued, left_out)
    return Choice(chosen, {reason: count for reason, count in left_out.items() if count})


async def _needed(
    history: HistoryStore, runs: Sequence[RunRecord], still_queued: Collection[str], left_out: Counter[str]
) -> list[RunRecord]:
    """The runs that nothing else makes good; those that are not are counted in `left_out`."""
    aftermath = await _aftermath(history, runs)
    needed = []
    for run in runs:
        reason = "still in their queue" if run.message in still_queued else aftermath.reason(run)
        if reason:
            left_out[reason] += 1
        else:
            needed.append(run)
    return needed


def _is_batch(run: RunRecord) -> bool:
    """Whether it had several messages: each of them has had its own fate since, which runs do not tell."""
    return goes_by_queue(run) and run.message is None and run.origin != BY_HAND


@dataclass(frozen=True, slots=True)
class _Aftermath:
    """What became of runs after they had ended."""

    #: By function and message, the id of the last run that succeeded, or is at it.
    good: dict[tuple[str, str], str] = field(default_factory=dict)
    #: Runs with a replay that succeeded, is at it, or would itself be replayed.
    replayed: set[str] = field(default_factory=set)

    def reason(self, run: RunRecord) -> str | None:
        """Why a run need not be replayed; None: it does."""
        if run.message is not None and self.good.get((run.function, run.message), "") > run.id:
            return "made good since"
        return "replayed already" if run.id in self.replayed else None


async def _aftermath(history: HistoryStore, candidates: Sequence[RunRecord]) -> _Aftermath:
    found = _Aftermath(replayed={run.replay_of for run in candidates if run.replay_of})
    if not candidates:
        return found
    names = tuple({run.function for run in candidates})
    first = min(run.started for run in candidates)
    # One walk over what came after: that is less than to ask for each of many.
    async for run in history.all(RunFilter(functions=names, states=_IN_HAND, since=first)):
        if run.message is not None:
            found.good[run.function, run.message] = run.id
        if run.replay_of is not None:
            found.replayed.add(run.replay_of)
    return found


class BulkReplay:
    """Makes batches of runs, and works them off.

    `functions` are those of the app by their names in lower case; `live` has a host run what no queue can bring.
    """

    def __init__(
        self,
        workbench: Workbench,
        functions: Mapping[str, FunctionDescriptor],
        live: RunLive | None = None,
    ) -> None:
        self._workbench = workbench
        self._functions = functions
        self._live = live
        local = workbench.storage.local
        self.batches = ReplayBatches(local.store, local.queues)

    async def make(self, choice: Choice, wanted: str, rate: float | None) -> Batch:
        """Write down what is to be done; `wanted` says which runs these are, for people."""
        now = self._workbench.clock.now()
        batch = Batch(
            id=new_id().partition("-")[0],
            at=now,
            who=self._workbench.who,
            wanted=wanted,
            total=len(choice.runs),
            left=len(choice.runs),
            rate=rate,
        )
        await self.batches.make(batch, [run.id for run in choice.runs], now - _KEPT)
        await self._workbench.note("runs.replayMany", batch.id, wanted=wanted, runs=batch.total)
        return batch

    async def work_off(
        self, batch: Batch, told: Callable[[Progress], None] = lambda progress: None
    ) -> Progress:
        """Replay what is left of a batch; `told` is called whenever some are done.

        Raises `StoreError` and what `live` raises of a host that does not answer. Whatever ends it, it can be gone on
        with by calling it again.
        """
        left = list((await self.batches.left(batch)).items())
        progress = Progress(total=len(left))
        pace = Pace(batch.rate)
        place = 0
        while place < len(left):
            count = await pace.turns(_AT_ONCE)
            await self._several(batch, left[place : place + count], progress)
            place += count
            told(progress)
        return progress

    async def _several(self, batch: Batch, runs: list[tuple[str, bool]], progress: Progress) -> None:
        tries = [self._one(batch, run, progress, begun=begun) for run, begun in runs]
        # Those that are at it come to their end, so that it is noted what they have done.
        for error in await asyncio.gather(*tries, return_exceptions=True):
            if isinstance(error, BaseException):
                raise error

    async def _one(self, batch: Batch, id_: str, progress: Progress, *, begun: bool) -> None:
        try:
            if await self._replay(batch, id_, begun=begun):
                progress.replayed += 1
        except (BindingError, NotFound, MessageTooLarge) as error:
            # It would be so the next time, too.
            await self.batches.done(batch, id_)
            progress.refused[id_] = str(error)

    async def _replay(self, batch: Batch, id_: str, *, begun: bool) -> bool:
        """Replay one run; False: somebody else has done it."""
        run = await self._workbench.history.get(id_)
        check_ended(run)
        function = self._functions.get(run.function.lower())
        if function is None:
            raise NotFound(f"There is no function '{run.function}' any more, or it is in error.")
        if not goes_by_queue(run):
            return await self._elsewhere(batch, run, begun, lambda: self._run_live(run))
        messages = replay_messages(run, function, await replay_input(self._workbench.history, run))
        store = self._workbench.queues(connection_of(function))
        if store is self._workbench.storage.local.queues:
            return await self.batches.send(batch, id_, messages)
        return await self._elsewhere(batch, run, begun, lambda: store.send(messages))

    async def _elsewhere(
        self, batch: Batch, run: RunRecord, begun: bool, replay: Callable[[], Awaitable[None]]
    ) -> bool:
        """Replay a run where that and the note of it are two steps."""
        history = self._workbench.history
        if begun and await history.count(RunFilter(replay_of=run.id, since=batch.at)):
            return await self.batches.done(batch, run.id)
        if not await self.batches.begin(batch, run.id):
            return False
        await replay()
        return await self.batches.done(batch, run.id)

    async def _run_live(self, run: RunRecord) -> None:
        if self._live is None:
            raise FunchostError(f"{run.function} is run by a host, and none is running.")
        await self._live(run)
