"""Packages of other people that are broken: who asks for what they bring is out, and is told why; all others run."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e.apps import App, http_trigger, queue_trigger, request, states, until
from e2e.running import RunningHost, funchost
from third_party import written

pytestmark = pytest.mark.e2e

_FINE = "def main(req: str) -> str:\n    return 'fine'\n"

_NOTED = """
    from ledger import note

    def main(job: str) -> None:
        note("got", job)
"""

_MOODY = """
    from pathlib import Path

    from funchost.bindings.memory_queues import MemoryQueues
    from funchost.bindings.queue import OutgoingMessage
    from funchost.bindings.storage import QUEUES, Storage

    def ill(where):
        note = Path(__file__).with_name("ill")
        if note.exists() and note.read_text() == where:
            raise KeyError(where)

    class Moody(Storage):
        provides = frozenset({QUEUES})
        def __init__(self, settings, clock):
            super().__init__(settings, clock)
            ill("settings")
            self.made = Queues(clock)
            self.made.put([OutgoingMessage(queue="jobs", body=b"one")])
        def queues(self):
            ill("queues")
            return self.made
        async def close(self):
            ill("close")

    class Queues(MemoryQueues):
        async def receive(self, queue, limit, **more):
            ill("receive")
            return await super().receive(queue, limit)
        async def wait(self, queue, limit):
            ill("wait")
            await super().wait(queue, limit)
"""

_MOODY_TRIGGER = """
    from funchost.triggers.manual import ManualTrigger

    class MoodyTrigger(ManualTrigger):
        def __init__(self, *arguments):
            raise KeyError("moody")
