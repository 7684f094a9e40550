"""Functions that would start themselves by what they write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from funchost.host.app.blob_loops import can_start
from funchost.host.app.discovery import Finder
from funchost.host.config.settings import Settings
from funchost.triggers.descriptor import Problem


@pytest.mark.parametrize(
    ("watched", "written"),
    [
        ("uploads/{name}", "uploads/{name}"),
        ("uploads/{name}", "uploads/{name}-copy"),
        ("uploads", "uploads/a.txt"),
        ("uploads/", "uploads/a.txt"),
        ("Uploads/{name}", "uploads/x"),
        ("uploads/{name}.txt", "uploads/out/{rand-guid}.txt"),
        ("uploads/{name}.txt", "uploads/{other}"),
        ("uploads/in/{name}.csv", "uploads/{folder}/{name}.csv"),
        ("uploads/{a}-{b}.png", "uploads/{name}-small.png"),
        ("uploads/{name}", "{container}/{name}"),
        ("uploads/a", "uploads/a"),
        ("uploads/{{{name}}}", "uploads/{{x}}"),
        ("uploads/{a}b{c}", "uploads/ab"),
        ("uploads/{name}", "uploads/{datetime:yyyy}/a"),
    ],
)
def test_what_may_be_written_may_start_it(watched: str, written: str) -> None:
    assert can_start(watched, written)


@pytest.mark.parametrize(
    ("watched", "written"),
    [
        ("uploads/{name}", "results/{name}"),
        ("uploads/in/{name}", "uploads/out/{name}"),
        ("uploads/{name}.csv", "uploads/{name}.json"),
        ("uploads/{name}.csv", "uploads/{name}.csv.done"),
        ("uploads/a", "uploads/b"),
        ("uploads/in-{name}", "uploads/out-{name}"),
        ("uploads/{name}.CSV", "uploads/{name}.csv"),
        ("uploads/in/{name}.csv", "{container}/out/{name}"),
        ("uploads/{a}1", "uploads/{b}2"),
        ("uploads/{a}xx{b}", "uploads/x"),
    ],
)
def test_what_surely_fits_no_pattern_may_not(watched: str, written: str) -> None:
    assert not can_start(watched, written)


def test_long_paths_with_many_wildcards_are_compared_soon() -> None:
    assert not can_start("uploads/" + "{a}x" * 200, "uploads/" + "{b}y" * 200)


AWS = {
    "Cloud__provider": "aws",
    "Cloud__region": "eu-west-1",
    "Other__provider": "aws",
    "Other__bucketPrefix": "x-",
}


def problems(folder: Path, connection: str, output: dict[str, Any]) -> list[Problem]:
    """What is found wrong with a function for ``uploads/{name}`` that has this output."""
    trigger = {"type": "blobTrigger", "name": "blob", "path": "uploads/{name}", "connection": connection}
    bindings = [trigger, {"type": "blob", "name": "copy", "direction": "out", **output}]
    (folder / "Copy").mkdir()
    (folder / "Copy" / "__init__.py").write_text("def main(blob, copy): pass\n")
    (folder / "Copy" / "function.json").write_text(json.dumps({"bindings": bindings}))
    settings = Settings.load(folder, {**AWS, "Local": "UseDevelopmentStorage=true"})
    found = Finder(root=folder, settings=settings.app, host_json=settings.host_json).find()
    assert bool(found.functions) == all(problem.severity == "warning" for problem in found.problems)
    return list(found.problems)


def test_on_s3_such_a_function_is_refused_with_its_place(tmp_path: Path) -> None:
    output = {"path": "uploads/{name}-copy", "connection": "Cloud"}
    [problem] = problems(tmp_path, "Cloud", output)
    assert (problem.severity, problem.function) == ("error", "Copy")
    assert problem.file == "Copy/function.json" and problem.key == "bindings[1].path"
    assert "'copy' can write blobs that the function's own trigger is for (uploads/{name})" in problem.message
    assert problem.fix and "another container or folder" in problem.fix


def test_on_the_embedded_store_it_is_told_and_runs(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "Local", {"path": "uploads/{name}-copy"})
    assert problem.severity == "warning"
    assert "starts itself" in problem.message


@pytest.mark.parametrize(
    "output",
    [
        {"path": "results/{name}", "connection": "Cloud"},
        {"path": "uploads/{name}", "connection": "Local"},
        {"path": "uploads/{name}", "connection": "Other"},
        {"path": "uploads/{name}", "connection": "Cloud", "direction": "in"},
    ],
    ids=["another container", "another kind", "another prefix", "an input"],
)
def test_what_leads_elsewhere_is_none_of_its_business(tmp_path: Path, output: dict[str, Any]) -> None:
    assert problems(tmp_path, "Cloud", output) == []
