"""The stores under test, each suite on every adapter; `adapters` lists them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from account import ASKED_FOR, ENDPOINT, Account
from adapters import BLOBS, LEASES, QUEUES, STATES, Leases, Memory, Queues

from funchost.bindings.blob import BlobStore

_ACCOUNT = pytest.StashKey[Account]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "not_on_account: what cannot be shown on a real account, and why")


@pytest.fixture(params=QUEUES)
async def queues(request: pytest.FixtureRequest) -> AsyncIterator[Queues]:
    async with QUEUES[request.param](request) as queues:
        yield queues


@pytest.fixture(params=BLOBS)
async def blobs(request: pytest.FixtureRequest) -> AsyncIterator[BlobStore]:
    async with BLOBS[request.param](request) as blobs:
        yield blobs


@pytest.fixture(params=LEASES)
async def leases(request: pytest.FixtureRequest) -> AsyncIterator[Leases]:
    async with LEASES[request.param](request) as leases:
        yield leases


@pytest.fixture(params=STATES)
async def memory(request: pytest.FixtureRequest) -> AsyncIterator[Memory]:
    async with STATES[request.param](request) as memory:
        yield memory


@pytest.fixture(scope="session")
def account(pytestconfig: pytest.Config) -> Iterator[Account]:
    """A real account. All that the tests make there is deleted at the end, whatever became of them."""
    if not ASKED_FOR:
        pytest.skip("FUNCHOST_TEST_AWS=1 asks for a real account")
    account = Account()
    pytestconfig.stash[_ACCOUNT] = account
    try:
        yield account
    finally:
        account.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    account = config.stash.get(_ACCOUNT, None)
    if account:
        terminalreporter.section(f"AWS account ({ENDPOINT or account.settings.place})")
        for line in account.summary():
            terminalreporter.line(line)
