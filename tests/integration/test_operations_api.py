"""What the admin API makes of operations, on a host that runs: every answer is checked against the document."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from apps.serving import Answer, Host
from e2e.running import DEADLINE
from openapi_check import Checked

from funchost.host.admin.paging import mark

pytestmark = pytest.mark.e2e

_APP = Path(__file__).parents[1] / "apps" / "operations" / "v2"


class Api:
    """A client whose answers must be as they are documented."""

    def __init__(self, host: Host, checked: Checked) -> None:
        self.host = host
        self.checked = checked

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One call; a body that is not bytes is JSON."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        answer = self.host.request(method, f"/admin/{path}", content, headers)
        self.checked.check(
            method, f"/admin/{path}", answer.status, answer.header("Content-Type"), answer.body
        )
        return answer

    def get(self, path: str) -> Any:
        """The value of a GET that succeeds."""
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.text
        return answer.json

    def error(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Status and reason of a call that is refused."""
        answer = self.ask(method, path, body)
        assert answer.status >= 400, answer.text
        return answer.status, answer.json["error"]

    def items(self, path: str) -> list[Any]:
        """All items of a list, page by page."""
        found: list[Any] = []
        more = "?" if "?" not in path else "&"
        page = self.get(path)
        while True:
            found += page["items"]
            if page["next"] is None:
                return found
            page = self.get(f"{path}{more}next={page['next']}")

    def runs(self, count: int, query: str = "") -> list[Any]:
        """The runs of a filter, once there are so many."""
        found: list[Any] = until(lambda: some if len(some := self.items(f"runs?{query}")) >= count else None)
        return found

    def order(self, text: str) -> None:
        """Have something billed."""
        assert self.host.post("/api/order", text).status == 200


def has_succeeded(api: Api, path: str) -> bool:
    """Whether the run whose status is asked for there has."""
    return bool(api.host.get(path).json["state"] == "succeeded")


def until(look: Callable[[], Any]) -> Any:
    """What `look` gives once that is something."""
    end = time.monotonic() + DEADLINE
    while not (found := look()):
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def checked() -> Checked:
    return Checked()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    root = tmp_path_factory.mktemp("operations") / "app"
    shutil.copytree(_APP, root, ignore=shutil.ignore_patterns("__pycache__"))
    with Host(root) as running:
        yield running


@pytest.fixture
def api(host: Host, checked: Checked) -> Api:
    return Api(host, checked)


# -- runs


def test_runs_are_listed_shown_and_lead_to_their_parents(api: Api) -> None:
    api.order("chain")
    [bill] = api.runs(1, "function=bill&state=succeeded&search=chain")

    shown = api.get(f"runs/{bill['id']}")
    assert (shown["state"], shown["origin"]) == ("succeeded", "orders")
    assert shown["parents"][0]["function"] == "order"
    assert [each["id"] for each in api.items(f"runs?parent={shown['parent']}")] == [bill["id"]]
    assert api.ask("GET", f"runs/{bill['id']}/input").body == b"chain"
    assert b"billing chain" in api.ask("GET", f"runs/{bill['id']}/log").body
    assert api.ask("GET", f"runs/{shown['parent']}/output").body == b"ordered"
    assert api.error("GET", f"runs/{bill['id']}/output")[0] == 404


