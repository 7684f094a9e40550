"""The storage as connections lead to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import ManualClock
from funchost.bindings.errors import ConfigurationError
from funchost.bindings.storage import BLOBS, QUEUES, ConnectionSettings
from funchost.bindings.storages import storage_type
from funchost.triggers.registry import trigger_class

from funchost_spool.lines import LineTrigger
from funchost_spool.storage import SpoolStorage


def storage(**values: str) -> SpoolStorage:
    return SpoolStorage(ConnectionSettings(name="Shared", setting="Shared", values=values), ManualClock())


def test_funchost_finds_what_is_installed() -> None:
    assert storage_type("spool") is SpoolStorage
    assert trigger_class("lineTrigger") is LineTrigger


def test_it_has_queues_and_blobs_the_same_each_time(tmp_path: Path) -> None:
    spool = storage(path=str(tmp_path))
    assert spool.provides == {QUEUES, BLOBS}
    assert spool.queues() is spool.queues()
    assert spool.blobs() is spool.blobs()
    assert str(tmp_path) in spool.place


def test_it_tells_how_long_a_message_is_hidden(tmp_path: Path) -> None:
    assert storage(path=str(tmp_path)).queues().lease_of("orders").total_seconds() == 30
    assert storage(path=str(tmp_path), lease="5").queues().lease_of("orders").total_seconds() == 5


@pytest.mark.parametrize(
    ("values", "said", "fix"),
    [
        ({}, "does not say where its folder is", "Set Shared__path to the whole path"),
        ({"path": "share"}, "does not say where its folder is", "Set Shared__path to the whole path"),
        ({"path": "/srv", "pth": "/srv"}, "Shared__pth", "path and lease"),
        ({"path": "/srv", "lease": "soon"}, "'soon'", "Set Shared__lease to seconds"),
        ({"path": "/srv", "lease": "0"}, "'0'", "Set Shared__lease to seconds"),
    ],
)
def test_settings_that_it_cannot_use_are_refused_with_what_to_do(
    values: dict[str, str], said: str, fix: str
) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        storage(**values)
    assert fix in (refused.value.fix or "")
