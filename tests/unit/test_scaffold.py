"""`funchost init` and `funchost new`: what they write, and what they refuse."""

import ast
import json
import re
from pathlib import Path

import msgspec
import pytest

from funchost.bindings.errors import ConfigurationError
from funchost.host.cli.scaffold import init_app, new_function
from funchost.triggers import fields

KINDS = ["http", "queue", "timer", "blob", "file", "manual"]


def read_bindings(root: Path, name: str) -> list[dict[str, str]]:
    bindings: list[dict[str, str]] = json.loads((root / name / "function.json").read_text())["bindings"]
    return bindings


def test_init_makes_the_files_of_an_app(tmp_path: Path) -> None:
    made = init_app(tmp_path / "new" / "app")

    names = [".funcignore", ".gitignore", "host.json", "local.settings.json", "requirements.txt"]
    assert sorted(path.name for path in made) == names
    assert json.loads((tmp_path / "new/app/host.json").read_text()) == {
        "version": "2.0",
        "extensionBundle": {
            "id": "Microsoft.Azure.Functions.ExtensionBundle",
            "version": "[4.*, 5.0.0)",
        },
    }
    assert json.loads((tmp_path / "new/app/local.settings.json").read_text())["IsEncrypted"] is False
    assert ".funchost/" in (tmp_path / "new/app/.gitignore").read_text().splitlines()