"""


@pytest.fixture
def app(tmp_path: Path) -> App:
    """An app with a function on a storage that another package brings, and one that needs nothing of it."""
    app = App(tmp_path / "app")
    app.add("work", _NOTED, queue_trigger(connection="Shared"))
    app.add("fine", _FINE, http_trigger("fine"))
    return app


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (None, "which no installed package provides"),
        ("import missing_library", "cannot be imported: No module named 'missing_library'"),
        ("Storage = object()", "is no subclass of funchost.bindings.storage.Storage"),
    ],
)
def test_a_storage_that_cannot_be_used_takes_out_who_names_it_alone(
    tmp_path: Path, app: App, code: str | None, said: str
) -> None:
    entry_points = {"funchost.storage": {"moody": "broken:Storage"}} if code else {}
    env = written(tmp_path / "site", "broken", code or "", entry_points) | {"Shared__provider": "moody"}
    listed = funchost("list", "--root", app.root, env=env)
    told = listed.stdout.decode() + listed.stderr.decode()
    assert "work/function.json" in told
    assert "bindings[0].connection" in told
    assert said in told
    assert "fix:" in told
    assert "Traceback" not in told
    with RunningHost(app.root, env=env) as host:
        assert request(host, "/api/fine") == (200, "fine")
        assert states(host)["work"] == "in error"


def test_an_unknown_provider_of_the_hosts_own_storage_is_told_and_the_embedded_store_stands_in(
    app: App,
) -> None:
    app.add(
        "tick", "def main(t) -> None: ...", {"type": "timerTrigger", "name": "t", "schedule": "0 0 0 * * *"}
    )
    env = {"AzureWebJobsStorage__provider": "moody", "Shared": "UseDevelopmentStorage=true"}
    with RunningHost(app.root, env=env) as host:
        assert request(host, "/api/fine") == (200, "fine")
        app.send("jobs", "one")
        assert app.wait_for_lines(1, "got") == ["one"]
        assert states(host)["tick"].startswith("listening")
        assert "AzureWebJobsStorage" in host.log


def test_a_store_that_fails_as_nobody_foresaw_is_shown_and_heals(tmp_path: Path, app: App) -> None:
    env = written(tmp_path / "site", "moody", _MOODY, {"funchost.storage": {"moody": "moody:Moody"}})
    ill = tmp_path / "site" / "ill"
    ill.write_text("receive")
    with RunningHost(app.root, env={**env, "Shared__provider": "moody"}) as host:
        until(lambda: states(host)["work"] == "failing: KeyError('receive')", 10)
        assert request(host, "/api/fine") == (200, "fine")
        ill.unlink()
        assert app.wait_for_lines(1, "got") == ["one"]
        assert states(host)["work"] == "listening"
        assert "Traceback" not in host.log


def moody(tmp_path: Path, where: str) -> dict[str, str]:
    """A storage that fails there, for as long as the file `site/ill` says so."""
    env = written(tmp_path / "site", "moody", _MOODY, {"funchost.storage": {"moody": "moody:Moody"}})
    (tmp_path / "site" / "ill").write_text(where)
    return {**env, "Shared__provider": "moody"}


def test_a_storage_that_fails_with_its_settings_is_told_as_a_problem(tmp_path: Path, app: App) -> None:
    with RunningHost(app.root, env=moody(tmp_path, "settings")) as host:
        assert request(host, "/api/fine") == (200, "fine")
        assert states(host)["work"] == "in error"
        assert (
            "work/function.json:1 bindings[0].connection: The storage 'moody' fails with the settings"
            in host.log
        )
        assert "fix: Check Shared__" in host.log


def test_a_storage_that_cannot_give_its_queues_is_asked_again(tmp_path: Path, app: App) -> None:
    with RunningHost(app.root, env=moody(tmp_path, "queues")) as host:
        assert request(host, "/api/fine") == (200, "fine")
        assert states(host)["work"] == "failing: KeyError('queues')"
        (tmp_path / "site" / "ill").unlink()
        assert app.wait_for_lines(1, "got") == ["one"]


def test_a_storage_that_cannot_give_the_queues_of_an_output_takes_out_that_function(
    tmp_path: Path, app: App
) -> None:
    output = {
        "type": "queue",
        "name": "$return",
        "direction": "out",
        "queueName": "sent",
        "connection": "Shared",
    }
    app.add("send", _FINE, http_trigger("send"), output)
    with RunningHost(app.root, env=moody(tmp_path, "queues")) as host:
        assert request(host, "/api/fine") == (200, "fine")
        assert states(host)["send"] == "in error"
        assert "failed with KeyError('queues')" in host.log


def test_a_store_that_cannot_wait_is_polled(tmp_path: Path, app: App) -> None:
    env = moody(tmp_path, "receive")
    with RunningHost(app.root, env=env) as host:
        until(lambda: states(host)["work"] == "failing: KeyError('receive')", 10)
        (tmp_path / "site" / "ill").write_text("wait")
        assert app.wait_for_lines(1, "got") == ["one"]
        until(lambda: states(host)["work"] == "listening", 5)


def test_a_storage_that_cannot_be_closed_does_not_keep_the_host_from_its_end(
    tmp_path: Path, app: App
) -> None:
    with RunningHost(app.root, env=moody(tmp_path, "close")) as host:
        app.wait_for_lines(1, "got")
        assert host.stop() == 0
        assert "Traceback" not in host.log


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import missing_library", "cannot be imported: No module named 'missing_library'"),
        ("MoodyTrigger = object()", "is no subclass of funchost.triggers.base.Trigger"),
        (
            "from funchost.triggers.base import Trigger\nclass MoodyTrigger(Trigger): ...\n",
            "is no subclass of funchost.triggers.base.Trigger that has Fields",
        ),
        (_MOODY_TRIGGER, "failed with KeyError('moody')"),
    ],
)
def test_a_trigger_that_cannot_be_used_takes_out_who_has_it_alone(
    tmp_path: Path, code: str, said: str
) -> None:
    app = App(tmp_path / "app")
    app.add("mood", _FINE, {"type": "moodyTrigger", "name": "req"})
    app.add("typo", _FINE, {"type": "modyTrigger", "name": "req"})
    app.add("fine", _FINE, http_trigger("fine"))
    types = {"funchost.triggers": {"moodyTrigger": "broken:MoodyTrigger"}}
    env = written(tmp_path / "site", "broken", code, types)
    listed = funchost("list", "--root", app.root, env=env)
    told = listed.stdout.decode() + listed.stderr.decode()
    assert said in told
    assert "Did you mean moodyTrigger?" in told
    assert "Traceback" not in told
    with RunningHost(app.root, env=env) as host:
        assert request(host, "/api/fine") == (200, "fine")
        assert states(host)["mood"] == "in error"
