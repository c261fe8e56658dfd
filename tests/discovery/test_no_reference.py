"""A study without any reference: reads, putative taxa, and a bundle that assigns new reads to them."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.amplicons import Sequencer, random_sequence, substituted
from support.reads_chain import Chain, library
from support.serving import running_server
from support.study import Study

from abyssal.bundle.manifest import Marker
from abyssal.bundle.provenance import study_config
from abyssal.bundle.study import StudyFiles, package_study
from abyssal.bundle.write import BundleInputs
from abyssal.cli import main
from abyssal.client import Client
from abyssal.config.load import load_config
from abyssal.discovery.stage_files import ClusterFiles, cluster_files
from abyssal.encoder.load import load_encoder
from abyssal.encoder.vectors import embed_fasta, write_vectors
from abyssal.sequences.records import read_records, write_fasta
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.model import MarkerSpec
from abyssal.taxonomy.stage import TrainFiles, train_files

pytestmark = pytest.mark.timeout(600)

MARKER = "unnamed"
RNG = np.random.default_rng(31)
ANCESTORS = [random_sequence(RNG, 180) for _ in range(4)]
FAMILIES = [[ancestor, *(substituted(ancestor, 9 * n, 11 * n, 170 - n) for n in (3, 6))] for ancestor in ANCESTORS]
STRANGER = random_sequence(RNG, 180)


@dataclass(frozen=True)
class Made:
    """What the study left: its cluster directory and its bundle."""

    cluster: Path
    bundle: Path

    def taxon_of(self, sequence: str) -> str:
        """The putative taxon that an ASV is a member of."""
        asvs = {record.sequence: record.id for record in read_records(self.cluster.parent / "asvs.out")}
        rows = (self.cluster / "members.tsv").read_text().splitlines()
        return next(row.split("\t")[1] for row in rows if row.startswith(asvs[sequence]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Paired reads of two samples, taken through every stage that a marker without a reference has."""
    folder = tmp_path_factory.mktemp("study")
    reads = {"a": (30, 12, 9), "b": (9, 20, 30)}
    rows = [
        library(name, *Sequencer(read_length=180).write(
            folder, name, [member for family in FAMILIES for member, count in zip(family, counts, strict=True)
                           for _ in range(count)]))
        for name, counts in reads.items()
    ]  # fmt: skip
    found = Chain(folder / "out").run(rows).outputs
    config = load_config({
        "study": "nameless", "samples": "samples.tsv", "encoder": {"name": "kmers"},
        "cluster": {"method": "average-linkage", "distance": 0.4, "resamples": 0},
        "markers": {MARKER: {"forward_primer": "ACGTACGTACGTACGT", "reverse_primer": "ACGTACGTACGTACGT"}},
    })  # fmt: skip
    cluster, model, vectors = (folder / "out" / name for name in ("cluster", "model", "vectors.safetensors"))
    write_vectors(vectors, embed_fasta(load_encoder("kmers"), found.asvs))
    cluster_files(ClusterFiles(found.asvs, found.table, vectors), cluster, config.cluster, seed=1)
    train_files(
        TrainFiles(folder / "no-weights", cluster / "putative_taxa.tsv", cluster / "exemplars.fasta"), model,
        settings=config.train, marker=MarkerSpec(MARKER, "", "", 50, 600), batch_size=16, seed=1,
    )  # fmt: skip
    (folder / "metrics.json").write_text("{}\n")
    (folder / "report.html").write_text("<!doctype html><title>report</title>\n")
    package_study(
        folder / "bundle",
        StudyFiles(BundleInputs(model, folder / "metrics.json", folder / "report.html"), found.asvs,
                   found.libraries_table),
        version="1", marker=Marker(name=MARKER), encoder_digest=load_encoder("kmers").digest,
        config=study_config(config, MARKER), load=Classifier.load,
    )  # fmt: skip
    return Made(cluster, folder / "bundle")


def new_read(family: int) -> str:
    """A read of a family that no sample of the study held."""
    return substituted(ANCESTORS[family], 40)


def test_reads_without_a_reference_become_taxa(made: Made) -> None:
    homes = [{made.taxon_of(member) for member in family} for family in FAMILIES]
    assert all(len(home) == 1 for home in homes)
    assert len(set.union(*homes)) == len(FAMILIES)
    header, *rows = (made.cluster / "putative_taxa.tsv").read_text().splitlines()
    assert len(rows) == len(FAMILIES)
    assert {row.split("\t")[header.split("\t").index("nearest_id")] for row in rows} == {""}


def test_the_bundle_assigns_new_reads_on_the_command_line(
    made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_fasta(tmp_path / "new.fasta", [*((f"r{n}", new_read(n)) for n in range(4)), ("stranger", STRANGER)])
    target = tmp_path / "answers.tsv"
    caplog.set_level("INFO")
    assert main(["classify", str(tmp_path / "new.fasta"), "--bundle", str(made.bundle), "-o", str(target)]) == 0
    with target.open() as table:
        answers = {row["Feature ID"]: row for row in csv.DictReader(table, delimiter="\t")}
    expected = {f"r{n}": made.taxon_of(ANCESTORS[n]) for n in range(4)} | {"stranger": ""}
    assert {name: row["putative_taxon"] for name, row in answers.items()} == expected
    assert {row["Taxon"] for row in answers.values()} == {"Unassigned"}
    assert "5 sequences classified (0 with a name, 4 of a putative taxon), written to" in caplog.text
    assert json.loads((made.bundle / "manifest.json").read_text())["ranks"] == []


def test_the_service_returns_the_same_ids(made: Made) -> None:
    with running_server(made.bundle) as service, Client(service.target) as client:
        found = client.classify([*map(new_read, range(4)), STRANGER])
    assert list(found.putative_taxon) == [*(made.taxon_of(ancestor) for ancestor in ANCESTORS), ""]


@pytest.mark.slow
@pytest.mark.workflow
@pytest.mark.timeout(1800)
def test_the_example_runs_from_reads_to_a_bundle(repository: Path, tmp_path: Path) -> None:
    """The workflow itself, with its default clusterer and the shipped encoder."""
    config = yaml.safe_load((repository / "config" / "examples" / "no-reference.yaml").read_text())
    (marker,) = config["markers"]
    rows = [row.split("\t") for row in (repository / config["samples"]).read_text().splitlines()]
    places = [rows[0].index(column) for column in ("r1", "r2")]
    moved = [[str(repository / cell) if n in places else cell for n, cell in enumerate(row)] for row in rows[1:3]]
    (tmp_path / "samples.tsv").write_text("\n".join("\t".join(row) for row in [rows[0], *moved]) + "\n")
    encoder = {"name": str(repository / "resources" / "encoders" / "abyssal-small")}
    study = Study(repository, tmp_path, config | {"samples": "samples.tsv", "encoder": encoder})
    study.write()
    results = tmp_path / "results" / config["study"] / marker
    study.snakemake(*(str(results.relative_to(tmp_path) / name) for name in ("bundle/manifest.json", "report.html")))
    assert "This study has no reference" in (results / "report.html").read_text()
    again = tmp_path / "again.tsv"
    asvs = results / "preprocess" / "asvs.fasta"
    assert main(["classify", str(asvs), "--bundle", str(results / "bundle"), "-o", str(again)]) == 0
    with again.open() as table:
        found = [row["putative_taxon"] for row in csv.DictReader(table, delimiter="\t")]
    assert len(found) > 20
    assert all(name.startswith("PT") for name in found)
