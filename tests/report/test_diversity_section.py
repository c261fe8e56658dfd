"""The diversity of the samples as the report tells it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from abyssal.diversity.files import write_diversity
from abyssal.reads.table import CountTable
from abyssal.report.answers import Answers
from abyssal.report.diversity_section import diversity_section
from abyssal.report.inputs import ReportFacts, StudyResults, read_rows


def results(folder: Path, counts: list[list[int]]) -> StudyResults:
    array = np.array(counts, dtype=np.int64).T
    names = tuple(f"s{number}" for number in range(len(counts)))
    table = CountTable(tuple(f"a{row}" for row in range(len(array))), names, array)
    write_diversity(folder, table, {name: name for name in table.features})
    alpha, rarefaction, ordination = (read_rows(folder / f"{n}.tsv") for n in ("alpha", "rarefaction", "ordination"))
    return StudyResults(
        ReportFacts("s", "m", {}, {}), [], [], [], table, Answers((), []), [], [], [], [], {}, {}, None, None, None, {},
        alpha=alpha, rarefaction=rarefaction, ordination=ordination,
    )  # fmt: skip


def test_deep_samples_and_their_map(tmp_path: Path) -> None:
    section = diversity_section(results(tmp_path, [[900, 100, 0], [800, 100, 50], [20, 0, 700]]))
    assert section is not None
    assert "deep enough" in section.paragraphs[0]
    assert [figure.name for figure in section.figures] == ["rarefaction", "ordination"]
    bray, jaccard = section.figures[1].views
    assert bray.startswith("Bray–Curtis")
    assert jaccard.startswith("Jaccard")
    assert section.tables[0].rows[0][:4] == ["s0", "1,000", "2", "2"]


def test_shallow_samples_are_named(tmp_path: Path) -> None:
    section = diversity_section(results(tmp_path, [[1] * 40, [500, 500] + [0] * 38]))
    assert section is not None
    assert "1 sample of 2 (s0)" in section.paragraphs[0]
    assert "needs at least three" in section.paragraphs[1]
    assert [figure.name for figure in section.figures] == ["rarefaction"]


def test_large_numbers_have_separators_in_every_column(tmp_path: Path) -> None:
    section = diversity_section(results(tmp_path, [[1] * 1_200]))
    assert section is not None
    assert section.tables[0].rows[0][1:6] == ["1,200", "1,200", "1,200", "1,200.0", "720,600.0"]


@pytest.mark.parametrize("counts", [[[0, 0], [0, 0]], [[0], [0], [0]]])
def test_nothing_left(tmp_path: Path, counts: list[list[int]]) -> None:
    made = results(tmp_path, counts)
    section = diversity_section(made)
    assert section is not None
    assert "no diversity" in section.paragraphs[0]
    assert not section.figures
    assert diversity_section(replace(made, alpha=())) is None
