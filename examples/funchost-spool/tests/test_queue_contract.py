"""What funchost asks of every queue store, asked of this one: its suite runs here, on a fixture of ours."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from adapters import Queues
from contract.test_queue_store import *
from fakes import ManualClock

from funchost_spool.queues import SpoolQueues


@pytest.fixture
def queues(tmp_path: Path) -> Queues:
    clock = ManualClock()
    store = SpoolQueues(tmp_path, clock, lease=timedelta(minutes=1))
    return Queues(store, clock, max_body=store.max_body)
