"""A study as an RO-Crate: its provenance in the vocabulary of the Process Run Crate profile (Workflow Run RO-Crate).

The crate is the study's directory; this module adds ``ro-crate-metadata.json``, whose graph names the files with their
SHA-256, the run that made them, what went in and the software. An export for people and archives: it carries the date
it was made, so it is no part of the reproducible outputs and never enters a bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from abyssal.bundle.schemas import Provenance
from abyssal.errors import DataError, UsageError
from abyssal.files import read_json, sha256_file, write_json

METADATA_FILE = "ro-crate-metadata.json"
PROVENANCE_FILE = "provenance.json"
_CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_MEDIA_TYPES = {
    ".json": "application/json", ".tsv": "text/tab-separated-values", ".html": "text/html", ".md": "text/markdown",
    ".fasta": "text/x-fasta", ".gz": "application/gzip", ".svg": "image/svg+xml",
}  # fmt: skip
# What a reader of the study wants; intermediate files stay out.
_EXPORTED = (
    "provenance.json", "report.html", "taxonomy.tsv", "preprocess/asvs.fasta", "preprocess/asv_table.tsv",
    "preprocess/ledger.tsv", "cluster/putative_taxa.tsv", "evaluate/metrics.json",
)  # fmt: skip

Entity = dict[str, Any]


def write_crate(study: Path, *, published: date, license_url: str) -> Path:
    """Describe the directory ``results/<study>/<marker>/`` as a crate and return the metadata file.

    Args:
        study: directory with provenance.json.
        published: the day to state.
        license_url: licence of the results.

    Raises:
        UsageError: the study has no provenance.json.
        DataError: provenance.json is damaged.
    """
    source = study / PROVENANCE_FILE
    if not source.is_file():
        message = f"{source}: no such file; expected a study's directory below results/ (run the workflow first)"
        raise UsageError(message)
    try:
        provenance = Provenance.model_validate(read_json(source)).model_dump()
    except (ValidationError, ValueError) as error:
        message = f"{source}: not a provenance record; run the workflow again"
        raise DataError(message) from error
    graph = crate_graph(provenance, _files(study), published=published, license_url=license_url)
    target = study / METADATA_FILE
    write_json(target, {"@context": _CONTEXT, "@graph": graph})
    return target


def crate_graph(
    provenance: Mapping[str, Any], files: list[Entity], *, published: date, license_url: str
) -> list[Entity]:
    """Return the entities of the crate, every reference among them resolved."""
    # Two inputs of equal content are one entity: the content is the name.
    by_digest = {digest: role for role, digest in sorted(provenance["inputs"].items(), reverse=True)}
    inputs = [_input(role, digest) for digest, role in sorted(by_digest.items())]
    software = [_software("abyssal", provenance["code_version"])]
    software += [_software(name, version) for name, version in sorted(provenance["tool_versions"].items())]
    marker, study = provenance["config"]["marker"]["name"], provenance["config"]["study"]
    root: Entity = {
        "@id": "./", "@type": "Dataset", "name": f"{study}, {marker}", "datePublished": published.isoformat(),
        "description": "Environmental-DNA study: ASVs, classifications with confidences, putative taxa, classifier.",
        "license": {"@id": license_url}, "conformsTo": {"@id": _PROFILE},
        "hasPart": _references(files), "mentions": {"@id": "#run"},
    }  # fmt: skip
    run: Entity = {
        "@id": "#run", "@type": "CreateAction", "name": f"Abyssal on {study}, {marker}",
        "instrument": {"@id": "#abyssal"}, "object": _references(inputs), "result": _references(files),
        "description": f"Rules: {', '.join(rule['name'] for rule in provenance['rules'])}",
    }  # fmt: skip
    descriptor: Entity = {
        "@id": METADATA_FILE, "@type": "CreativeWork", "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
    }  # fmt: skip
    profile: Entity = {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    licence: Entity = {"@id": license_url, "@type": "CreativeWork", "name": license_url}
    software[0]["softwareRequirements"] = _references(software[1:])
    return [descriptor, root, run, profile, licence, *files, *inputs, *software]


def _files(study: Path) -> list[Entity]:
    names = [name for name in _EXPORTED if (study / name).is_file()]
    names += sorted(p.relative_to(study).as_posix() for p in (study / "bundle").rglob("*") if p.is_file())
    return [
        {
            "@id": name, "@type": "File", "name": name, "sha256": sha256_file(study / name),
            "contentSize": str((study / name).stat().st_size),
            "encodingFormat": _MEDIA_TYPES.get(Path(name).suffix, "application/octet-stream"),
        }
        for name in names
    ]  # fmt: skip


def _input(role: str, digest: str) -> Entity:
    """Name an input by its content: where it lay is nobody's business, what it was is."""
    return {"@id": f"urn:sha256:{digest}", "@type": "File", "name": role, "sha256": digest}


def _software(name: str, version: str) -> Entity:
    return {"@id": f"#{name}", "@type": "SoftwareApplication", "name": name, "softwareVersion": version}


def _references(entities: list[Entity]) -> list[Entity]:
    return [{"@id": entity["@id"]} for entity in entities]
