"""Every figure the shipped encoder is judged by, each beside its peer, on taxa that no training has seen.

    OMP_NUM_THREADS=1 PYTHONPATH=tests python -m benchmarks.encoder.judged [DIRECTORY_OF_AN_ENCODER]

Needs the data beside the checkout (or ABYSSAL_SHARED_DATA) and vsearch; about two minutes of one core. The page is
written to JUDGED.md beside this file (of another than the default encoder, to JUDGED-name.md); RESULTS.md says what it
means. Thresholds of grouping are chosen on other
held-out species than the reported.
"""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from benchmarks.encoder.judged_figures import Row, group_rows, name_rows, novelty_rows, robust_rows
from benchmarks.encoder.judged_sets import judged_corpora, peer_cells, with_changed_queries
from benchmarks.encoder.stage import ENCODER, HERE, LENGTH, REPOSITORY

from abyssal.benchmark.datasets import data_folder
from abyssal.encoder.baseline import KmerEncoder
from abyssal.encoder.engine import TorchEncoder, batches_by_length
from abyssal.encoder.identity import encoder_digest
from abyssal.encoder.interface import Encoder
from abyssal.encoder.load import load_encoder
from abyssal.encoder.network import EncoderNetwork, EncoderSizes
from abyssal.encoder.store import load_network
from abyssal.encoder.training.corpus import MarkerCorpus
from abyssal.encoder.training.measurement import grade
from abyssal.evaluation.baselines import vsearch_version

OURS, KMERS = "encoder", "6-mer cosine"
TITLES = {"top-hit": "alignment top hit", "sintax": "SINTAX"}
VARIANTS = ("errors 1 %", "half length")
TIMED = 10_000
BATCH = 64


def main() -> None:
    """Measure and write the page."""
    torch.set_num_threads(1)
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else ENCODER
    encoder = load_encoder(directory, batch_size=BATCH)
    embeds = {OURS: encoder.embed, KMERS: KmerEncoder().embed}
    corpora = judged_corpora(data_folder(None))
    cells = {name: grade(embed, corpora, part="report") for name, embed in embeds.items()}
    cells |= peer_cells(corpora)
    changed = {variant: with_changed_queries(corpora, variant) for variant in VARIANTS}
    parts = [
        _head(directory),
        _names(name_rows(cells, OURS)),
        _novelty(novelty_rows({name: cells[name] for name in (OURS, KMERS, "top-hit")}, OURS, KMERS)),
        _groups(group_rows(corpora, embeds, OURS)),
        _robust(robust_rows(corpora, changed, embeds)),
        _speed({OURS: encoder, KMERS: KmerEncoder(), "untrained small encoder, gate open": _open_gate()}),
        _padding(corpora, reads_letters=load_network(directory).reads_letters),
    ]
    page = "JUDGED.md" if directory.resolve() == ENCODER else f"JUDGED-{directory.name}.md"
    (HERE / page).write_text("\n".join(parts), encoding="utf-8")


def _head(directory: Path) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout.strip()  # fmt: skip
    argument = "" if directory.resolve() == ENCODER else f" resources/encoders/{directory.name}"
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return f"""# The encoder beside its peers

Written by `PYTHONPATH=tests python -m benchmarks.encoder.judged{argument}` on {today}, commit {commit},
{vsearch_version()}, PyTorch {torch.__version__}, Python {platform.python_version()}.
Encoder: `{directory.name}` {encoder_digest(directory)[:12]}. Queries are the reported half of the taxa that
`abyssal.splits` holds out, at most five a species; all methods search the same amplicons. Differences are points with
95 % intervals from paired resampling.
"""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _points(low_high: tuple[float, float, float]) -> str:
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * value for value in low_high))


def _difference(row: Row) -> str:
    return _points((row["difference"], row["low"], row["high"]))


