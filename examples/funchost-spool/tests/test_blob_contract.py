"""What funchost asks of every blob store, asked of this one."""

from __future__ import annotations

from pathlib import Path

import pytest
from contract.test_blob_store import *
from fakes import ManualClock
from funchost.bindings.blob import BlobStore
from funchost.bindings.storage import ConnectionSettings

from funchost_spool.storage import SpoolStorage


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    settings = ConnectionSettings(name="Shared", setting="Shared", values={"path": str(tmp_path)})
    return SpoolStorage(settings, ManualClock()).blobs()