def test_lists_of_runs_come_in_pages_that_have_each_run_once(api: Api) -> None:
    for number in range(5):
        api.order(f"page {number}")
    whole = [run["id"] for run in api.runs(5, "function=order&search=page")]

    paged = [run["id"] for run in api.items("runs?function=order&search=page&limit=2")]
    assert paged == whole == sorted(whole, reverse=True)
    assert api.items("runs?state=running&function=order") == []
    since = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+", "%2B")
    assert api.items(f"runs?since={since}") == []
    assert api.items("runs?until=1d") == []


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("state=lost", "'lost' is no state of a run"),
        ("since=yesterday", "'since' is no time: 'yesterday'"),
        ("until=2030-13-01", "'until' is no time"),
        ("limit=0", "The parameter 'limit' cannot be '0'"),
        ("limit=many", "The parameter 'limit' cannot be 'many'"),
        ("limit=1&limit=2", "'limit' may be given once"),
        ("next=zzz", "'next' is not what an answer gave"),
        ("next=%ff", "'next' is not what an answer gave"),
        ("functoin=bill", "There is no parameter 'functoin' here. Did you mean 'function'?"),
    ],
)
def test_a_filter_that_is_wrong_is_told_in_a_sentence(api: Api, query: str, reason: str) -> None:
    status, told = api.error("GET", f"runs?{query}")
    assert status == 400
    assert reason in told


@pytest.mark.parametrize("id_", ["nobody", "%00", "%ff", "..%2f..", "a" * 2000, "'", "%25"])
def test_an_id_that_is_that_of_no_run_is_404(api: Api, id_: str) -> None:
    for method, path in (("GET", ""), ("GET", "/input"), ("POST", "/cancel"), ("POST", "/replay")):
        assert api.error(method, f"runs/{id_}{path}")[0] == 404


def test_a_run_that_goes_on_is_cancelled_and_one_that_has_ended_is_not(api: Api) -> None:
    api.ask("POST", "functions/wait", {"input": "never"})
    [run] = api.runs(1, "function=wait&state=running")

    assert api.ask("POST", f"runs/{run['id']}/cancel").status == 202
    ended = until(lambda: one if (one := api.get(f"runs/{run['id']}"))["state"] == "failed" else None)
    assert "cancelled" in ended["error"]["message"]
    assert api.error("POST", f"runs/{run['id']}/cancel")[0] == 409


@pytest.mark.parametrize(
    ("path", "last"),
    [("runs", "\ud800"), ("runs", "é"), ("audit", "\ud800"), ("audit", "٣"), ("audit", "9" * 30)],
)
def test_a_made_up_place_in_a_list_is_refused(api: Api, path: str, last: str) -> None:
    status, reason = api.error("GET", f"{path}?next={mark(last)}")
    assert (status, reason) == (400, "'next' is of another list.")


# -- replays


def test_a_run_is_replayed_with_what_it_had_or_with_other_data(api: Api) -> None:
    api.order("broken once")
    failed = api.runs(1, "function=bill&state=failed&search=once")[0]

    begun = api.ask("POST", f"runs/{failed['id']}/replay", {"data": "mended"})
    assert (begun.status, begun.json["queue"]) == (202, "orders")
    [mended] = api.runs(1, f"replayOf={failed['id']}")
    assert mended["state"] == "succeeded"
    raw = {"Content-Type": "application/octet-stream"}
    assert api.ask("POST", f"runs/{failed['id']}/replay", b"mended again", **raw).status == 202
    assert api.runs(2, f"replayOf={failed['id']}")
    encoded = base64.b64encode(b"a third time").decode()
    assert api.ask("POST", f"runs/{failed['id']}/replay", {"dataBase64": encoded}).status == 202
    assert api.runs(3, f"replayOf={failed['id']}")
    wrong: list[Any] = [{"data": "x", "dataBase64": encoded}, {"dataBase64": "?"}, {"date": "x"}, [], b"{"]
    for body in wrong:
        assert api.error("POST", f"runs/{failed['id']}/replay", body)[0] == 400


def test_a_run_that_came_by_http_is_replayed_by_the_host(api: Api) -> None:
    api.order("by http")
    run = api.runs(1, "function=order&search=http")[0]

    for wait in ("wait", "wait=30"):
        outcome = api.ask("POST", f"runs/{run['id']}/replay?{wait}")
        assert (outcome.status, outcome.json["result"]) == (200, "ordered")
    for wait in ("", "?wait=0"):
        begun = api.ask("POST", f"runs/{run['id']}/replay{wait}")
        assert (begun.status, begun.json) == (202, {"replayOf": run["id"], "queue": None, "leftOut": []})
        status = begun.header("Location")
        assert status
        until(partial(has_succeeded, api, status))
    assert len(api.runs(4, f"replayOf={run['id']}")) == 4