def test_init_keeps_what_is_already_there(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text("mine")

    made = init_app(tmp_path)

    assert tmp_path / "host.json" not in made
    assert (tmp_path / "host.json").read_text() == "mine"
    assert init_app(tmp_path) == []


def test_init_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "app").write_text("")

    with pytest.raises(ConfigurationError, match="is a file"):
        init_app(tmp_path / "app")


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_function_has_one_trigger_with_known_fields(tmp_path: Path, kind: str) -> None:
    made = new_function(tmp_path, "hello", kind)

    assert made == [tmp_path / "hello/function.json", tmp_path / "hello/__init__.py"]
    [trigger] = [entry for entry in read_bindings(tmp_path, "hello") if entry["direction"] == "in"]
    assert trigger["type"] == f"{kind}Trigger"
    own = {key: value for key, value in trigger.items() if key not in ("type", "direction", "name")}
    msgspec.convert(own, getattr(fields, f"{kind.title()}TriggerFields"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_of_a_new_function_takes_what_its_bindings_give(tmp_path: Path, kind: str) -> None:
    new_function(tmp_path, "hello", kind)

    module = ast.parse((tmp_path / "hello/__init__.py").read_text())
    [main] = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    names = {entry["name"] for entry in read_bindings(tmp_path, "hello")} - {"$return"}
    assert main.name == "main"
    assert {argument.arg for argument in main.args.args} == names


@pytest.mark.parametrize("name", ["a", "My_Work--Item", "z" * 128, "x_", "a" * 50 + "-b"])
def test_the_queue_of_a_new_function_has_a_name_that_queues_take(tmp_path: Path, name: str) -> None:
    new_function(tmp_path, name, "queue")

    queue = read_bindings(tmp_path, name)[0]["queueName"]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", queue)
    assert 3 <= len(queue) <= 63


def test_a_new_function_goes_into_functions_where_there_is_such_a_folder(tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()

    new_function(tmp_path, "hello", "http")

    assert (tmp_path / "functions/hello/function.json").is_file()
    assert not (tmp_path / "hello").exists()


@pytest.mark.parametrize(
    "name", ["", "1st", "-x", "a b", "../up", "a/b", "ü", "x\n", "y" * 129, "host", "Host"]
)
def test_a_bad_name_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="not a valid function name"):
        new_function(tmp_path, name, "http")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["administrators", "Runtime-info"])
def test_an_http_function_keeps_off_the_urls_of_the_host(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="admin or runtime"):
        new_function(tmp_path, name, "http")

    assert new_function(tmp_path, name, "queue")


@pytest.mark.parametrize("place", ["Hello", "functions/Hello"])
def test_a_name_that_is_taken_is_refused_in_any_case(tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(parents=True)

    with pytest.raises(ConfigurationError, match="already there"):
        new_function(tmp_path, "hello", "http")


def test_an_unknown_trigger_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'event'.* http, queue, timer, blob, file, manual"):
        new_function(tmp_path, "hello", "event")


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_function_is_added_to_the_script_of_an_app_that_has_one(tmp_path: Path, kind: str) -> None:
    init_app(tmp_path, decorated=True)

    assert new_function(tmp_path, "hello", kind) == [tmp_path / "function_app.py"]
    assert new_function(tmp_path, "say-hello", kind) == [tmp_path / "function_app.py"]

    module = ast.parse((tmp_path / "function_app.py").read_text())
    assert [node.name for node in module.body if isinstance(node, ast.FunctionDef)] == ["hello", "say_hello"]
    assert (tmp_path / "function_app.py").read_text().count('@app.function_name("say-hello")') == 1
    assert not (tmp_path / "hello").exists()


#: Beginnings of scripts, and how they read once both imports have been put in.
HEADS = {
    "from azure.functions import FunctionApp\n\nshop": "from azure.functions import FunctionApp\n{}\n\nshop",
    '"""Shop."""\nfrom __future__ import annotations\nimport os; shop': (
        '"""Shop."""\nfrom __future__ import annotations\nimport os; shop = FunctionApp()\n{}\n'
    ),
    '"""Shop\nand more."""\nshop': '"""Shop\nand more."""\n\n{}\n\nshop',
    "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\nshop": (
        "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n{}\n\nshop"
    ),
    "import os\nshop = 1\nimport sys\nshop": "import os\n{}\nshop = 1\nimport sys\nshop",
    "from a import (\n    b,\n)\nshop": "from a import (\n    b,\n)\n{}\nshop",
}


@pytest.mark.parametrize("head", HEADS)
def test_a_script_gets_the_imports_that_it_lacks_behind_its_own(tmp_path: Path, head: str) -> None:
    (tmp_path / "function_app.py").write_text(f"{head} = FunctionApp()\n")

    new_function(tmp_path, "hello", "timer")

    text = (tmp_path / "function_app.py").read_text()
    assert text.startswith(HEADS[head].format("import logging\nimport azure.functions as func"))
    assert text.index("import azure.functions as func") < text.index("@shop.timer")
    ast.parse(text)


@pytest.mark.parametrize(
    ("kind", "there", "added"),
    [
        ("http", "import azure.functions as func\n", []),
        ("http", "import os, azure.functions as func\n", []),
        ("http", "import azure.functions\n", ["import azure.functions as func"]),
        ("timer", "import azure.functions as func\n", ["import logging"]),
        ("manual", "from azure import functions\n", []),
    ],
)
def test_only_imports_that_the_new_code_needs_are_added(
    tmp_path: Path, kind: str, there: str, added: list[str]
) -> None:
    (tmp_path / "function_app.py").write_text(there)

    new_function(tmp_path, "hello", kind)

    lines = (tmp_path / "function_app.py").read_text().splitlines()
    assert [line for line in lines if line.startswith("import ")] == [
        *([there.rstrip()] if there.startswith("import") else []),
        *added,
    ]


def test_an_empty_script_gets_a_function_too(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text("")

    new_function(tmp_path, "hello", "timer")

    assert (tmp_path / "function_app.py").read_text().startswith("import logging\n")


@pytest.mark.parametrize(
    "taken", ["def Hello(): pass", "@app.function_name(name='HELLO')\ndef other(): pass"]
)
def test_a_name_that_the_script_has_is_refused(tmp_path: Path, taken: str) -> None:
    (tmp_path / "function_app.py").write_text(taken)

    with pytest.raises(ConfigurationError, match="already"):
        new_function(tmp_path, "hello", "http")


def test_a_script_that_is_no_python_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text("def (:\n")

    with pytest.raises(ConfigurationError, match="line 1"):
        new_function(tmp_path, "hello", "http")

    assert (tmp_path / "function_app.py").read_text() == "def (:\n"
