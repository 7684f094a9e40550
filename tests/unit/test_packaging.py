"""The repository agrees with itself: packages, versions, samples and what the documents mention."""

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import pytest

from funchost.triggers import fields

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("host", "triggers", "bindings")
TRIGGERS = sorted(
    name[0].lower() + name[1:].removesuffix("Fields")
    for name in vars(fields)
    if name.endswith("TriggerFields")
)


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def sample_triggers() -> set[str]:
    """The trigger types that the samples use. Their JSON holds comments, so this only looks for the word."""
    texts = [path.read_text() for path in (ROOT / "functions").glob("*/function.json")]
    return {word for text in texts for word in re.findall(r'"type": "(\w+Trigger)"', text)}


def test_every_folder_of_code_is_packaged() -> None:
    folders = {"funchost"} | {
        ".".join(("funchost", *module.parent.relative_to(ROOT).parts))
        for folder in FOLDERS
        for module in (ROOT / folder).rglob("*.py")
    }
    assert set(pyproject()["tool"]["setuptools"]["packages"]) == folders


def test_the_installed_version_is_that_of_the_project() -> None:
    assert metadata.version("funchost") == pyproject()["project"]["version"]


def test_the_scripts_look_for_the_python_that_the_project_asks_for() -> None:
    assert pyproject()["project"]["requires-python"] == ">=3.11"
    assert "version_info >= (3, 11)" in (ROOT / "scripts/setup-venv").read_text()


def test_the_development_tools_that_the_scripts_use_are_installed_by_the_dev_extra() -> None:
    extra = " ".join(pyproject()["project"]["optional-dependencies"]["dev"])
    for tool in ("pytest", "ruff", "mypy", "import-linter"):
        assert tool in extra


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_each_trigger_has_a_sample(trigger: str) -> None:
    assert trigger in sample_triggers()


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_each_trigger_is_in_the_readme(trigger: str) -> None:
    assert f"`{trigger}`" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_each_trigger_has_a_section_in_the_reference(trigger: str) -> None:
    headings = re.findall(r"^#+ .*$", (ROOT / "docs/function-json.md").read_text(), re.MULTILINE)
    assert any(trigger in heading for heading in headings)


def test_the_local_settings_example_is_plain_json() -> None:
    example = msgspec.json.decode((ROOT / "local.settings.example.json").read_bytes())
    assert example["IsEncrypted"] is False
    assert all(isinstance(value, str) for value in example["Values"].values())


def test_every_relative_link_of_the_documents_leads_somewhere() -> None:
    for document in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