@pytest.mark.parametrize("asked", ["[", "[::1", "a]b"])
def test_a_request_whose_host_is_none_is_recorded_and_replayed(api: Api, asked: str) -> None:
    text = f"to {len(asked)} brackets"
    assert api.host.post("/api/order?code=hidden&a=1", text, Host=asked).text == "ordered"
    run = api.runs(1, f"function=order&search={quote(text)}")[0]

    assert api.get(f"runs/{run['id']}")["event"]["url"] == f"http://{asked}/api/order?code=***&a=1"
    outcome = api.ask("POST", f"runs/{run['id']}/replay?wait")
    assert (outcome.status, outcome.json["result"]) == (200, "ordered")


def test_many_runs_are_replayed_after_a_look_at_which(api: Api) -> None:
    for number in range(3):
        api.order(f"broken many{number}")
    assert api.runs(6, "function=bill&state=failed&search=broken")
    wanted = {"function": ["bill"], "state": ["failed"], "since": "1h", "search": "broken many*"}

    dry = api.ask("POST", "runs/replay", {**wanted, "search": "broken", "dryRun": True})
    assert dry.status == 200
    assert dry.json["total"] >= 3
    begun = api.ask("POST", "runs/replay", {**wanted, "search": "broken", "rate": 1000})
    assert begun.status == 202
    batch = begun.json["id"]
    until(lambda: api.get(f"replays/{batch}")["state"] == "done")
    assert batch in [one["id"] for one in api.items("replays?limit=1")]
    assert api.error("POST", f"replays/{batch}/cancel")[0] == 409


def test_a_bulk_replay_is_stopped_and_gone_on_with(api: Api) -> None:
    for number in range(3):
        api.order(f"fine slow{number}")
    assert api.runs(3, "function=bill&state=succeeded&search=fine")

    begun = api.ask("POST", "runs/replay", {"function": ["bill"], "search": "fine", "rate": 0.5}).json
    stopped = api.ask("POST", f"replays/{begun['id']}/cancel")
    assert (stopped.status, stopped.json["state"]) == (200, "stopped")
    assert stopped.json["left"] > 0
    resumed = api.ask("POST", f"replays/{begun['id']}/resume")
    assert (resumed.status, resumed.json["state"]) == (202, "running")
    assert api.error("POST", f"replays/{begun['id']}/resume")[0] == 409
    assert api.ask("POST", f"replays/{begun['id']}/cancel").status == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"dryRun": True},
        {"state": ["lost"]},
        {"state": "failed"},
        {"rate": 0, "function": ["a"]},
        {"x": 1},
        [1],
        b"\xff",
    ],
)
def test_a_bulk_replay_that_does_not_say_which_runs_is_refused(api: Api, body: Any) -> None:
    assert api.error("POST", "runs/replay", body)[0] == 400


def test_an_unknown_replay_is_404(api: Api) -> None:
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/resume")):
        assert api.error(method, f"replays/nothing{path}")[0] == 404


# -- messages that were given up


