"""The pool: how many workers there are, which one is chosen, and how code is replaced under way."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

import psutil
import pytest
from workers import PATIENCE, App, call, within

from funchost.bindings.errors import FunchostError
from funchost.host.workers import generation, solo, worker_process
from funchost.host.workers.call import WorkerLost, WorkerStartError
from funchost.host.workers.pool import Pool
from funchost.host.workers.worker_settings import WorkerSettings
from funchost.triggers.base import ErrorInfo
from funchost.triggers.descriptor import FunctionDescriptor

WHO = "import os\ndef main(msg: str) -> str:\n    return str(os.getpid())\n"
WAIT = """
    import pathlib, time
    def main(msg: str) -> str:
        print("waits")
        while not pathlib.Path("go").exists():
            time.sleep(0.01)
        return {answer!r}
"""
DEADLY = "import os\ndef main(msg: str) -> str:\n    os.kill(os.getpid(), 9)\n"


async def load(
    pool: Pool,
    functions: list[FunctionDescriptor],
    settings: WorkerSettings | None = None,
    **keep: Collection[str],
) -> dict[str, ErrorInfo]:
    """Have the pool serve the functions with new workers."""
    return await pool.adopt(await pool.begin(settings), functions, **keep)


class Host:
    """An app with a pool."""

    def __init__(self, root: Path) -> None:
        self.app = App(root)
        self.reports: list[str] = []
        self.reported = asyncio.Event()
        self.pools: list[Pool] = []

    def pool(self, count: int = 1, *, python: str = sys.executable) -> Pool:
        pool = Pool(self.app.settings(python=Path(python)), count, self.app.on_log, self._report)
        self.pools.append(pool)
        return pool

    def function(self, name: str, code: str) -> FunctionDescriptor:
        return self.app.function(name, code, on="httpTrigger")

    async def workers(self, pool: Pool, count: int) -> list[int]:
        """The process ids, once there are so many."""

        await until(lambda: len(pool.pids) == count)
        return pool.pids

    def _report(self, message: str) -> None:
        self.reports.append(message)
        self.reported.set()


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    host = Host(tmp_path)
    yield host
    for pool in host.pools:
        await within(pool.stop())


async def answer(pool: Pool, function: str) -> str:
    result = await within(pool.invoke(call(function)))
    assert result.error is None, result.error
    assert isinstance(result.body, bytes)
    return result.body.decode()


async def until(condition: Callable[[], bool]) -> None:
    """Processes come and go without telling: so they are looked for, up to a deadline."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def gone(pid: int) -> None:
    await until(lambda: not psutil.pid_exists(pid))


async def replaced(pool: Pool) -> None:
    """Kill the only worker; return once another one serves."""
    (pid,) = pool.pids
    os.kill(pid, signal.SIGKILL)
    await until(lambda: len(pool.pids) == 1 and pool.pids != [pid])


# -- their number


async def test_as_many_workers_as_asked_for_come_to_serve(host: Host) -> None:
    pool = host.pool(3)
    assert await within(load(pool, [host.function("who", WHO)])) == {}
    assert len(set(await host.workers(pool, 3))) == 3


async def test_the_first_one_serves_before_the_others_are_there(host: Host) -> None:
    pool = host.pool(2)
    await within(load(pool, [host.function("who", WHO)]))
    assert await answer(pool, "who") in map(str, pool.pids)


async def test_a_worker_that_died_is_replaced_within_a_second(host: Host) -> None:
    pool = host.pool()
    await within(load(pool, [host.function("who", WHO)]))
    for _ in range(3):
        began = time.monotonic()
        await replaced(pool)
        assert time.monotonic() - began < 1
        assert await answer(pool, "who") == str(pool.pids[0])
    assert "SIGKILL" in host.reports[0]
    assert "new one" in host.reports[0]


async def test_the_more_of_them_die_young_the_longer_the_pause(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds in generation.BACK_OFF[1:]:
            pauses.append(seconds)
            seconds = 0
        await real(seconds)

    pool = host.pool()
    await within(load(pool, [host.function("who", WHO)]))
    monkeypatch.setattr("funchost.host.workers.generation.asyncio.sleep", sleep)
    for _ in range(6):
        await replaced(pool)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 0.8]


async def test_one_that_lived_long_is_replaced_without_a_pause(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "GROWN_UP", 0.0)
    monkeypatch.setattr(generation, "BACK_OFF", (0.0, 60.0))
    pool = host.pool()
    await within(load(pool, [host.function("who", WHO)]))
    for _ in range(3):
        await replaced(pool)


