"""A package that others are taken to have installed, with its entry points."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from funchost.bindings.packages import entry_points_of


def installed_with(monkeypatch: pytest.MonkeyPatch, **classes: type) -> Iterator[list[EntryPoint]]:
    """The module ``other_package`` with these classes, and a list of entry points for the test to fill."""
    module = ModuleType("other_package")
    vars(module).update(classes)
    monkeypatch.setitem(sys.modules, "other_package", module)
    entries: list[EntryPoint] = []
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda group: [each for each in entries if each.group == group]
    )
    entry_points_of.cache_clear()
    yield entries
    entry_points_of.cache_clear()
