"""What the report rests on: versions, digests, configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from abyssal.report.elements import Section, Table, plural
from abyssal.report.inputs import StudyResults


def provenance_section(results: StudyResults) -> Section:
    """List versions and digests; the configuration follows in the template."""
    engines = sorted({answer.engine for answer in results.answers.rows if answer.engine})
    versions = [[name, version] for name, version in sorted(results.facts.versions.items())]
    versions += [["inference engine", engine] for engine in engines]
    digests = [[name, digest] for name, digest in sorted(results.digests.items())]
    return Section(
        "provenance",
        "Versions, digests, configuration",
        paragraphs=[
            "The same inputs, configuration and versions give this file again, byte for byte. "
            f"{plural(len(digests), 'digest')} below identify what went in."
        ],
        tables=[
            Table(["program or library", "version"], versions, "Versions."),
            Table(["file or model", "SHA-256"], digests, "Digests of what this report was made from.", shown=40),
            _library_files(results),
        ],
    )


def config_text(config: Mapping[str, Any]) -> str:
    """Return the configuration as YAML, keys in the order of the model."""
    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=100)


def _library_files(results: StudyResults) -> Table:
    """Return the input files of each library with their digests, whatever columns the loaded sheet has."""
    wanted = [name for name in (results.libraries[0] if results.libraries else {}) if "sha256" in name]
    rows = [
        [row["library"], name.replace("_", " "), row[name] or ""]
        for row in results.libraries
        for name in wanted
        if row[name]
    ]
    return Table(["library", "file", "SHA-256"], rows, "Digests of the read files.", shown=12)
