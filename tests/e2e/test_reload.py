"""Function folders that come, change and go under a running host, and what becomes of the runs in flight."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from e2e.apps import App, http_trigger, queue_trigger, request, states, until, workers
from e2e.running import DEADLINE, RunningHost

pytestmark = pytest.mark.e2e

#: Seconds within which a change is to be live; the aim is 0.5, the rest is for slow machines.
LIVE = 20.0


def answering(text: str) -> str:
    """Code of an HTTP function that answers with a text."""
    return f"def main(req: str) -> str:\n    return {text!r}\n"


def live(what: str, condition: Callable[[], object]) -> float:
    """Seconds until a change that was just made shows."""
    began = time.monotonic()
    until(condition, LIVE, lambda: f"the {what} is not live")
    took = time.monotonic() - began
    print(f"{what}: live after {took * 1000:.0f} ms")
    return took


def serves(host: RunningHost, path: str, text: str) -> Callable[[], bool]:
    """Whether a path is answered with a text."""
    return lambda: request(host, path) == (200, text)


def test_new_changed_and_deleted_functions_are_live_at_once(tmp_path: Path) -> None:
    app = App(tmp_path)
    with RunningHost(app.root) as host:
        app.add("hello", answering("one"), http_trigger("hello"))
        live("new function", lambda: request(host, "/api/hello") == (200, "one"))
        app.write("hello/__init__.py", answering("two"))
        live("changed code", lambda: request(host, "/api/hello") == (200, "two"))
        app.write("hello/function.json", json.dumps({"bindings": [http_trigger("moved")]}))
        live("changed definition", lambda: request(host, "/api/moved") == (200, "two"))
        assert request(host, "/api/hello")[0] == 404
        shutil.rmtree(app.root / "hello")
        live("deleted function", lambda: request(host, "/api/moved")[0] == 404)
        assert states(host) == {}


def test_a_function_in_the_folder_functions_is_live_at_once(tmp_path: Path) -> None:
    app = App(tmp_path)
    with RunningHost(app.root) as host:
        app.add("functions/hello", answering("one"), http_trigger("hello"))
        live("new function", lambda: request(host, "/api/hello") == (200, "one"))
        (app.root / "functions/hello").rename(app.root / "functions/bye")
        app.write("functions/bye/__init__.py", answering("two"))
        live("renamed function", lambda: request(host, "/api/hello") == (200, "two"))
        assert list(states(host)) == ["bye"]


def test_a_new_queue_function_takes_what_waits_for_it(tmp_path: Path) -> None:
    app = App(tmp_path)
    with RunningHost(app.root):
        app.send("jobs", "waiting")
        app.add(
            "work", "from ledger import note\ndef main(job: str) -> None:\n    note(job)\n", queue_trigger()
        )
        live("new queue function", lambda: app.ledger() == ["waiting"])


def test_two_changes_within_a_second_are_two(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("hello", answering("1"), http_trigger("hello"))
    with RunningHost(app.root) as host:
        # Of one length and within one second: byte code of the one would pass for that of the other.
        for text in "23456":
            app.write("hello/__init__.py", answering(text))
            live(f"change {text}", serves(host, "/api/hello", text))


def test_a_changed_module_that_functions_share_is_taken_in(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.write("shared/words.py", "WORD = 'one'\n")
    app.add(
        "hello",
        "from shared.words import WORD\n\n" + answering("x").replace("'x'", "WORD"),
        http_trigger("hello"),
    )
    with RunningHost(app.root) as host:
        assert request(host, "/api/hello") == (200, "one")
        app.write("shared/words.py", "WORD = 'two'\n")
        live("shared module", lambda: request(host, "/api/hello") == (200, "two"))


def test_a_request_begun_before_a_change_is_answered_by_the_code_it_began_with(tmp_path: Path) -> None:
    app = App(tmp_path)
    slow = """
        import time
        from pathlib import Path
        from ledger import note

        def main(req: str) -> str:
            note("in")
            while not Path("gate").exists():
                time.sleep(0.01)
            return "old"
    """
    app.add("hello", slow, http_trigger("hello"))
    with RunningHost(app.root) as host:
        answers: list[tuple[int, str]] = []
        caller = threading.Thread(target=lambda: answers.append(request(host, "/api/hello")))
        caller.start()
        app.wait_for_lines(1, "in")
        app.write("hello/__init__.py", answering("new"))
        host.wait_for("Reloaded")
        assert request(host, "/api/hello") == (200, "new")
        assert answers == []
        app.write("gate", "")
        caller.join(DEADLINE)
        assert answers == [(200, "old")]


def test_a_message_in_flight_completes_once_on_the_code_it_began_with(tmp_path: Path) -> None:
    app = App(tmp_path)
    code = """
        import time
        from pathlib import Path
        from ledger import note

        def main(job: str, context) -> None:
            note("in", job, "old", context.metadata["dequeueCount"])
            while not Path("gate").exists():
                time.sleep(0.01)
            note("out", job, "old")
    """
    app.add("work", code, queue_trigger())
    with RunningHost(app.root) as host:
        before = workers(host)
        app.send("jobs", "one", "two")
        app.wait_for_lines(2, "in")
        app.write(
            "work/__init__.py", "from ledger import note\ndef main(job: str):\n    note('out', job, 'new')\n"
        )
        host.wait_for("Reloaded")
        app.send("jobs", "three")
        assert app.wait_for_lines(1, "out") == ["three new"]
        app.write("gate", "")
        app.wait_until_empty("jobs")
        # The old worker ends with its last run.
        until(lambda: workers(host) and not set(before) & set(workers(host)), 5)
    assert sorted(app.ledger("out")) == ["one old", "three new", "two old"]
    assert len(app.ledger("in")) == 2


@contextmanager
def steady_load(host: RunningHost, path: str) -> Iterator[list[tuple[int, str]]]:
    """Ask again and again from four threads; gives the answers, and what failed instead of an answer."""
    answers: list[tuple[int, str]] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                answers.append(request(host, path))
            except OSError as error:
                answers.append((0, str(error)))

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        yield answers
    finally:
        over.set()
        for caller in callers:
            caller.join(DEADLINE)


def has_come(answers: list[tuple[int, str]], text: str) -> bool:
    """Whether the last answer is a text."""
    return bool(answers) and answers[-1][1] == text


def test_no_request_fails_while_code_and_definitions_change_under_load(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("hello", answering("0"), http_trigger("hello"))
    with RunningHost(app.root) as host:
        with steady_load(host, "/api/hello") as answers:
            for text in "123456":
                app.write("hello/__init__.py", answering(text))
                if text in "246":
                    app.write(
                        "hello/function.json",
                        json.dumps(
                            {
                                "bindings": [
                                    http_trigger("hello", methods=["get", "post"][: int(text) % 4 + 1])
                                ]
                            }
                        ),
                    )
                live(f"change {text}", partial(has_come, answers, text))
        assert {status for status, _ in answers} == {200}
        # Once the new code has answered, the old one does not any more (but for what was on its way).
        assert len(answers) > 50


def test_broken_code_leaves_the_last_good_one_in_service_until_it_is_mended(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("hello", answering("good"), http_trigger("hello"))
    app.add("other", answering("one"), http_trigger("other"))
    with RunningHost(app.root) as host:
        app.write("hello/__init__.py", "def main(req: str) -> str:\n    return 'half\n")
        app.write("other/__init__.py", answering("two"))
        live("the other", lambda: request(host, "/api/other") == (200, "two"))
        host.wait_for("SyntaxError")
        host.wait_for("last good")
        assert request(host, "/api/hello") == (200, "good")
        assert "last good" in states(host)["hello"]
        app.write("hello/__init__.py", answering("mended"))
        live("mended code", lambda: request(host, "/api/hello") == (200, "mended"))
        until(lambda: "last good" not in states(host)["hello"], 2)


def test_a_broken_definition_leaves_the_last_good_one_in_service_until_it_is_mended(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("hello", answering("good"), http_trigger("hello"))
    app.add("work", "from ledger import note\ndef main(job: str):\n    note('a', job)\n", queue_trigger())
    with RunningHost(app.root) as host:
        app.write("hello/function.json", '{"bindings": [')
        app.write("work/function.json", json.dumps({"bindings": [queue_trigger(queue="Not A Queue")]}))
        host.wait_for("hello/function.json")
        host.wait_for("work/function.json")
        until(lambda: "last good" in states(host)["hello"] and "last good" in states(host)["work"], LIVE)
        assert request(host, "/api/hello") == (200, "good")
        app.send("jobs", "one")
        assert app.wait_for_lines(1) == ["a one"]
        app.write("hello/function.json", json.dumps({"bindings": [http_trigger("mended")]}))
        app.write("work/function.json", json.dumps({"bindings": [queue_trigger("others")]}))
        live("mended definition", lambda: request(host, "/api/mended") == (200, "good"))
        until(lambda: states(host)["work"] == "listening", LIVE)
        app.send("others", "two")
        assert app.wait_for_lines(2)[-1] == "a two"


def test_a_problem_is_told_once_not_at_each_reload(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("bad", answering("x"), {"type": "noSuchTrigger", "name": "req"})
    app.add("hello", answering("0"), http_trigger("hello"))
    with RunningHost(app.root) as host:
        for text in "12":
            app.write("hello/__init__.py", answering(text))
            live(f"change {text}", serves(host, "/api/hello", text))
        assert len(re.findall("noSuchTrigger", host.log.partition("Listening on")[0])) >= 1
        assert "noSuchTrigger" not in host.log.partition("Listening on")[2]
        app.add("worse", answering("x"), {"type": "otherTrigger", "name": "req"})
        host.wait_for("otherTrigger")


def test_policies_of_host_json_take_effect_and_for_the_rest_a_restart_is_asked_for(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("work", "def main(job: str):\n    raise ValueError('no')\n", queue_trigger())
    app.add("hello", answering("hello"), http_trigger("hello"))
    with RunningHost(app.root) as host:
        queues = {"maxDequeueCount": 2}
        app.write("host.json", json.dumps({"version": "2.0", "extensions": {"queues": queues}}))
        host.wait_for("Reloaded")
        app.send("jobs", "one")
        assert app.wait_for_poison("jobs")[0]["dequeueCount"] == 2
        app.write("host.json", json.dumps({"version": "2.0", "extensions": {"http": {"routePrefix": "v1"}}}))
        host.wait_for(re.compile("restart", re.IGNORECASE))
        assert "extensions.http" in host.log
        assert request(host, "/api/hello") == (200, "hello")
        app.write("host.json", '{"version": "2.0", ')
        host.wait_for("host.json:1")
        assert request(host, "/api/hello") == (200, "hello")


def test_a_host_told_not_to_watch_leaves_changes_alone(tmp_path: Path) -> None:
    app = App(tmp_path / "app")
    app.add("hello", answering("one"), http_trigger("hello"))
    with (
        RunningHost(app.root, "--no-watch") as host,
        RunningHost(app.root, "--store", tmp_path / "b") as other,
    ):
        before = workers(host)
        app.write("hello/__init__.py", answering("two"))
        app.add("new", answering("new"), http_trigger("new"))
        # By the time one that watches has both, the other would have had time enough.
        until(lambda: request(other, "/api/new") == (200, "new"), LIVE)
        until(lambda: request(other, "/api/hello") == (200, "two"), LIVE)
        assert request(host, "/api/hello") == (200, "one")
        assert request(host, "/api/new")[0] == 404
        assert workers(host) == before


def test_a_trigger_that_is_refused_leaves_the_last_good_function_in_service(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("hello", answering("good"), http_trigger("hello"))
    with RunningHost(app.root) as host:
        # The code changes too, and must not be mixed with the old definition.
        app.add(
            "hello", "def main(other: str) -> str:\n    return 'bad'\n", http_trigger("a{b", name="other")
        )
        host.wait_for("last good version")
        assert request(host, "/api/hello") == (200, "good")
        assert "last good" in states(host)["hello"]
        app.add("hello", answering("mended"), http_trigger("mended"))
        live("mended function", lambda: request(host, "/api/mended") == (200, "mended"))


def test_code_that_was_broken_from_the_start_is_in_error_until_it_is_mended(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("hello", "import no_such_module\n", http_trigger("hello"))
    app.add("work", "import no_such_module\n", queue_trigger())
    app.send("jobs", "one")
    with RunningHost(app.root) as host:
        assert states(host) == {"hello": "in error", "work": "in error"}
        assert request(host, "/api/hello")[0] == 500
        app.write("hello/__init__.py", answering("good"))
        live("mended code", lambda: request(host, "/api/hello") == (200, "good"))
        app.write("work/__init__.py", "from ledger import note\ndef main(job: str):\n    note(job)\n")
        live("mended queue function", lambda: app.ledger() == ["one"])
        assert states(host) == {"hello": "listening", "work": "listening"}


def test_changed_app_settings_are_taken_in(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.write(
        "local.settings.json", json.dumps({"IsEncrypted": False, "Values": {"WORD": "one", "PLACE": "hello"}})
    )
    code = "import os\ndef main(req: str) -> str:\n    return os.environ['WORD']\n"
    app.add("hello", code, http_trigger("%PLACE%"))
    with RunningHost(app.root) as host:
        assert request(host, "/api/hello") == (200, "one")
        app.write(
            "local.settings.json",
            json.dumps({"IsEncrypted": False, "Values": {"WORD": "two", "PLACE": "bye"}}),
        )
        live("changed setting", lambda: request(host, "/api/bye") == (200, "two"))
        assert request(host, "/api/hello")[0] == 404
        app.write(
            "local.settings.json",
            json.dumps({"Values": {"WORD": "two", "AzureWebJobs.hello.Disabled": "true", "PLACE": "bye"}}),
        )
        live("disabled function", lambda: request(host, "/api/bye")[0] == 404)
        assert states(host) == {"hello": "disabled"}


def has_reloaded(host: RunningHost, times: int) -> bool:
    """Whether changes were taken in more often than that."""
    return host.log.count("Reloaded") > times


def test_a_timer_and_a_file_trigger_go_on_over_a_change_without_a_second_run(tmp_path: Path) -> None:
    app = App(tmp_path)
    note = "import time\nfrom ledger import note\ndef main(job: str) -> None:\n    note('{}', {})\n"
    app.add(
        "files",
        note.format("file", "job"),
        {"type": "fileTrigger", "name": "job", "path": "inbox/{name}.txt"},
    )
    tick = note.format("tick", "time.time()").replace("job: str", "timer")
    app.add("tick", tick, {"type": "timerTrigger", "name": "timer", "schedule": "* * * * * *"})
    with RunningHost(app.root) as host:
        for number in range(3):
            app.write(f"inbox/{number}.txt", str(number))
            app.wait_for_lines(number + 1, "file", deadline=5)
            ticks = len(app.ledger("tick"))
            app.write("shared.py", f"NUMBER = {number}\n")
            app.add(
                "files",
                note.format("file", "job") + f"# {number}\n",
                {
                    "type": "fileTrigger",
                    "name": "job",
                    "path": "inbox/{name}.txt",
                    "maxDequeueCount": 3 + number,
                },
            )
            until(partial(has_reloaded, host, number), LIVE)
            app.wait_for_lines(ticks + 1, "tick", deadline=3)
    assert app.ledger("file") == ["0", "1", "2"]
    seconds = [round(float(moment)) for moment in app.ledger("tick")]
    assert len(set(seconds)) == len(seconds)
    assert max(seconds) - min(seconds) + 1 == len(seconds), "no second was left out"
