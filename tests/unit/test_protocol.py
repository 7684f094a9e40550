"""Frames are found again however the stream was cut."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funchost.host.worker.protocol import MAX_HEADER, FrameParser, ProtocolError, frame, split

Frame = tuple[bytes, bytes]


def parse(pieces: Iterable[bytes]) -> list[Frame]:
    parser = FrameParser()
    return [found for piece in pieces for found in parser.feed(piece)]


def joined(*frames: Frame) -> bytes:
    return b"".join(piece for header, body in frames for piece in frame(header, body))


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    marks = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(marks)]


def test_a_frame_is_two_lengths_a_header_and_a_body() -> None:
    assert joined((b"{}", b"body")) == struct.pack(">II", 2, 4) + b"{}body"


def test_the_body_may_come_in_parts() -> None:
    assert b"".join(frame(b"{}", b"ab", b"", b"c")) == joined((b"{}", b"abc"))


def test_a_frame_without_a_body_is_its_header() -> None:
    assert b"".join(frame(b"{}")) == b"".join(frame(b"{}", b"")) == struct.pack(">II", 2, 0) + b"{}"


def test_many_frames_in_one_piece_are_all_found() -> None:
    frames = [(json.dumps({"id": number}).encode(), b"x" * number) for number in range(100)]
    assert parse([joined(*frames)]) == frames


def test_frames_may_come_byte_by_byte() -> None:
    frames = [(b'{"a":1}', b""), (b"{}", b"body"), (b"", b"")]
    assert parse(bytes([byte]) for byte in joined(*frames)) == frames


def test_a_large_body_is_found_with_what_follows_it() -> None:
    frames = [(b"{}", bytes(5_000_000)), (b'{"next":1}', b"end")]
    data = joined(*frames)
    assert parse(data[start : start + 65_536] for start in range(0, len(data), 65_536)) == frames


def test_nothing_is_found_before_it_is_complete() -> None:
    data = joined((b"{}", b"body"))
    parser = FrameParser()
    assert list(parser.feed(data[:-1])) == []
    assert list(parser.feed(data[-1:])) == [(b"{}", b"body")]


def test_a_header_over_the_limit_is_refused_before_it_is_collected() -> None:
    with pytest.raises(ProtocolError, match=str(MAX_HEADER)):
        parse([struct.pack(">II", MAX_HEADER + 1, 0)])


def test_a_header_at_the_limit_is_taken() -> None:
    assert parse([struct.pack(">II", MAX_HEADER, 0)]) == []


def test_frames_before_a_broken_one_are_still_found() -> None:
    frames = FrameParser().feed(joined((b"{}", b"good")) + b"\xff" * 8)
    assert next(frames) == (b"{}", b"good")
    with pytest.raises(ProtocolError):
        next(frames)


@given(
    st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=200)), max_size=8),
    st.lists(st.integers(min_value=0), max_size=12),
)
def test_frames_survive_any_cut(frames: list[Frame], places: list[int]) -> None:
    assert parse(cut(joined(*frames), places)) == frames


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=6))
def test_the_values_of_a_body_are_told_apart_by_their_sizes(values: list[bytes]) -> None:
    assert split(b"".join(values), [len(value) for value in values]) == values


def test_a_body_without_sizes_is_one_value() -> None:
    assert split(b"all of it", None) == [b"all of it"]
