"""The load generator in small: what it measures in full is in LAST_FULL_RUN.md, here nothing may get lost or grow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.server import measures
from benchmarks.server.load import Library, frame, packed_chunks
from benchmarks.server.soak import soak

from abyssal.inference.v1.classification_pb2 import ClassifyStreamRequest

pytestmark = pytest.mark.timeout(280)


@pytest.fixture
def library(tiny_bundle: Path) -> Library:
    return Library(tiny_bundle, np.random.default_rng(0))


def test_frames_hold_their_reads(library: Library) -> None:
    reads = library.distinct(700)
    assert len(set(reads)) == 700
    packed = packed_chunks(reads)
    for number in (0, 1, 127, 128, 1 << 40):
        request = ClassifyStreamRequest.FromString(frame(number, packed[1]))
        assert request.chunk.chunk_id == number
        assert [one.decode() for one in request.chunk.sequences] == reads[512:]


def test_zipf_holds_each_read_once_and_few_often(library: Library) -> None:
    pool = library.distinct(100)
    reads = library.zipf(pool, 2000)
    assert set(reads) == set(pool)
    assert reads.count(pool[0]) > 10 * reads.count(pool[-1])


def test_streams_against_the_bare_engine(tiny_bundle: Path, tmp_path: Path, library: Library) -> None:
    figures = measures.streaming(tiny_bundle, tmp_path, library, reads=512, rounds=1)
    # On this toy model the transport is a large part; that the service does not compute reads twice shows all the same.
    assert figures["cpu_ratio"] > 0.1


@pytest.mark.slow
def test_duplicates_are_computed_once(tiny_bundle: Path, tmp_path: Path, library: Library) -> None:
    figures = measures.duplicates(tiny_bundle, tmp_path, library, reads=20_000)
    assert figures["reads_per_cpu_second"] > 2000


def test_small_calls_at_random_moments_are_all_answered(tiny_bundle: Path, tmp_path: Path, library: Library) -> None:
    figures = measures.small_calls(tiny_bundle, tmp_path, library, calls=20)
    assert 0.0 < figures["p50_milliseconds"] <= figures["p99_milliseconds"]


def test_memory_under_idle_crashing_and_stalled_callers(tiny_bundle: Path, tmp_path: Path, library: Library) -> None:
    seen = soak(
        tiny_bundle, tmp_path, library, reads=100_000, stall=2.0, idle=100, crashing=10, pool=1024, quiet_seconds=0.5
    )
    assert seen.reads >= 100_000
    assert max(seen.growth.values()) <= 64.0
    assert seen.calls_left == 0
    assert seen.slowest_neighbour < 30.0
