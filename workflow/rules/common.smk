"""Loading and checking of the config, and what rules share; the logic is in scripts/abyssal."""

import os
import re
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import strip_wildcard_constraints

# The folder of this file, not of the root Snakefile: the same whichever Snakefile is the entry.
REPOSITORY = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts"))

from abyssal.bundle.provenance import CONTENT_PACKAGES, study_config
from abyssal.code_digest import code_digest
from abyssal.config.load import load_config
from abyssal.config.models import NAME_PATTERN
from abyssal.discovery.previous import previous_members
from abyssal.errors import AbyssalError
from abyssal.exports.write import FORMATS
from abyssal.references.formats.tsv import split_column
from abyssal.references.markers import resolve_marker
from abyssal.report.assets import assets_digest
from abyssal.samples.sheet import read_sample_sheet
from abyssal.stores.open import metadata_location


def checked(function, *arguments, **options):
    """Call a library function; a user's mistake ends the run with its message and no traceback."""
    try:
        return function(*arguments, **options)
    except AbyssalError as error:
        raise WorkflowError(str(error)) from None


config_model = checked(
    load_config,
    config,
    source=", ".join(map(str, workflow.configfiles)) or "config",
)


# Of this study alone: what another one made may be an input (cluster.previous), and is never planned anew.
wildcard_constraints:
    study=re.escape(config_model.study),
    marker=NAME_PATTERN,
    library=NAME_PATTERN,
    table="asvs|reference",


def marker_config(wildcards):
    """The settings of the marker a job belongs to."""
    return config_model.markers[wildcards.marker]


def marker_settings(wildcards):
    """Name, primers and lengths of a marker, filled from the shipped table where the config leaves them open."""
    return asdict(checked(resolve_marker, wildcards.marker, marker_config(wildcards)))


def science_of(wildcards):
    """The configuration of one marker without paths and registries."""
    return study_config(config_model, wildcards.marker)


def source_files(wildcards):
    """The files a marker's reference is made from; none where it has no reference."""
    reference = marker_config(wildcards).reference
    if reference is None:
        return []
    fasta, _ = split_column(Path(reference.fasta))
    return [str(fasta), *([reference.lineages] if reference.lineages else [])]


def reference_settings(wildcards):
    """The reference section of a marker, as plain values."""
    reference = marker_config(wildcards).reference
    return reference.model_dump() if reference is not None else {}


def reference_content(wildcards):
    """The reference section without its name and version, which the report and the bundle state."""
    settings = reference_settings(wildcards)
    return {key: settings[key] for key in settings if key not in ("name", "version")}


REFERENCE_FILES = {
    "reference": "load/reference.fasta.gz",
    "lineages": "load/lineages.tsv",
    "gate": "load/gate.json",
    "reference_report": "load/reference_report.json",
    "reference_vectors": "embed/reference.safetensors",
}


def reference_inputs(*names):
    """An input function for these of REFERENCE_FILES; they are left out where the marker has no reference."""

    def files(wildcards):
        if marker_config(wildcards).reference is None:
            return {}
        root = f"results/{wildcards.study}/{wildcards.marker}"
        return {name: f"{root}/{REFERENCE_FILES[name]}" for name in names}

    files.__qualname__ = f"reference_inputs({', '.join(names)})"
    return files


PREVIOUS_MEMBERS = checked(
    previous_members,
    config_model.cluster.previous,
    config_model.study,
    tuple(config_model.markers),
)


def previous_input(wildcards):
    """The members of the earlier run whose ids are kept, where the config names one."""
    found = PREVIOUS_MEMBERS.get(wildcards.marker)
    return {} if found is None else {"previous": str(found)}


def truth_input(wildcards):
    """The truth table of a simulated study, where there is one."""
    truth = marker_config(wildcards).truth
    return {} if truth is None else {"truth": truth}


def publication(wildcards):
    """The receipt of a publication, where bundles are published."""
    if config_model.package.registry is None:
        return {}
    return {"published": f"results/{wildcards.study}/{wildcards.marker}/published.json"}


