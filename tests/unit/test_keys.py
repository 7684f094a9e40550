"""Keys, what they open, and the key API: functions-semantics 8.3."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from waiting import until

from funchost.bindings.errors import AccessDenied, NotFound
from funchost.bindings.state import Sighting
from funchost.host import keys as keys_module
from funchost.host.admin.key_api import KeyApi
from funchost.host.keys import SCOPE, Keys, KeysUnread


class MemoryState:
    """A `StateStore` in memory, as far as keys need one."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, Any]] = {}
        self.reads = 0
        self.broken = False
        #: Set when what was read may arrive; None: at once.
        self.slow: asyncio.Event | None = None
        self.watchers: list[Callable[[], None]] = []

    async def get(self, scope: str, key: str) -> Any:
        return self.values.get(scope, {}).get(key)

    async def put(self, scope: str, key: str, value: Any) -> None:
        kept = self.values.setdefault(scope, {})
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = value
        for callback in self.watchers:
            callback()

    async def change(self, scope: str, key: str, edit: Callable[[Any], Any]) -> bool:
        raise NotImplementedError

    def watch(self, scope: str, callback: Callable[[], None]) -> None:
        self.watchers.append(callback)

    async def items(self, scope: str) -> Mapping[str, Any]:
        self.reads += 1
        if self.broken:
            raise OSError("the disk is gone")
        found = dict(self.values.get(scope, {}))
        if self.slow:
            await self.slow.wait()
        return found

    async def seen(self, scope: str) -> dict[str, str]:
        return {}

    async def record(self, scope: str, sightings: Sequence[Sighting]) -> int:
        return 0


@pytest.fixture
def state() -> MemoryState:
    return MemoryState()


@pytest.fixture
async def keys(state: MemoryState) -> Keys:
    keys = Keys(state)
    keys.follow()
    await keys.load()
    return keys


async def refreshed() -> None:
    """Let a refresh in the background have its turn."""
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(keys_module, "START_LIMIT", 0.01)


async def until_read(keys: Keys) -> None:
    await until(lambda: keys.get("master", "_master"))


@pytest.mark.usefixtures("at_once")
async def test_a_host_begins_without_its_keys_where_they_cannot_be_read_and_reads_them_later(
    state: MemoryState, caplog: pytest.LogCaptureFixture
) -> None:
    state.values[SCOPE] = {"master/_master": {"name": "_master", "value": "secret"}}
    state.broken = True
    keys = Keys(state)
    await keys.begin()
    assert keys.authorize(None, "anonymous", "F") and keys.authorize("any", "anonymous", "F")
    assert not keys.authorize(None, "function", "F"), "no key opens nothing, whatever the keys are"
    await until_reads(state, 3)
    with pytest.raises(KeysUnread, match="cannot be read at present"):
        keys.authorize("secret", "function", "F")
    state.broken = False
    await until_read(keys)
    assert keys.authorize("secret", "function", "F")
    await refreshed()
    assert set(state.values[SCOPE]) == {"master/_master", "host/default"}, "what is missing is made"
    told = [record.message for record in caplog.records if "answer 503" in record.message]
    assert len(told) == 1 and "the disk is gone" in told[0]


async def until_reads(state: MemoryState, count: int) -> None:
    await until(lambda: state.reads >= count)


@pytest.mark.usefixtures("at_once")
async def test_a_host_does_not_wait_for_keys_that_are_slow_to_come(state: MemoryState) -> None:
    state.slow = asyncio.Event()
    keys = Keys(state)
    await asyncio.wait_for(keys.begin(), 5)
    with pytest.raises(KeysUnread):
        keys.authorize("any", "function", "F")
    state.slow.set()
    await until_read(keys)
    assert not keys.authorize("any", "function", "F")