def test_a_message_that_was_given_up_is_found_mended_and_replayed(api: Api) -> None:
    api.order("broken order-7")
    lost = until(
        lambda: [one for one in api.items("poison?queue=orders&limit=2") if "order-7" in one["message"]]
    )[0]

    shown = api.get(f"poison/{lost['id']}")
    assert (shown["body"], shown["error"], shown["function"]) == ("broken order-7", "ValueError", "bill")
    assert shown["runs"]
    groups = api.get("poison/groups?function=bill&error=ValueError")
    alike = [group for group in groups if "cannot bill broken" in group["message"]]
    examples = [api.get(f"poison/{group['example']}") for group in alike]
    assert {(one["queue"], one["error"]) for one in examples} == {(shown["queue"], shown["error"])}
    assert api.ask("PUT", f"poison/{lost['id']}", {"body": "mended order-7"}).json["changed"] is True
    moved = api.ask("POST", f"poison/{lost['id']}/replay")
    assert (moved.status, moved.json["to"]) == (202, "orders")
    [run] = api.runs(1, f"replayOf={shown['runs'][-1]}&state=succeeded")
    assert api.ask("GET", f"runs/{run['id']}/input").body == b"mended order-7"
    assert api.error("GET", f"poison/{lost['id']}")[0] == 404


def test_many_messages_that_were_given_up_are_moved_or_deleted_after_a_look(api: Api) -> None:
    for number in range(3):
        api.order(f"broken heap{number}")
    heap = until(
        lambda: found if len(found := [o for o in api.items("poison") if "heap" in o["message"]]) == 3 else 0
    )
    ids = [one["id"] for one in heap]
    lines = api.ask("GET", "poison/export?queue=orders-poison").text.splitlines()
    assert set(ids) <= {json.loads(line)["id"] for line in lines}

    assert api.ask("POST", "poison/replay", {"ids": ids, "dryRun": True}).json["total"] == 3
    assert api.ask("POST", "poison/replay", {"ids": ids[:2], "to": "aside", "rate": 100}).json == {"total": 2}
    until(lambda: len(api.ask("GET", "queues/aside/messages").json.get("items", ())) == 2)
    assert api.ask("POST", "poison/delete", {"ids": ids[2:], "dryRun": True}).status == 200
    assert api.ask("POST", "poison/delete", {"ids": ids[2:]}).status == 202
    until(lambda: ids[2] not in [one["id"] for one in api.items("poison")])
    api.order("broken last one")
    last = until(lambda: [one for one in api.items("poison") if "last one" in one["message"]])[0]
    assert api.ask("DELETE", f"poison/{last['id']}").status == 204


@pytest.mark.parametrize(
    "body", [{}, {"all": True, "ids": ["a"]}, {"ids": [""]}, {"rate": -1, "all": True}, {"x": 1}, []]
)
def test_a_bulk_action_on_messages_that_does_not_say_which_is_refused(api: Api, body: Any) -> None:
    for what in ("replay", "delete"):
        assert api.error("POST", f"poison/{what}", body)[0] == 400


def test_unknown_messages_and_queues_are_404(api: Api) -> None:
    assert api.error("GET", "poison/nothing")[0] == 404
    assert api.error("DELETE", "poison/nothing")[0] == 404
    assert api.error("POST", "poison/nothing/replay")[0] == 404
    assert api.error("PUT", "poison/nothing", {"body": "x"})[0] == 404
    assert api.error("PUT", "poison/nothing", {})[0] == 400
    assert api.error("GET", "poison?queue=never-seen")[0] == 404
    assert api.error("GET", "queues/never-seen/messages")[0] == 404
    assert api.error("DELETE", "queues/never-seen/messages")[0] == 404
    assert api.error("GET", "poison?since=then")[0] == 400


# -- queues


def test_a_message_is_sent_seen_and_removed_with_its_queue(api: Api) -> None:
    said = {"body": {"n": 1}, "delay": "1h", "ttl": "2d", "priority": 9, "properties": {"mine": "x"}}
    sent = api.ask("POST", "queues/Shelf/messages", {**said, "correlationId": "c-1"})
    assert (sent.status, sent.json["queue"]) == (202, "shelf")
    [message] = api.get("queues/shelf/messages")["items"]
    assert (message["body"], message["state"], message["priority"]) == ('{"n":1}', "delayed", 9)
    assert (message["mine"], message["correlationId"]) == ("x", "c-1")
    raw = {"Content-Type": "application/octet-stream"}
    assert api.ask("POST", "queues/shelf/messages", b"\xff\x00", **raw).json["bytes"] == 2
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert api.ask("POST", "queues/shelf/messages", {"body": "later", "at": at}).json["visible"] == at
    [shelf] = [one for one in api.items("queues?limit=1") if one["queue"] == "shelf"]
    assert (shelf["visible"], shelf["delayed"]) == (1, 2)
    assert api.ask("DELETE", "queues/shelf/messages").json["deleted"] == 3


