"""Published bundles as files: which there are, and what stands in one. No model is ever loaded here."""

from __future__ import annotations

import csv
import gzip
import io
import threading
from collections import OrderedDict
from dataclasses import dataclass

import edlib

from abyssal.bundle.manifest import Manifest
from abyssal.bundle.registry import Registry
from abyssal.errors import AbyssalError
from abyssal.sequences.alphabet import reverse_complement
from abyssal.sequences.records import parse_records
from abyssal_server.errors import InvalidRequest, Missing

REFERENCE, TAXONOMY, METRICS, REPORT, CARD = (
    "reference.fasta.gz", "taxonomy.tsv", "metrics.json", "report.html", "MODEL_CARD.md",
)  # fmt: skip
_MOST_FILE_BYTES = 512 << 20
_MOST_REFERENCES = 2
_MOST_QUERY = 20_000
_FIXED_COLUMNS = 2
_IUPAC = {"R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT",
          "V": "ACG", "N": "ACGT"}  # fmt: skip
_EQUAL = [(code, letter) for code, letters in _IUPAC.items() for letter in letters]


@dataclass(frozen=True)
class Alignment:
    """A sequence beside a reference, end to end along the sequence; identity and coverage are 0 to 1."""

    query: str
    match: str
    reference: str
    identity: float
    coverage: float
    strand: str


@dataclass(frozen=True)
class _References:
    """The reference amplicons of a model."""

    sequences: dict[str, str]
    lineages: dict[str, list[str]]


class PublishedModels:
    """The bundles of a registry, by digest."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[str, tuple[str, str, Manifest]] = {}
        self._references: OrderedDict[str, _References] = OrderedDict()
        self._lock = threading.Lock()

    def all(self) -> dict[str, tuple[str, str, Manifest]]:
        """Return (name, version, manifest) of all usable bundles by their digest."""
        found = {}
        there = {(name, version): digest for digest, (name, version, _) in self._known.items()}
        for name in self._registry.names():
            for version in self._registry.versions(name):
                digest = there.get((name, version))
                if digest is None:
                    try:
                        manifest, digest = self._registry.manifest(name, version)
                    except AbyssalError:
                        continue  # deleted or damaged meanwhile: not usable
                    self._known[digest] = (name, version, manifest)
                found[digest] = self._known[digest]
        return found

    def find(self, digest: str) -> tuple[str, str, Manifest]:
        """Return name, version and manifest; raises Missing."""
        found = self._known.get(digest) or self.all().get(digest)
        if found is None:
            raise Missing(kind="published model", name=digest)
        return found

    def file(self, digest: str, path: str) -> bytes:
        """Return a file of a bundle; raises Missing."""
        name, version, manifest = self.find(digest)
        entry = manifest.files.get(path)
        if entry is None or entry.size > _MOST_FILE_BYTES:
            raise Missing(kind=f"{path} of model", name=digest)
        return b"".join(self._registry.read_blocks((name, version, digest), path, 0))

    def reference(self, digest: str, identity: str) -> tuple[str, list[str] | None]:
        """Return a reference amplicon and its lineage; raises Missing."""
        with self._lock:
            known = self._references.get(digest)
            if known is None:
                known = self._references[digest] = self._read_references(digest)
                while len(self._references) > _MOST_REFERENCES:
                    self._references.popitem(last=False)
        sequence = known.sequences.get(identity)
        if sequence is None:
            raise Missing(kind="reference amplicon", name=identity)
        return sequence, known.lineages.get(identity)

    def _read_references(self, digest: str) -> _References:
        text = gzip.decompress(self.file(digest, REFERENCE))
        sequences = {record.id: record.sequence for record in parse_records(io.BytesIO(text), REFERENCE)}
        rows = csv.reader(
            io.StringIO(self.file(digest, TAXONOMY).decode("utf-8")), delimiter="\t", quoting=csv.QUOTE_NONE
        )
        lineages: dict[str, list[str]] = {}
        for row in list(rows)[1:]:
            lineages.setdefault(row[0], [name for name in row[_FIXED_COLUMNS:] if name])
        return _References(sequences, lineages)


def align(sequence: str, reference: str) -> Alignment:
    """Align a sequence to the part of a reference that it fits best, on the better strand.

    Raises:
        InvalidRequest: it is too long or holds other than letters.
    """
    query = sequence.upper().replace("U", "T")
    if len(query) > _MOST_QUERY or not query.isascii() or not query.isalpha():
        message = f"expected 1 to {_MOST_QUERY} nucleotide letters"
        raise InvalidRequest(message, field="sequence")
    strands = {"+": query, "-": reverse_complement(query)}
    results = {
        strand: edlib.align(one, reference, mode="HW", task="path", additionalEqualities=_EQUAL)
        for strand, one in strands.items()
    }
    strand = min(results, key=lambda one: results[one]["editDistance"])
    shown = edlib.getNiceAlignment(results[strand], strands[strand], reference)
    same = sum(1 for mark in shown["matched_aligned"] if mark == "|")
    aligned = sum(1 for letter in shown["query_aligned"] if letter != "-")
    return Alignment(
        shown["query_aligned"], shown["matched_aligned"], shown["target_aligned"],
        same / max(1, len(shown["matched_aligned"])), aligned / max(1, len(query)), strand,
    )  # fmt: skip
