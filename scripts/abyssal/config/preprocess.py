"""The keys of reads to ASVs, and what a sequencing platform changes of their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from abyssal.config.section import Section, Share

Platform = Literal["illumina", "pacbio", "nanopore"]

PLATFORM_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "illumina": {},
    # Circular consensus reads: whole amplicons in either direction, errors as rare as in merged Illumina pairs.
    "pacbio": {"trim": {"orientation": "mixed"}, "filter": {"max_expected_errors": 2.0}},
    # Errors are so frequent that no two reads are equal: sequences come from the consensus of similar reads.
    "nanopore": {
        "trim": {"orientation": "mixed"},
        "filter": {
            "max_expected_errors": None,
            "max_expected_error_rate": 0.05,
            "max_expected_errors_mapped": 300.0,
        },
        "denoise": {"method": "consensus", "min_size": 5, "identity": 0.93},
        "map_back_identity": 0.9,
    },
}
"""Defaults that a platform changes; what the user writes wins."""


class DemultiplexConfig(Section):
    """Inline tags of the sample sheet (cutadapt); libraries without tags are not touched."""

    max_errors: Annotated[int, Field(ge=0, le=4)] = Field(1, description="Errors allowed in each tag (bases).")
    max_spacer: Annotated[int, Field(ge=0, le=20)] = Field(
        0, description="Most bases before a tag (bp); spacers of any length up to it are tried."
    )


class TrimConfig(Section):
    """Orientation, adapters and primers (cutadapt)."""

    error_rate: Annotated[float, Field(ge=0.0, le=0.5)] = Field(0.15, description="Errors allowed per primer base.")
    orientation: Literal["forward", "mixed"] = Field(
        "forward", description="mixed: either primer may start R1; reads are turned into primer orientation."
    )
    anchored: bool = Field(default=False, description="Whether the primer must be the very start of the read.")
    primers: Literal["required", "optional"] = Field(
        "required", description="optional: reads without primers are kept too, for libraries that had them cut off."
    )
    random_bases: Annotated[int, Field(ge=0, le=20)] = Field(0, description="Random bases before the primer (bp).")
    min_read_length: Annotated[int, Field(ge=1)] = Field(50, description="Shortest read kept after trimming (bp).")
    adapters: list[str] = Field(
        [],
        description="Adapters cut off before primers are looked for: truseq, nextera, or sequences (R1,R2 when they "
        "differ). Reads through an amplicon lose them with its primer anyway.",
    )
    two_colour_quality: Annotated[int, Field(ge=1, le=40)] | None = Field(
        None,
        description="Quality below which the ends of reads are cut, G counting as poor: two-colour machines (NextSeq, "
        "NovaSeq) read G where there is no signal; null cuts nothing.",
    )


class MergeConfig(Section):
    """Paired-end merging (vsearch)."""

    min_overlap: Annotated[int, Field(ge=5)] = Field(16, description="Shortest overlap of a pair (bp).")
    max_differences: Annotated[int, Field(ge=0)] = Field(20, description="Most differences in the overlap (bases).")
    unmerged: Literal["drop", "concatenate", "forward"] = Field(
        "drop",
        description="Pairs that do not merge: drop; concatenate puts eight N between the mates, for amplicons longer "
        "than two reads; forward keeps R1 alone. Such reads have no length window.",
    )


class FilterConfig(Section):
    """Quality and length of merged reads (vsearch)."""

    max_expected_errors: Annotated[float, Field(gt=0.0)] | None = Field(
        1.0, description="Most expected errors per read; null sets no limit."
    )
    max_expected_error_rate: Annotated[float, Field(gt=0.0, le=1.0)] | None = Field(
        None, description="Most expected errors per base, for long reads; null sets no limit."
    )
    max_expected_errors_mapped: Annotated[float, Field(gt=0.0)] | None = Field(
        4.0,
        description="Reads with more expected errors than max_expected_errors, up to this many, make no ASVs but are "
        "counted towards those they are near; null drops them.",
    )
    max_ambiguous: Annotated[int, Field(ge=0)] = Field(0, description="Most N per read (bases).")


class DenoiseConfig(Section):
    """From unique sequences to ASVs or OTUs."""

    method: Literal["unoise", "swarm", "otu", "dada2", "consensus"] = Field(
        "unoise",
        description="unoise: UNOISE3 (vsearch); swarm: d = 1, fastidious; otu: identity clusters (vsearch); dada2: R "
        "package on merged reads; consensus: consensus of identity clusters, for reads full of errors.",
    )
    pooling: Literal["pooled", "sample"] = Field(
        "pooled", description="pooled finds rarer variants; sample keeps old ASVs fixed while a study grows."
    )
    min_size: Annotated[int, Field(ge=1)] = Field(2, description="Fewest reads a denoised variant must have.")
    alpha: Annotated[float, Field(gt=0.0)] = Field(2.0, description="UNOISE3 skew parameter.")
    identity: Annotated[float, Field(ge=0.8, le=1.0)] = Field(
        0.97, description="Identity of reads of one cluster, for otu and consensus (share)."
    )


class ChimeraConfig(Section):
    """Chimera removal (by library, or vsearch's uchime3 de novo; uchime_ref)."""

    method: Literal["libraries", "uchime3"] = Field(
        "libraries",
        description="libraries: a variant goes when the libraries that hold most of its reads have more abundant "
        "parents; uchime3: by abundance in the pool.",
    )
    abundance_skew: Annotated[float, Field(ge=1.0)] | None = Field(
        None, description="How many times more abundant both parents must be; null: 1.5 for libraries, 16 for uchime3."
    )
    reference: bool = Field(default=False, description="Also look for parents in the marker's reference.")


class ScreenConfig(Section):
    """ASVs that are no amplicon of the marker; their reads are named losses."""

    contaminants: list[str] = Field(
        ["phix174"],
        description="Genomes whose reads are named contaminants: FASTA files; phix174 is shipped.",
    )
    min_complexity: Share = Field(
        0.2, description="Least share of distinct 3-mers among those possible in a sequence; poorer ones are dropped."
    )
    coding: bool = Field(
        default=True, description="Drop ASVs of coding markers that have stops under all genetic codes of the marker."
    )
    numts: bool = Field(
        default=False,
        description="Drop likely nuclear copies of coding markers: rare, beside a near ASV, amino acids changed.",
    )
    reference_identity: Annotated[float, Field(ge=0.4, le=1.0)] | None = Field(
        None, description="Least identity of an ASV to the nearest reference (share); null keeps whatever is far away."
    )


class ControlsConfig(Section):
    """What negative controls, tag jumps and replicates remove."""

    method: Literal["maximum", "prevalence", "none"] = Field(
        "maximum",
        description="maximum: an ASV must exceed its largest count in a control; "
        "prevalence: it must be in a larger share of samples than of controls.",
    )
    scope: Literal["study", "run"] = Field(
        "study", description="run: a control speaks only about libraries of its own run."
    )
    tag_jump_rate: Annotated[float, Field(ge=0.0, le=0.05)] = Field(
        0.0,
        description="Share of an ASV's reads that may jump to other libraries of its run; smaller counts are zeroed.",
    )
    min_replicates: Annotated[int, Field(ge=1)] = Field(
        1, description="Replicates of a sample that must have an ASV; all of them where a sample has fewer."
    )


class CurateConfig(Section):
    """Adding ASVs that look like errors of another one to it (LULU, doi:10.1038/s41467-017-01312-x)."""

    min_identity: Annotated[float, Field(ge=0.7, le=1.0)] = Field(
        0.84, description="Least identity of an error to its parent (share)."
    )
    min_cooccurrence: Share = Field(0.95, description="Share of the error's samples that have the parent too.")
    min_ratio: Annotated[float, Field(gt=0.0)] = Field(
        1.0, description="The parent must be more abundant than this many times the error in every shared sample."
    )


class PreprocessConfig(Section):
    """Reads to ASVs."""

    platform: Platform = Field(
        "illumina",
        description="Sequencer. pacbio: reads in either direction; nanopore: consensus of clusters instead of exact "
        "variants, errors limited per base. Changes defaults below; what is set wins.",
    )
    demultiplex: DemultiplexConfig = DemultiplexConfig()
    trim: TrimConfig = TrimConfig()
    merge: MergeConfig = MergeConfig()
    filter: FilterConfig = FilterConfig()
    denoise: DenoiseConfig = DenoiseConfig()
    chimeras: ChimeraConfig | None = ChimeraConfig()
    map_back_identity: Annotated[float, Field(ge=0.8, le=1.0)] = Field(
        0.97, description="Identity at which filtered reads are counted towards an ASV (share)."
    )
    screen: ScreenConfig = ScreenConfig()
    controls: ControlsConfig = ControlsConfig()
    curate: CurateConfig | None = Field(None, description="LULU-like curation; null leaves ASVs as they are.")

    @model_validator(mode="before")
    @classmethod
    def _platform_defaults(cls, given: Any) -> Any:
        """Put the platform's defaults below what is given."""
        if not isinstance(given, Mapping):
            return given
        merged = dict(given)
        for key, value in PLATFORM_DEFAULTS.get(str(given.get("platform", "illumina")), {}).items():
            own = merged.get(key)
            if isinstance(value, Mapping) and isinstance(own, Mapping):
                merged[key] = {**value, **own}
            elif key not in merged:
                merged[key] = dict(value) if isinstance(value, Mapping) else value
        return merged
