"""The workflow as a user runs it: what it plans, what it makes, what a change reruns, what bad input gets."""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from support.study import MARKER, Study, small_study

from abyssal.bundle.read import open_bundle
from abyssal.bundle.schemas import SCHEMAS
from abyssal.encoder.cache import DEFAULT_FOLDER
from abyssal.files import sha256_file
from abyssal.sequences.records import read_records

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(1200)]


def planned_rules(output: str) -> set[str]:
    """The rules in the job table of a dry run."""
    table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\ntotal", output, re.S)
    return {line.split()[0] for line in table[1].splitlines()} if table else set()


def test_bare_snakemake_plans_the_demo(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--nocolor", "--forceall"],
        cwd=repository, check=True, capture_output=True, text=True, env={**os.environ},
    )  # fmt: skip
    stages = {"build_reference", "count_asvs", "embed_asvs", "cluster", "train", "evaluate", "report", "package"}
    assert stages <= planned_rules(done.stdout)


def test_every_interface_file_is_there(finished_study: Study) -> None:
    for name in ("preprocess/asvs.fasta", "preprocess/asv_table.tsv", "preprocess/ledger.tsv", "embed/asvs.safetensors",
                 "embed/encoder/config.json", "cluster/putative_taxa.tsv", "taxonomy.tsv", "novelty.json",
                 "evaluate/metrics.json", "report.html", "bundle/manifest.json"):  # fmt: skip
        assert (finished_study.results / name).is_file(), name


def test_every_asv_is_counted_and_classified(finished_study: Study) -> None:
    asvs = [record.id for record in read_records(finished_study.results / "preprocess" / "asvs.fasta")]
    with (finished_study.results / "preprocess" / "asv_table.tsv").open() as table:
        counted = [row["Feature ID"] for row in csv.DictReader(table, delimiter="\t")]
    with (finished_study.results / "taxonomy.tsv").open() as table:
        classified = [row["Feature ID"] for row in csv.DictReader(table, delimiter="\t")]
    assert len(asvs) > 5
    assert asvs == counted == classified


def test_vectors_are_kept_for_studies_to_come(finished_study: Study) -> None:
    (cache,) = (finished_study.directory / DEFAULT_FOLDER).glob("*.sqlite")
    with closing(sqlite3.connect(cache)) as table:
        ((kept,),) = table.execute("SELECT count(*) FROM vectors").fetchall()
    asvs = [record.sequence for record in read_records(finished_study.results / "preprocess" / "asvs.fasta")]
    reference = [record.sequence for record in read_records(finished_study.results / "load" / "reference.fasta.gz")]
    assert kept == len({*asvs, *reference})


def test_bundle_opens_and_belongs_to_the_marker(finished_study: Study) -> None:
    assert open_bundle(finished_study.results / "bundle").marker == MARKER


def test_every_json_file_of_a_bundle_fits_its_schema(finished_study: Study) -> None:
    for name in ("manifest", "config", "metrics", "preprocessing", "calibration"):
        SCHEMAS[name].model_validate_json((finished_study.results / "bundle" / f"{name}.json").read_bytes())
    SCHEMAS["provenance"].model_validate_json((finished_study.results / "provenance.json").read_bytes())


def test_provenance_names_what_came_from_outside(finished_study: Study) -> None:
    record = json.loads((finished_study.results / "provenance.json").read_text())
    reference = finished_study.config["markers"][MARKER]["reference"]
    for key in ("fasta", "lineages"):
        path = Path(reference[key])
        assert record["inputs"][f"reference file {path.name}"] == sha256_file(path)
    reads = [name for name in record["inputs"] if name.startswith("reads: ")]
    assert len(reads) == 6
    assert str(finished_study.repository) not in json.dumps(record)


def test_provenance_knows_the_rules_of_a_study_and_no_place(repository: Path, tmp_path: Path) -> None:
    study = small_study(repository, tmp_path)
    study.write(samples=str(tmp_path / "samples.tsv"))
    probe = tmp_path / "probe.smk"
    probe.write_text(
        f'import json\ninclude: "{repository}/Snakefile"\nPath("rules.json").write_text(json.dumps(rule_graph(None)))\n'
    )
    study.snakemake("--snakefile", str(probe), "-n", "--quiet", "all")
    rules = {rule["name"]: rule for rule in json.loads((tmp_path / "rules.json").read_text())}
    assert {"build_reference", "count_asvs", "cluster", "train", "package"} <= rules.keys()
    assert "benchmark" not in rules
    assert rules["fit_gate"]["outputs"] == ["results/{study}/{marker}/load/gate.json"]
    assert rules["check_libraries"]["inputs"][0] == "samples.tsv"
    assert not [file for rule in rules.values() for file in rule["inputs"] + rule["outputs"] if file.startswith("/")]


def test_second_call_does_nothing(finished_study: Study) -> None:
    assert "Nothing to be done" in finished_study.snakemake("-n").stdout


def test_changed_alpha_reruns_only_what_depends_on_it(finished_study: Study) -> None:
    finished_study.write(train={**finished_study.config["train"], "alpha": 0.1})
    try:
        rules = planned_rules(finished_study.snakemake("-n").stdout)
    finally:
        finished_study.write()
    assert "train" in rules
    assert rules.isdisjoint({"trim_primers", "denoise", "build_reference", "embed_asvs", "embed_reference", "cluster"})


def test_config_typo_names_the_nearest_key(repository: Path, tmp_path: Path) -> None:
    study = small_study(repository, tmp_path)
    study.write(trian={"alpha": 0.1})
    done = study.snakemake("-n", check=False)
    assert done.returncode != 0
    assert "did you mean train?" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_sample_sheet_problems_come_all_at_once_with_rows(repository: Path, tmp_path: Path) -> None:
    study = small_study(repository, tmp_path)
    sheet = tmp_path / "samples.tsv"
    header, *rows = [row.split("\t") for row in sheet.read_text().splitlines()]
    rows[0][header.index("r1")] = "missing.fastq.gz"
    rows[1][header.index("control")] = "blnk"
    sheet.write_text("\n".join("\t".join(row) for row in [header, *rows]) + "\n")
    done = study.snakemake("-n", check=False)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "row 2" in output
    assert "missing.fastq.gz" in output
    assert "row 3" in output
    assert "blnk" in output
