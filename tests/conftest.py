"""Fixtures that need starting once for many tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

# Whoever runs the tests in the background of a shell has them, and all commands that they start, ignore Ctrl+C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def emulator() -> Iterator[object]:
    """moto's server, in this process."""
    from funchost.host.emulator.server import EmulatorServer

    with EmulatorServer() as server:
        yield server


@pytest.fixture
def aws(emulator: object, monkeypatch: pytest.MonkeyPatch) -> object:
    """The server with names of its own for this test, and credentials in the environment."""
    from aws import CREDENTIALS, Aws

    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return Aws(emulator)  # type: ignore[arg-type]
