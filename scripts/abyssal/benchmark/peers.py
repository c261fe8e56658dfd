"""All peers on one case; a peer whose program is not there is left out with the reason."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from abyssal.benchmark.answer_files import write_answers
from abyssal.benchmark.blast import blast_answers
from abyssal.benchmark.bootstrap_bayes import bootstrap_bayes
from abyssal.benchmark.cases import Case, read_case
from abyssal.benchmark.kmer_pilot import kmer_pilot
from abyssal.benchmark.naive_bayes import naive_bayes
from abyssal.benchmark.programs import unavailable
from abyssal.benchmark.rdp import rdp_answers
from abyssal.evaluation.answers import Answers
from abyssal.evaluation.baselines import Baselines

SINTAX_CUTOFFS = (0.5, 0.8)


def peer_answers(case: Case, peers: Sequence[str], seed: int, directory: Path) -> list[Answers]:
    """Return the answers of all peers that can run, working in ``directory``.

    SINTAX is one run with two operating points, ``sintax-0.5`` and ``sintax-0.8``.
    """
    able = [name for name in peers if name not in unavailable(peers)]
    sequences = [query.sequence for query in case.queries]
    by_program = Baselines(case.fitted, case.queries, directory)
    answers: list[Answers] = []
    direct: dict[str, Callable[[], Answers]] = {
        "nb-7mer": lambda: naive_bayes(case.fitted, sequences),
        "nbc-8mer": lambda: bootstrap_bayes(case.fitted, sequences, seed),
        "kmer-pilot": lambda: kmer_pilot(case.fitted, sequences, seed),
        "rdp": lambda: rdp_answers(case.fitted, sequences, directory),
        "top-hit": lambda: by_program.run("top-hit"),
        "lca": lambda: by_program.run("lca"),
    }
    if "sintax" in able:
        answers += sintax_points(by_program.run("sintax"))
    if {"blast-top-hit", "blast-lca"} & set(able):
        answers += [found for found in blast_answers(by_program, directory) if found.method in able]
    return answers + [direct[name]() for name in able if name in direct]


def answer_peers(case_folder: Path, peers: list[str], target: Path, seed: int) -> None:
    """Run every peer on the case in a folder and write the answers."""
    with tempfile.TemporaryDirectory(prefix="abyssal-peers-") as folder:
        write_answers(target, peer_answers(read_case(case_folder), peers, seed, Path(folder)))


def sintax_points(found: Answers) -> list[Answers]:
    """Return one SINTAX run at each of its usual cut-offs."""
    return [
        replace(
            found,
            method=f"sintax-{cutoff:g}",
            commands=tuple(
                command.replace("sintax_cutoff 0.8", f"sintax_cutoff {cutoff:g}") for command in found.commands
            ),
            accepted=found.confidence >= cutoff,
        )
        for cutoff in SINTAX_CUTOFFS
    ]
