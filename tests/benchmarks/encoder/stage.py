"""The embed stage beside its engine: speed, peak memory and what the cache saves, at 10,000 sequences and more.

    PYTHONPATH=tests python -m benchmarks.encoder.stage 10000 100000 1000000

Sequences are stretches of 380 letters of the demo's reference with one letter in twenty drawn anew. Each figure is of a
process of its own with one thread; rows are appended to RESULTS.md. "Engine" is the encoder alone on sequences that are
in memory, sorted by length; shares are of processor seconds, imports and loading left out.
"""

from __future__ import annotations

import datetime
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
ENCODER = REPOSITORY / "resources" / "encoders" / "abyssal-small"
REFERENCE = REPOSITORY / "resources" / "demo" / "reference.fasta.gz"
BATCH = 64
LENGTH = 380
CHANGED = 0.05
WAYS = ("engine", "stage", "stage, empty cache", "stage, full cache")


def write_sequences(target: Path, count: int) -> None:
    """Write distinct sequences, one a line of FASTA."""
    from abyssal.sequences.records import read_records

    random = np.random.default_rng(7)
    sources = [np.frombuffer(r.sequence.encode(), dtype=np.uint8) for r in read_records(REFERENCE)]
    sources = [source for source in sources if source.size > LENGTH]
    with target.open("wb") as out:
        for number in range(count):
            source = sources[int(random.integers(len(sources)))]
            start = int(random.integers(source.size - LENGTH))
            letters = source[start : start + LENGTH].copy()
            changed = random.random(LENGTH) < CHANGED
            letters[changed] = random.choice(np.frombuffer(b"ACGT", dtype=np.uint8), int(changed.sum()))
            out.write(b">s%d\n%s\n" % (number, letters.tobytes()))


def embed_one_way(way: str, fasta: Path, folder: Path) -> None:
    """Embed in this process and print processor seconds and peak memory as JSON."""
    import torch

    from abyssal.encoder.cache import CachedEncoder
    from abyssal.encoder.load import load_encoder
    from abyssal.encoder.shards import embed_file
    from abyssal.sequences.records import read_records

    torch.set_num_threads(1)
    encoder = load_encoder(ENCODER, batch_size=BATCH)
    if "cache" in way:
        encoder = CachedEncoder(encoder, folder / "cache", code="benchmark", batch_size=BATCH)
    encoder.embed(["ACGT" * 95])
    if way == "engine":
        sequences = sorted((record.sequence for record in read_records(fasta)), key=len)
    start = time.process_time()
    if way == "engine":
        encoder.embed(sequences)
    else:
        embed_file(encoder, fasta, folder / "vectors.safetensors")
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "megabytes": peak}) + "\n")


def measure(count: int) -> list[str]:
    """Return a row of the table for each way."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout.strip()  # fmt: skip
    label = f"{datetime.datetime.now(tz=datetime.UTC).date()} {commit}"
    rows, engine = [], 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sequences(folder / "sequences.fasta", count)
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.encoder.stage", "--way", way, str(folder)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
            found = json.loads(done.stdout)
            speed = count / found["seconds"]
            engine = engine or speed
            rows.append(
                f"| {label} | {count:,} | {way} | {speed:,.0f} | {speed / engine:.2f} | {found['megabytes']:,.0f} |\n"
            )
            sys.stdout.write(rows[-1])
            sys.stdout.flush()
    return rows


def main() -> None:
    """Measure every size that is asked for."""
    if sys.argv[1] == "--way":
        embed_one_way(sys.argv[2], Path(sys.argv[3]) / "sequences.fasta", Path(sys.argv[3]))
        return
    results = HERE / "RESULTS.md"
    for count in map(int, sys.argv[1:]):
        rows = measure(count)
        with results.open("a", encoding="utf-8") as out:
            out.writelines(rows)


if __name__ == "__main__":
    main()
