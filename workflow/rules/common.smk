"""Loading and checking of the config, and what rules share; the logic is in scripts/abyssal."""

import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The folder of this file, not of the root Snakefile: the same whichever Snakefile is the entry.
REPOSITORY = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts"))

from abyssal.code_digest import code_digest
from abyssal.config.load import load_config
from abyssal.config.models import NAME_PATTERN
from abyssal.errors import AbyssalError
from abyssal.samples.sheet import read_sample_sheet


def checked(function, *arguments, **options):
    """Call a library function; a user's mistake ends the run with its message and no traceback."""
    try:
        return function(*arguments, **options)
    except AbyssalError as error:
        raise WorkflowError(str(error)) from None


config_model = checked(load_config, config)


wildcard_constraints:
    study=NAME_PATTERN,
    marker=NAME_PATTERN,
    library=NAME_PATTERN,


def marker_config(wildcards):
    """The settings of the marker a job belongs to."""
    return config_model.markers[wildcards.marker]


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


def megabytes(least, per_input_megabyte=0):
    """A memory function: a floor plus a share of the input, growing with every attempt."""

    def mem_mb(wildcards, input, attempt):
        return int(least + per_input_megabyte * input.size_mb) * attempt

    return mem_mb


def study_outputs():
    """Everything a bare ``snakemake`` makes."""
    files = [
        "report.html",
        "taxonomy.tsv",
        "bundle/manifest.json",
        "preprocess/ledger.tsv",
        "provenance.json",
    ]
    if config_model.package.registry is not None:
        files.append("published.json")
    return [
        f"results/{config_model.study}/{marker}/{name}"
        for marker in config_model.markers
        for name in files
    ]
