"""MultiQC's rules for custom content; MultiQC itself where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from abyssal.exports.multiqc import FATES, LIBRARIES, write_multiqc
from abyssal.reads.ledger import LedgerRow

LEDGER = [
    LedgerRow("a-1", "a", "raw", 100, 100, "", 0),
    LedgerRow("a-1", "a", "trim", 100, 90, "no_primer", 10),
    LedgerRow("a-1", "a", "map_back", 90, 84, "chimera", 4),
    LedgerRow("a-1", "a", "map_back", 90, 84, "no_asv_near", 2),
    LedgerRow("blank", "blank", "raw", 0, 0, "", 0),
]
SUMMARY = """\
library\tsample\treads_raw\treads_trimmed\treads_merged\treads_filtered\treads_final\tasvs\tremark
a-1\ta\t100\t90\t90\t90\t84\t3\t
blank\tblank\t0\t\t\t\t0\t0\tthe file has no reads
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "summary.tsv").write_text(SUMMARY)
    for marker in ("18S-V4", "12S"):
        write_multiqc(tmp_path / marker / "multiqc", marker, LEDGER, tmp_path / "summary.tsv")
    return tmp_path


def test_bars_add_up_to_the_reads_that_came_in(folder: Path) -> None:
    chart = json.loads((folder / "18S-V4" / "multiqc" / FATES).read_text())
    assert chart["plot_type"] == "bargraph"
    assert {library: sum(parts.values()) for library, parts in chart["data"].items()} == {"a-1": 100, "blank": 0}
    assert {key for parts in chart["data"].values() for key in parts} == set(chart["categories"])
    assert chart["categories"]["map_back__chimera"]["name"] == "map back: chimeras"


def test_the_table_has_a_header_for_every_cell_and_ids_differ_between_markers(folder: Path) -> None:
    tables = [json.loads((folder / marker / "multiqc" / LIBRARIES).read_text()) for marker in ("18S-V4", "12S")]
    for table in tables:
        assert table["plot_type"] == "table"
        assert {key for cells in table["data"].values() for key in cells} <= set(table["headers"])
    assert tables[0]["id"] != tables[1]["id"]
    assert tables[0]["data"]["blank"]["remark"] == "the file has no reads"


def test_multiqc_shows_it(folder: Path) -> None:
    if shutil.which("multiqc") is None:
        pytest.skip("multiqc is not on PATH (pip install multiqc, in an environment of its own)")
    command = ["multiqc", str(folder), "--outdir", str(folder / "out"), "--strict"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (folder / "out" / "multiqc_report.html").read_text()
    for marker in ("18S-V4", "12S"):
        assert f"Abyssal {marker}: where the reads went" in page
