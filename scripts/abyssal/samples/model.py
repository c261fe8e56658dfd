"""One row of the sample sheet: a library sequenced for a marker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from abyssal.config.section import Name

Control = Literal["", "field_blank", "extraction_blank", "pcr_blank", "positive"]
Kind = Literal["paired", "single", "asvs"]
NEGATIVE_CONTROLS = ("field_blank", "extraction_blank", "pcr_blank")
CONTROLS = (*NEGATIVE_CONTROLS, "positive")

# The terms of MIxS and FAIRe for a value that is not there.
_MISSING = frozenset(
    {"", "na", "n/a", "nan", "none", "null", "missing", "not applicable", "not collected", "not provided",
     "restricted access"}
)  # fmt: skip


def is_missing(cell: str) -> bool:
    """Whether a cell is empty or one of the usual words for a missing value (INSDC's `missing: reason` too)."""
    word = cell.strip().casefold()
    return word in _MISSING or word.startswith("missing:")


Tag = Annotated[str, StringConstraints(pattern="^[ACGTacgt]{4,40}$")]


class SheetRow(BaseModel):
    """What the cells of one row must be; columns that are not named here stay text in ``metadata``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    library: Name = Field(description="Name of the library; unique for a marker.")
    sample: Name = Field(description="What was sampled; several libraries of one sample are added up.")
    run: Name = Field("1", description="Sequencing run; tags jump within a run only.")
    marker: Name = Field(description="Marker, as in the config.")
    r1: str | None = Field(None, description="FASTQ of the forward reads, or the only file; plain or gzipped.")
    r2: str | None = Field(None, description="FASTQ of the reverse reads; empty for single reads.")
    asvs: str | None = Field(
        None,
        description="Ready-made ASVs instead of reads: FASTA, QIIME 2's rep-seqs.qza, or a table with a column "
        "`sequence`; `;size=N` in a header gives its reads.",
    )
    table: str | None = Field(
        None,
        description="Counts of ready-made ASVs: TSV, BIOM or QIIME 2's table.qza with a column named like the library "
        "or the sample.",
    )
    forward_primer: str | None = Field(
        None, description="Forward primer of this library, by name or in IUPAC letters; empty takes the marker's."
    )
    reverse_primer: str | None = Field(None, description="Reverse primer of this library, likewise.")
    forward_tag: Tag | None = Field(
        None, description="Tag before the forward primer, of a library that shares its files with others."
    )
    reverse_tag: Tag | None = Field(None, description="Tag before the reverse primer, where both ends are tagged.")
    control: Control = Field(
        "", description="Empty for a sample, or field_blank, extraction_blank, pcr_blank, positive."
    )
    replicate: str | None = Field(None, description="Replicate of the sample.")
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = Field(None, description="Decimal degrees, north.")
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = Field(None, description="Decimal degrees, east.")
    depth_m: Annotated[float, Field(ge=0, le=11_000)] | None = Field(
        None, description="Depth below the surface (m), positive downwards."
    )


COLUMNS = tuple(SheetRow.model_fields)


@dataclass(frozen=True)
class Library:
    """A checked row of the sheet.

    Args:
        library: name, unique for the marker.
        sample: what was sampled.
        run: sequencing run.
        marker: marker as in the config.
        kind: ``paired``, ``single`` (one FASTQ) or ``asvs`` (ready-made FASTA).
        files: R1 and R2, the single file, or the FASTA; as found, relative where the sheet is.
        control: empty for a sample.
        row: number of the row in the sheet (the header is row 1).
        latitude: decimal degrees north, or None.
        longitude: decimal degrees east, or None.
        depth_m: metres below the surface, or None.
        metadata: all further columns as text, ``replicate`` included.
        primers: forward and reverse primer where the row has its own, upper-case IUPAC; empty takes the marker's.
        tags: forward and reverse tag of a library that shares its files; empty where the end has none.
        table: counts of ready-made ASVs, or None.
    """

    library: str
    sample: str
    run: str
    marker: str
    kind: Kind
    files: tuple[Path, ...]
    control: str = ""
    row: int = 0
    latitude: float | None = None
    longitude: float | None = None
    depth_m: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    primers: tuple[str, str] = ("", "")
    tags: tuple[str, str] = ("", "")
    table: Path | None = None

    @property
    def is_negative_control(self) -> bool:
        """Whether the library is a blank."""
        return self.control in NEGATIVE_CONTROLS
