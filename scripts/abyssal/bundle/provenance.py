"""Where results come from: inputs with their SHA-256, configuration, versions, code and rules; no times, no places.

``study_config`` reduces paths to file names, since a study is the same in any directory; what the files hold is in the
digests. Read files are summed up in one digest over all of them, so that a study of a thousand libraries stays small.
"""

from __future__ import annotations

import csv
import hashlib
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from abyssal import __version__
from abyssal.code_digest import code_digest
from abyssal.config.models import AbyssalConfig
from abyssal.errors import ToolError
from abyssal.files import sha256_file
from abyssal.tools import require_tool

PROVENANCE_FORMAT = "abyssal-provenance"
PROVENANCE_FORMAT_VERSION = 1

CONTENT_PACKAGES = (
    "bundle", "config", "discovery", "encoder", "evaluation", "reads", "references", "regression", "report", "samples",
    "sequences", "taxonomy",
)  # fmt: skip
"""Library packages whose code can change what a bundle holds."""

_LIBRARIES = (
    "numpy", "scipy", "torch", "transformers", "safetensors", "numba", "scikit-learn", "hdbscan", "umap-learn",
    "cutadapt", "dnaio", "edlib",
)  # fmt: skip
_PROGRAMS = {"vsearch": "--version"}


def study_config(config: AbyssalConfig, marker: str) -> dict[str, Any]:
    """Return the scientific configuration of one marker as plain values, the same in every directory.

    Left out: the other markers, where the bundle is published, its version (the manifest has it), how encoder weights
    are made (they enter with their digest), and the settings of the benchmark and of a regression
    that is not asked for.
    """
    values = config.model_dump(mode="json", exclude={"markers", "package", "pretrain", "benchmark"})
    if config.task == "classification":
        del values["regression"]
    values["marker"] = {"name": marker, **config.markers[marker].model_dump(mode="json")}
    values["samples"] = _file_name(values["samples"])
    values["cluster"]["previous"] = _file_name(values["cluster"]["previous"])
    values["marker"]["truth"] = _file_name(values["marker"]["truth"])
    # A Hub id comes with a revision and is a name already; everything else is a directory.
    if values["encoder"]["revision"] is None:
        values["encoder"]["name"] = _file_name(values["encoder"]["name"])
    reference = values["marker"]["reference"]
    if reference is not None:
        reference |= {key: _file_name(reference[key]) for key in ("fasta", "lineages")}
    return values


def _file_name(path: str | None) -> str | None:
    return None if path is None else Path(path).name


def code_version() -> str:
    """Return Abyssal's version with a digest of the modules that shape a bundle."""
    return f"{__version__}+{code_digest(*CONTENT_PACKAGES)}"


def tool_versions() -> dict[str, str]:
    """Return the versions of Python, of the installed libraries and of the programs that shape a bundle."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    for name, option in _PROGRAMS.items():
        try:
            program = require_tool(name)
        except ToolError:
            continue
        done = subprocess.run([program, option], check=True, capture_output=True, text=True)
        # After the program's own name: the text holds other numbers, such as the DOI of its paper.
        found = re.search(rf"\b{re.escape(name)}\s+v?(\d+(?:\.\d+)+)", done.stdout + done.stderr)
        versions[name] = found.group(1) if found else "unknown"
    return versions


def data_digests(files: Mapping[str, Path | None], libraries: Path | None = None) -> dict[str, str]:
    """Return the SHA-256 of each file that is there, and one over all read files of ``libraries.tsv``.

    A file that many libraries share, such as a table of ready-made ASVs, is one file.
    """
    digests = {role: sha256_file(path) for role, path in files.items() if path is not None}
    if libraries is not None:
        reads = sorted(set(read_file_digests(libraries).values()))
        if reads:
            total = hashlib.sha256("".join(f"{digest}\n" for digest in reads).encode()).hexdigest()
            digests[f"reads ({len(reads)} files)"] = total
    return digests


def read_file_digests(libraries: Path) -> dict[str, str]:
    """Return the SHA-256 of each read file of a loaded sample sheet, by library and column."""
    with libraries.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    return {
        f"{row['library']} {column}": value
        for row in rows
        for column, value in row.items()
        if column and column.endswith("sha256") and value
    }


def study_provenance(
    *,
    config: Mapping[str, Any],
    inputs: Mapping[str, Path | None],
    outputs: Mapping[str, Path],
    libraries: Path | None,
    rules: Iterable[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the content of provenance.json.

    Args:
        config: what ``study_config`` returned.
        inputs: files that came from outside, by role.
        outputs: files that the study made, by role.
        libraries: libraries.tsv, for the digests of the read files.
        rules: the workflow's rules: name, input and output patterns.
    """
    reads = read_file_digests(libraries) if libraries is not None else {}
    return {
        "format": PROVENANCE_FORMAT,
        "format_version": PROVENANCE_FORMAT_VERSION,
        "code_version": code_version(),
        "config": dict(config),
        "inputs": data_digests(inputs) | {f"reads: {name}": digest for name, digest in reads.items()},
        "outputs": data_digests(outputs),
        "rules": [dict(rule) for rule in rules],
        "tool_versions": tool_versions(),
    }
