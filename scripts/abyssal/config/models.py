"""Every configuration key with its default, unit, range and meaning.

The YAML defaults, the JSON schema and the table in ``config/README.md`` are generated from these models; a test fails
when they drift. Config says what science is done; threads, memory and partitions live in rules and profiles.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from abyssal.config.benchmark import BenchmarkConfig, RegressionConfig
from abyssal.config.fallback import FallbackConfig
from abyssal.config.preprocess import PreprocessConfig
from abyssal.config.section import NAME_PATTERN, Name, Primer, Section, Share

__all__ = ["NAME_PATTERN", "Name", "Primer", "Section", "Share"]


class ReferenceConfig(Section):
    """Labelled sequences of one marker."""

    fasta: str = Field(description="FASTA of reference sequences, plain or gzipped; full length or already cut.")
    lineages: str | None = Field(
        None,
        description="Table of lineages (first column the id, one column a rank); null when the headers carry them.",
    )
    format: Literal["auto", "tsv", "names", "pr2", "silva", "midori", "mitofish", "unite", "bold", "greengenes",
                    "sintax", "dada2", "qiime2", "genbank"] = Field(
        "auto", description="How headers or the table are read; auto decides by the first records."
    )  # fmt: skip
    name: str = Field("reference", description="Name of the reference, written into the bundle.")
    version: str = Field("0", description="Version of the reference, written into the bundle.")
    trim: bool = Field(True, description="Cut sequences to the amplicon in silico; false when they already are.")
    max_mismatches: Annotated[int, Field(ge=0, le=8)] = Field(
        3, description="Mismatches allowed in each primer site during the in-silico PCR (bases)."
    )
    drop_suspects: bool = Field(False, description="Leave out records whose neighbours contradict their label.")
    synonyms: bool = Field(
        False, description="Replace synonyms by NCBI's accepted names (names.dmp in the folder NCBI_TAXDUMP)."
    )


class MarkerConfig(Section):
    """One amplified region; unset primers and lengths come from resources/markers.tsv by the marker's name."""

    forward_primer: Primer | None = Field(None, description="Forward primer, 5' to 3', IUPAC letters.")
    reverse_primer: Primer | None = Field(None, description="Reverse primer, 5' to 3', IUPAC letters.")
    min_length: Annotated[int, Field(ge=20)] | None = Field(None, description="Shortest amplicon without primers (bp).")
    max_length: Annotated[int, Field(le=5000)] | None = Field(
        None, description="Longest amplicon without primers (bp)."
    )
    genetic_codes: list[Annotated[int, Field(ge=1, le=33)]] | None = Field(
        None, description="NCBI's genetic codes that a coding marker may follow; an empty list for one that is none."
    )
    reading_frame: Annotated[int, Field(ge=0, le=2)] | None = Field(
        None, description="Bases of a coding amplicon before its first whole codon."
    )
    reference: ReferenceConfig | None = Field(
        None, description="Labelled sequences; null runs without any reference (putative taxa only)."
    )
    truth: str | None = Field(
        None, description="Truth table of a simulated library (TSV); the report then grades itself."
    )


class EncoderConfig(Section):
    """Sequence to vector."""

    name: str = Field(
        "resources/encoders/abyssal-small",
        description="Directory of an encoder (resources/encoders/abyssal-base names more, by longer vectors), or a Hub id "
        "with a revision.",
    )
    revision: str | None = Field(None, description="Pinned Hub revision (commit); needed for Hub ids.")
    batch_size: Annotated[int, Field(ge=1, le=4096)] = Field(
        64, description="Sequences per fixed batch shape; part of the result's identity."
    )
    pooling: Literal["mean", "max", "first"] = Field(
        "mean", description="How a Hub encoder's token states become one vector; first is the CLS token."
    )
    max_tokens: Annotated[int, Field(ge=8, le=8192)] = Field(512, description="Tokens a Hub encoder reads at most.")
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="Precision of a Hub encoder's matrix products; bfloat16 counts on GPUs and CPUs with AMX only, "
        "elsewhere it would be slower and float32 computes.",
    )
    trust_remote_code: bool = Field(
        False, description="Let a Hub encoder run Python code that comes with its weights; read that code first."
    )


