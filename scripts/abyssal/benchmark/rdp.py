"""The RDP classifier itself (Debian's rdp-classifier), retrained on a case's reference; an option, for it is slow.

Names go through it as codes, a class for every distinct lineage as in the other naive Bayes peers.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abyssal.benchmark.classes import Classes, classes_of
from abyssal.evaluation.answers import Answers
from abyssal.files import write_text
from abyssal.references.model import AmpliconReference
from abyssal.sequences.records import write_fasta
from abyssal.tools import run_tool

NAME = "rdp"
CONFIDENCE = 0.8
JAR = "/usr/share/java/rdp_classifier.jar"
"""Where Debian puts the program; its own command only classifies."""

_PACKAGE = "edu.msu.cme.rdp.classifier.cli"
_PROPERTIES = """\
bergeyTree=bergeyTrainingTree.xml
probabilityList=genus_wordConditionalProbList.txt
probabilityIndex=wordConditionalProbIndexArr.txt
wordPrior=logWordPrior.txt
classifierVersion=Abyssal benchmark
"""


def rdp_answers(reference: AmpliconReference, queries: Sequence[str], directory: Path) -> Answers:
    """Train in ``directory`` and answer queries."""
    classes = classes_of(reference)
    _write_training(classes, reference.ranks, directory)
    write_fasta(directory / "rdp_queries.fasta", [(f"q{row}", sequence) for row, sequence in enumerate(queries)])
    train = ["java", "-Xmx4g", "-cp", JAR, f"{_PACKAGE}.ClassifierMain", "train", "-o", "rdp", "-s", "rdp_train.fasta",
             "-t", "rdp_taxonomy.txt"]  # fmt: skip
    classify = ["java", "-Xmx4g", "-cp", JAR, f"{_PACKAGE}.ClassifierMain", "classify", "-t",
                "rdp/rRNAClassifier.properties", "-o", "rdp.tsv", "rdp_queries.fasta"]  # fmt: skip
    files = {"rdp", "rdp_train.fasta", "rdp_taxonomy.txt", "rdp/rRNAClassifier.properties", "rdp.tsv",
             "rdp_queries.fasta"}  # fmt: skip
    (directory / "rdp").mkdir(exist_ok=True)
    run_tool([directory / part if part in files else part for part in train])
    write_text(directory / "rdp" / "rRNAClassifier.properties", _PROPERTIES)
    run_tool([directory / part if part in files else part for part in classify])
    labels, confidence = _read_answers(directory / "rdp.tsv", classes, len(queries))
    command = f"{shlex.join(train)} && {shlex.join(classify)}"
    return Answers(NAME, (command,), labels, confidence, confidence >= CONFIDENCE)


def _read_answers(
    source: Path, classes: Classes, count: int
) -> tuple[list[list[str | None]], NDArray[np.float64]]:  # fmt: skip
    ranks = classes.prefixes.shape[1]
    labels: list[list[str | None]] = [[None] * ranks for _ in range(count)]
    confidence = np.zeros((count, ranks))
    some_class = [dict(zip(column.tolist(), range(len(classes)), strict=True)) for column in classes.prefixes.T]
    for line in source.read_text(encoding="utf-8").splitlines():
        query, _, *cells = line.split("\t")
        for code, said in zip(cells[::3], cells[2::3], strict=True):
            if code.startswith("t"):
                rank, prefix = (int(part) for part in code[1:].split("x"))
                name = classes.lineages[some_class[rank][prefix]][rank]
                labels[int(query[1:])][rank] = name
                confidence[int(query[1:]), rank] = float(said) if name is not None else 0.0
    return labels, confidence


def _write_training(classes: Classes, ranks: Sequence[str], directory: Path) -> None:
    """Write the training sequences and the tree of codes: ``t<rank>x<prefix>`` is a taxon."""
    numbers = {"Root": 0}
    lines = ["0*Root*-1*0*rootrank"]
    paths = []
    for row in range(len(classes)):
        names = ["Root", *(f"t{rank}x{classes.prefixes[row, rank]}" for rank in range(len(ranks)))]
        paths.append(";".join(names))
        for depth, (above, name) in enumerate(itertools.pairwise(names), start=1):
            if name not in numbers:
                numbers[name] = len(numbers)
                # The program trains on the rank called genus: its lowest one.
                rank_name = "genus" if depth == len(ranks) else f"rank{depth}"
                lines.append(f"{numbers[name]}*{name}*{numbers[above]}*{depth}*{rank_name}")
    write_text(directory / "rdp_taxonomy.txt", "\n".join(lines) + "\n")
    records = zip(classes.of.tolist(), classes.sequences, strict=True)
    write_fasta(
        directory / "rdp_train.fasta",
        ((f"r{row}\t{paths[place]}", sequence) for row, (place, sequence) in enumerate(records)),
    )
