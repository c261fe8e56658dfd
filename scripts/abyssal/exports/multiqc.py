"""MultiQC custom content: where the reads of every library went, so that ``multiqc results/`` shows it.

Files end in ``_mqc.json``, which MultiQC finds by itself. Ids and titles carry the marker, since one run of MultiQC may
see several markers of a study; libraries keep their names and meet in one row of the table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from abyssal.files import write_json
from abyssal.reads.ledger import LedgerRow
from abyssal.report.elements import OTHER_COLOUR, PALETTE
from abyssal.report.inputs import read_rows
from abyssal.report.reads_section import REASON_NAMES

FATES, LIBRARIES = "read_fates_mqc.json", "libraries_mqc.json"
_KEPT = "kept"
_NUMBERS = {
    "reads_raw": "Reads in",
    "reads_trimmed": "With primers",
    "reads_merged": "Merged",
    "reads_filtered": "Quality passed",
    "reads_final": "Kept",
    "asvs": "ASVs",
}


def write_multiqc(folder: Path, marker: str, ledger: Sequence[LedgerRow], summary: Path) -> None:
    """Write ``FATES`` (a bar chart) and ``LIBRARIES`` (a table).

    Args:
        folder: where they go.
        marker: name, part of ids and titles.
        ledger: rows of ``ledger.tsv``.
        summary: ``summary.tsv``.
    """
    write_json(folder / FATES, read_fates(marker, ledger))
    write_json(folder / LIBRARIES, library_table(marker, read_rows(summary)))


def read_fates(marker: str, ledger: Sequence[LedgerRow]) -> dict[str, Any]:
    """Return the bar chart: reads kept and each named loss, by library; the bars' lengths are the reads in."""
    losses = {(row.step, row.loss_reason): row for row in ledger if row.reads_lost}
    labels = {_KEPT: "kept", **{"__".join(key): _label(*key) for key in losses}}
    colours = [PALETTE[0], *(PALETTE[1:] * len(labels))]
    data: dict[str, dict[str, int]] = {}
    for row in ledger:
        found = data.setdefault(row.library, {})
        found[_KEPT] = row.reads_out
        if row.reads_lost:
            found[f"{row.step}__{row.loss_reason}"] = row.reads_lost
    return {
        "id": f"abyssal_reads_{_identifier(marker)}",
        "section_name": f"Abyssal {marker}: where the reads went",
        "description": "Reads (or read pairs) of each library that are kept, and those lost by step and reason.",
        "plot_type": "bargraph",
        "pconfig": {
            "id": f"abyssal_reads_{_identifier(marker)}_plot", "title": f"Abyssal {marker}: reads", "ylab": "reads",
        },
        "categories": {
            key: {"name": name, "color": colours[place] if key == _KEPT or place < len(PALETTE) else OTHER_COLOUR}
            for place, (key, name) in enumerate(labels.items())
        },
        "data": data,
    }  # fmt: skip


def library_table(marker: str, summary: Sequence[dict[str, str]]) -> dict[str, Any]:
    """Return the table: reads left after the main steps, ASVs, and a remark where something looks wrong."""
    headers = {
        name: {"title": title, "format": "{:,.0f}", "scale": "Blues" if name == "reads_final" else False, "min": 0}
        for name, title in _NUMBERS.items()
    }
    return {
        "id": f"abyssal_libraries_{_identifier(marker)}",
        "section_name": f"Abyssal {marker}: libraries",
        "description": "Reads (or read pairs) left after each step, ASVs, and what to look at.",
        "plot_type": "table",
        "pconfig": {"id": f"abyssal_libraries_{_identifier(marker)}_table", "title": f"Abyssal {marker}: libraries"},
        "headers": {**headers, "remark": {"title": "Remark", "scale": False}},
        "data": {
            row["library"]: {
                **{name: int(row[name]) for name in _NUMBERS if row.get(name)},
                "remark": row.get("remark") or "",
            }
            for row in summary
        },
    }


def _label(step: str, reason: str) -> str:
    return f"{step.replace('_', ' ')}: {REASON_NAMES.get(reason, reason.replace('_', ' '))}"


def _identifier(marker: str) -> str:
    return re.sub(r"\W", "_", marker)
