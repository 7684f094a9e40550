"""Clients of the storage SDK as inputs, from the host's binding to the function's parameter."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable
from typing import Any

import pytest
from azurefunctions.extensions.bindings.blob import (  # type: ignore[import-untyped]
    BlobClient,
    ContainerClient,
    StorageStreamDownloader,
)
from fakes import make_function, memory_resources

from funchost.bindings.errors import BindingError
from funchost.host.execution.binder import Binder
from funchost.host.worker import values_sdk
from funchost.host.worker.errors import BindError, LoadError
from funchost.host.worker.signature import examine
from funchost.host.worker.values import LoadedFunction
from funchost.triggers.descriptor import Binding

ACCOUNT = "BlobEndpoint=http://127.0.0.1:1/ada;AccountName=ada;AccountKey=a2V5"


def loaded(annotation: Any, storage: str = "azure", type_: str = "blob") -> LoadedFunction:
    def main(value, file): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {"value": str, "file": annotation}
    call: Callable[..., Any] = main
    function = {
        "name": "f",
        "directory": "/app/f",
        "trigger": {"type": "queueTrigger", "name": "value", "direction": "in"},
        "bindings": [{"type": type_, "name": "file", "direction": "in", "storage": storage}],
    }
    return LoadedFunction(function, call, examine(function, call))


def client(annotation: Any, place: dict[str, str]) -> Any:
    header = {"inputs": [{"name": "file", "kind": "json"}]}
    return loaded(annotation).arguments(header, b"", [json.dumps(place).encode()])["file"]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("Photos", ACCOUNT)
    return {"Connection": "Photos", "ContainerName": "in", "BlobName": "a/b.txt"}


def test_a_blob_client_leads_to_its_blob(place: dict[str, str]) -> None:
    blob = client(BlobClient, place)
    assert (blob.account_name, blob.container_name, blob.blob_name) == ("ada", "in", "a/b.txt")
    assert blob.url == "http://127.0.0.1:1/ada/in/a/b.txt"


def test_a_container_client_leads_to_its_container(place: dict[str, str]) -> None:
    container = client(ContainerClient, place)
    assert (container.account_name, container.container_name) == ("ada", "in")


def test_a_client_that_cannot_be_made_is_told(place: dict[str, str]) -> None:
    with pytest.raises(
        BindError, match=r"Parameter 'file' \(blob\) cannot be made: .*Nothing does not exist"
    ):
        client(BlobClient, {**place, "Connection": "Nothing"})


@pytest.mark.parametrize("annotation", [BlobClient, ContainerClient, StorageStreamDownloader])
@pytest.mark.parametrize("storage", ["embedded", "aws"])
def test_other_stores_do_not_speak_its_protocol(annotation: type, storage: str) -> None:
    with pytest.raises(LoadError, match=r"a Blob endpoint of Azure, .* func\.InputStream or bytes") as caught:
        loaded(annotation, storage)
    assert f"cannot be {annotation.__name__}" in str(caught.value)


def test_a_client_is_for_blobs_only() -> None:
    with pytest.raises(LoadError, match="that is for blobs only"):
        loaded(BlobClient, type_="table")


@pytest.mark.parametrize("annotation", [BlobClient | None, typing.List[BlobClient], int])  # noqa: UP006
def test_other_annotations_are_no_clients_there(annotation: Any) -> None:
    with pytest.raises(LoadError):
        loaded(annotation)


def test_without_the_extension_nothing_is_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(values_sdk.sys.modules, "azurefunctions.extensions.base")  # type: ignore[attr-defined]
    assert not values_sdk.is_sdk_type(BlobClient)


def _binder(path: str, **fields: str) -> Binder:
    binding = Binding(name="file", type="blob", fields={"path": path, **fields}, storage="azure")
    return Binder(make_function(bindings=(binding,)), memory_resources())


async def test_the_host_sends_where_the_blob_is() -> None:
    [(name, kind, content)] = await _binder("photos/{id}.txt", connection="Photos").inputs({"id": "7"})
    place = {"Connection": "Photos", "ContainerName": "photos", "BlobName": "7.txt"}
    assert (name, kind, json.loads(content)) == ("file", "json", place)


async def test_without_a_connection_it_is_the_hosts_own() -> None:
    [(_, _, content)] = await _binder("photos/a").inputs({})
    assert json.loads(content)["Connection"] == "AzureWebJobsStorage"


async def test_a_place_that_is_none_is_refused() -> None:
    with pytest.raises(BindingError):
        await _binder("photos/{id}").inputs({"id": "../x"})