class ClusterConfig(Section):
    """Putative taxa from what the reference does not explain."""

    method: Literal[
        "automatic", "pair-linkage", "umap-hdbscan", "hdbscan", "kmeans", "average-linkage", "vsearch", "swarm"
    ] = Field(
        "automatic",
        description="How ASVs beyond the gate are grouped. pair-linkage: average linkage on the probability that two "
        "are of one taxon, learnt on the reference; automatic: that, or umap-hdbscan where nothing can be learnt.",
    )
    gate_quantile: Share = Field(
        0.5,
        description="ASVs are grouped when they are further from the reference than this share of its own amplicons "
        "are from their nearest neighbour.",
    )
    min_cluster_size: Annotated[int, Field(ge=2)] | None = Field(
        None, description="Fewest ASVs of a density cluster; null chooses on taxa of the reference treated as unknown."
    )
    distance: Annotated[float, Field(gt=0.0, le=2.0)] | None = Field(
        None,
        description="Cosine distance between vectors at which average linkage and k-means split, and beyond which no "
        "density group is looser; for pair-linkage one minus the probability of one taxon; null chooses on taxa of the "
        "reference treated as unknown.",
    )
    identity: Annotated[float, Field(ge=0.5, le=1.0)] = Field(
        0.90, description="Alignment identity at which vsearch groups (share)."
    )
    neighbours: Annotated[int, Field(ge=2)] = Field(10, description="UMAP neighbourhood (sequences).")
    dimensions: Annotated[int, Field(ge=2, le=64)] = Field(8, description="UMAP dimensions used for clustering.")
    resamples: Annotated[int, Field(ge=0, le=100)] = Field(
        5, description="Subsamples of 80 % that are clustered again to measure stability; 0 measures none."
    )
    exact_limit: Annotated[int, Field(ge=100)] = Field(
        50_000,
        description="ASVs up to which all are compared with each other; above, only with the nearest that lists of"
        " alike ASVs hold.",
    )
    previous: str | None = Field(
        None,
        description="cluster/ directory of an earlier run, whose putative taxa keep their ids; {marker} in it stands "
        "for the marker's name. A copy, if that run had this study's name.",
    )


class NoveltyConfig(Section):
    """The stated mix of reads for which confidences hold; the rest is of known species."""

    species: Share = Field(0.25, description="Share of reads of a new species in a known genus.")
    genus: Share = Field(0.15, description="Share of reads of a new genus in a known family.")
    family: Share = Field(0.10, description="Share of reads of a new family or beyond.")

    @model_validator(mode="after")
    def _at_most_all_reads(self) -> Self:
        total = self.species + self.genus + self.family
        if total > 1.0 + 1e-9:
            message = f"the shares sum to {total:.3g}; expected at most 1, the rest being reads of known species"
            raise ValueError(message)
        return self


class TrainConfig(Section):
    """Classifier and calibrators."""

    neighbours: Annotated[int, Field(ge=5, le=200)] = Field(60, description="Reference amplicons that vote.")
    alpha: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.05, description="Bound on over-classification at every rank (share of reads whose taxon is absent there)."
    )
    acceptance: Literal["conformal", "balanced"] = Field(
        "conformal",
        description="When a name is accepted: conformal keeps over-classification within alpha; balanced accepts what "
        "is more likely right than wrong under the stated mix of novelty, without that bound.",
    )
    novelty: NoveltyConfig = NoveltyConfig()
    calibration_queries: Annotated[int, Field(ge=100)] = Field(
        20000, description="Reference amplicons looked up with their own taxa banned."
    )
    pseudo_labels: bool = Field(
        False,
        description="Let putative taxa of the study stand in the index as taxa without a name, so that reads like them "
        "are less readily given the name of a relative.",
    )


