"""Settings of ``snakemake benchmark`` and of the regression of sample metadata."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from abyssal.config.section import Section

Part = Literal["tax-credit", "identity", "taxa-out", "communities", "robustness", "speed"]
Peer = Literal["sintax", "top-hit", "lca", "blast-top-hit", "blast-lca", "nb-7mer", "nbc-8mer", "kmer-pilot", "rdp"]
Dataset = Literal["18s-v4", "18s-v9", "coi-annelida", "coi-fish", "12s-fish", "16s-v4"]


class BenchmarkConfig(Section):
    """The published comparison (snakemake benchmark)."""

    data: str | None = Field(
        None, description="Folder of the benchmark's data; null: ABYSSAL_SHARED_DATA where set, else ../shared/data."
    )
    parts: list[Part] = Field(
        ["tax-credit", "identity", "taxa-out", "communities", "robustness", "speed"], description="What is run."
    )
    datasets: list[Dataset] = Field(
        ["18s-v4", "18s-v9", "coi-annelida", "coi-fish", "12s-fish", "16s-v4"],
        description="References that taxa are left out of; the first with the most splits and queries.",
    )
    splits: Annotated[int, Field(ge=1, le=100)] = Field(10, description="Random splits of the first dataset.")
    queries: Annotated[int, Field(ge=10)] = Field(
        600, description="Most queries of a split of the first dataset, a third a stratum."
    )
    further_splits: Annotated[int, Field(ge=1, le=100)] = Field(
        2, description="Random splits of each of the other datasets."
    )
    further_queries: Annotated[int, Field(ge=10)] = Field(
        450, description="Most queries of a split of the other datasets and of the other parts."
    )
    identity_datasets: list[Dataset] = Field(
        ["16s-v4", "18s-v9"], description="References that are cross-validated by identity."
    )
    identity_splits: Annotated[int, Field(ge=1, le=100)] = Field(1, description="Splits of each identity.")
    robustness_dataset: Dataset = Field("18s-v9", description="Reference of the robustness part.")
    community_dataset: Dataset = Field("12s-fish", description="Reference of the simulated communities.")
    speed_dataset: Dataset = Field("18s-v4", description="Reference of the speed part.")
    speed_sizes: list[Annotated[float, Field(gt=0.0, le=10.0)]] = Field(
        [0.1, 0.3, 1.0], description="Sizes of the reference in the speed part (share; above 1 adds mutated copies)."
    )
    peers: list[Peer] = Field(
        ["sintax", "top-hit", "lca", "blast-top-hit", "blast-lca", "nb-7mer", "nbc-8mer", "kmer-pilot"],
        description="Baselines; those whose program is not installed are skipped with the reason.",
    )
    scale: Annotated[float, Field(gt=0.0, le=1.0)] = Field(1.0, description="Share of every reference that is used.")
    resamples: Annotated[int, Field(ge=10, le=10_000)] = Field(200, description="Bootstrap resamples of intervals.")


class RegressionConfig(Section):
    """A sample's numeric metadata from its composition (task: regression)."""

    targets: list[str] = Field(["depth_m"], description="Numeric columns of the sample sheet that are predicted.")
    site: str | None = Field(
        None,
        description="Column of the sheet that names the site, left out as a whole; null takes the position, rounded to "
        "a hundredth of a degree.",
    )
    min_reads: Annotated[int, Field(ge=1)] = Field(100, description="Fewest reads of a sample that is used.")
    resamples: Annotated[int, Field(ge=10, le=10_000)] = Field(
        1000, description="Bootstrap resamples of sites for the intervals."
    )
