"""Amplicons that simulated communities are drawn from."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from support.communities import Templates

from abyssal.references.markers import resolve_marker
from abyssal.simulate.templates import Template, cut_templates, read_templates

LONGEST = 430
"""An amplicon that two reads of 250 bases cover with an overlap (bp); longer ones cannot merge."""


def fitting(templates: Sequence[Template], marker: str) -> list[Template]:
    """Return the templates of the marker's length that pairs can cover."""
    known = resolve_marker(marker)
    return [made for made in templates if known.min_length <= len(made.sequence) <= min(known.max_length, LONGEST)]


@pytest.fixture(scope="session")
def demo_templates(repository: Path) -> Templates:
    """18S V4 amplicons of the demo reference."""
    found = read_templates(repository / "resources" / "demo" / "reference.fasta.gz", np.random.default_rng(0))
    return fitting(found, "18S-V4-Zingone")


@pytest.fixture(scope="session")
def real_templates(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Templates]:
    """Amplicons of the real references, by marker."""
    made: dict[str, Templates] = {}

    def templates(marker: str) -> Templates:
        if marker not in made:
            made[marker] = fitting(_read(marker, shared_data, tmp_path_factory.mktemp("templates")), marker)
        return made[marker]

    return templates


def _read(marker: str, data: Path, folder: Path) -> list[Template]:
    rng = np.random.default_rng(0)
    if marker.startswith("18S"):
        whole = read_templates(data / "18s-reference" / "pr2_4.7.2_x_silva93_18S.fasta.gz", rng)
        return cut_templates(whole, resolve_marker(marker))
    # Several records have one name there; a template needs its own.
    renamed = folder / "12S.fasta"
    with gzip.open(data / "12s-reference" / "12S.fasta.gz", "rt") as lines:
        named = (f"{line.rstrip()}_{place}\n" if line.startswith(">") else line for place, line in enumerate(lines))
        renamed.write_text("".join(named))
    return read_templates(renamed, rng)