@pytest.mark.parametrize(
    "body",
    [
        {"delay": "soon"},
        {"delay": "-1h"},
        {"delay": "1h", "at": "2030-01-01"},
        {"at": "later"},
        {"delay": "99999999d"},
        {"ttl": "0s"},
        {"priority": 10},
        {"session": ""},
        {"dedupId": "x" * 200},
        {"properties": {"poison": "mine"}},
        {"body": "a", "bodyBase64": "YQ=="},
        {"body": "\ud800"},
        {"bodyBase64": "%"},
        {"unknown": 1},
    ],
)
def test_a_message_that_cannot_be_is_refused(api: Api, body: Any) -> None:
    status, reason = api.error("POST", "queues/shelf2/messages", body)
    assert status == 400
    assert reason
    assert api.error("GET", "queues/shelf2/messages")[0] == 404


@pytest.mark.parametrize("name", ["No_Queue", "%2e%2e", "a", "%00", "x" * 100, "%ff"])
def test_a_name_that_no_queue_can_have_is_refused(api: Api, name: str) -> None:
    for method, path in (
        ("POST", "messages"),
        ("GET", "messages"),
        ("DELETE", "messages"),
        ("POST", "pause"),
    ):
        assert (
            api.error(
                method, f"queues/{name}/{path}", {} if method == "POST" and path == "messages" else None
            )[0]
            == 400
        )


def test_a_queue_that_is_paused_is_not_taken_from_until_it_is_resumed(api: Api) -> None:
    assert api.ask("POST", "queues/orders/pause").json == {"queue": "orders", "paused": True, "changed": True}
    assert api.ask("POST", "queues/orders/pause").json["changed"] is False
    try:
        assert [one["paused"] is not None for one in api.items("queues") if one["queue"] == "orders"] == [
            True
        ]
        api.order("held back")
        assert [one["body"] for one in api.get("queues/orders/messages")["items"]] == ["held back"]
    finally:
        assert api.ask("POST", "queues/orders/resume").json["changed"] is True
    assert api.runs(1, "function=bill&search=held&state=succeeded")


# -- functions, timers, blobs, locks


def test_a_function_is_paused_and_disabled_and_comes_back(api: Api) -> None:
    for word, back, field in (("pause", "resume", "paused"), ("disable", "enable", "switched")):
        assert api.ask("POST", f"functions/Take_In/{word}").json == {"name": "take_in", "changed": True}
        switched = {one["name"]: one for one in api.items("switches?limit=2")}
        assert switched["take_in"][field]["by"].startswith("api:")
        assert api.ask("POST", f"functions/take_in/{back}").json["changed"] is True
    assert api.error("POST", "functions/nobody/pause")[0] == 404


def test_timers_are_listed_shown_and_run_out_of_turn(api: Api) -> None:
    [timer] = api.items("timers")
    assert (timer["name"], len(timer["upcoming"])) == ("tidy", 5)
    assert api.get("timers/TIDY")["name"] == "tidy"
    outcome = api.ask("POST", "timers/tidy/run?wait", {"at": "2030-01-01T03:00:00Z"})
    assert (outcome.status, outcome.json["status"]) == (200, "succeeded")
    assert api.ask("POST", "timers/tidy/run").status == 202
    assert api.error("POST", "timers/tidy/run", {"at": "tomorrow"})[0] == 400
    assert api.error("GET", "timers/bill")[0] == 404


