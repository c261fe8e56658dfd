"""The ``load`` stage's two steps, as functions of paths and settings, shared by the workflow and the command line."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from abyssal.config.models import ReferenceConfig
from abyssal.files import write_json
from abyssal.references.build import BuildReport, BuildSettings, build_reference
from abyssal.references.formats import open_reference
from abyssal.references.gate import fit_gate
from abyssal.references.lineage import ConflictPolicy
from abyssal.references.markers import ResolvedMarker
from abyssal.references.model import AmpliconReference, write_reference
from abyssal.references.report import reference_report
from abyssal.references.suspects import Suspect, find_suspects, without_suspects, write_suspects
from abyssal.sequences.records import read_records

logger = logging.getLogger(__name__)


def prepare_reference(
    config: ReferenceConfig, marker: ResolvedMarker, *, conflicts: ConflictPolicy = "majority"
) -> tuple[AmpliconReference, BuildReport, list[Suspect]]:
    """Build a reference, search for suspects and, where configured, leave them out."""
    raw = open_reference(
        Path(config.fasta), Path(config.lineages) if config.lineages else None, format_name=config.format
    )
    logger.info("reading %s as %s (%s)", raw.source, raw.format, ", ".join(raw.ranks))
    settings = BuildSettings(config.trim, config.max_mismatches, conflicts, config.synonyms)
    reference, report = build_reference(raw, marker, settings)
    logger.info(
        "%d records: %d amplified, %d aligned, %d uncut, dropped %s; %d amplicons",
        report.records, report.amplified, report.aligned, report.uncut, dict(report.dropped), len(reference),
    )  # fmt: skip
    suspects = find_suspects(reference)
    logger.info("%d records are suspected of a wrong label", len(suspects))
    if config.drop_suspects:
        reference = without_suspects(reference, suspects)
    return reference, report, suspects


def write_load_files(
    reference_settings: Mapping[str, Any], marker_settings: Mapping[str, Any], outputs: Mapping[str, Path]
) -> None:
    """Build a marker's reference and write ``reference``, ``lineages``, ``report`` and ``suspects``.

    Args:
        reference_settings: fields of ``ReferenceConfig``; its name and version change nothing here.
        marker_settings: fields of ``ResolvedMarker``.
        outputs: the four paths by name.
    """
    config = ReferenceConfig(**reference_settings)
    marker = ResolvedMarker(**marker_settings)
    reference, report, suspects = prepare_reference(config, marker)
    write_reference(reference, outputs["reference"], outputs["lineages"])
    write_suspects(outputs["suspects"], suspects)
    write_json(outputs["report"], reference_report(reference, report, suspects, marker=marker))


def write_gate(fasta: Path, target: Path, *, quantile: float, seed: int) -> None:
    """Fit the gate on a checked reference and write it as JSON."""
    sequences = [record.sequence for record in read_records(fasta)]
    write_json(target, dict(fit_gate(sequences, quantile=quantile, rng=np.random.default_rng(seed))))
