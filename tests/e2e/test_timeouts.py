"""Functions past their timeout: cancelled where that works, ended with their worker where it does not."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from e2e.apps import App, http_trigger, queue_trigger, request, until, workers
from e2e.running import RunningHost

pytestmark = pytest.mark.e2e

_STUCK = {
    "a coroutine that waits": "async def main(job: str) -> None:\n    note('in')\n    await asyncio.sleep(60)",
    "a busy loop": "def main(job: str) -> None:\n    note('in')\n    while True: pass",
    "a sleep in C": "def main(job: str) -> None:\n    note('in')\n    time.sleep(60)",
}


@pytest.mark.parametrize("what", _STUCK)
def test_a_function_past_its_timeout_is_ended_and_its_message_given_up_with_the_reason(
    tmp_path: Path, what: str
) -> None:
    app = App(tmp_path)
    code = f"import asyncio, time\nfrom ledger import note\n\n{_STUCK[what]}\n"
    app.add("stuck", code, queue_trigger(maxDequeueCount=1), timeout="00:00:00.5")
    app.add("fine", "def main(req: str) -> str:\n    return 'fine'\n", http_trigger("fine"))
    with RunningHost(app.root) as host:
        before = workers(host)
        app.send("jobs", "one")
        app.wait_for_lines(1, "in")
        began = time.monotonic()
        (why,) = app.wait_for_poison("jobs")
        took = time.monotonic() - began
        assert "timeout of 0.5 s" in why["message"]
        assert why["error"] == "InvocationTimeout"
        assert request(host, "/api/fine") == (200, "fine")
        if what == "a sleep in C":
            # Only its worker's end can end it, after the grace.
            assert 2.3 < took < 6
            assert before not in (workers(host), [])
        else:
            assert took < 2
            assert workers(host) == before


def test_neighbours_of_a_worker_ended_for_a_timeout_are_run_again_and_lose_nothing(tmp_path: Path) -> None:
    app = App(tmp_path)
    code = """
        import time
        from ledger import note

        def main(job: str, context) -> None:
            note("start", job, context.metadata["dequeueCount"])
            time.sleep(60 if job == "stuck" and context.metadata["dequeueCount"] == 1 else 0)
            note("end", job)
    """
    app.add("work", code, queue_trigger(), timeout="00:00:01")
    slow = """
        import time
        from ledger import note

        def main(job: str, context) -> None:
            note("slow", context.metadata["dequeueCount"])
            time.sleep(6 if len(open("ledger.txt").read().split("slow")) == 2 else 0)
            note("done")
    """
    app.add("slow", slow, queue_trigger("slow"))
    with RunningHost(app.root):
        app.send("slow", "neighbour")
        app.wait_for_lines(1, "slow")
        app.send("jobs", "stuck")
        app.wait_for_lines(1, "done")
        app.wait_for_lines(1, "end stuck")
        app.wait_until_empty("slow")
        app.wait_until_empty("jobs")
    assert app.ledger("slow") == ["1", "1"]
    assert app.ledger("start stuck") == ["1", "2"]


def test_each_attempt_of_a_retry_policy_has_a_timeout_of_its_own(tmp_path: Path) -> None:
    app = App(tmp_path)
    code = """
        import asyncio
        from ledger import note

        async def main(job: str, context) -> None:
            note("try", context.retry_context.retry_count, context.metadata["dequeueCount"])
            await asyncio.sleep(0.25 if job == "quick" else 60)
    """
    retry = {"strategy": "fixedDelay", "maxRetryCount": 2, "delayInterval": "00:00:00.1"}
    app.add("work", code, queue_trigger(maxDequeueCount=2), timeout="00:00:00.4", retry=retry)
    with RunningHost(app.root) as host:
        app.send("jobs", "one")
        (why,) = app.wait_for_poison("jobs")
        assert why["attempts"] == 6
        assert app.ledger("try") == [f"{attempt} {delivery}" for delivery in (1, 2) for attempt in (0, 1, 2)]
        app.send("jobs", "quick")
        until(lambda: len(app.ledger("try")) == 7 and not app.peek("jobs"), 5)
        assert len(app.peek("jobs-poison")) == 1
        assert "Traceback" not in host.log.replace(json.dumps(why), "")


def test_a_request_past_its_timeout_is_answered_and_not_left_waiting(tmp_path: Path) -> None:
    app = App(tmp_path)
    code = "import time\n\ndef main(req: str) -> str:\n    time.sleep(60)\n    return 'late'\n"
    app.add("stuck", code, http_trigger("stuck"), timeout="00:00:00.3")
    with RunningHost(app.root) as host:
        began = time.monotonic()
        status, body = request(host, "/api/stuck")
        assert status == 500
        assert time.monotonic() - began < 6
        assert "Traceback" not in body