async def test_what_comes_while_no_worker_is_there_waits(host: Host) -> None:
    pool = host.pool()
    await within(load(pool, [host.function("who", WHO), host.function("deadly", DEADLY)]))
    with pytest.raises(WorkerLost) as lost:
        await within(pool.invoke(call("deadly")))
    assert lost.value.guilty
    answers = await asyncio.gather(*(answer(pool, "who") for _ in range(5)))
    assert set(answers) == {str(pid) for pid in pool.pids}


# -- which one


async def test_work_goes_to_the_worker_with_the_least_of_it(host: Host) -> None:
    pool = host.pool(2)
    code = WAIT.format(answer="").replace("return ''", "return str(__import__('os').getpid())")
    await within(load(pool, [host.function("wait", code), host.function("who", WHO)]))
    pids = set(map(str, await host.workers(pool, 2)))
    busy = [pool.invoke(call("wait", invocation=str(number))) for number in range(4)]
    await until(lambda: {line.invocation for line in host.app.lines} == set("0123"))
    (host.app.root / "go").touch()
    results = await within(asyncio.gather(*busy))
    served = [bytes(result.body).decode() for result in results]  # type: ignore[arg-type]
    assert sorted(map(served.count, pids)) == [2, 2]


async def test_an_idle_worker_is_preferred_to_a_busy_one(host: Host) -> None:
    pool = host.pool(2)
    await within(load(pool, [host.function("wait", WAIT.format(answer="done")), host.function("who", WHO)]))
    await host.workers(pool, 2)
    busy = pool.invoke(call("wait"))
    await host.app.heard("waits")
    assert len({await answer(pool, "who") for _ in range(10)}) == 1
    (host.app.root / "go").touch()
    await within(busy)


async def test_a_function_that_is_not_served_is_refused(host: Host) -> None:
    pool = host.pool()
    await within(load(pool, [host.function("who", WHO)]))
    assert pool.serves("who")
    assert not pool.serves("other")
    with pytest.raises(FunchostError, match="'other'"):
        pool.invoke(call("other"))


# -- loading


async def test_a_function_that_kills_the_worker_at_import_takes_out_only_itself(host: Host) -> None:
    pool = host.pool()
    functions = [
        host.function("first", WHO),
        host.function("deadly", "import os\nos._exit(1)\n"),
        host.function("second", WHO),
        host.function("broken", "nonsense nonsense\n"),
        host.function("third", WHO),
    ]
    errors = await within(load(pool, functions))
    assert set(errors) == {"deadly", "broken"}
    assert errors["deadly"].type == "WorkerLost"
    for name in ("first", "second", "third"):
        await answer(pool, name)


async def test_a_worker_that_is_killed_while_it_loads_a_function_costs_that_function_nothing(
    host: Host,
) -> None:
    once = "import os, pathlib\nif not pathlib.Path('met').exists():\n    pathlib.Path('met').touch()\n"
    pool = host.pool()
    met = host.function("met_by_it", once + "    os.kill(os.getpid(), 9)\n" + WHO)
    assert await within(load(pool, [host.function("first", WHO), met])) == {}
    for name in ("first", "met_by_it"):
        await answer(pool, name)


async def test_an_import_that_hangs_takes_out_only_itself(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "LOAD_TIMEOUT", 0.4)
    functions = [
        host.function("slow", "import time\ntime.sleep(60)\n"),
        host.function("quick", WHO),
    ]
    pool = host.pool()
    errors = await within(load(pool, functions))
    assert set(errors) == {"slow"}
    assert errors["slow"].type == "TimeoutError"
    await answer(pool, "quick")


async def test_a_function_that_kills_every_later_worker_leaves_the_others_running(host: Host) -> None:
    pool = host.pool()
    once = "import os, pathlib\nif pathlib.Path('bad').exists(): os._exit(1)\n" + WHO
    await within(load(pool, [host.function("turned", once), host.function("who", WHO)]))
    (host.app.root / "bad").touch()
    os.kill(pool.pids[0], signal.SIGKILL)
    await host.workers(pool, 0)
    await answer(pool, "who")
    assert "turned no longer loads" in "\n".join(host.reports)
    result = await within(pool.invoke(call("turned")))
    assert result.error is not None
    await answer(pool, "who")


