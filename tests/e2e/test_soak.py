"""The soak, for as long as there is time: two minutes where everything is checked, a moment elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

_SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"

#: Seconds of load.
SECONDS = float(os.environ.get("FUNCHOST_SOAK_SECONDS") or (120 if os.environ.get("CI") == "true" else 20))

#: Seconds that all the rest may take.
PATIENCE = 600.0


def test_after_minutes_of_chaos_everything_is_accounted_for() -> None:
    # It takes all that there is to have: other tests run beside it.
    command = ["nice", "-n", "10", sys.executable, str(_SOAK), "--minutes", str(SECONDS / 60)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment()
    ) as soak:
        try:
            said, _ = soak.communicate(timeout=SECONDS + PATIENCE)
        finally:
            soak.terminate()  # it ends its hosts; nothing where it has ended
    print(said)
    assert soak.returncode == 0, said
    assert "lost 0, completed twice 0" in said.splitlines()[-1]
    assert "BREACH" not in said


def _environment() -> dict[str, str]:
    # Warnings are errors of tests, not of the hosts that the soak starts.
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "PYTHONWARN"))}
