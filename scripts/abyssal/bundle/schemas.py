"""The JSON files of a bundle and beside it as typed models, and the JSON schemas generated from them.

The manifest is closed: an unknown key is refused. The other files may gain keys without a new format version, so their
schemas name what a reader can rely on. ``python -m abyssal.bundle.schemas`` writes the schemas; a test fails on drift.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from abyssal.bundle.manifest import Manifest, Sha256, Text
from abyssal.config.models import NoveltyConfig
from abyssal.files import to_json, write_text

FOLDER = Path(__file__).resolve().parent / "schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class Preprocessing(_Open):
    """``preprocessing.json``: what is done to a read before it is classified."""

    format: Literal["abyssal-preprocessing"]
    format_version: Literal[1]
    marker: str = Field(description="Name of the marker.")
    forward_primer: str = Field(description="5' to 3', IUPAC letters; empty when unknown.")
    reverse_primer: str = Field(description="5' to 3', IUPAC letters; empty when unknown.")
    min_length: Annotated[int, Field(ge=1)] = Field(description="Shortest amplicon without primers (bp).")
    max_length: Annotated[int, Field(ge=1)] = Field(description="Longest amplicon without primers (bp).")
    batch_size: Annotated[int, Field(ge=1)] = Field(description="Rows of the encoder's fixed batch shape.")
    k: Annotated[int, Field(ge=1)] = Field(description="Length of the k-mers kept beside the vectors (bases).")
    encoder: Literal["encoder", "kmers"] = Field(description="Folder of the encoder, or kmers for plain profiles.")


class OffTarget(_Open):
    """Floors below which a read is rejected as another marker, another domain or no sequence at all."""

    kmer: float = Field(description="Lowest k-mer cosine to the nearest reference amplicon.")
    identity: float = Field(description="Lowest identity of an aligned candidate (share).")


class Calibration(_Open):
    """``calibration.json``: what the numbers in ``classifier.safetensors`` mean."""

    format: Literal["abyssal-calibration"]
    format_version: Literal[1]
    ranks: list[str] = Field(description="Rank names, highest first.")
    features: list[str] = Field(description="Evidence the calibrators read, in order.")
    neighbours: Annotated[int, Field(ge=1)] = Field(description="Reference amplicons that vote.")
    novelty: NoveltyConfig = Field(description="The mix of novel taxa for which confidences hold.")
    thresholds: list[float] = Field(description="Per rank: a name is accepted when its confidence is above.")
    stepwise: bool = Field(
        default=True, description="Whether all names above an accepted one must pass their own thresholds, too."
    )
    off_target: OffTarget
    right_shifts: list[list[float]] | None = Field(
        None, description="Per rank: what each stratum adds to the log-odds that a name is right; absent: nothing."
    )
    summary: dict[str, Any] = Field(description="Counts and thresholds at other bounds, for people.")


class MarkerSection(_Open):
    """The marker of a bundle as it was configured."""

    name: str


class ConfigFile(_Open):
    """``config.json``: the scientific configuration, defaults filled in; see config/README.md for every key."""

    study: str
    seed: int = Field(description="Seed of everything random.")
    samples: str = Field(description="File name of the sample sheet.")
    marker: MarkerSection
    preprocess: dict[str, Any]
    encoder: dict[str, Any]
    cluster: dict[str, Any]
    train: dict[str, Any]
    evaluate: dict[str, Any]


class Metrics(_Open):
    """``metrics.json``: what the evaluation measured."""

    format: Literal["abyssal-metrics"]
    format_version: Literal[1]
    ranks: list[str] = Field(description="Ranks that could be graded; empty without a reference.")
    methods: dict[str, Any] = Field(description="By method, then by rank: operating point, curve and calibration.")


class Rule(_Open):
    """One rule of the workflow."""

    name: str
    inputs: list[str] = Field(description="File patterns; name() where files depend on the configuration.")
    outputs: list[str] = Field(description="File patterns.")


class Provenance(_Open):
    """``provenance.json`` of a study, beside the bundle."""

    format: Literal["abyssal-provenance"]
    format_version: Literal[1]
    code_version: Text
    config: dict[str, Any] = Field(description="The configuration of the marker, paths reduced to file names.")
    inputs: dict[str, Sha256] = Field(description="SHA-256 of what came from outside, by role.")
    outputs: dict[str, Sha256] = Field(description="SHA-256 of what the study made, by role.")
    rules: list[Rule]
    tool_versions: dict[str, str]


class LabelsFile(_Open):
    """``.labels.json`` of a name in a registry."""

    format: Literal["abyssal-labels"]
    format_version: Literal[1]
    current: str | None
    previous: str | None
    retired: list[str] = Field(description="Versions that were pruned; their names are never used again.")


SCHEMAS: dict[str, type[BaseModel]] = {
    "manifest": Manifest,
    "config": ConfigFile,
    "metrics": Metrics,
    "preprocessing": Preprocessing,
    "calibration": Calibration,
    "provenance": Provenance,
    "labels": LabelsFile,
}


def schema_text(name: str) -> str:
    """Return one JSON schema as it lies in ``schemas/``."""
    return to_json({"$schema": _DIALECT, "$id": f"abyssal/{name}/1", **SCHEMAS[name].model_json_schema()})


def main() -> None:
    """Write all schemas."""
    for name in SCHEMAS:
        write_text(FOLDER / f"{name}.schema.json", schema_text(name))


if __name__ == "__main__":
    main()
