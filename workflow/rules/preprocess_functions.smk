"""What the rules of preprocess.smk look up for a library, a pool or a marker; rules and functions are kept apart."""

from abyssal.reads.contaminants import contaminant_file
from abyssal.reads.demultiplex import UNDETERMINED
from abyssal.reads.study import pool_names
from abyssal.references.markers import coding_of
from abyssal.samples.libraries import files_of
from abyssal.samples.remote import address_of


def preprocess_folder(wildcards):
    """The folder of the stage."""
    return f"results/{wildcards.study}/{wildcards.marker}/preprocess"


@cache
def tagged_pools(marker):
    """Libraries told apart by tags: name of each pool, with its rows; rows of a pool share their files."""
    pools = {}
    for row in libraries_of(marker).values():
        if row.tags[0]:
            pools.setdefault(row.files, []).append(row)
    return {
        f"{UNDETERMINED}-{number}": rows
        for number, rows in enumerate(pools.values(), start=1)
    }


@cache
def tagged_pool_of(marker):
    """The pool of each library that is told apart by tags."""
    return {
        row.library: pool for pool, rows in tagged_pools(marker).items() for row in rows
    }


S3_SETTINGS = {
    "endpoint_url": "S3_ENDPOINT",
    "access_key": "S3_ACCESS_KEY",
    "secret_key": "S3_SECRET_KEY",
    "region": "S3_REGION",
}


@cache
def s3_storage():
    """Snakemake's S3 plugin, set by the variables that registries use; what is not set is left to Snakemake's own."""
    given = {
        name: os.environ[variable]
        for name, variable in S3_SETTINGS.items()
        if os.environ.get(variable)
    }
    registry = workflow.storage_registry
    registry.register_storage("s3", tag="reads", **given)
    return registry.reads


def staged(path):
    """A file as a rule's input: its path, or what the storage plugin brings from an S3-compatible store."""
    address = address_of(path)
    return str(path) if address is None else s3_storage()(address)


def tagged_files(wildcards):
    """The files that the libraries of a pool share."""
    pool = tagged_pools(wildcards.marker)[wildcards.tagged]
    return [staged(path) for path in pool[0].files]


def tags_of_pool(wildcards):
    """Forward and reverse tag of each library of a pool."""
    rows = tagged_pools(wildcards.marker)[wildcards.tagged]
    return {row.library: list(row.tags) for row in rows}


def library_files(wildcards):
    """The raw files of a library: one, or R1 and R2, or the folder that its pool was sorted into."""
    pool = tagged_pool_of(wildcards.marker).get(wildcards.library)
    if pool is not None:
        return [f"{preprocess_folder(wildcards)}/tagged/{pool}"]
    return [
        staged(path) for path in libraries_of(wildcards.marker)[wildcards.library].files
    ]


def files_of_all_libraries(wildcards):
    """The files of every library of a marker; libraries told apart by tags share theirs."""
    rows = list(libraries_of(wildcards.marker).values())
    return [staged(path) for path in files_of(rows)]


def is_paired(wildcards):
    """Whether the library has R1 and R2."""
    return libraries_of(wildcards.marker)[wildcards.library].kind == "paired"


@cache
def marker_primers(marker):
    """Forward and reverse primer of a marker."""
    found = checked(resolve_marker, marker, config_model.markers[marker])
    return found.forward_primer, found.reverse_primer


def row_primers(row):
    """The primers of a library: its own, or its marker's."""
    return tuple(
        own or given for own, given in zip(row.primers, marker_primers(row.marker))
    )


def library_primers(wildcards):
    """Forward and reverse primer of a library."""
    return list(row_primers(libraries_of(wildcards.marker)[wildcards.library]))


@cache
def rows_by_file():
    """The rows of the sheet by their first file."""
    rows = {}
    for row in sample_sheet():
        rows.setdefault(row.files[0], []).append(row)
    return rows


def other_markers(wildcards):
    """Name and primers of the other markers that are in the files of a library."""
    row = libraries_of(wildcards.marker)[wildcards.library]
    others = {
        (other.marker, *row_primers(other))
        for other in rows_by_file()[row.files[0]]
        if other.marker != row.marker and other.tags == row.tags
    }
    return sorted(map(list, others))


# Part of the checkout, never of the study's storage.
CONTAMINANTS = [
    local(str(checked(contaminant_file, name)))
    for name in config_model.preprocess.screen.contaminants
]


def length_window(wildcards):
    """Shortest and longest amplicon of a marker."""
    found = marker_settings(wildcards)
    return [found["min_length"], found["max_length"]]


@cache
def pools_of(marker):
    """The libraries that are denoised together, by pool."""
    return pool_names(
        list(libraries_of(marker).values()), config_model.preprocess.denoise.pooling
    )


# Samples that are denoised apart are as many as libraries, and their steps as small; one pool is large, and waits alone.
POOL_GROUP = "pool" if config_model.preprocess.denoise.pooling == "sample" else None


def of_pool(name, needed=True):
    """An input function for one file of every library of a pool; none of them where it is not needed."""

    def files(wildcards):
        root = f"{preprocess_folder(wildcards)}/libraries"
        libraries = pools_of(wildcards.marker)[wildcards.pool] if needed else ()
        return [f"{root}/{library}/{name}" for library in libraries]

    files.__qualname__ = f"of_pool({name})"
    return files


MAPS_POOR_READS = config_model.preprocess.filter.max_expected_errors_mapped is not None
CHIMERAS_BY_LIBRARY = (
    config_model.preprocess.chimeras is not None
    and config_model.preprocess.chimeras.method == "libraries"
)
WANTS_QUALITIES = config_model.preprocess.denoise.method == "dada2"


def library_results(wildcards):
    """The unique sequences and the counts of every library that has reads."""
    root = f"{preprocess_folder(wildcards)}/libraries"
    names = [name for pool in pools_of(wildcards.marker).values() for name in pool]
    steps = ["unique.fasta", "trim.json", "merge.json", "filter.json"]
    steps += ["poor.fasta"] if MAPS_POOR_READS else []
    return [f"{root}/{name}/{step}" for name in names for step in steps]


def pool_results(wildcards):
    """What denoising left of every pool."""
    root = f"{preprocess_folder(wildcards)}/pools"
    kinds = ("asvs.fasta", "chimeras.fasta", "assignments.tsv")
    return [
        f"{root}/{pool}/{kind}" for pool in pools_of(wildcards.marker) for kind in kinds
    ]


def ready_asvs(wildcards):
    """The files of ready-made ASVs."""
    rows = [
        row for row in libraries_of(wildcards.marker).values() if row.kind == "asvs"
    ]
    files = [str(row.files[0]) for row in rows]
    return list(dict.fromkeys(files + [str(row.table) for row in rows if row.table]))


def tagged_results(wildcards):
    """The folders that pools of tagged libraries were sorted into; they hold the counts of what is in none."""
    pools = tagged_pools(wildcards.marker)
    return [f"{preprocess_folder(wildcards)}/tagged/{pool}" for pool in pools]


def pools_for_counting(wildcards):
    """The libraries of each pool, as plain lists."""
    return {pool: list(names) for pool, names in pools_of(wildcards.marker).items()}


def reference_when(needed):
    """An input function for the marker's reference where a step needs it and the marker has one."""
    return reference_inputs("reference") if needed else reference_inputs()


def coding_settings(wildcards):
    """Genetic codes and reading frame of a coding marker; empty where it is none or is not screened."""
    if not config_model.preprocess.screen.coding:
        return {}
    coding = coding_of(wildcards.marker, marker_config(wildcards))
    return asdict(coding) if coding else {}
