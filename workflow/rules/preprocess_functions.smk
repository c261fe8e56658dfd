"""What the rules of preprocess.smk look up for a library, a pool or a marker; rules and functions are kept apart."""

from abyssal.reads.study import pool_names


def library_files(wildcards):
    """The raw files of a library: one, or R1 and R2."""
    return [
        str(path) for path in libraries_of(wildcards.marker)[wildcards.library].files
    ]


def files_of_all_libraries(wildcards):
    """The raw files of every library of a marker."""
    return [
        str(path)
        for row in libraries_of(wildcards.marker).values()
        for path in row.files
    ]


def is_paired(wildcards):
    """Whether the library has R1 and R2."""
    return libraries_of(wildcards.marker)[wildcards.library].kind == "paired"


@cache
def pools_of(marker):
    """The libraries that are denoised together, by pool."""
    return pool_names(
        list(libraries_of(marker).values()), config_model.preprocess.denoise.pooling
    )


def uniques_of_pool(wildcards):
    """The unique sequences of the libraries of a pool."""
    return [
        f"results/{wildcards.study}/{wildcards.marker}/preprocess/libraries/{library}/unique.fasta"
        for library in pools_of(wildcards.marker)[wildcards.pool]
    ]


def library_results(wildcards):
    """The unique sequences and the counts of every library that has reads."""
    root = f"results/{wildcards.study}/{wildcards.marker}/preprocess/libraries"
    names = [name for pool in pools_of(wildcards.marker).values() for name in pool]
    steps = ("unique.fasta", "trim.json", "merge.json", "filter.json")
    return [f"{root}/{name}/{step}" for name in names for step in steps]


def pool_results(wildcards):
    """What denoising left of every pool."""
    root = f"results/{wildcards.study}/{wildcards.marker}/preprocess/pools"
    kinds = ("asvs.fasta", "chimeras.fasta", "assignments.tsv")
    return [
        f"{root}/{pool}/{kind}" for pool in pools_of(wildcards.marker) for kind in kinds
    ]


def ready_asvs(wildcards):
    """The FASTA files of ready-made ASVs."""
    rows = libraries_of(wildcards.marker).values()
    return [str(row.files[0]) for row in rows if row.kind == "asvs"]


def pools_for_counting(wildcards):
    """The libraries of each pool, as plain lists."""
    return {pool: list(names) for pool, names in pools_of(wildcards.marker).items()}
