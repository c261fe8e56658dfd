"""The package stage: from a study's files to its bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abyssal.bundle.golden import ClassifiesSequences, GoldenQuery, select_golden_queries
from abyssal.bundle.manifest import Marker
from abyssal.bundle.provenance import code_version, data_digests, tool_versions
from abyssal.bundle.write import BundleIdentity, BundleInputs, write_bundle
from abyssal.sequences.records import read_records

_REFERENCE = "reference.fasta.gz"
_EXEMPLARS = "exemplars.fasta"
_FIXED_COLUMNS = 2


@dataclass(frozen=True)
class StudyFiles:
    """What the package stage reads; None where a study has none.

    Attributes:
        inputs: the files that go into the bundle.
        asvs: the study's ASVs.
        libraries: the loaded sample sheet.
        reference: the checked reference.
        lineages: lineages of the reference; its columns name the ranks.
    """

    inputs: BundleInputs
    asvs: Path
    libraries: Path
    reference: Path | None = None
    lineages: Path | None = None


def package_study(
    target: Path,
    files: StudyFiles,
    *,
    version: str,
    marker: Marker,
    encoder_digest: str,
    config: Mapping[str, Any],
    load: Callable[[Path], ClassifiesSequences],
) -> str:
    """Write the bundle of a study and return its digest; a bundle of an earlier run is replaced.

    Args:
        target: directory of the bundle.
        files: what goes in and what it was made from.
        version: the bundle's version; its name is that of the study and the marker.
        marker: name, primers and lengths.
        encoder_digest: identity of the encoder.
        config: what ``provenance.study_config`` returned.
        load: makes a classifier from a directory, ``Classifier.load``.
    """
    identity = BundleIdentity(
        name=f"{config['study']}-{marker.name}",
        version=version,
        marker=marker,
        ranks=_ranks(files.lineages),
        encoder_digest=encoder_digest,
        code_version=code_version(),
        config=config,
        data_digests=data_digests(
            {"reference sequences": files.reference, "reference lineages": files.lineages, "ASVs": files.asvs},
            files.libraries,
        ),
        tool_versions=tool_versions(),
        facts=_facts(config),
    )
    golden = _golden(files, seed=int(config["seed"]))
    return write_bundle(target, inputs=files.inputs, identity=identity, golden=golden, load=load, replace=True)


def _ranks(lineages: Path | None) -> tuple[str, ...]:
    if lineages is None:
        return ()
    with lineages.open(encoding="utf-8") as stream:
        return tuple(stream.readline().rstrip("\n").split("\t")[_FIXED_COLUMNS:])


def _facts(config: Mapping[str, Any]) -> dict[str, str]:
    reference = config["marker"]["reference"]
    novelty = config["train"]["novelty"]
    facts = {"Study": str(config["study"]), "Reference": "none", "Encoder": str(config["encoder"]["name"])}
    if not reference:
        # No name is ever accepted, so nothing bounds or weighs names.
        return facts
    return facts | {
        "Reference": f"{reference['name']} {reference['version']}",
        "Bound on over-classification": _bound(config["train"]),
        "Share of novel taxa": ", ".join(f"{rank} {share}" for rank, share in novelty.items()),
    }


def _bound(train: Mapping[str, Any]) -> str:
    if train["acceptance"] == "balanced":
        return "none; a name is accepted where it is more likely right than wrong"
    return str(train["alpha"])


def _golden(files: StudyFiles, *, seed: int) -> list[GoldenQuery]:
    """Choose golden sequences: amplicons of the model's index, and exemplars as what it does not know."""
    model = files.inputs.model
    exemplars = files.inputs.exemplars or model / _EXEMPLARS
    return select_golden_queries(_pairs(model / _REFERENCE), _pairs(exemplars), seed=seed)


def _pairs(source: Path) -> list[tuple[str, str]]:
    return [(record.id, record.sequence) for record in read_records(source)] if source.is_file() else []
