"""Inputs made by chance from good ones: ``PYTHONPATH=tests python -m benchmarks.server.fuzz TARGET --cases N``.

Whatever comes, a reader returns records or refuses with a typed error, within its limits. Manifests are fuzzed in
``tests/bundle/test_fuzz.py``.
"""

from __future__ import annotations

import argparse
import gzip
import io
import random
import struct
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from google.protobuf.message import DecodeError

from abyssal.errors import DataError, SequenceFormatError
from abyssal.inference.kserve.kserve_pb2 import ModelInferRequest
from abyssal.inference.messages import to_classifications, to_message
from abyssal.inference.taxa import NumberedTaxa
from abyssal.inference.v1.classification_pb2 import (
    Answers,
    ClassifyConfig,
    ClassifyStreamRequest,
    ReadChunk,
)
from abyssal.inference.v1.common_pb2 import ModelSelector, NoveltyMix
from abyssal.sequences.records import parse_records
from abyssal_server.errors import InvalidRequest, TooLarge
from abyssal_server.gateway.expansion import BodyLimits, Expander
from abyssal_server.kserve import reads_of
from abyssal_server.requests import novelty_of, sequences_of

Target = Callable[[bytes, random.Random], None]
_MOST_BYTES = 8192
_LIMITS = BodyLimits(raw=64 << 10, expanded=256 << 10, ratio=50.0)
_TOKENS = (
    b">", b"@", b"+", b"\n", b"\r\n", b"\r", b"\0", b"\xff", b"\x1f\x8b", b"\x1f\x8b\x08", b"\t", b" ", b";",
    b"A" * 300,
    b"\n>\n", b"\n@x\nA\n+\n", b"\xef\xbb\xbf", b"\x80\x80\x80\x80\x10", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80",
)  # fmt: skip


def mutated(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """Return a good input with one to eight changes."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(7)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1 and data:
            data[at % len(data)] = rng.randrange(256)
        elif kind == 2:
            data[at:at] = rng.choice(_TOKENS)
        elif kind == 3:
            del data[at : at + rng.randint(1, 20)]
        elif kind == 4:
            data[at:at] = data[: rng.randrange(len(data) + 1)][-200:]
        elif kind == 5:
            other = rng.choice(seeds)
            data[at:] = other[rng.randrange(len(other) + 1) :]
        else:
            del data[at:]
    return bytes(data[:_MOST_BYTES])


def _records(data: bytes, rng: random.Random) -> None:
    if not data:
        return
    try:
        found = list(parse_records(io.BytesIO(data), "fuzz"))
    except SequenceFormatError as error:
        _check_words(error)
        return
    for record in found:
        assert record.id.isprintable()
        assert record.quality is None or len(record.quality) == len(record.sequence)


def _gzip(data: bytes, rng: random.Random) -> None:
    expander = Expander(_LIMITS)
    try:
        start = 0
        while start < len(data):
            end = start + rng.randint(1, 4096)
            expander.feed(data[start:end])
            start = end
        assert len(expander.finish()) <= _LIMITS.expanded
    except (TooLarge, SequenceFormatError) as error:
        _check_words(error)


def _check_words(error: Exception) -> None:
    """Check that an error is one line that a terminal shows as it is."""
    assert str(error).isprintable()


def _frames(data: bytes, rng: random.Random) -> None:
    refusals = (DecodeError, InvalidRequest, DataError)
    with suppress(*refusals):
        request = ClassifyStreamRequest.FromString(data)
        if request.WhichOneof("frame") == "config":
            novelty_of(request.config, field="config")
        reads = sequences_of(request.chunk.sequences, limit=16, field="chunk.sequences")
        assert len(reads) == len(request.chunk.sequences)
    with suppress(*refusals):
        reads_of(ModelInferRequest.FromString(data))
    with suppress(*refusals):
        to_classifications(Answers.FromString(data), _TAXA)


_TAXA = NumberedTaxa.from_lineages(("domain", "genus"), [("Alpha", "Beta"), ("Alpha", None), ("Gamma", "Delta")])


def _fasta_seeds() -> list[bytes]:
    return [
        b">a some words\nACGTACGT\nACGT\n>b\nNNNN\n", b">x\r\nACGU\r\n", b">\nA\n", b"\n\n>late\nAC\n", b">only",
        b">a\n>b\nA", b">" + b"n" * 500 + b"\n" + b"ACGT" * 100,
    ]  # fmt: skip


def _fastq_seeds() -> list[bytes]:
    return [
        b"@a some words\nACGT\n+\nIIII\n@b\nA\n+b\n!\n", b"@a\r\nAC\r\n+\r\n@@\r\n", b"@a\n\n+\n\n",
        b"@a\nACGT\n+\nIII", b"@" + b"n" * 300 + b"\n" + b"ACGT" * 50 + b"\n+\n" + b"I" * 200 + b"\n",
    ]  # fmt: skip


def _gzip_seeds() -> list[bytes]:
    small = [gzip.compress(seed, mtime=0) for seed in (*_fasta_seeds(), *_fastq_seeds())]
    return [
        *small,
        small[0] + small[1],
        small[0] + b"\0" * 100,
        gzip.compress(b"A" * 200_000, mtime=0),
        b"\x1f\x8b",
        b"",
    ]


def _frame_seeds() -> list[bytes]:
    from support.serving import PacedClassifier, paced_model

    model = paced_model(PacedClassifier())
    reads = ["ACGTACGTAC", "ACGTACGTAG", "AC", ""]
    config = ClassifyConfig(model=ModelSelector(name="a", version="current"), novelty=NoveltyMix(species=0.2))
    chunk = ReadChunk(chunk_id=7, sequences=[read.encode() for read in reads])
    infer = ModelInferRequest(model_name="a")
    infer.inputs.add(name="sequence", datatype="BYTES", shape=[4])
    infer.raw_input_contents.append(b"".join(struct.pack("<I", len(read)) + read.encode() for read in reads))
    parts = [ClassifyStreamRequest(config=config), ClassifyStreamRequest(chunk=chunk), infer]
    answers = to_message(PacedClassifier().classify(reads), model.taxa)
    return [*(part.SerializeToString() for part in parts), answers.SerializeToString(), b""]


TARGETS: dict[str, tuple[Target, Callable[[], list[bytes]]]] = {
    "fasta": (_records, _fasta_seeds),
    "fastq": (_records, _fastq_seeds),
    "gzip": (_gzip, _gzip_seeds),
    "frames": (_frames, _frame_seeds),
}


def fuzz(name: str, *, cases: int, seed: int) -> None:
    """Run a target on mutated inputs; raises AssertionError with the input (hex) that it fails on."""
    target, seeds_of = TARGETS[name]
    seeds, rng = seeds_of(), random.Random(seed)
    for seed_input in seeds:
        target(seed_input, rng)
    for number in range(cases):
        data = mutated(seeds, rng)
        try:
            target(data, rng)
        except Exception as error:
            message = f"{name}, case {number} of seed {seed}: {data.hex()}"
            raise AssertionError(message) from error


def main() -> None:
    """Fuzz one target and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    begun = time.process_time()
    fuzz(arguments.target, cases=arguments.cases, seed=arguments.seed)
    sys.stdout.write(f"{arguments.cases} cases of {arguments.target}: {time.process_time() - begun:.0f} s of CPU\n")


if __name__ == "__main__":
    main()