def test_blobs_are_written_read_listed_run_for_again_and_deleted(api: Api) -> None:
    kind = {"Content-Type": "text/csv", "x-ms-meta-source": "test"}
    written = api.ask("PUT", "blobs/inbox/2026/a%20b.csv", b"1,2,3", **kind)
    assert (written.status, written.json["name"], written.json["metadata"]) == (
        200,
        "2026/a b.csv",
        {"source": "test"},
    )
    assert api.runs(1, "function=take_in&state=succeeded")

    read = api.ask("GET", "blobs/inbox/2026/a%20b.csv")
    assert (read.body, read.header("Content-Type"), read.header("x-ms-meta-source")) == (
        b"1,2,3",
        "text/csv",
        "test",
    )
    assert read.header("X-Content-Type-Options") == "nosniff"
    assert "inbox" in [one["container"] for one in api.items("blobs?limit=1")]
    assert [one["name"] for one in api.items("blobs/inbox?prefix=2026/")] == ["2026/a b.csv"]
    assert api.ask("POST", "blobs/inbox", {"dryRun": True}).json["runs"] == 1
    assert api.ask("POST", "blobs/inbox", {"prefix": "2026/", "function": ["take_in"]}).status == 202
    assert len(api.runs(2, "function=take_in&state=succeeded")) == 2
    assert api.ask("DELETE", "blobs/inbox/2026%2Fa%20b.csv").status == 204
    assert api.error("GET", "blobs/inbox/2026/a%20b.csv")[0] == 404


def test_blobs_are_listed_by_name_page_by_page(api: Api) -> None:
    names = ["a", "b/1", "b/2", "c", "d"]
    for name in reversed(names):
        assert api.ask("PUT", f"blobs/shelf/{name}", b"x").status == 200
    assert [one["name"] for one in api.items("blobs/shelf?limit=2")] == names
    assert [one["name"] for one in api.items("blobs/shelf?prefix=b/&limit=1")] == ["b/1", "b/2"]
    assert api.items("blobs/shelf?prefix=z") == []
    assert api.error("GET", "blobs/no-such-box")[0] == 404