async def test_when_no_worker_starts_all_stays_as_it_was(host: Host) -> None:
    pool = host.pool()
    who = host.function("who", WHO)
    await within(load(pool, [who]))
    bad = host.app.settings(python=host.app.root / "nothing")
    with pytest.raises(WorkerStartError):
        await within(load(pool, [who], bad))
    assert await answer(pool, "who") in map(str, pool.pids)


# -- generations


async def test_new_code_takes_over(host: Host) -> None:
    pool = host.pool()
    await within(load(pool, [host.function("give", "def main(msg: str) -> str:\n    return 'old'\n")]))
    old = pool.pids[0]
    await within(load(pool, [host.function("give", "def main(msg: str) -> str:\n    return 'newer'\n")]))
    assert await answer(pool, "give") == "newer"
    await gone(old)
    assert len(pool.pids) == 1
    assert host.reports == []


async def test_what_is_in_flight_ends_on_the_code_it_began_with(host: Host) -> None:
    pool = host.pool()
    await within(load(pool, [host.function("give", WAIT.format(answer="old"))]))
    old = pool.pids[0]
    running = pool.invoke(call("give"))
    await host.app.heard("waits")
    await within(load(pool, [host.function("give", "def main(msg: str) -> str:\n    return 'newer'\n")]))
    assert await answer(pool, "give") == "newer"
    os.kill(old, 0)
    (host.app.root / "go").touch()
    assert (await within(running)).body == b"old"
    await gone(old)


async def test_code_that_does_not_load_leaves_the_last_good_one_in_service(host: Host) -> None:
    pool = host.pool()
    other = host.function("other", WHO)
    await within(
        load(pool, [host.function("give", "def main(msg: str) -> str:\n    return 'good'\n"), other])
    )
    errors = await within(
        load(pool, [host.function("give", "def main(msg: str) -> str:\n    return ('bad'\n"), other])
    )
    assert set(errors) == {"give"}
    assert await answer(pool, "give") == "good"
    assert len(pool.pids) == 2
    errors = await within(
        load(pool, [host.function("give", "def main(msg: str) -> str:\n    return 'mended'\n"), other])
    )
    assert errors == {}
    assert await answer(pool, "give") == "mended"
    await host.workers(pool, 1)


async def test_functions_that_are_gone_are_no_longer_served_unless_they_are_kept(host: Host) -> None:
    pool = host.pool()
    one, two, three = (host.function(name, WHO) for name in ("one", "two", "three"))
    await within(load(pool, [one, two, three]))
    await within(load(pool, [one], keep=["two"]))
    assert [pool.serves(name) for name in ("one", "two", "three")] == [True, True, False]
    await answer(pool, "two")


# -- alone


async def test_a_suspect_runs_in_a_worker_of_its_own(host: Host) -> None:
    pool = host.pool()
    await within(load(pool, [host.function("who", WHO), host.function("deadly", DEADLY)]))
    alone = await within(pool.invoke_alone(call("who")))
    assert alone.body != str(pool.pids[0]).encode()
    with pytest.raises(WorkerLost) as lost:
        await within(pool.invoke_alone(call("deadly")))
    assert lost.value.guilty
    assert await answer(pool, "who") == str(pool.pids[0])
    assert (await within(pool.invoke_alone(call("who")))).error is None


async def test_suspects_run_one_after_the_other(host: Host) -> None:
    code = """
        import time
        running = 0
        def main(msg: str) -> str:
            global running
            running += 1
            time.sleep(0.02)
            most = running
            running -= 1
            return str(most)
    """
    pool = host.pool()
    await within(load(pool, [host.function("count", code)]))
    results = await within(asyncio.gather(*(pool.invoke_alone(call("count")) for _ in range(5))))
    assert [result.body for result in results] == [b"1"] * 5