def regression_inputs(wildcards):
    """What the regression found, where the config asks for one."""
    if config_model.task != "regression":
        return {}
    root = f"results/{wildcards.study}/{wildcards.marker}/regression"
    return {
        "regression": f"{root}/metrics.json",
        "predictions": f"{root}/predictions.tsv",
    }


def shown_file(item):
    """A file pattern as text, the same in every checkout; a function by its name, without its address."""
    text = re.sub(r"^<function (.+) at 0x[0-9a-f]+>$", r"\1", str(item))
    pattern = strip_wildcard_constraints(text).removeprefix(f"{REPOSITORY}/")
    return Path(pattern).name if os.path.isabs(pattern) else pattern


def rule_graph(wildcards):
    """Name, input and output patterns of all steps; a function stands for files that depend on the config."""
    return [
        {
            "name": step.name,
            "inputs": [shown_file(item) for item in step.input],
            "outputs": [shown_file(item) for item in step.output],
        }
        for step in sorted(workflow.rules, key=lambda step: step.name)
        # Benchmarks and pretraining make no part of a study.
        if any(shown_file(item).startswith("results/{study}/") for item in step.output)
    ]


@cache
def sample_sheet():
    """The checked rows of the sample sheet."""
    return checked(
        read_sample_sheet,
        Path(config_model.samples),
        markers=tuple(config_model.markers),
    )


@cache
def libraries_of(marker):
    """The rows of one marker, by library."""
    return {row.library: row for row in sample_sheet() if row.marker == marker}


def reference_name(wildcards):
    """Name and version of a marker's reference, empty where it has none."""
    reference = marker_config(wildcards).reference
    return "" if reference is None else f"{reference.name} {reference.version}"


EMBEDDED_FASTA = {
    "asvs": "preprocess/asvs.fasta",
    "reference": "load/reference.fasta.gz",
}


def embedded_fasta(wildcards):
    """The sequences behind a table of vectors."""
    return f"results/{wildcards.study}/{wildcards.marker}/{EMBEDDED_FASTA[wildcards.table]}"


def shards_of_table(wildcards):
    """The parts of a table of vectors; a function, so that their number is no part of the rule graph."""
    root = f"results/{wildcards.study}/{wildcards.marker}/embed/shards"
    return gather.embed(f"{root}/{wildcards.table}.{{scatteritem}}.safetensors")


# In a job of a cluster, Snakemake runs twice beside the rule's own process, with about 300 MB each.
SNAKEMAKE_MEGABYTES = 800


def growing(least, per_input_megabyte):
    """A resource function: a floor and a share of the input, growing with every attempt."""

    def resource(wildcards, input, attempt):
        # Sizes of thousands of inputs take a visible share of the planning: look only where they count.
        extra = per_input_megabyte * input.size_mb if per_input_megabyte else 0
        return int(least + extra) * attempt

    return resource


def megabytes(least, per_input_megabyte=0):
    """The memory of a rule, beside Snakemake's own."""
    return growing(SNAKEMAKE_MEGABYTES + least, per_input_megabyte)


def minutes(least, per_input_gigabyte=0):
    """The time of a rule; shares are what was measured (tests/benchmarks/scale) several times over."""
    return growing(least, per_input_gigabyte / 1024)


def check_inputs():
    """End the run before anything is planned when the sheet or a marker is wrong; all else finds out one job later."""
    for name, marker in config_model.markers.items():
        checked(resolve_marker, name, marker)
    sample_sheet()


# The processes of single jobs read this file again; they need no second look.
if workflow.is_main_process:
    check_inputs()


def study_outputs():
    """Everything a bare ``snakemake`` makes."""
    files = [
        "report.html",
        "taxonomy.tsv",
        "bundle/manifest.json",
        "preprocess/ledger.tsv",
        "provenance.json",
        "exports/feature-table.biom",
        "multiqc/read_fates_mqc.json",
    ]
    if config_model.task == "regression":
        files.append("regression/metrics.json")
    if config_model.package.registry is not None:
        files.append("published.json")
    if metadata_location(config_model.package.metadata, os.environ) is not None:
        files += ["load/recorded.json", "recorded.json"]
    return [
        f"results/{config_model.study}/report.html",
        *(
            f"results/{config_model.study}/{marker}/{name}"
            for marker in config_model.markers
            for name in files
        ),
    ]
