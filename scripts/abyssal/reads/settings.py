"""From the values of the configuration to the settings of counting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abyssal.reads.curate import CurateSettings
from abyssal.reads.screen import ScreenSettings
from abyssal.reads.study import CountSettings
from abyssal.references.markers import Coding


def count_settings(
    controls: Mapping[str, Any],
    screen: Mapping[str, Any],
    coding: Mapping[str, Any],
    curate: Mapping[str, Any] | None,
    *,
    contaminants: Sequence[Path] = (),
    reference: Path | None = None,
) -> CountSettings:
    """Return the settings of ``count_study``.

    Args:
        controls, screen, curate: sections of ``preprocess`` as plain values.
        coding: fields of ``Coding``; empty for a marker that codes for nothing.
        contaminants: FASTA files.
        reference: FASTA of the marker's reference, where the screen needs it.
    """
    frame = Coding(tuple(coding["genetic_codes"]), coding["reading_frame"]) if coding else None
    return CountSettings(
        controls=controls["method"],
        per_run=controls["scope"] == "run",
        tag_jump_rate=controls["tag_jump_rate"],
        min_replicates=controls["min_replicates"],
        screen=ScreenSettings(
            contaminants=tuple(contaminants),
            min_complexity=screen["min_complexity"],
            coding=frame,
            numts=screen["numts"],
            reference=reference,
            reference_identity=screen["reference_identity"],
        ),
        curate=CurateSettings(**curate) if curate else None,
    )