@pytest.mark.parametrize(
    "path", ["UP!/a", "inbox/..%2f..%2fetc", "inbox/a%00", "inbox/a%5cb", "inbox/%2e%2e", "inbox/a/"]
)
def test_a_blob_that_cannot_be_is_refused(api: Api, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert api.error(method, f"blobs/{path}", b"x" if method == "PUT" else None)[0] in (400, 404), path


def test_a_blob_may_be_larger_than_documents(api: Api) -> None:
    content = bytes(range(256)) * 100_000
    assert api.ask("PUT", "blobs/attic/large", content).json["bytes"] == len(content)
    assert api.ask("GET", "blobs/attic/large").body == content
    assert api.ask("POST", "queues/shelf/messages", content).status == 413


def test_a_client_that_asks_whether_its_body_is_wanted_is_told(api: Api) -> None:
    place = urlsplit(api.host.url)
    with socket.create_connection((place.hostname, place.port), timeout=DEADLINE) as stream:
        head = "PUT /admin/blobs/attic/asked HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
        stream.sendall(f"{head}Connection: close\r\nExpect: 100-continue\r\n\r\n".encode())
        assert stream.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        stream.sendall(b"body")
        assert stream.recv(1000).startswith(b"HTTP/1.1 200 OK")
    assert api.ask("GET", "blobs/attic/asked").body == b"body"


def test_locks_are_listed_and_broken(api: Api) -> None:
    held = until(lambda: api.items("locks?limit=1"))
    name = next(one["name"] for one in held if one["serves"] == "timer tidy" or "tidy" in one["name"])
    assert api.ask("DELETE", f"locks/{name}").json["name"] == name
    assert api.error("DELETE", "locks/nobody/holds/this")[0] == 404


# -- the app


def test_the_configuration_says_where_values_came_from_and_the_doctor_looks_at_the_app(api: Api) -> None:
    values = {(one["section"], one["key"]): one for one in api.get("config")["values"]}
    assert values["host.json", "extensions.queues.maxDequeueCount"]["value"] == 2
    assert len(api.get("config?effective")["values"]) > len(values)
    found = api.get("doctor")
    assert {"functions", "store"} <= {check["name"] for check in found["checks"]}


# -- the audit


def test_everything_that_changes_something_stands_in_the_audit(api: Api) -> None:
    api.ask("POST", "queues/noted/messages", {"body": "x"})
    api.ask("POST", "host/drain")
    api.ask("POST", "host/resume")
    api.ask("PUT", "host/functionkeys/partner", {"value": "secret-value"})
    api.ask("DELETE", "host/functionkeys/partner")

    rows = api.items("audit?since=5m&limit=3")
    done = {(row["action"], row["target"]) for row in rows}
    assert {
        ("queues.send", "noted"),
        ("host.drain", "host"),
        ("host.resume", "host"),
        ("keys.set", "partner"),
        ("keys.delete", "partner"),
    } <= done
    assert {row["who"] for row in rows} == {"api:127.0.0.1"}
    assert "secret-value" not in json.dumps(rows)
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    assert {row["action"] for row in api.items("audit?action=keys")} <= {
        "keys.set",
        "keys.delete",
        "keys.roll",
    }
    assert api.items("audit?who=nobody") == []
    assert {row["target"] for row in api.items("audit?target=noted")} == {"noted"}
    assert api.error("GET", "audit?next=zzz")[0] == 400


# -- the log


def test_the_last_lines_of_the_log_are_told(api: Api) -> None:
    api.order("logged once")
    lines = until(
        lambda: [one for one in api.get("logs?function=bill")["items"] if "logged once" in one["message"]]
    )
    assert {line["function"] for line in lines} == {"bill"}
    assert api.get("logs?level=critical") == {"items": []}
    assert api.error("GET", "logs?level=loud")[0] == 400


# -- the document


def test_what_azure_has_answers_as_documented(api: Api) -> None:
    for path in ("ping", "status", "state", "drain/status", "config", "processes"):
        assert api.ask("GET", f"host/{path}").status == 200
    for path in ("host/ping", "host/synctriggers", "warmup", "host/restart"):
        assert api.ask("POST", path).status == 200
    assert api.ask("GET", "warmup").status == 200
    assert api.ask("PUT", "host/state", "running").status == 200
    assert api.ask("POST", "host/log", [{"level": "Info", "message": "from a test"}]).status == 200
    assert len(api.get("functions")) == 5
    assert api.get("functions/bill")["trigger"] == "queueTrigger"
    assert api.get("functions/bill/status") == {"errors": []}
    assert api.ask("POST", "functions/tidy?wait").json["status"] == "succeeded"
    assert api.error("GET", "functions/nobody")[0] == 404


def test_keys_answer_as_documented(api: Api) -> None:
    for path in ("host/keys", "host/functionkeys", "host/systemkeys", "functions/bill/keys"):
        assert api.get(path)["links"]
        assert api.ask("POST", f"{path}/own").status == 201
        assert api.ask("PUT", f"{path}/own", {"value": "known"}).json["value"] == "known"
        assert api.get(f"{path}/own")["name"] == "own"
        assert api.ask("DELETE", f"{path}/own").status == 204
        assert api.ask("GET", f"{path}/own").status == 404


def test_every_route_of_the_document_has_answered(api: Api) -> None:
    assert api.get("openapi.json") == api.checked.document
    if len(api.checked.seen) < 100:
        pytest.skip("not all tests of this module have run")
    streams = {"GET /admin/runs/live", "GET /admin/logs/live"}
    assert set(api.checked.unseen()) == streams
