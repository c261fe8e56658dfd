"""Putative taxa as pseudo-labels: in the index they stand for taxa that exist and have no name yet.

An exemplar gets the names that the model itself accepts for it, but for the lowest of them, and none below: like any
reference record with a placeholder it votes for nothing there, and its weight counts as unknown. A read like it finds
its nearest neighbour nameless, where without it the nearest relative's name would have had all the vote. (With the
lowest accepted name, one wrong name would be a witness for the next.) The calibrators stay those of the named
reference, so nothing that clustering did enters what confidences are measured on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from abyssal.encoder.interface import Encoder
from abyssal.references.model import AmpliconReference, Lineage
from abyssal.sequences.records import read_records
from abyssal.taxonomy.classifications import Classifications, Source
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.extend import extend_model, extend_reference
from abyssal.taxonomy.model import MarkerSpec, Model
from abyssal.taxonomy.putative import no_putative_taxa


def read_exemplars(source: Path) -> list[tuple[str, str]]:
    """Return the (putative taxon, sequence) pairs of a FASTA of exemplars."""
    return [(record.id, record.sequence) for record in read_records(source)]


def with_pseudo_labels(
    model: Model, encoder: Encoder, marker: MarkerSpec, exemplars: Sequence[tuple[str, str]]
) -> Model:
    """Return the model with the exemplars of putative taxa in its index.

    Exemplars that are a reference's amplicon, off target or faulty reads are left out; so are all of them when the
    model has no reference.

    Args:
        model, encoder, marker: what was fitted.
        exemplars: (putative taxon, sequence) pairs in primer orientation.
    """
    known = set(model.index.reference.sequences)
    fresh = [(name, sequence) for name, sequence in exemplars if sequence not in known]
    if not fresh or not model.ranks:
        return model
    answers = Classifier(model, encoder, marker, no_putative_taxa()).classify([sequence for _, sequence in fresh])
    entries: dict[str, tuple[str, Lineage]] = {}
    for row, (name, sequence) in enumerate(fresh):
        if answers.source[row] != Source.REJECTED:
            entries.setdefault(sequence, (name, _sure_names(answers, row)))
    new = AmpliconReference(
        model.ranks,
        tuple(name for name, _ in entries.values()),
        tuple(entries),
        tuple(((name, lineage),) for name, lineage in entries.values()),
    )
    return extend_model(model, extend_reference(model.index.reference, new, source="putative taxa"), encoder.embed)


def _sure_names(answers: Classifications, row: int) -> Lineage:
    depth = max(int(answers.accepted[row]), 0)
    return (*answers.labels[row][:depth], *(None,) * (len(answers.ranks) - depth))
