"""Ids stay put on the deep-sea 18S V9 samples, with the default configuration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from support.ids import fewer_reads, fewer_samples, ids_kept, taxa_of
from support.study import Study

from abyssal.config.models import ClusterConfig
from abyssal.discovery.describe import EmbeddedReference, StudyAmplicons
from abyssal.discovery.stage_files import ClusterFiles, read_named, read_study

pytestmark = [pytest.mark.slow, pytest.mark.workflow, pytest.mark.shared_data, pytest.mark.timeout(1800)]

MARKER = "18S-V9-1389F-1510R"
SEEDS = (7, 8)
"""Two draws: of some 350 taxa a draw more or less keeps one in a hundred."""

Deepsea = tuple[StudyAmplicons, EmbeddedReference]


@pytest.fixture(scope="module")
def deepsea(repository: Path, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Deepsea:
    """What the cluster stage gets from the workflow."""
    folder = tmp_path_factory.mktemp("deepsea")
    examples = repository / "config" / "examples"
    config = yaml.safe_load((examples / "18s-v9-deepsea.yaml").read_text())
    sheet = (examples / "18s-v9-deepsea.samples.tsv").read_text()
    (folder / "samples.tsv").write_text(sheet.replace("../shared/data", str(shared_data)))
    reference = config["markers"][MARKER]["reference"]
    reference["fasta"] = reference["fasta"].replace("../shared/data", str(shared_data))
    encoder = {"name": str(repository / "resources" / "encoders" / "abyssal-small")}
    study = Study(repository, folder, config | {"samples": "samples.tsv", "encoder": encoder})
    study.write()
    results = folder / "results" / config["study"] / MARKER
    names = (
        "preprocess/asvs.fasta", "preprocess/asv_table.tsv", "embed/asvs.safetensors", "load/reference.fasta.gz",
        "load/lineages.tsv", "embed/reference.safetensors", "load/gate.json",
    )  # fmt: skip
    study.snakemake(*(str((results / name).relative_to(folder)) for name in names))
    files = ClusterFiles(*(results / name for name in names))
    named = read_named(files)
    assert named is not None
    return read_study(files.asvs, files.table, files.vectors), named


def test_ids_survive_the_loss_of_a_fifth_of_the_reads(deepsea: Deepsea) -> None:
    study, named = deepsea
    before = taxa_of(study, named, ClusterConfig(), [])
    draws = [fewer_reads(study, seed=seed) for seed in SEEDS]
    kept = [ids_kept(before, taxa_of(draw, named, ClusterConfig(), before)) for draw in draws]
    print("kept of each draw:", [f"{np.mean(found):.4f} of {found.size}" for found in kept])
    assert min(found.size for found in kept) > 300
    assert np.mean(np.concatenate(kept)) >= 0.95


def test_ids_survive_a_fifth_more_samples(deepsea: Deepsea) -> None:
    study, named = deepsea
    draws = [taxa_of(fewer_samples(study, seed=seed), named, ClusterConfig(), []) for seed in SEEDS]
    kept = [ids_kept(before, taxa_of(study, named, ClusterConfig(), before)) for before in draws]
    print("kept of each draw:", [f"{np.mean(found):.4f} of {found.size}" for found in kept])
    assert min(found.size for found in kept) > 250
    assert np.mean(np.concatenate(kept)) >= 0.95
