"""Text forms of a classification: Krona, SINTAX and Kraken report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from abyssal.exports.lineages import Lineage
from abyssal.exports.source import ExportSource
from abyssal.files import open_atomic

_CODES = {
    "domain": "D", "superkingdom": "D", "kingdom": "K", "phylum": "P", "division": "P", "class": "C", "order": "O",
    "family": "F", "genus": "G", "species": "S",
}  # fmt: skip
_RESERVED = str.maketrans(dict.fromkeys(",:;()\t", "_"))


def write_krona(folder: Path, source: ExportSource) -> None:
    """Write one file a sample for ``ktImportText``: reads, then the names from the highest rank down."""
    for column, sample in enumerate(source.table.columns):
        reads: dict[tuple[str, ...], int] = defaultdict(int)
        for asv, count in zip(source.table.features, source.table.counts[:, column].tolist(), strict=True):
            if count:
                reads[tuple(name for _, name in source.lineages[asv].names)] += count
        with open_atomic(folder / f"{sample}.txt") as out:
            for names, count in sorted(reads.items(), key=lambda item: (-item[1], item[0])):
                out.write("\t".join([str(count), *(name.replace("\t", " ") for name in names)]) + "\n")


def write_sintax(target: Path, source: ExportSource) -> None:
    """Write the four columns of ``vsearch --sintax --tabbedout``; the last holds the accepted names alone.

    Characters that the format keeps for itself become ``_``.
    """
    codes = _sintax_codes(source.answers.ranks)
    with open_atomic(target) as out:
        for answer in source.answers.rows:
            labels = [
                (codes[place], name.translate(_RESERVED), answer.confidence[place])
                for place, name in enumerate(answer.labels)
                if name
            ]
            accepted = [
                f"{codes[place]}:{name.translate(_RESERVED)}"
                for place, name in enumerate(answer.labels)
                if name and place <= answer.accepted
            ]
            full = ",".join(f"{code}:{name}({sure:.4f})" for code, name, sure in labels)
            out.write("\t".join([answer.asv, full, "+" if full else "", ",".join(accepted)]) + "\n")


def _sintax_codes(ranks: tuple[str, ...]) -> list[str]:
    """Return SINTAX's one letter a rank; a rank without a letter takes the first free one of its name."""
    taken: list[str] = []
    standard = {rank: code.lower() for rank, code in _CODES.items()}
    reserved = {standard[rank] for rank in ranks if rank in standard}
    for rank in ranks:
        letters = [standard[rank]] if rank in standard else [c for c in rank.lower() if c.isalpha()]
        free = [letter for letter in letters if letter not in taken and (rank in standard or letter not in reserved)]
        taken.append(free[0] if free else next(c for c in "abehijlmnqrtuvwxyz" if c not in {*taken, *reserved}))
    return taken


@dataclass
class _Clade:
    """A node of the tree: reads of its own, and of what is below it."""

    rank: str
    own: int = 0
    children: dict[tuple[str, str], _Clade] = field(default_factory=dict)

    @property
    def reads(self) -> int:
        return self.own + sum(child.reads for child in self.children.values())


def write_kraken_report(target: Path, source: ExportSource) -> None:
    """Write the six columns of a Kraken 2 report over all samples.

    Taxon numbers count the lines, as the names of a reference need not be NCBI's: 0 is unclassified, 1 the root.
    """
    root = _tree(source.lineages, dict(zip(source.table.features, source.table.counts.sum(axis=1), strict=True)))
    unnamed, total = root.own, root.reads
    root.own = 0
    with open_atomic(target) as out:
        lines: list[tuple[int, int, str, str]] = [(unnamed, unnamed, "U", "unclassified")] if unnamed else []
        lines += [(root.reads, 0, "R", "root"), *_lines(root, "R", 0, 1)] if root.reads else []
        for number, (clade, own, code, name) in enumerate(lines, start=0 if unnamed else 1):
            out.write(f"{100.0 * clade / total:6.2f}\t{clade}\t{own}\t{code}\t{number}\t{name}\n")


def _tree(lineages: Mapping[str, Lineage], reads: Mapping[str, int]) -> _Clade:
    root = _Clade("root")
    for asv, lineage in lineages.items():
        node = root
        for rank, name in lineage.names:
            node = node.children.setdefault((rank, name), _Clade(rank))
        node.own += int(reads[asv])
    return root


def _lines(node: _Clade, code: str, steps: int, depth: int) -> Iterator[tuple[int, int, str, str]]:
    """Yield the clades below a node, most reads first; a rank without a letter counts on from the one above."""
    for (rank, name), child in sorted(node.children.items(), key=lambda item: (-item[1].reads, item[0])):
        if not child.reads:
            continue
        letter, number = (_CODES[rank], 0) if rank in _CODES else (code, steps + 1)
        yield child.reads, child.own, f"{letter}{number or ''}", "  " * depth + name
        yield from _lines(child, letter, number, depth + 1)
