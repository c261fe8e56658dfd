"""Names of uploaded files: labels that users see, checked once, never used as paths."""

from __future__ import annotations

import re
import unicodedata

_NAME = re.compile(r"[^/\\\x00-\x1f\x7f<>:\"|?*]{1,200}")
SHEETS = (".tsv", ".csv", ".txt")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
SEQUENCES = (".fastq", ".fq", ".fasta", ".fa", ".fna")
TABLES = (".qza", ".biom")
_KNOWN = (*SHEETS, *ARCHIVES, *SEQUENCES, *(f"{suffix}.gz" for suffix in (*SEQUENCES, *SHEETS)), *TABLES)
_EXPECTED = "FASTQ or FASTA (plain or .gz), a sample sheet (.tsv, .csv), .qza, .biom, .zip, .tar or .tar.gz"


def name_problem(name: str) -> str | None:
    """Say what is wrong with a file's name, None when it will do."""
    if not _NAME.fullmatch(name) or name.startswith(".") or name != name.strip() or not name.isprintable():
        return "expected the name of a file without folders, control characters and a leading dot"
    if unicodedata.normalize("NFC", name) != name:
        return "expected a name in composed Unicode (NFC)"
    if not name.lower().endswith(_KNOWN):
        return f"files of this kind are not read; expected {_EXPECTED}"
    return None


def is_archive(name: str) -> bool:
    """Whether a file is unpacked."""
    return name.lower().endswith(ARCHIVES)


def is_sheet(name: str) -> bool:
    """Whether a file can be a sample sheet."""
    return name.lower().endswith(SHEETS)


def neutral_name(number: int, name: str) -> str:
    """Return the name under which a file of a dataset lies on disc: its number and its known ending."""
    ending = max((suffix for suffix in _KNOWN if name.lower().endswith(suffix)), key=len, default="")
    return f"file-{number:04d}{ending}"
