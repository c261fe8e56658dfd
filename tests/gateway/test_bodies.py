"""Bodies and records within their limits, whatever is sent."""

from __future__ import annotations

import contextlib
import gzip
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abyssal.errors import AbyssalError, SequenceFormatError
from abyssal_server.errors import InvalidRequest, TooLarge
from abyssal_server.gateway.expansion import BodyLimits, Expander
from abyssal_server.gateway.problems import InvalidFields
from abyssal_server.gateway.records import parse_json, parse_sequences
from abyssal_server.gateway.settings import GatewaySettings

SETTINGS = GatewaySettings(server="x", sequences=5, sequence_letters=50, id_characters=10)
ROOMY = BodyLimits(raw=1 << 20, expanded=4 << 20, ratio=200.0)


def expand(body: bytes, limits: BodyLimits = ROOMY, piece: int = 1000) -> bytes:
    expander = Expander(limits)
    for start in range(0, len(body), piece):
        expander.feed(body[start : start + piece])
    return expander.finish()


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(st.binary(max_size=3000), min_size=1, max_size=4), piece=st.integers(1, 4000))
def test_gzip_members_expand_to_the_whole(parts: list[bytes], piece: int) -> None:
    assert expand(b"".join(gzip.compress(part) for part in parts), piece=piece) == b"".join(parts)


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=2000).filter(lambda body: not body.startswith(b"\x1f\x8b")), piece=st.integers(1, 700))
def test_plain_bodies_pass_unchanged(body: bytes, piece: int) -> None:
    assert expand(body, piece=piece) == body


@settings(max_examples=150, deadline=None)
@given(text=st.binary(max_size=500), place=st.integers(0, 10_000), noise=st.binary(max_size=20), cut=st.booleans())
def test_damaged_gzip_is_refused_or_whole(text: bytes, place: int, noise: bytes, cut: bool) -> None:  # noqa: FBT001
    packed = gzip.compress(text)
    place %= len(packed)
    damaged = packed[:place] if cut else packed[:place] + noise + packed[place + len(noise) :]
    with contextlib.suppress(SequenceFormatError):
        expand(damaged)


@pytest.mark.parametrize("end", range(2, 32, 3))
def test_cut_gzip_is_refused(end: int) -> None:
    with pytest.raises(SequenceFormatError, match="cut short"):
        expand(gzip.compress(b">a\n" + b"ACGTTGCA" * 20)[:end])


def test_gzip_bomb_is_refused_in_little_memory() -> None:
    bomb = gzip.compress(b"A" * (100 << 20), compresslevel=6)
    limits = BodyLimits.of(GatewaySettings(server="x"))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match=r"expands|expanded"):
            expand(bomb, limits, piece=64 << 10)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_raw_and_expanded_sizes_are_capped() -> None:
    with pytest.raises(TooLarge, match="1048576 bytes"):
        expand(b"A" * (1 << 20) + b"A")
    packed = gzip.compress(b"".join(bytes([65 + i % 4]) * (1 + i % 7) for i in range(1_200_000)))
    with pytest.raises(TooLarge):
        expand(packed)


@settings(max_examples=150, deadline=None)
@given(body=st.one_of(st.binary(max_size=300), st.from_regex(rb"([>@][a-z\t ]*\r?\n([ACGT\n+]*))*", fullmatch=True)))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    records = []
    with contextlib.suppress(AbyssalError):
        records = parse_sequences(body, SETTINGS)
    assert len(records) <= SETTINGS.sequences
    for record in records:
        assert len(record.id) <= SETTINGS.id_characters
        assert "\t" not in record.id
        assert len(record.sequence) <= SETTINGS.sequence_letters


@settings(max_examples=150, deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=12),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["sequences", "id", "sequence", "novelty", "x"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_any_json_is_parsed_or_refused(value: object) -> None:
    with contextlib.suppress(InvalidRequest):
        records, _ = parse_json(json.dumps(value).encode(), SETTINGS)
        assert all(isinstance(record.sequence, str) for record in records)


def test_fasta_and_fastq_are_read() -> None:
    fasta = parse_sequences(b"\xef\xbb\xbf\n>a first\tread\nAC\nGT\n>b\r\nGG\r\n", SETTINGS)
    assert [(r.id, r.sequence) for r in fasta] == [("a", "ACGT"), ("b", "GG")]
    assert [(r.id, r.sequence) for r in parse_sequences(b"@q\tx\nAC\n+\nII\n", SETTINGS)] == [("q", "AC")]
    assert parse_sequences(b" \n", SETTINGS) == []


@pytest.mark.parametrize(
    ("body", "error", "field"),
    [
        (b">a\nA\n" * 6, TooLarge, "#/sequences"),
        (b">a\nA\n>b\n" + b"A" * 51, TooLarge, "record 1/sequence"),
        (b">aaaaaaaaaaa\nA\n", InvalidFields, "record 0/id"),
    ],
)
def test_records_beyond_a_limit_are_named(body: bytes, error: type[InvalidRequest], field: str) -> None:
    with pytest.raises(error) as refused:
        parse_sequences(body, SETTINGS)
    assert refused.value.field == field


def test_control_characters_in_an_id_are_refused() -> None:
    with pytest.raises(SequenceFormatError, match="control character"):
        parse_sequences(b">a\x00b\nA\n", SETTINGS)


def test_twice_gzipped_is_refused() -> None:
    with pytest.raises(SequenceFormatError, match="twice"):
        parse_sequences(gzip.compress(b">a\nA\n"), SETTINGS)


def test_every_wrong_json_value_is_named() -> None:
    body = json.dumps({"sequences": [{"id": 1, "sequence": "A"}, {"sequence": "A", "extra": 1}]}).encode()
    with pytest.raises(InvalidFields) as refused:
        parse_json(body, SETTINGS)
    assert [problem.pointer for problem in refused.value.problems] == [
        "#/sequences/0/id",
        "#/sequences/1/id",
        "#/sequences/1/extra",
    ]
