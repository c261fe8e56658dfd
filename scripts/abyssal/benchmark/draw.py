"""Cases drawn from datasets, by the name of the part."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from abyssal.benchmark.cases import Case, CaseKey, write_case
from abyssal.benchmark.datasets import TAX_CREDIT, tax_credit_queries
from abyssal.benchmark.identity import identity_case
from abyssal.benchmark.robustness import robustness_case
from abyssal.benchmark.taxa_out import taxa_out_case
from abyssal.references.model import AmpliconReference, read_reference

logger = logging.getLogger(__name__)


def make_case(
    key: CaseKey, reference: AmpliconReference, folder: Path, *, most: int, scale: float = 1.0, threads: int = 1
) -> Case:
    """Return the case that a key names, with at most ``most`` queries where they are drawn and not published."""
    if key.part == TAX_CREDIT:
        queries = tax_credit_queries(folder, key.dataset, reference.ranks, scale)
        case = Case.plain(reference, queries)
        return case if key.split == "verbatim" else without_copies(case)
    if key.part == "identity":
        percent, number = map(int, key.split.split("-"))
        return identity_case(reference, percent, number, most, threads=threads)
    case = taxa_out_case(reference, int(key.split) if key.part == "taxa-out" else 1, most)
    return robustness_case(case, key.split) if key.part == "robustness" else case


def without_copies(case: Case) -> Case:
    """Return the case without the reference amplicons whose sequence equals a query's."""
    asked = {query.sequence for query in case.queries}
    keep = [place for place, sequence in enumerate(case.fitted.sequences) if sequence not in asked]
    return replace(case, fitted=case.fitted.subset(keep))


def write_case_files(
    key: CaseKey, reference: Path, lineages: Path, folder: Path, target: Path,
    *, most: int, scale: float, threads: int,
) -> None:  # fmt: skip
    """Write the files of a case into ``target``."""
    case = make_case(key, read_reference(reference, lineages), folder, most=most, scale=scale, threads=threads)
    logger.info("%s: %d queries against %d amplicons", key.path, len(case.queries), len(case.fitted))
    write_case(case, target)
