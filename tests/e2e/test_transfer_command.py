"""`funchost export` and `funchost import`, as they are run at a terminal."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from e2e.apps import until
from e2e.running import RunningHost, funchost

pytestmark = pytest.mark.e2e

CODE = """
import pathlib
def main(job):
    with open(pathlib.Path(__file__).with_name("seen.txt"), "a") as file:
        file.write(str(job if isinstance(job, str) else job.get_body().decode()) + "\\n")
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app with one function, which writes down what it gets."""
    root = tmp_path / "app"
    (root / "Work").mkdir(parents=True)
    (root / "host.json").write_text('{"version": "2.0"}')
    binding = {"type": "queueTrigger", "name": "job", "direction": "in", "queueName": "jobs"}
    (root / "Work" / "function.json").write_text(json.dumps({"bindings": [binding]}))
    (root / "Work" / "__init__.py").write_text(CODE)
    return root


def seen(app: Path) -> list[str]:
    path = app / "Work" / "seen.txt"
    return path.read_text().splitlines() if path.exists() else []


def test_a_state_goes_on_in_another_store(app: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "state.funchost", tmp_path / "other"
    with RunningHost(app, "--no-watch"):
        funchost("queues", "send", "jobs", "first", "--root", app)
        until(lambda: seen(app) == ["first"], 20)
        funchost("queues", "send", "kept", "second", "--root", app)
        done = funchost("export", file, "--root", app, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["messages"] == 1
    assert b"keys" in done.stderr
    done = funchost("import", file, "--root", app, "--store", other)
    assert done.returncode == 0, done.stderr
    peeked = funchost("queues", "peek", "kept", "--root", app, "--store", other, "--json")
    assert [message["body"] for message in json.loads(peeked.stdout)] == ["second"]
    with RunningHost(app, "--store", other, "--no-watch"):
        funchost("queues", "send", "jobs", "third", "--root", app, "--store", other)
        until(lambda: seen(app) == ["first", "third"], 20)


def test_functions_of_a_held_import_wait_until_they_are_resumed(app: Path, tmp_path: Path) -> None:
    file = tmp_path / "state.funchost"
    funchost("queues", "send", "jobs", "waits", "--root", app)
    assert funchost("export", file, "--root", app).returncode == 0
    done = funchost("import", file, "--hold", "--yes", "--root", app)
    assert done.returncode == 0, done.stderr
    assert b"resume --all" in done.stderr
    with closing(sqlite3.connect(app / ".funchost" / "store.db")) as store:
        assert [key for (key,) in store.execute("SELECT key FROM state WHERE scope = 'switches'")] == [
            "paused:work"
        ]
    with RunningHost(app, "--no-watch") as host:
        assert b"paused" in funchost("list", "--root", app).stdout
        assert seen(app) == []
        resumed = funchost("functions", "resume", "--all", "--yes", "--root", app)
        assert resumed.returncode == 0, resumed.stderr
        until(lambda: seen(app) == ["waits"], 20, lambda: host.log)


def test_what_cannot_be_done_is_said_with_its_code(app: Path, tmp_path: Path) -> None:
    file = tmp_path / "state.funchost"
    done = funchost("export", file, "--root", app)
    assert (done.returncode, file.exists()) == (5, False)
    funchost("queues", "send", "jobs", "one", "--root", app)
    assert funchost("export", file, "--root", app).returncode == 0
    assert funchost("export", file, "--root", app).returncode == 2
    assert funchost("export", file, "--yes", "--root", app).returncode == 0
    assert funchost("export", tmp_path / "no" / "folder", "--root", app).returncode == 2
    assert funchost("import", tmp_path / "nothing", "--root", app).returncode == 5
    done = funchost("import", file, "--root", app)
    assert done.returncode == 2
    assert b"1 message" in done.stderr
    with RunningHost(app, "--no-watch"):
        done = funchost("import", file, "--yes", "--root", app)
        assert done.returncode == 4
        assert b"stop the host" in done.stderr
    file.write_bytes(file.read_bytes()[:-100])
    done = funchost("import", file, "--yes", "--root", app)
    assert done.returncode == 3
    assert b"Nothing was changed" in done.stderr


def test_both_stand_in_the_audit(app: Path, tmp_path: Path) -> None:
    file = tmp_path / "state.funchost"
    funchost("queues", "send", "jobs", "one", "--root", app)
    funchost("export", file, "--root", app)
    funchost("import", file, "--yes", "--root", app)
    with closing(sqlite3.connect(app / ".funchost" / "store.db")) as store:
        actions = [action for (action,) in store.execute("SELECT action FROM audit ORDER BY id")]
    assert actions[-1] == "state.import"