@pytest.mark.usefixtures("at_once")
async def test_keys_that_were_read_count_although_no_new_one_can_be_kept(
    state: MemoryState, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(scope: str, key: str, value: Any) -> None:
        raise AccessDenied("no s3:PutObject")

    monkeypatch.setattr(state, "put", refused)
    state.values[SCOPE] = {"host/default": {"name": "default", "value": "opens"}}
    keys = Keys(state)
    await keys.begin()
    assert keys.authorize("opens", "function", "F")
    keys.close()


async def test_keys_that_are_to_be_had_are_there_when_a_host_has_begun(state: MemoryState) -> None:
    keys = Keys(state)
    await keys.begin()
    assert state.watchers
    assert await keys.list()


async def test_a_new_store_gets_a_master_key_and_a_default_key(keys: Keys, state: MemoryState) -> None:
    assert [(key.ring, key.name) for key in await keys.list()] == [("host", "default"), ("master", "_master")]
    assert set(state.values[SCOPE]) == {"master/_master", "host/default"}


async def test_a_generated_value_is_40_random_bytes_in_url_safe_base64(keys: Keys) -> None:
    values = [key.value for key in await keys.list()]
    assert [len(base64.urlsafe_b64decode(value)) for value in values] == [40, 40]
    assert len(set(values)) == 2


async def test_keys_survive_a_restart(keys: Keys, state: MemoryState) -> None:
    again = Keys(state)
    await again.load()
    assert await again.list() == await keys.list()


@pytest.mark.parametrize(
    ("shown", "opens"),
    [
        ("master", {"anonymous", "function", "system", "admin", "user"}),
        ("system", {"anonymous", "system"}),
        ("host", {"anonymous", "function"}),
        ("own", {"anonymous", "function"}),
        ("other", {"anonymous"}),
        ("wrong", {"anonymous"}),
        ("\u00e9\udcff", {"anonymous"}),
        ("", {"anonymous"}),
        (None, {"anonymous"}),
    ],
)
async def test_a_key_opens_its_own_level_and_the_master_key_all(
    keys: Keys, shown: str | None, opens: set[str]
) -> None:
    await keys.set("_master", "master")
    await keys.set("durabletask_extension", "system")
    await keys.set("default", "host")
    await keys.set("default", "own", "Orders")
    await keys.set("default", "other", "Else")
    levels = ("anonymous", "function", "system", "admin", "user")
    assert {level for level in levels if keys.authorize(shown, level, "ORDERS")} == opens


async def test_a_key_that_serves_two_purposes_opens_both(keys: Keys) -> None:
    await keys.set("default", "same")
    await keys.set("x_extension", "same")
    assert keys.authorize("same", "function", "F")
    assert keys.authorize("same", "system", "F")


async def test_a_rotated_key_opens_and_its_old_value_no_longer(keys: Keys) -> None:
    old = (await keys.list())[0].value
    new = await keys.rotate("default")
    assert keys.authorize(new, "function", "F")
    assert not keys.authorize(old, "function", "F")


async def test_a_deleted_key_opens_nothing(keys: Keys, state: MemoryState) -> None:
    await keys.set("Partner", "p")
    await keys.delete("partner")
    assert not keys.authorize("p", "function", "F")
    assert "host/partner" not in state.values[SCOPE]
    with pytest.raises(NotFound):
        await keys.delete("partner")


async def test_the_master_key_stays(keys: Keys) -> None:
    with pytest.raises(NotFound):
        await keys.delete("_master")
    assert len(await keys.list()) == 2


async def test_a_functions_default_key_is_made_when_it_is_asked_for(keys: Keys) -> None:
    (key,) = await keys.list("Orders")
    assert (key.ring, key.name) == ("function:orders", "default")
    assert await keys.list("orders") == [key]
    assert keys.authorize(key.value, "function", "Orders")


async def test_a_key_made_elsewhere_counts_at_once(keys: Keys, state: MemoryState) -> None:
    await Keys(state).set("new", "n")
    await refreshed()
    assert keys.authorize("n", "function", "F")


async def test_a_key_rotated_or_withdrawn_elsewhere_stops_counting_at_once(
    keys: Keys, state: MemoryState
) -> None:
    other = Keys(state)
    await keys.set("old", "o")
    await other.load()
    await other.set("old", "new")
    await refreshed()
    assert not keys.authorize("o", "function", "F")
    assert keys.authorize("new", "function", "F")
    await other.delete("old")
    await refreshed()
    assert not keys.authorize("new", "function", "F")


async def test_what_is_read_while_a_key_changes_here_does_not_bring_it_back(
    keys: Keys, state: MemoryState
) -> None:
    await keys.set("k", "v")
    await refreshed()
    state.slow = asyncio.Event()
    await Keys(state).set("other", "o")
    await refreshed()  # it has begun to read, and the key was still there
    await keys.delete("k")
    state.slow.set()
    await refreshed()
    assert keys.get("host", "k") is None
    assert keys.get("host", "other") is not None


async def test_keys_that_nobody_changed_are_not_read_again(keys: Keys, state: MemoryState) -> None:
    default = keys.get("host", "default")
    assert default
    before = state.reads
    assert keys.authorize(default.value, "function", "F")
    await refreshed()
    assert state.reads == before


async def test_keys_stay_valid_while_the_store_cannot_be_read(
    keys: Keys, state: MemoryState, caplog: pytest.LogCaptureFixture
) -> None:
    await keys.set("k", "v")
    await refreshed()
    state.broken = True
    await Keys(state).set("k", "w")
    for _ in range(3):
        await refreshed()
        assert keys.authorize("v", "function", "F")
    assert caplog.text.count("the disk is gone") == 1

    await refreshed()
    state.broken = False
    assert keys.authorize("v", "function", "F")
    await refreshed()
    assert not keys.authorize("v", "function", "F")


async def test_the_api_lists_a_collection(keys: Keys) -> None:
    await keys.set("x_extension", "s")
    default = keys.get("host", "default")
    assert default is not None
    api = KeyApi(keys)
    for collection in ("keys", "functionkeys"):
        status, answer = await api.list(collection)
        assert (status, answer) == (
            200,
            {
                "keys": [{"name": "default", "value": default.value}],
                "links": [{"rel": "self", "href": f"/admin/host/{collection}"}],
            },
        )
    _, system = await api.list("systemkeys")
    assert system is not None
    assert system["keys"] == [{"name": "x_extension", "value": "s"}]
    assert await api.list("passwords") == (404, None)


async def test_the_api_lists_a_functions_keys_and_makes_its_default(keys: Keys) -> None:
    status, answer = await KeyApi(keys).list("keys", "Orders")
    assert answer is not None
    assert (status, [key["name"] for key in answer["keys"]]) == (200, ["default"])
    assert answer["links"] == [{"rel": "self", "href": "/admin/functions/Orders/keys"}]


async def test_the_api_shows_the_master_key_only_below_systemkeys(keys: Keys) -> None:
    api = KeyApi(keys)
    status, answer = await api.get("_master", "systemkeys")
    master = keys.get("master", "_master")
    assert answer is not None
    assert master is not None
    assert (status, answer["value"]) == (200, master.value)
    assert (await api.get("_master", "functionkeys"))[0] == 404
    assert (await api.get("nobody", "keys"))[0] == 404
    assert (await api.get("default", "passwords"))[0] == 404


async def test_the_api_makes_and_rolls_keys(keys: Keys) -> None:
    api = KeyApi(keys)
    created, first = await api.roll("partner", "keys")
    updated, second = await api.roll("Partner", "keys")
    assert first is not None
    assert second is not None
    assert (created, updated) == (201, 200)
    assert first["value"] != second["value"]
    assert keys.authorize(second["value"], "function", "F")
    assert (await api.roll("_master", "systemkeys"))[0] == 200
    assert (await api.roll("_master", "keys"))[0] == 409
    assert (await api.roll("a/b", "keys"))[0] == 400
    assert (await api.roll("a", "passwords"))[0] == 404


async def test_the_api_sets_keys(keys: Keys) -> None:
    api = KeyApi(keys)
    assert await api.set("p", {"name": "P", "value": "v"}, "keys", "Orders") == (
        201,
        {
            "name": "p",
            "value": "v",
            "links": [{"rel": "self", "href": "/admin/functions/Orders/keys/p"}],
        },
    )
    assert (await api.set("p", {"value": "w"}, "keys", "Orders"))[0] == 200
    assert keys.authorize("w", "function", "orders")
    bodies: list[Any] = [None, {}, {"value": ""}, {"value": 3}, [], {"name": "q", "value": "v"}]
    for body in bodies:
        assert (await api.set("p", body, "keys"))[0] == 400
    assert (await api.set("_master", {"value": "v"}, "functionkeys"))[0] == 409


async def test_the_api_deletes_keys_but_never_the_master_key(keys: Keys) -> None:
    api = KeyApi(keys)
    await keys.set("p", "v")
    assert await api.delete("P", "keys") == (204, None)
    assert await api.delete("p", "keys") == (404, None)
    assert (await api.delete("_master", "systemkeys"))[0] == 400


async def test_a_key_that_nobody_knows_is_looked_for_once_a_second_at_most() -> None:
    state = MemoryState()
    keys = Keys(state)
    await keys.load()
    state.values[SCOPE]["host/late"] = {"name": "late", "value": "made elsewhere"}
    reads = state.reads
    assert not keys.authorize("made elsewhere", "function", "F")
    await until(lambda: keys.get("host", "late") is not None)
    assert keys.authorize("made elsewhere", "function", "F")
    for _ in range(100):
        assert not keys.authorize("of a stranger", "function", "F")
    assert state.reads == reads + 1
