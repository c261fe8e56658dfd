"""What a simulation is told: marker, amplification, mixing between libraries, sequencer; ready-made profiles."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from abyssal.errors import UsageError
from abyssal.simulate.quality import QualityModel, shipped_model

Compression = Literal["fast", "small", "none"]
NameStyle = Literal["numbered", "illumina", "nanopore"]
NAME_STYLES: tuple[NameStyle, ...] = ("numbered", "illumina", "nanopore")

TRUSEQ_READ_1 = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA"
TRUSEQ_READ_2 = "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT"


@dataclass(frozen=True)
class Amplification:
    """What PCR does to a sample.

    Attributes:
        cycles: number of cycles.
        efficiency_sd: standard deviation of the per-cycle efficiency between templates; 0 is no bias.
        error_rate: substitutions per base of an amplicon, shared by both mates.
        chimera_rate: share of a library's reads that are chimeras.
        three_parents: share of the chimeras that have three parents.
        reads_per_chimera: mean reads of a distinct chimera.
        most_chimeras: most distinct chimeras in a library.
    """

    cycles: int = 30
    efficiency_sd: float = 0.01
    error_rate: float = 0.0
    chimera_rate: float = 0.02
    three_parents: float = 0.1
    reads_per_chimera: float = 4.0
    most_chimeras: int = 2000


@dataclass(frozen=True)
class Mixing:
    """What else ends up in a library (shares of its reads).

    Attributes:
        contamination: reads of reagent contaminants, the same in every library; blanks hold little else.
        off_target: reads of other genes that the primers caught.
        tag_jump_rate: reads that end up in another library of the same run.
    """

    contamination: float = 0.0
    off_target: float = 0.0
    tag_jump_rate: float = 0.0


@dataclass(frozen=True)
class Sequencing:
    """What the sequencer does.

    Attributes:
        quality: model of quality strings; its mates decide whether reads are paired.
        read_length: bases per read; None reads the whole molecule.
        trimmed: reads have the lengths that the quality model's reads had after their sequencer's trimming, a few of
            them masked; ``read_length`` then stands in for models without lengths.
        names: how reads are called: as a MiSeq or a nanopore sequencer does, or by library and number.
        substitution_rate: mean errors per base; None takes what the qualities say.
        indel_rate: insertions and deletions per base, averaged over the library's molecules.
        insertion_share: share of them that insert.
        homopolymer_growth: how much each further base of a run adds to the risk of an indel (0: nothing).
        adapter_1: what read 1 runs into behind a short molecule.
        adapter_2: the same for read 2.
        filler: base that is read behind the adapter.
        random_bases: most random bases in front of each primer.
        flipped_share: share of molecules whose reverse primer comes first.
    """

    quality: QualityModel = field(repr=False)
    read_length: int | None = 250
    trimmed: bool = False
    names: NameStyle = "numbered"
    substitution_rate: float | None = None
    indel_rate: float = 0.0
    insertion_share: float = 0.4
    homopolymer_growth: float = 1.0
    adapter_1: str = TRUSEQ_READ_1
    adapter_2: str = TRUSEQ_READ_2
    filler: str = "A"
    random_bases: int = 0
    flipped_share: float = 0.0

    @property
    def cycles(self) -> int | None:
        """Bases of the longest read; None for whole molecules."""
        lengths = self.quality.lengths
        return int(abs(lengths).max()) if self.trimmed and len(lengths) else self.read_length


@dataclass(frozen=True)
class Simulation:
    """Everything but the templates and the communities."""

    forward_primer: str
    reverse_primer: str
    sequencing: Sequencing
    amplification: Amplification = Amplification()
    mixing: Mixing = Mixing()
    compression: Compression = "fast"

    def check(self) -> None:
        """Raise UsageError for shares outside [0, 1), or that sum to one or more, or pairs without a read length."""
        if self.sequencing.cycles is None and self.sequencing.quality.mates == 2:
            message = "a paired quality model needs a read length; only single reads can take the whole molecule"
            raise UsageError(message)
        shares = {
            "chimera rate": self.amplification.chimera_rate,
            "contamination": self.mixing.contamination,
            "off-target share": self.mixing.off_target,
            "tag-jump rate": self.mixing.tag_jump_rate,
            "indel rate": self.sequencing.indel_rate,
            "substitution rate": self.sequencing.substitution_rate or 0.0,
            "PCR error rate": self.amplification.error_rate,
        }
        wrong = [f"{name} {value}" for name, value in shares.items() if not 0.0 <= value < 1.0]
        if wrong:
            message = f"{', '.join(wrong)}: expected a share from 0 to below 1"
            raise UsageError(message)
        if self.amplification.chimera_rate + self.mixing.contamination + self.mixing.off_target >= 1.0:
            message = "chimera rate, contamination and off-target share sum to 1 or more; nothing would be left"
            raise UsageError(message)


def sequencing_profile(name: str) -> Sequencing:
    """Return a ready-made sequencer: ``miseq`` (2 x 251, trimmed), ``miseq-single`` (its first reads) or ``nanopore``.

    Raises:
        UsageError: no such profile.
    """
    if name == "miseq":
        return Sequencing(shipped_model("miseq-2x250"), trimmed=True, names="illumina", indel_rate=5e-6)
    if name == "miseq-single":
        return replace(sequencing_profile("miseq"), quality=shipped_model("miseq-2x250").first_mate())
    if name == "nanopore":
        # The model's qualities say 4.3 % errors, of which R9 pores make more indels than substitutions.
        return replace(
            Sequencing(shipped_model("nanopore-r9-sup")),
            read_length=None,
            names="nanopore",
            substitution_rate=0.017,
            indel_rate=0.026,
            insertion_share=0.35,
            homopolymer_growth=1.5,
            flipped_share=0.5,
        )
    message = f"no sequencer profile {name!r}; expected one of {', '.join(PROFILE_NAMES)}"
    raise UsageError(message)


PROFILE_NAMES = ("miseq", "miseq-single", "nanopore")
