"""What a definition may say of blob bindings with a cardinality."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from funchost.host.app.discovery import Discovery, Finder
from funchost.host.config.settings import Settings
from funchost.triggers.descriptor import Problem

MANY = {"type": "blob", "name": "files", "cardinality": "many", "path": "orders"}


def find(root: Path, *bindings: dict[str, Any]) -> Discovery:
    folder = root / "work"
    folder.mkdir()
    (folder / "__init__.py").touch()
    entries = [{"type": "manualTrigger", "name": "data"}, *bindings]
    (folder / "function.json").write_text(json.dumps({"bindings": entries}))
    loaded = Settings.load(root, {"YEAR": "2026"})
    return Finder(root=root, settings=loaded.app, host_json=loaded.host_json).find()


def problem(root: Path, binding: dict[str, Any]) -> Problem:
    [told] = find(root, binding).problems
    assert told.severity == "error"
    return told


@pytest.mark.parametrize(
    "path", ["orders", "orders/", "orders/2026/", "orders/2026/a.", "{where}", "{where}/x", "orders/{id}/"]
)
def test_the_path_of_many_is_a_container_or_how_names_begin(tmp_path: Path, path: str) -> None:
    found = find(tmp_path, {**MANY, "path": path})
    assert found.problems == ()
    [binding] = found.functions[0].bindings
    assert (binding.cardinality, binding.fields["path"]) == ("many", path)


def test_the_cardinality_may_be_in_any_case_and_settings_are_put_in(tmp_path: Path) -> None:
    [function] = find(tmp_path, {**MANY, "cardinality": "MANY", "path": "orders/%YEAR%/"}).functions
    assert (function.bindings[0].cardinality, function.bindings[0].fields["path"]) == ("many", "orders/2026/")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a_b", "'a_b' is not a container name"),
        ("a_b/{id}", "'a_b' is not a container name"),
        ("/x", "'' is not a container name"),
        (
            "orders//",
            "No blob has a name that begins with '/'. Write the path as container or container/prefix.",
        ),
        ("orders/a\\b", "No blob has a name that begins with"),
        ("orders/../x", "No blob has a name that begins with"),
        ("orders/{id}/../x", "leads out of its container"),
        ("https://ada.blob.core.windows.net/orders", "An address cannot be used as a path"),
        (
            "orders/*.json",
            "'orders/*.json': there are no patterns here, a prefix is how names begin. Write orders/,",
        ),
        ("orders/2026-*/{id}", "Write orders/2026-, and"),
    ],
)
def test_another_path_is_refused_and_told(tmp_path: Path, path: str, why: str) -> None:
    told = problem(tmp_path, {**MANY, "path": path})
    assert told.key == "bindings[1].path"
    assert why in told.message


def test_an_output_is_one_blob(tmp_path: Path) -> None:
    told = problem(tmp_path, {**MANY, "direction": "out", "path": "orders/{id}"})
    assert (told.key, told.message, told.fix) == (
        "bindings[1].cardinality",
        "An output is one blob, not many.",
        "Remove it; a function that writes several blobs has an output for each.",
    )


def test_the_path_of_one_is_that_of_a_blob_as_ever(tmp_path: Path) -> None:
    assert "'orders' is not a blob path" in problem(tmp_path, {**MANY, "cardinality": "one"}).message
