from pathlib import Path

import pytest
from e2e.running import RunningHost, funchost

pytestmark = pytest.mark.e2e


def test_start_serves_and_stops(tmp_path: Path) -> None:
    with RunningHost(tmp_path) as host:
        assert host.url.startswith("http://localhost:")
        assert host.stop() == 0