async def test_a_suspect_is_not_to_blame_for_a_worker_that_does_not_start(host: Host) -> None:
    python = host.app.root / "python"
    python.write_text(
        f'#!/bin/sh\nif [ -e fails ]; then rm fails; kill -9 $$; fi\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    pool = host.pool(python=str(python))
    await within(load(pool, [host.function("who", WHO)]))
    (host.app.root / "fails").touch()
    result = await within(pool.invoke_alone(call("who")))
    assert result.error is None
    assert "did not start" in "\n".join(host.reports)


async def test_a_suspect_that_nobody_waits_for_does_not_run_beside_the_next(host: Host) -> None:
    pool = host.pool()
    await within(load(pool, [host.function("wait", WAIT.format(answer="")), host.function("who", WHO)]))
    waiting = asyncio.create_task(pool.invoke_alone(call("wait")))
    await host.app.heard("waits")
    waiting.cancel()
    result = await within(pool.invoke_alone(call("who")))
    assert result.error is None


async def test_the_worker_for_suspects_goes_when_it_has_nothing_to_do(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solo, "SOLO_IDLE", 0.05)
    pool = host.pool()
    await within(load(pool, [host.function("who", WHO)]))
    result = await within(pool.invoke_alone(call("who")))
    await gone(int(result.body))  # type: ignore[arg-type]
    assert (await within(pool.invoke_alone(call("who")))).body != result.body


async def test_a_reload_lets_suspects_finish(host: Host) -> None:
    pool = host.pool()
    await within(load(pool, [host.function("give", WAIT.format(answer="old"))]))
    suspects = [asyncio.create_task(pool.invoke_alone(call("give"))) for _ in range(2)]
    await host.app.heard("waits")
    await within(load(pool, [host.function("give", "def main(msg: str) -> str:\n    return 'newer'\n")]))
    (host.app.root / "go").touch()
    assert [result.body for result in await within(asyncio.gather(*suspects))] == [b"old", b"old"]


# -- stopping


async def test_what_is_in_flight_at_the_stop_is_interrupted_and_all_processes_end(host: Host) -> None:
    pool = host.pool(2)
    await within(load(pool, [host.function("wait", WAIT.format(answer=""))]))
    pids = await host.workers(pool, 2)
    running = [pool.invoke(call("wait")) for _ in range(4)]
    running.append(asyncio.ensure_future(pool.invoke_alone(call("wait"))))
    await host.app.heard("waits")
    await within(pool.stop())
    for future in running:
        with pytest.raises(WorkerLost) as lost:
            await within(future)
        assert lost.value.stopped
        assert not lost.value.guilty
    for pid in pids:
        await gone(pid)


async def test_what_waits_for_a_worker_at_the_stop_is_interrupted(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "BACK_OFF", (60.0,))
    pool = host.pool()
    await within(load(pool, [host.function("who", WHO)]))
    os.kill(pool.pids[0], signal.SIGKILL)
    await host.workers(pool, 0)
    waiting = pool.invoke(call("who"))
    await asyncio.sleep(0)
    await within(pool.stop())
    with pytest.raises(WorkerLost) as lost:
        await within(waiting)
    assert lost.value.stopped


async def test_what_comes_after_the_stop_is_interrupted(host: Host) -> None:
    pool = host.pool()
    await within(load(pool, [host.function("who", WHO)]))
    await within(pool.stop())
    with pytest.raises(WorkerLost) as lost:
        pool.invoke(call("who"))
    assert lost.value.stopped
    await within(pool.stop())


@pytest.mark.parametrize("delay", [0, 0.02, 0.2])
async def test_a_pool_may_be_stopped_while_it_loads(host: Host, delay: float) -> None:
    pool = host.pool(2)
    function = host.function("slow", "import time\ntime.sleep(60)\n")
    loading = asyncio.create_task(load(pool, [function]))
    await asyncio.sleep(delay)
    await within(pool.stop())
    with pytest.raises(WorkerLost) as lost:
        await within(loading)
    assert lost.value.stopped
    assert pool.pids == []


async def test_a_pool_may_be_stopped_while_an_old_generation_drains(host: Host) -> None:
    pool = host.pool()
    await within(load(pool, [host.function("give", WAIT.format(answer="old"))]))
    old = pool.pids[0]
    running = pool.invoke(call("give"))
    await host.app.heard("waits")
    await within(load(pool, [host.function("give", "def main(msg: str) -> str:\n    return 'newer'\n")]))
    await within(pool.stop())
    with pytest.raises(WorkerLost) as lost:
        await within(running)
    assert lost.value.stopped
    await gone(old)


async def test_killing_ends_all_without_waiting(host: Host) -> None:
    pool = host.pool(2)
    await within(load(pool, [host.function("wait", WAIT.format(answer=""))]))
    pids = await host.workers(pool, 2)
    running = pool.invoke(call("wait"))
    pool.kill()
    with pytest.raises(WorkerLost) as lost:
        await within(running)
    assert lost.value.stopped
    for pid in pids:
        await gone(pid)
    assert host.reports == []
