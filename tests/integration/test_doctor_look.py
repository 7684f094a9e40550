"""What `funchost doctor` finds with a real worker where an app does what apps should not."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from funchost.host.configuration import Configuration, HostOptions
from funchost.host.operations.doctor import look as looks
from funchost.host.operations.doctor.look import Look, look_at


def app(root: Path, code: str) -> Configuration:
    (root / "host.json").write_text('{"version": "2.0"}')
    (root / "f").mkdir()
    definition = {"bindings": [{"type": "queueTrigger", "name": "job", "queueName": "jobs"}]}
    (root / "f" / "function.json").write_text(json.dumps(definition))
    (root / "f" / "__init__.py").write_text(code)
    return Configuration(HostOptions(root=root))


async def looked(configuration: Configuration, *, load: bool = True) -> Look:
    found = await look_at(configuration, load=load)
    assert not psutil.Process().children(), "the worker is thrown away"
    return found


async def test_code_that_loads_is_not_run(tmp_path: Path) -> None:
    code = "from pathlib import Path\n\ndef main(job):\n    Path('ran').touch()\n"
    found = await looked(app(tmp_path, code))
    assert (found.failure, found.problems) == (None, ())
    assert list(found.triggers) == ["f"]
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / ".funchost").exists()


async def test_code_that_never_loads_is_told_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "LOAD_LIMIT", 2.0)
    found = await looked(app(tmp_path, "import time\n\nwhile True:\n    time.sleep(1)\n"))
    assert found.failure is not None
    assert "has not loaded within 2 s" in found.failure.message


async def test_what_is_only_to_be_read_is_not_loaded(tmp_path: Path) -> None:
    found = await looked(app(tmp_path, "raise RuntimeError\n"), load=False)
    assert found.problems == ()


async def test_an_error_has_the_line_of_the_apps_own_code(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("import json\n\njson.loads('{')\n")
    configuration = app(tmp_path, "import helper\n\ndef main(job): pass\n")
    [problem] = (await looked(configuration)).problems
    assert (problem.file, problem.line, problem.function) == ("helper.py", 3, "f")
