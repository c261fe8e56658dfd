"""Settings of the alignment search behind the model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from abyssal.config.section import Section, Share


class FallbackConfig(Section):
    """Alignment search of reads that the model leaves open."""

    method: Literal["none", "vsearch", "blast"] = Field(
        "none",
        description="Program that searches the reference for reads without an accepted name at the rank below; "
        "what it finds is judged by the same calibrators.",
    )
    rank: str | None = Field(
        None, description="Rank that reads should reach; null is the second lowest (genus in most references)."
    )
    max_share: Share = Field(0.1, description="Most reads that are searched (share of distinct reads), hardest first.")
    max_seconds: Annotated[float, Field(gt=0.0)] | None = Field(
        None, description="Time after which no search is begun (seconds); null sets none. Answers then depend on time."
    )
