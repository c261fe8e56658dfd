"""Time and memory that jobs ask for grow with their input and with every attempt."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from support.study import Study, small_study

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(600)]

GIGABYTE = 2**30


def sized_libraries(study: Study, gigabytes: dict[str, int]) -> None:
    """Give the study libraries whose first file is so large and takes no room."""
    rows = ["sample\tr1\tr2"]
    for name, size in gigabytes.items():
        first, second = (study.directory / f"{name}_R{mate}.fastq.gz" for mate in (1, 2))
        first.touch()
        os.truncate(first, size * GIGABYTE)
        second.touch()
        rows.append(f"{name}\t{first}\t{second}")
    (study.directory / "samples.tsv").write_text("\n".join(rows) + "\n")


def asked(study: Study, *arguments: str) -> dict[str, tuple[int, int]]:
    """Minutes and megabytes by rule, and by rule and library, of the jobs whose input is there."""
    found = {}
    for job in re.split(r"^ *(?=rule )", study.snakemake("-n", *arguments).stdout, flags=re.MULTILINE)[1:]:
        resources = re.search(r"resources: .*?runtime=(\d+), mem_mb=(\d+)", job)
        if resources:
            name = re.match(r"rule (\w+):", job)
            library = re.search(r"library=(\w+)", job)
            assert name
            found[f"{name[1]} {library[1]}" if library else name[1]] = int(resources[1]), int(resources[2])
    return found


def test_jobs_ask_for_more_with_their_input_and_with_every_attempt(repository: Path, tmp_path: Path) -> None:
    study = small_study(repository, tmp_path)
    sized_libraries(study, {"small": 0, "large": 6})
    first, third = asked(study), asked(study, "--attempt", "3")
    # Twenty minutes a gigabyte of reads, far above the two that were measured.
    assert first["trim_primers large"][0] == first["trim_primers small"][0] + 6 * 20
    assert first["check_libraries"][0] == 20 + 6 * 5
    # Trimming reads its input as a stream.
    assert first["trim_primers large"][1] == first["trim_primers small"][1]
    assert first.keys() == third.keys()
    assert {"build_reference", "fetch_encoder"} <= first.keys()
    for name, (minutes, megabytes) in first.items():
        assert third[name] == (3 * minutes, 3 * megabytes), name


def test_every_rule_asks_by_a_function(repository: Path) -> None:
    for file in (repository / "workflow" / "rules").glob("*.smk"):
        for key, value in re.findall(r"^ +(mem_mb|runtime)=(.*),$", file.read_text(), re.MULTILINE):
            assert value.startswith({"mem_mb": "megabytes(", "runtime": "minutes("}[key]), f"{file.name}: {key}={value}"
