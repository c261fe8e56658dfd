"""The package stage and provenance: from a study's files to a bundle that says where it comes from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from abyssal.bundle.golden import read_golden
from abyssal.bundle.manifest import Marker
from abyssal.bundle.provenance import (
    code_version,
    data_digests,
    read_file_digests,
    study_config,
    study_provenance,
    tool_versions,
)
from abyssal.bundle.read import open_bundle
from abyssal.bundle.study import StudyFiles, package_study
from abyssal.bundle.write import BundleInputs
from abyssal.config.load import load_config
from abyssal.files import sha256_file

MARKER = Marker(name="18S-V4", forward_primer="CCAGCASCYGCGGTAATTCC", reverse_primer="ACTTTCGTTCTTGATYRA")


def config(folder: str = "/somewhere/deep", **sections: object) -> dict[str, object]:
    values = {
        "study": "demo",
        "samples": f"{folder}/samples.tsv",
        "markers": {
            "18S-V4": {"reference": {"fasta": f"{folder}/r.fasta", "lineages": f"{folder}/l.tsv", "name": "silva"}},
            "COI": {},
        },
        **sections,
    }
    return study_config(load_config(values), "18S-V4")


@pytest.fixture
def study(model: Path, tmp_path: Path) -> StudyFiles:
    metrics, report, asvs, libraries = (tmp_path / n for n in ("metrics.json", "report.html", "asvs.fasta", "l.tsv"))
    metrics.write_text("{}\n")
    report.write_text("<!doctype html>\n")
    asvs.write_text(">a\nACGT\n")
    libraries.write_text(f"library\tr1\tr1_sha256\tr2_sha256\nwater\t/x/a.fq\t{'a' * 64}\t{'b' * 64}\nblank\t\t\t\n")
    exemplars, putative = tmp_path / "exemplars.fasta", tmp_path / "putative_taxa.tsv"
    exemplars.write_text(">new1\n" + "ACGGT" * 12 + "\n")
    putative.write_text("putative_taxon\nnew1\n")
    inputs = BundleInputs(model, metrics, report, putative, exemplars)
    return StudyFiles(inputs, asvs, libraries, model / "reference.fasta.gz", model / "taxonomy.tsv")


def package(target: Path, study: StudyFiles, load: Callable, settings: dict[str, object] | None = None) -> str:
    return package_study(
        target, study, version="1", marker=MARKER, encoder_digest="0" * 64, config=settings or config(), load=load
    )


def test_a_study_becomes_a_bundle(study: StudyFiles, tmp_path: Path, load_model: Callable) -> None:
    digest = package(tmp_path / "bundle", study, load_model)
    bundle = open_bundle(tmp_path / "bundle")
    assert bundle.digest == digest
    assert (bundle.name, bundle.ranks, bundle.marker) == ("demo-18S-V4", ("domain", "genus"), "18S-V4")
    assert bundle.manifest.facts["Reference"] == "silva 0"
    assert set(bundle.manifest.data_digests) == {
        "reference sequences", "reference lineages", "ASVs", "reads (2 files)"
    }  # fmt: skip
    kinds = {answer.query.kind for answer in read_golden(tmp_path / "bundle/golden.tsv", bundle.ranks)}
    assert {"reference", "novel"} <= kinds


def test_facts_about_names_are_those_of_studies_with_a_reference(
    study: StudyFiles, tmp_path: Path, load_model: Callable
) -> None:
    names = {"Bound on over-classification", "Share of novel taxa"}
    package(tmp_path / "bundle", study, load_model)
    assert names <= set(open_bundle(tmp_path / "bundle").manifest.facts)
    nameless = config(markers={"18S-V4": {}})
    package(tmp_path / "bundle", study, load_model, nameless)
    facts = open_bundle(tmp_path / "bundle").manifest.facts
    assert facts["Reference"] == "none"
    assert not names & set(facts)


def test_packaging_again_replaces_and_gives_the_same_digest(
    study: StudyFiles, tmp_path: Path, load_model: Callable
) -> None:
    first = package(tmp_path / "bundle", study, load_model)
    (tmp_path / "bundle/leftover.json").write_text("{}")
    assert package(tmp_path / "bundle", study, load_model) == first
    assert package(tmp_path / "elsewhere/bundle", study, load_model, config("another/place")) == first


def test_snakemakes_own_mark_is_not_packed(study: StudyFiles, tmp_path: Path, load_model: Callable) -> None:
    (study.inputs.model / ".snakemake_timestamp").touch()
    package(tmp_path / "bundle", study, load_model)
    assert ".snakemake_timestamp" not in open_bundle(tmp_path / "bundle").manifest.files


def test_a_changed_setting_changes_the_digest(study: StudyFiles, tmp_path: Path, load_model: Callable) -> None:
    first = package(tmp_path / "a", study, load_model)
    assert package(tmp_path / "b", study, load_model, config(train={"alpha": 0.1})) != first


def test_the_configuration_names_no_place_and_no_other_marker() -> None:
    text = json.dumps(config())
    assert "somewhere" not in text
    assert "COI" not in text
    assert config("a")["marker"] == config("b/c")["marker"]
    hub = config(encoder={"name": "maker/model", "revision": "abc"})["encoder"]
    assert isinstance(hub, dict)
    assert hub["name"] == "maker/model"


def test_read_files_are_summed_up_whatever_their_order(study: StudyFiles, tmp_path: Path) -> None:
    assert read_file_digests(study.libraries) == {"water r1_sha256": "a" * 64, "water r2_sha256": "b" * 64}
    other = tmp_path / "other.tsv"
    other.write_text(f"library\tr1_sha256\tr2_sha256\nwater\t{'b' * 64}\t{'a' * 64}\n")
    assert data_digests({}, other) == data_digests({}, study.libraries)


def test_a_file_of_many_libraries_is_one_file(tmp_path: Path) -> None:
    libraries = tmp_path / "libraries.tsv"
    rows = [f"{name}\t{'a' * 64}\t{'b' * 64}\n" for name in ("one", "two", "three")]
    libraries.write_text("library\tasvs_sha256\ttable_sha256\n" + "".join(rows))
    assert set(data_digests({}, libraries)) == {"reads (2 files)"}


def test_provenance_holds_inputs_versions_code_and_rules(study: StudyFiles) -> None:
    rules = [{"name": "load", "inputs": ["a"], "outputs": ["b"]}]
    assert study.reference is not None
    found = study_provenance(
        config=config(), inputs={"reference": study.reference, "none": None}, outputs={"ASVs": study.asvs},
        libraries=study.libraries, rules=rules,
    )  # fmt: skip
    assert found["inputs"] == {
        "reference": sha256_file(study.reference), "reads: water r1_sha256": "a" * 64,
        "reads: water r2_sha256": "b" * 64,
    }  # fmt: skip
    assert found["outputs"] == {"ASVs": sha256_file(study.asvs)}
    assert found["rules"] == rules
    assert found["code_version"] == code_version()
    assert {"python", "numpy", "torch"} <= set(tool_versions())


@pytest.mark.skipif(shutil.which("vsearch") is None, reason="vsearch is not installed")
def test_the_version_of_vsearch_is_its_own_and_not_the_doi_of_its_paper() -> None:
    assert tool_versions()["vsearch"].split(".")[0] == "2"


PACKAGE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.bundle.conftest import NearestProfile, identity, reference_pairs
from abyssal.bundle.golden import select_golden_queries
from abyssal.bundle.write import BundleInputs, write_bundle
folder = Path(sys.argv[2])
queries = select_golden_queries(reference_pairs(), [], seed=1)
print(write_bundle(Path(sys.argv[3]), inputs=BundleInputs(folder / "model", folder / "metrics.json",
      folder / "report.html"), identity=identity(), golden=queries, load=NearestProfile))
"""


def test_the_digest_does_not_depend_on_threads_hash_seed_place_or_locale(
    study: StudyFiles, tmp_path: Path, repository: Path
) -> None:
    folder = str(study.inputs.model.parent)
    digests = set()
    for threads, seed, locale in [("1", "1", "C"), ("2", "77", "C.UTF-8")]:
        settings = {"OMP_NUM_THREADS": threads, "PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": "Asia/Tokyo"}
        command = [sys.executable, "-c", PACKAGE, str(repository), folder, str(tmp_path / seed / "bundle")]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env={**os.environ, **settings}, cwd=tmp_path
        )
        digests.add(done.stdout)
    assert len(digests) == 1
