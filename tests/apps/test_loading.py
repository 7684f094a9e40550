"""How the code of an app is found and imported (python-model, section 3)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from apps.serving import Host, serve

SWITCHES = {
    "AzureWebJobs.off_setting.Disabled": "true",
    "AzureWebJobs_off-env_Disabled": "1",
    "AzureWebJobs.on_setting.Disabled": "yes",
}


@pytest.fixture(scope="module")
def v1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("loading", "v1", tmp_path_factory.mktemp("app"), env=SWITCHES)


@pytest.fixture(scope="module")
def v2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("loading", "v2", tmp_path_factory.mktemp("app"), env=SWITCHES)


@pytest.fixture(params=["v1", "v2"])
def host(request: pytest.FixtureRequest) -> Host:
    found: Host = request.getfixturevalue(request.param)
    return found


def test_modules_are_found_relative_by_the_root_and_by_the_name_of_the_app(v1: Host) -> None:
    assert v1.get("/api/imports").text.splitlines() == [
        "a module of a package",
        "a module of the root",
        "a module of the root",
        "a package of the root",
        "a module of a package",
        "a folder without __init__",
        "a package of the root",
        "a package of the root",
        "a package of the root",
        "a module beside the script",
        "a module beside the script",
        "a module beside the script, from below",
    ]


def test_modules_of_the_root_are_found_by_their_own_names(v2: Host) -> None:
    assert v2.get("/api/imports").text.splitlines() == [
        "a module of a package",
        "a module of the root",
        "a folder without __init__",
        "a package of the root",
    ]


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        ("orders2-v3", "__app__.orders2-v3 __app__.orders2-v3.parts_of_it"),
        ("onlyfile", "__app__.onlyfile.handler"),
        ("runfile", "__app__.runfile.run"),
        ("initfile", "__app__.initfile"),
        ("subfolder", "__app__.subfolder.src.deep.main with a relative import"),
        ("subfolder-win", "__app__.subfolder-win.src.main"),
        ("outside", "__app__.shared.handler"),
        ("outside2", "second of __app__.shared.handler"),
        ("test", "__app__.test"),
    ],
)
def test_the_script_is_imported_as_a_module_of_the_app(v1: Host, function: str, answer: str) -> None:
    assert v1.get(f"/api/{function}").text == answer


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        ("orders2-v3", "function_app"),
        ("test", "test"),
        ("wrapped", "wrapped: its own"),
        ("from_blueprint", "orders.blueprint with a relative import orders"),
    ],
)
def test_the_script_is_imported_by_its_own_name(v2: Host, function: str, answer: str) -> None:
    assert v2.get(f"/api/{function}").text == answer


@pytest.mark.parametrize("name", ["a", "b"])
def test_functions_have_modules_of_the_same_name_for_themselves(v1: Host, name: str) -> None:
    assert v1.get(f"/api/twin_{name}").text == f"util of {name} settings of {name}"


def test_a_function_may_be_called_as_an_installed_package(v1: Host) -> None:
    assert v1.get("/api/pytest").text == "__app__.pytest pytest True"
    assert v1.get("/api/azure_x").text == "__app__.azure_x"


def test_a_function_may_be_called_as_a_module_of_python(v1: Host) -> None:
    assert v1.get("/api/json").json == ["__app__.json"]


def test_an_installed_package_wins_over_a_folder_of_its_name(v2: Host) -> None:
    assert v2.get("/api/pytest").text == "pytest True"


def test_a_module_runs_once(host: Host) -> None:
    name, more = ("__app__.once", " True") if host.root.name.endswith("v1") else ("function_app", "")

    assert host.get("/api/once").text == f"['{name}'] True{more}"


def test_own_packages_come_before_the_installed_ones(host: Host) -> None:
    assert host.get("/api/packages").text == "an own package, in front of the installed one"


def test_a_folder_function_knows_where_it_is(v1: Host) -> None:
    assert v1.get("/api/where").json == {
        "text": "read from the root",
        "name": "__app__.where",
        "package": "__app__.where",
        "file": "where/__init__.py",
        "works in": True,
        "root is last": True,
        "main": False,
    }


def test_a_decorated_function_knows_where_it_is(v2: Host) -> None:
    assert v2.get("/api/where").json == {
        "text": "read from the root",
        "name": "function_app",
        "file": "function_app.py",
        "works in": True,
    }


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_function_json_is_read_kindly(v1: Host, method: str) -> None:
    assert v1.request(method, "/api/tolerant", "hi" if method == "POST" else "").status == 200
    assert v1.request("PUT", "/api/tolerant", "hi").status == 404


@pytest.mark.parametrize("function", ["off_setting", "off-env"])
def test_a_setting_turns_a_function_off(host: Host, function: str) -> None:
    assert host.get(f"/api/{function}").status == 404
    states = {each["name"]: each["state"] for each in host.get("/admin/functions").json}
    assert states[function] == "disabled"


def test_a_setting_that_is_neither_1_nor_true_leaves_it_on(host: Host) -> None:
    assert host.get("/api/on_setting").status == 200


def test_function_json_turns_a_function_off(v1: Host) -> None:
    assert v1.get("/api/off_file").status == 404


def test_folders_below_the_first_level_are_no_functions(v1: Host) -> None:
    names = [each["name"] for each in v1.get("/admin/functions").json]

    assert "deeper" not in names
    assert "nested" not in names


@pytest.mark.parametrize(
    ("function", "answer"),
    [("partial", "partly called"), ("instance", "an object that can be called")],
)
def test_whatever_can_be_called_is_an_entry_point(v1: Host, function: str, answer: str) -> None:
    assert v1.get(f"/api/{function}").text == answer


def test_modules_may_be_called_as_those_of_the_worker(host: Host) -> None:
    assert host.get("/api/own_names").text == "errors of the app, logs of the app"


def test_bindings_may_be_named_in_snake_case(host: Host) -> None:
    assert host.get("/api/snake_case?say=so").text == "so"
