"""The model card with its data statement, made from facts that lie in the bundle: no claim that is not in a file."""

from __future__ import annotations

import csv
import gzip
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from abyssal.bundle.write import BundleIdentity

_MOST_METRICS = 40
_FIGURES = ("recall", "precision", "over_classified", "coverage")


def render_card(identity: BundleIdentity, directory: Path, metrics: Mapping[str, Any]) -> str:
    """Return MODEL_CARD.md.

    Args:
        identity: what the manifest will say.
        directory: the bundle's files; reference, taxonomy and putative taxa are counted when they are there.
        metrics: content of metrics.json; its numbers are listed by their path.
    """
    # Markdown for people, never shown as HTML by us: no escaping of a taxon's quotes.
    environment = Environment(
        loader=PackageLoader("abyssal.bundle"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    numbers = [number for number in flatten_numbers(metrics) if number[0] != "format_version"]
    return environment.get_template("MODEL_CARD.md.j2").render(
        identity=identity,
        amplicons=_count_fasta(directory / "reference.fasta.gz"),
        taxa=_taxa_per_rank(directory / "taxonomy.tsv", identity.ranks),
        putative_taxa=_count_rows(directory / "putative_taxa.tsv"),
        golden=_count_rows(directory / "golden.tsv"),
        points=operating_points(metrics, identity.ranks),
        strata=_strata(metrics),
        seen=_encoder_note(metrics),
        baseline_wins=len(metrics.get("baseline_wins") or ()),
        metrics=numbers[:_MOST_METRICS],
        metrics_left_out=max(0, len(numbers) - _MOST_METRICS),
    )


def operating_points(metrics: Mapping[str, Any], ranks: Sequence[str]) -> list[tuple[str, str, dict[str, float]]]:
    """Return (rank, method, figures) at the method's own threshold; empty for metrics of another shape.

    The figures are those of ``_FIGURES`` and the numbers of queries they are shares of, ``present`` and ``absent``.
    """
    points = []
    methods = metrics.get("methods")
    if isinstance(methods, Mapping):
        for rank, method in itertools.product(ranks, sorted(methods)):
            at_rank = methods[method].get("ranks", {}).get(rank, {})
            point = at_rank.get("operating_point") or {}
            if all(isinstance(point.get(figure), (int, float)) for figure in _FIGURES):
                counts = {name: int(at_rank.get(name, 0)) for name in ("present", "absent")}
                points.append((rank, method, {figure: float(point[figure]) for figure in _FIGURES} | counts))
    return points


def _strata(metrics: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of held-out queries by what of them is new; empty for metrics of another shape."""
    split = metrics.get("split")
    found = split.get("strata") if isinstance(split, Mapping) else None
    return {str(name): int(count) for name, count in found.items()} if isinstance(found, Mapping) else {}


def _encoder_note(metrics: Mapping[str, Any]) -> str:
    seen = metrics.get("encoder_saw_queries")
    return str(seen.get("note", "")) if isinstance(seen, Mapping) else ""


def flatten_numbers(values: Any, prefix: str = "") -> list[tuple[str, float]]:
    """Return (dotted path, value) of every number in nested mappings, sorted by path; lists are left out."""
    found: list[tuple[str, float]] = []
    if isinstance(values, Mapping):
        for key in sorted(values, key=str):
            found += flatten_numbers(values[key], f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(values, (int, float)) and not isinstance(values, bool):
        found.append((prefix, values))
    return found


def _count_fasta(source: Path) -> int:
    if not source.is_file():
        return 0
    with gzip.open(source, "rt", encoding="ascii") as lines:
        return sum(line.startswith(">") for line in lines)


def _count_rows(source: Path) -> int:
    if not source.is_file():
        return 0
    with source.open(encoding="utf-8") as lines:
        return max(0, sum(1 for _ in lines) - 1)


def _taxa_per_rank(source: Path, ranks: tuple[str, ...]) -> dict[str, int]:
    """Return the number of distinct names at each rank of taxonomy.tsv."""
    names: dict[str, set[str]] = {rank: set() for rank in ranks}
    if source.is_file():
        with source.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                for rank in ranks:
                    if row.get(rank):
                        names[rank].add(row[rank])
    return {rank: len(found) for rank, found in names.items()}
