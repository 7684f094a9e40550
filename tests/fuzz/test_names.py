"""Names that strangers choose: of blobs, files, queues and entities. Nothing is ever read or written elsewhere."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

from fuzz.fuzzing import examples, files_of
from hypothesis import given
from hypothesis import strategies as st

from funchost.bindings.clock import SystemClock
from funchost.bindings.entity import read_entities, table_name
from funchost.bindings.errors import FunchostError
from funchost.bindings.expressions import Template, payload_metadata
from funchost.bindings.folder_blobs import FolderBlobs
from funchost.bindings.names import blob_path, container_name, queue_name, sqs_queue_name
from funchost.bindings.patterns import FilePattern, PathPattern
from funchost.triggers.file_place import FilePlace

_parts = st.sampled_from(
    ("..", ".", "", "a", "A", "b.txt", ".hidden", "~", "con", "nul", "aux.txt", "C:", "\\", "..\\..", "\x00", "\n", "\r\n",
     "\x7f", "\x1b[31m", "é", "e\u0301", "\ufeff", "\u202e", "\uff0f", "\u2024\u2024", "\ud800", "\udcff", "%2e%2e", "%00", "$root", "*",
     "?", "|", '"', " ", "a" * 255, "a" * 256, "é" * 128, "store.db", "-rf", "{x}", "..%2f", "link", "secret")
)  # fmt: skip
_names = st.one_of(st.lists(_parts, max_size=6).map("/".join), st.text(max_size=40))


@given(_names, st.binary(max_size=20))
@examples(120)
def test_no_name_of_a_blob_leads_out_of_its_container(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "secret").write_bytes(b"secret")
        container = root / "store" / "blobs" / "data"
        container.mkdir(parents=True)
        (container / "link").symlink_to(root)
        before = files_of(root)
        asyncio.run(_use(FolderBlobs(root / "store"), name, content))
        assert (root / "secret").read_bytes() == b"secret"
        written = {path for path in files_of(root) - before if (root / path).is_file()}
        assert all(path.startswith(("store/blobs/data/", "store/blob-metadata/data/")) for path in written)


async def _use(blobs: FolderBlobs, name: str, content: bytes) -> None:
    for step in ("put", "get", "info", "open", "list", "delete"):
        try:
            if step == "put":
                await blobs.put("data", name, content, metadata={"a": "b"})
            elif step == "list":
                assert [info.name async for info in blobs.list("data")] in ([], [name])
            else:
                found = await getattr(blobs, step)("data", name)
                assert step != "get" or found is None or found[1] == content
        except FunchostError as error:
            assert str(error)


@given(_names)
@examples(300)
def test_every_name_is_taken_or_refused_in_words(name: str) -> None:
    readers = (blob_path, container_name, queue_name, sqs_queue_name, table_name)
    folder = Path("/app")
    for reader in (
        *readers,
        Template.parse,
        PathPattern.parse,
        FilePattern.parse,
        lambda text: FilePlace(text, folder),
    ):
        try:
            reader(name)
        except FunchostError as error:
            assert str(error)


_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), _names),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.one_of(st.sampled_from(("PartitionKey", "RowKey", "rowkey", "odata.etag", "Timestamp", "a@odata.type")), _names),
        _values,
        max_size=6,
    )
)  # fmt: skip
@examples(200)
def test_every_entity_is_taken_or_refused_in_words(content: dict[str, object]) -> None:
    text = json.dumps([content, content])
    for body in (text, text[:-3], json.dumps(content)):
        try:
            read_entities(body.encode(), "things", "p", None, "out")
        except FunchostError as error:
            assert str(error)


@given(st.one_of(st.binary(max_size=60), _names.map(lambda name: name.encode("utf-8", "surrogatepass"))))
@examples(200)
def test_every_body_of_a_message_has_metadata_or_none(body: bytes) -> None:
    found = payload_metadata(body)
    for template in ("{id}", "{a.b}", "{datetime}", "c/{id}.txt"):
        try:
            Template.parse(template).render(found, function="f", clock=SystemClock())
        except FunchostError as error:
            assert str(error)