class EvaluateConfig(Section):
    """Held-out measurement beside baselines."""

    queries: Annotated[int, Field(ge=10)] = Field(1500, description="Most held-out sequences that are graded.")
    baselines: list[Literal["sintax", "top-hit", "lca"]] = Field(
        ["sintax", "top-hit", "lca"], description="Peers run on the same split (vsearch)."
    )


class PackageConfig(Section):
    """The bundle."""

    version: Name = Field("1", description="Version of the bundle.")
    registry: str | None = Field(
        None,
        description="Directory or s3://BUCKET/PREFIX that the bundle is published to; null publishes nowhere.",
    )
    metadata: str | None = Field(
        None,
        description="SQLite file that datasets, runs and models are recorded in; MONGO_URL and ABYSSAL_METADATA in the "
        "environment go first; null records nothing.",
    )


class PretrainConfig(Section):
    """Remaking the encoder's weights (snakemake pretrain)."""

    references: dict[Name, MarkerConfig] = Field(
        default={
            "18S-V4-Zingone": MarkerConfig(
                reference=ReferenceConfig(
                    fasta="resources/demo/reference.fasta.gz", lineages="resources/demo/lineages.tsv.gz", trim=False
                )
            )
        },
        min_length=1,
        description="References to train on, by marker; each is cut to its amplicon like a study's reference.",
    )
    exclude: list[str] = Field(
        [], description="FASTA files (benchmark queries) whose ids and sequences are kept out of the training."
    )
    size: Literal["small", "base"] = Field(
        "small",
        description="small has 1.4 million parameters; base has 8.5 million, 4.2 of them without a deep branch. A deep "
        "branch that no step trains is not made; that of base wants a GPU.",
    )
    metric_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="Steps that learn the wide branch's metric, before the other two stages."
    )
    masked_steps: Annotated[int, Field(ge=0)] = Field(20, description="Steps of masked modelling (batches).")
    contrast_steps: Annotated[int, Field(ge=0)] = Field(200, description="Steps of supervised contrast (batches).")
    batch_size: Annotated[int, Field(ge=4)] = Field(192, description="Augmented views a step.")
    deep_learning_rate: Annotated[float, Field(gt=0.0)] = Field(1e-3, description="Peak rate of the deep branch.")
    wide_learning_rate: Annotated[float, Field(ge=0.0)] = Field(1e-4, description="Peak rate of the wide branch.")
    temperature: Annotated[float, Field(gt=0.0)] = Field(0.1, description="Divides the cosines in the contrast.")
    measure_every: Annotated[int, Field(ge=1)] = Field(
        100, description="Steps between two measurements on held-out taxa; each is a checkpoint as well."
    )
    patience: Annotated[int, Field(ge=1)] = Field(4, description="Measurements without improvement before it stops.")


class AbyssalConfig(Section):
    """Everything a study is made from."""

    study: Name = Field(description="Name of the study; outputs go to results/<study>/.")
    task: Literal["classification", "regression"] = Field(
        "classification", description="regression also predicts numeric metadata of samples from their composition."
    )
    samples: str = Field(description="Sample sheet (TSV).")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(1, description="Seed of everything random.")
    markers: dict[Name, MarkerConfig] = Field(min_length=1, description="Markers of the study, by name.")
    preprocess: PreprocessConfig = PreprocessConfig()
    encoder: EncoderConfig = EncoderConfig()
    cluster: ClusterConfig = ClusterConfig()
    train: TrainConfig = TrainConfig()
    fallback: FallbackConfig = FallbackConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    regression: RegressionConfig = RegressionConfig()
    package: PackageConfig = PackageConfig()
    pretrain: PretrainConfig = PretrainConfig()
    benchmark: BenchmarkConfig = BenchmarkConfig()
