"""A study as an RO-Crate: its provenance in the vocabulary of the Workflow Run Crate profile (Workflow Run RO-Crate).

The crate is the study's directory; this module adds a copy of the workflow and ``ro-crate-metadata.json``, whose graph
names the files with their SHA-256, the run that made them, what went in and the software. An export for people and
archives: it carries the date it was made, so it is no part of the reproducible outputs and never enters a bundle.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import abyssal
from abyssal.bundle.provenance import code_version
from abyssal.bundle.schemas import Provenance
from abyssal.errors import DataError, UsageError
from abyssal.files import read_json, sha256_file, write_json

METADATA_FILE = "ro-crate-metadata.json"
PROVENANCE_FILE = "provenance.json"
_CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
_CRATE = "https://w3id.org/ro/crate/1.1"
_WORKFLOW_PROFILE = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
_LANGUAGE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
_WORKFLOW = "workflow/Snakefile"
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
        UsageError: another version of the code made the study, so that its workflow cannot be added.
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
    _copy_workflow(study, provenance["code_version"])
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
    results = [entity for entity in files if not entity["@id"].startswith("workflow/")]
    marker, study = provenance["config"]["marker"]["name"], provenance["config"]["study"]
    root: Entity = {
        "@id": "./", "@type": "Dataset", "name": f"{study}, {marker}", "datePublished": published.isoformat(),
        "description": "Environmental-DNA study: ASVs, classifications with confidences, putative taxa, classifier.",
        "license": {"@id": license_url}, "conformsTo": [{"@id": profile} for profile in _PROFILES],
        "mainEntity": {"@id": _WORKFLOW}, "hasPart": _references(files), "mentions": {"@id": "#run"},
    }  # fmt: skip
    run: Entity = {
        "@id": "#run", "@type": "CreateAction", "name": f"Abyssal on {study}, {marker}",
        "instrument": {"@id": _WORKFLOW}, "object": _references(inputs), "result": _references(results),
        "description": f"Rules: {', '.join(rule['name'] for rule in provenance['rules'])}",
    }  # fmt: skip
    descriptor: Entity = {
        "@id": METADATA_FILE, "@type": "CreativeWork", "about": {"@id": "./"},
        "conformsTo": [{"@id": _CRATE}, {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"}],
    }  # fmt: skip
    licence: Entity = {"@id": license_url, "@type": "CreativeWork", "name": license_url}
    software[0]["softwareRequirements"] = _references(software[1:])
    return [descriptor, root, run, licence, *_contexts(provenance), *files, *inputs, *software]


def _contexts(provenance: Mapping[str, Any]) -> list[Entity]:
    """Return what the profiles and the workflow's language are."""
    profiles = [
        {"@id": key, "@type": "CreativeWork", "name": name, "version": version}
        for key, (name, version) in _PROFILES.items()
    ]
    language = {
        "@id": _LANGUAGE, "@type": "ComputerLanguage", "name": "Snakemake", "identifier": "https://snakemake.github.io",
        "url": "https://snakemake.github.io",
    }  # fmt: skip
    return [*profiles, language]


def _copy_workflow(study: Path, made_by: str) -> None:
    """Put the workflow's files into the crate.

    Raises:
        UsageError: the study was made by another version of the code, or this installation has no workflow.
    """
    source = Path(abyssal.__file__).resolve().parents[2] / "workflow"
    if code_version() != made_by or not (source / "Snakefile").is_file():
        message = (
            f"{study}: was made by Abyssal {made_by}, this is {code_version()}; describe it from the checkout that "
            "made it, whose workflow goes into the crate"
        )
        raise UsageError(message)
    for path in (source / "Snakefile", *sorted((source / "rules").glob("*.smk"))):
        target = study / "workflow" / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _files(study: Path) -> list[Entity]:
    names = [name for name in _EXPORTED if (study / name).is_file()]
    for folder in ("bundle", "workflow"):
        names += sorted(p.relative_to(study).as_posix() for p in (study / folder).rglob("*") if p.is_file())
    files: list[Entity] = [
        {
            "@id": name, "@type": "File", "name": name, "sha256": sha256_file(study / name),
            "contentSize": str((study / name).stat().st_size),
            "encodingFormat": _MEDIA_TYPES.get(Path(name).suffix, "application/octet-stream"),
        }
        for name in names
    ]  # fmt: skip
    for entity in files:
        if entity["@id"] == _WORKFLOW:
            entity |= {
                "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"], "name": "Abyssal",
                "programmingLanguage": {"@id": _LANGUAGE}, "conformsTo": {"@id": _WORKFLOW_PROFILE},
                "softwareRequirements": {"@id": "#abyssal"},
            }  # fmt: skip
    return files


def _input(role: str, digest: str) -> Entity:
    """Name an input by its content: where it lay is nobody's business, what it was is. It is no file of the crate."""
    return {"@id": f"urn:sha256:{digest}", "@type": "CreativeWork", "name": role, "sha256": digest}


def _software(name: str, version: str) -> Entity:
    return {"@id": f"#{name}", "@type": "SoftwareApplication", "name": name, "softwareVersion": version}


def _references(entities: list[Entity]) -> list[Entity]:
    return [{"@id": entity["@id"]} for entity in entities]
