"""BLAST+ as a peer: the best hit, and the lowest common ancestor of the hits near it.

Identity is counted over the whole query, so that a short perfect stretch is no perfect hit.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from abyssal.evaluation.answers import Answers
from abyssal.evaluation.baselines import Baselines, Hits
from abyssal.tools import run_tool

TASK = "megablast"
MOST_HITS = 20


def blast_answers(peers: Baselines, directory: Path) -> list[Answers]:
    """Run blastn once and return ``blast-top-hit`` and ``blast-lca``."""
    database = ["makeblastdb", "-in", "reference.fasta", "-dbtype", "nucl", "-out", "reference"]
    search = ["blastn", "-task", TASK, "-query", "queries.fasta", "-db", "reference", "-strand", "plus",
              "-max_target_seqs", str(MOST_HITS), "-max_hsps", "1", "-outfmt", "6 qseqid sseqid nident qlen",
              "-num_threads", "1"]  # fmt: skip
    files = {"reference.fasta", "queries.fasta", "reference"}
    for command in (database, search):
        done = run_tool([directory / part if part in files else part for part in command])
    found: Hits = {}
    for line in done.stdout.splitlines():
        query, target, identical, length = line.split("\t")
        found.setdefault(int(query[1:]), []).append((int(identical) / int(length), int(target[1:].split(";")[0])))
    shown = f"{shlex.join(database)} && {shlex.join(search)}"
    return [
        peers.named_by_hits("blast-top-hit", shown, found, lowest_common=False),
        peers.named_by_hits("blast-lca", shown, found, lowest_common=True),
    ]
