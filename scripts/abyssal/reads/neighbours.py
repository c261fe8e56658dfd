"""Pairs of ASVs that are near each other, by alignment."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from abyssal.sequences.records import write_fasta
from abyssal.tools import run_tool


def near_pairs(sequences: Mapping[str, str], *, identity: float, folder: Path) -> dict[str, dict[str, float]]:
    """Return for each ASV the others that are near it, with their identity (share of alignment columns).

    Args:
        sequences: ASVs by name.
        identity: least identity (share).
        folder: for temporary files.
    """
    if len(sequences) < 2:
        return {}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        fasta, hits = Path(scratch) / "asvs.fasta", Path(scratch) / "hits.tsv"
        write_fasta(fasta, sorted(sequences.items()))
        run_tool(
            [
                *("vsearch", "--usearch_global", fasta, "--db", fasta, "--self", "--id", str(identity), "--iddef", "1"),
                *("--userout", hits, "--userfields", "query+target+id", "--maxaccepts", "0", "--maxrejects", "64"),
                *("--query_cov", "0.9", "--maxhits", "20", "--minseqlength", "1", "--strand", "plus"),
                *("--qmask", "none", "--dbmask", "none", "--threads", "1"),
            ],
        )
        found: dict[str, dict[str, float]] = {}
        for line in hits.read_text(encoding="ascii").splitlines():
            query, target, percent = line.split("\t")
            found.setdefault(query, {})[target] = float(percent) / 100
    return found
