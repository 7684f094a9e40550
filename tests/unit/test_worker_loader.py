"""Loading user code: names, paths, and what a person is told when it does not load."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from funchost.host.worker import loader
from funchost.host.worker.errors import LoadError


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Path]:
    modules, path, folder = dict(sys.modules), list(sys.path), Path.cwd()
    loader.prepare(str(tmp_path))
    yield tmp_path
    os.chdir(folder)
    sys.path[:] = path
    for name in sys.modules.keys() - modules.keys():
        del sys.modules[name]
    for file in list(sys.path_importer_cache):
        if file.startswith(str(tmp_path)):
            del sys.path_importer_cache[file]


Write = Callable[[str, str], None]


@pytest.fixture
def write(app: Path) -> Write:
    def write(file: str, code: str) -> None:
        path = app / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)

    return write


def frame(app: Path, script: str, entry_point: str | None = None) -> dict[str, Any]:
    return {
        "name": "hello",
        "directory": str(app / "hello"),
        "scriptFile": str(app / script),
        "entryPoint": entry_point,
        "decorated": False,
        "trigger": {"type": "queueTrigger", "name": "msg", "direction": "in"},
        "bindings": [],
    }


def load(app: Path, script: str, entry_point: str | None = None) -> loader.LoadedFunction:
    return loader.load(frame(app, script, entry_point), str(app))


def refusal(app: Path, script: str, entry_point: str | None = None) -> LoadError:
    with pytest.raises(LoadError) as caught:
        load(app, script, entry_point)
    return caught.value


MAIN = "def main(msg: str):\n    return __name__\n"


def name_of(app: Path, script: str) -> Any:
    return load(app, script).call(msg="")


def test_the_module_is_named_after_its_folder_and_file(app: Path, write: Write) -> None:
    write("hello/main.py", MAIN)
    assert name_of(app, "hello/main.py") == "__app__.hello.main"


def test_a_folder_with_a_hyphen_and_a_script_in_a_sub_folder_load(app: Path, write: Write) -> None:
    write("say-hello/sub/the-main.py", MAIN)
    assert name_of(app, "say-hello/sub/the-main.py") == "__app__.say-hello.sub.the-main"


def test_an_init_script_runs_once_and_is_the_package(app: Path, write: Write) -> None:
    write("shared/__init__.py", "")
    write("shared/runs.py", "seen = []\n")
    write("hello/__init__.py", "from ..shared import runs\nruns.seen.append(__name__)\n" + MAIN)
    assert name_of(app, "hello/__init__.py") == "__app__.hello"
    load(app, "hello/__init__.py")
    assert sys.modules["__app__.shared.runs"].seen == ["__app__.hello"]


def test_a_script_beside_its_folder_loads(app: Path, write: Write) -> None:
    write("common/run.py", MAIN)
    assert name_of(app, "hello/../common/run.py") == "__app__.common.run"


def test_a_folder_under_functions_counts_as_one_in_the_root(app: Path, write: Write) -> None:
    write("shared/names.py", "NAME = 'shared'\n")
    write("functions/hello/beside.py", "NAME = 'beside'\n")
    write(
        "functions/hello/main.py",
        "from __app__.shared import names\nfrom ..shared.names import NAME as again\nfrom . import beside\n"
        "def main(msg: str):\n    return __name__, names.NAME, again, beside.NAME\n",
    )
    assert name_of(app, "functions/hello/main.py") == ("__app__.hello.main", "shared", "shared", "beside")


def test_two_functions_may_share_a_script(app: Path, write: Write) -> None:
    write(
        "both.py",
        "import itertools\nloads = itertools.count()\n" + MAIN + "def other(msg: str):\n    return 2\n",
    )
    assert load(app, "both.py").call.__globals__ is load(app, "both.py", "other").call.__globals__


def test_a_folder_hidden_by_another_of_the_same_name_is_told(app: Path, write: Write) -> None:
    write("hello/main.py", MAIN)
    write("functions/hello/main.py", MAIN)
    assert name_of(app, "hello/main.py") == "__app__.hello.main"
    message = str(refusal(app, "functions/hello/main.py"))
    assert "functions/hello/main.py is hidden by hello/main.py. Rename one of the two." in message


def test_the_app_comes_last_and_its_packages_first(tmp_path: Path, app: Path) -> None:
    packages = tmp_path / ".python_packages" / "lib" / "site-packages"
    packages.mkdir(parents=True)
    sys.path.remove(str(tmp_path))
    loader.prepare(str(tmp_path))
    assert sys.path[0] == str(packages)
    assert sys.path[-1] == str(tmp_path)
    assert Path.cwd() == tmp_path
    before = list(sys.path)
    loader.prepare(str(tmp_path))
    assert sys.path == before


def test_an_installed_package_wins_over_a_folder_of_the_app(app: Path, write: Write) -> None:
    write("pytest/__init__.py", "")
    write(
        "hello/main.py",
        "import pytest\nimport __app__.pytest as own\ndef main(msg: str):\n    return pytest, own\n",
    )
    installed, own = load(app, "hello/main.py").call(msg="")
    assert installed is pytest
    assert own is not pytest


def test_a_missing_script_is_told(app: Path) -> None:
    assert str(refusal(app, "hello/main.py")) == (
        "The script hello/main.py does not exist. Correct scriptFile in function.json."
    )


def test_a_script_of_another_kind_is_told(app: Path, write: Write) -> None:
    write("hello/run.sh", "echo")
    assert "hello/run.sh is not a Python file" in str(refusal(app, "hello/run.sh"))


def test_a_script_outside_of_the_app_is_refused(app: Path, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.py"
    outside.write_text(MAIN)
    assert "is outside of the app" in str(refusal(app, f"../{outside.name}"))


def test_a_dot_in_a_folder_name_is_told(app: Path, write: Write) -> None:
    write("hello/v1.2/main.py", MAIN)
    assert "with a dot in its name" in str(refusal(app, "hello/v1.2/main.py"))


def test_a_syntax_error_is_told_with_file_and_line(app: Path, write: Write) -> None:
    write("hello/main.py", "x = 1\ndef main(:\n")
    error = refusal(app, "hello/main.py")
    assert str(error) == "hello/main.py, line 2: SyntaxError: invalid syntax: def main(:"
    assert "frozen" not in error.traceback


def test_a_syntax_error_elsewhere_is_told_with_that_file(app: Path, write: Write) -> None:
    write("hello/broken.py", "if True:\nx = 1\n")
    write("hello/main.py", "from . import broken\n" + MAIN)
    error = refusal(app, "hello/main.py")
    assert str(error).startswith("hello/broken.py, line 2: IndentationError: expected an indented block")
    assert "from . import broken" in error.traceback


def test_a_missing_package_is_told_with_what_to_do(app: Path, write: Write) -> None:
    write("hello/main.py", "import no_such_package.part\n" + MAIN)
    message = str(refusal(app, "hello/main.py"))
    assert message.startswith(
        "hello/main.py: ModuleNotFoundError: No module named 'no_such_package'. Add the package"
    )
    assert "'no_such_package' to requirements.txt" in message
    assert sys.executable in message


def test_a_missing_module_of_the_app_is_no_matter_of_requirements(app: Path, write: Write) -> None:
    write("hello/main.py", "from . import helper\n" + MAIN)
    assert str(refusal(app, "hello/main.py")).endswith("The app has no such module.")


def test_a_missing_name_in_a_package_is_told(app: Path, write: Write) -> None:
    write("hello/main.py", "from json import no_such_name\n" + MAIN)
    assert "check its version in requirements.txt" in str(refusal(app, "hello/main.py"))


def test_leaving_while_imported_is_told(app: Path, write: Write) -> None:
    write("hello/main.py", "import sys\nsys.exit(3)\n" + MAIN)
    message = str(refusal(app, "hello/main.py"))
    assert "calls sys.exit(3) while it is imported" in message
    assert 'if __name__ == "__main__":' in message


def test_a_failing_import_shows_the_users_part_of_the_traceback(app: Path, write: Write) -> None:
    write("hello/helper.py", "def start():\n    raise RuntimeError('no database')\n")
    write("hello/main.py", "from . import helper\nhelper.start()\n" + MAIN)
    error = refusal(app, "hello/main.py")
    assert str(error) == "hello/main.py fails while it is imported: RuntimeError: no database"
    lines = error.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].startswith(f'  File "{app}/hello/main.py", line 2')
    assert lines[-1] == "RuntimeError: no database"


def test_an_error_that_cannot_be_shown_is_still_told(app: Path, write: Write) -> None:
    write(
        "hello/main.py",
        "class Odd(BaseException):\n    def __str__(self):\n        raise ValueError\nraise Odd\n",
    )
    assert "Odd" in str(refusal(app, "hello/main.py"))


def test_what_failed_to_load_loads_once_it_is_mended(app: Path, write: Write) -> None:
    write("hello/main.py", "raise RuntimeError\n")
    refusal(app, "hello/main.py")
    write("hello/main.py", MAIN + "# mended, and longer than before\n")
    assert load(app, "hello/main.py").name == "hello"


def test_a_missing_entry_point_is_told_with_what_is_there(app: Path, write: Write) -> None:
    write("hello/main.py", "from json import dumps\ndef mian(msg): ...\ndef _hidden(msg): ...\n")
    message = str(refusal(app, "hello/main.py"))
    assert "no entry point 'main'; the script has 'mian'. Did you mean 'mian'?" in message


def test_a_script_without_functions_is_told(app: Path, write: Write) -> None:
    write("hello/main.py", "x = 1\n")
    assert "the script has no function at all" in str(refusal(app, "hello/main.py", "run"))


def test_an_entry_point_that_is_no_function_is_told(app: Path, write: Write) -> None:
    write("hello/main.py", "main = 5\n")
    assert "the entry point 'main' is of type int and cannot be called" in str(refusal(app, "hello/main.py"))


def test_a_signature_that_does_not_fit_is_told_with_the_script(app: Path, write: Write) -> None:
    write("hello/main.py", "def main(mgs): ...\n")
    assert str(refusal(app, "hello/main.py")).startswith("hello/main.py:1: Parameter 'mgs' has no binding")


def test_coroutine_functions_are_known(app: Path, write: Write) -> None:
    write("hello/main.py", MAIN + "async def other(msg: str): ...\n")
    assert not load(app, "hello/main.py").asynchronous
    assert load(app, "hello/main.py", "other").asynchronous


def test_plain_functions_do_not_import_azure_functions(tmp_path: Path) -> None:
    (tmp_path / "hello").mkdir()
    (tmp_path / "hello" / "main.py").write_text("def main(msg: dict) -> None: ...\n")
    code = (
        "import sys\n"
        "from funchost.host.worker import loader\n"
        f"loader.prepare({str(tmp_path)!r})\n"
        f"function = loader.load({frame(tmp_path, 'hello/main.py')!r}, {str(tmp_path)!r})\n"
        "arguments = function.arguments({'invocation': 'i'}, b'{}')\n"
        "function.results(arguments, None)\n"
        "assert not any(name.startswith('azure') for name in sys.modules)\n"
        "assert 'msgspec' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