def _names(rows: Sequence[Row]) -> str:
    methods = list(rows[0]["shares"])
    peers = [name for name in methods if name != OURS]
    table = []
    for row in rows:
        shares = row["shares"]
        best = max(peers, key=lambda name: shares[name])
        table.append(
            [str(row["marker"]), f"{row['group']} → {row['rank']}", str(row["queries"]),
             *(f"{shares[name]:.3f}" for name in methods), *(_difference(row["minus"][name]) for name in peers),
             "yes" if shares[OURS] >= shares[best] else f"no: {TITLES.get(best, best)}"]
        )  # fmt: skip
    header = ["set", "queries", "n", *(TITLES.get(name, name) for name in methods),
              *(f"− {TITLES.get(name, name)}" for name in peers), "at least the best peer"]  # fmt: skip
    about = "Share of queries whose nearest amplicon (or best name, whatever the doubt) is right."
    return f"## Names of the nearest neighbour\n\n{about}\n\n{_table(header, table)}"


def _novelty(rows: Sequence[Row]) -> str:
    methods = list(rows[0]["auroc"])
    table = [
        [str(row["marker"]), str(row["novel"]), f"{row['known']} + {row['queries']}",
         *(f"{row['auroc'][name]:.3f}" for name in methods), _points(row["minus"])]
        for row in rows
    ]  # fmt: skip
    header = ["set", "told from the rest", "known + novel", *(TITLES.get(name, name) for name in methods), f"− {KMERS}"]
    return f"## Novelty: AUROC of the best similarity alone\n\n{_table(header, table)}"


def _groups(rows: Sequence[Row]) -> str:
    methods = list(rows[0]["ari"])
    table = [
        [str(row["marker"]), f"{row['amplicons']} of {row['taxa']}",
         *(f"{row['ari'][name]:.3f} (at {row['distance'][name]:g})" for name in methods), _points(row["minus"])]
        for row in rows
    ]  # fmt: skip
    header = ["set", "amplicons of species", *methods, f"− {KMERS}, in hundredths"]
    about = "Average linkage on cosine distance, threshold chosen on the calibration half of the held-out species."
    return f"## Adjusted Rand index of groups of unseen species\n\n{about}\n\n{_table(header, table)}"


def _robust(rows: Sequence[Row]) -> str:
    table = []
    for row in rows:
        if row["marker"] == "all":
            table.append(["all", row["method"], row["variant"], "", "", _points(row["pooled"])])
            continue
        fall = "" if row["fall"] is None else _difference(row["fall"])
        table.append(
            [row["marker"], row["method"], row["variant"], f"{row['similar']:.3f}", f"{row['least']:.3f}", fall]
        )
    header = ["set", "method", "reads with", "similarity to the clean read", "of the worst 5 %", "genus of new species"]
    return f"## Robustness\n\n{_table(header, table)}"


def _open_gate() -> Encoder:
    torch.manual_seed(1)
    network = EncoderNetwork(EncoderSizes())
    with torch.no_grad():
        network.gate.fill_(0.1)
    return TorchEncoder(network, digest="", batch_size=BATCH)


def _speed(encoders: dict[str, Encoder]) -> str:
    rng = np.random.default_rng(5)
    reads = ["".join(row) for row in rng.choice(list("ACGT"), (TIMED, LENGTH))]
    table = []
    for name, encoder in encoders.items():
        encoder.embed(reads[:BATCH])
        count = TIMED if name != "untrained small encoder, gate open" else TIMED // 5
        start = time.process_time()
        encoder.embed(reads[:count])
        table.append([name, encoder.engine, f"{count / (time.process_time() - start):,.0f}"])
    about = f"One thread, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores. The stage: RESULTS.md."
    return f"## Speed\n\n{about}\n\n{_table(['', 'engine', 'unique 380-bp reads a processor second'], table)}"


def _padding(corpora: Sequence[MarkerCorpus], *, reads_letters: bool) -> str:
    table = []
    for corpus in corpora:
        lengths = [len(sequence) for sequence in corpus.sequences]
        batches = list(batches_by_length(lengths, BATCH))
        columns = sum(columns * len(indices) for columns, indices in batches)
        whole = sum(columns * BATCH for columns, _ in batches)
        cells = [f"{100 * (letters / sum(lengths) - 1):.1f} %" for letters in (columns, whole)]
        table.append(
            [corpus.marker, str(len(lengths)), "no letters are read" if not reads_letters else cells[1], *cells]
        )
    header = ["set", "amplicons", OURS, "open gate, to the batch's length", "and with rows that fill the last batches"]
    return f"## Padding\n\nLetters computed beyond those that are there.\n\n{_table(header, table)}"


if __name__ == "__main__":
    main()
