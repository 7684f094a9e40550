"""Packages of other people for tests: the one in examples/, and such as a test writes, installed without a network."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[1]
SPOOL = ROOT / "examples" / "funchost-spool"


def environment(*paths: Path) -> dict[str, str]:
    """What has a process find the packages in these folders."""
    others = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([*map(str, paths), *([others] if others else [])])}


def installed(example: Path, folder: Path) -> dict[str, str]:
    """What an editable install does of a package with a `src`: its metadata, from its pyproject.toml, into `folder`.

    Returns the environment in which processes find it.
    """
    project = tomllib.loads((example / "pyproject.toml").read_text())["project"]
    write_metadata(folder, project["name"], project["version"], project["entry-points"])
    return environment(folder, example / "src")


def write_metadata(
    folder: Path, name: str, version: str, entry_points: Mapping[str, Mapping[str, str]]
) -> None:
    """The metadata of an installed package, in which its entry points are looked up."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        line
        for group, entries in entry_points.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def written(
    folder: Path, name: str, code: str, entry_points: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """A package of one module, installed; returns the environment in which processes find it."""
    write_metadata(folder, name, "1.0", entry_points)
    (folder / f"{name}.py").write_text(dedent(code))
    return environment(folder)
