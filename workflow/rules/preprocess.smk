from abyssal.reads.study import pool_names
from abyssal.references.markers import resolve_marker


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


def primers_and_lengths(wildcards):
    """The marker with every value set, as plain values."""
    marker = checked(resolve_marker, wildcards.marker, marker_config(wildcards))
    return {
        "forward_primer": marker.forward_primer,
        "reverse_primer": marker.reverse_primer,
        "min_length": marker.min_length,
        "max_length": marker.max_length,
    }


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


wildcard_constraints:
    pool=NAME_PATTERN,


rule check_libraries:
    input:
        sheet=config_model.samples,
        files=files_of_all_libraries,
    output:
        libraries="results/{study}/{marker}/load/libraries.tsv",
    log:
        "logs/{study}/{marker}/check_libraries.log",
    benchmark:
        "benchmarks/{study}/{marker}/check_libraries.jsonl"
    conda:
        "../../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime="60m",
    params:
        markers=list(config_model.markers),
        code=code_digest("samples.libraries", "samples.sheet"),
    script:
        "../../scripts/check_libraries.py"


rule trim_primers:
    input:
        reads=library_files,
    output:
        r1=temp(
            "results/{study}/{marker}/preprocess/libraries/{library}/trimmed.R1.fastq"
        ),
        r2=temp(
            "results/{study}/{marker}/preprocess/libraries/{library}/trimmed.R2.fastq"
        ),
        counts="results/{study}/{marker}/preprocess/libraries/{library}/trim.json",
    log:
        "logs/{study}/{marker}/trim_primers/{library}.log",
    benchmark:
        "benchmarks/{study}/{marker}/trim_primers/{library}.jsonl"
    group:
        "library"
    conda:
        "../../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime="60m",
    params:
        marker=primers_and_lengths,
        settings=config_model.preprocess.trim.model_dump(),
        code=code_digest("reads.trim"),
    script:
        "../../scripts/trim_primers.py"


rule merge_pairs:
    input:
        r1="results/{study}/{marker}/preprocess/libraries/{library}/trimmed.R1.fastq",
        r2="results/{study}/{marker}/preprocess/libraries/{library}/trimmed.R2.fastq",
        counts="results/{study}/{marker}/preprocess/libraries/{library}/trim.json",
    output:
        reads=temp(
            "results/{study}/{marker}/preprocess/libraries/{library}/merged.fastq"
        ),
        counts="results/{study}/{marker}/preprocess/libraries/{library}/merge.json",
    log:
        "logs/{study}/{marker}/merge_pairs/{library}.log",
    benchmark:
        "benchmarks/{study}/{marker}/merge_pairs/{library}.jsonl"
    group:
        "library"
    conda:
        "../../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime="60m",
    params:
        paired=is_paired,
        settings=config_model.preprocess.merge.model_dump(),
        code=code_digest("reads.merge"),
    script:
        "../../scripts/merge_pairs.py"


rule filter_reads:
    input:
        reads="results/{study}/{marker}/preprocess/libraries/{library}/merged.fastq",
        counts="results/{study}/{marker}/preprocess/libraries/{library}/merge.json",
    output:
        uniques="results/{study}/{marker}/preprocess/libraries/{library}/unique.fasta",
        counts="results/{study}/{marker}/preprocess/libraries/{library}/filter.json",
    log:
        "logs/{study}/{marker}/filter_reads/{library}.log",
    benchmark:
        "benchmarks/{study}/{marker}/filter_reads/{library}.jsonl"
    group:
        "library"
    conda:
        "../../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(500, 2),
        runtime="60m",
    params:
        marker=primers_and_lengths,
        settings=config_model.preprocess.filter.model_dump(),
        code=code_digest("reads.filtering"),
    script:
        "../../scripts/filter_reads.py"


rule denoise:
    input:
        libraries=uniques_of_pool,
    output:
        uniques="results/{study}/{marker}/preprocess/pools/{pool}/uniques.fasta",
        variants="results/{study}/{marker}/preprocess/pools/{pool}/variants.fasta",
    log:
        "logs/{study}/{marker}/denoise/{pool}.log",
    benchmark:
        "benchmarks/{study}/{marker}/denoise/{pool}.jsonl"
    conda:
        "../../envs/preprocess.yaml"
    threads: 2
    resources:
        mem_mb=megabytes(1000, 6),
        runtime="4h",
    params:
        settings=config_model.preprocess.denoise.model_dump(),
        code=code_digest("reads.denoise"),
    script:
        "../../scripts/denoise.py"


rule remove_chimeras:
    input:
        variants="results/{study}/{marker}/preprocess/pools/{pool}/variants.fasta",
    output:
        asvs="results/{study}/{marker}/preprocess/pools/{pool}/asvs.fasta",
        chimeras="results/{study}/{marker}/preprocess/pools/{pool}/chimeras.fasta",
    log:
        "logs/{study}/{marker}/remove_chimeras/{pool}.log",
    benchmark:
        "benchmarks/{study}/{marker}/remove_chimeras/{pool}.jsonl"
    conda:
        "../../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(500, 10),
        runtime="4h",
    params:
        settings=(
            config_model.preprocess.chimeras.model_dump()
            if config_model.preprocess.chimeras
            else None
        ),
        code=code_digest("reads.denoise"),
    script:
        "../../scripts/remove_chimeras.py"


rule map_back:
    input:
        uniques="results/{study}/{marker}/preprocess/pools/{pool}/uniques.fasta",
        asvs="results/{study}/{marker}/preprocess/pools/{pool}/asvs.fasta",
        chimeras="results/{study}/{marker}/preprocess/pools/{pool}/chimeras.fasta",
    output:
        assignments="results/{study}/{marker}/preprocess/pools/{pool}/assignments.tsv",
    log:
        "logs/{study}/{marker}/map_back/{pool}.log",
    benchmark:
        "benchmarks/{study}/{marker}/map_back/{pool}.jsonl"
    conda:
        "../../envs/preprocess.yaml"
    threads: 2
    resources:
        mem_mb=megabytes(1000, 6),
        runtime="4h",
    params:
        identity=config_model.preprocess.map_back_identity,
        code=code_digest("reads.map_back"),
    script:
        "../../scripts/map_back.py"


rule count_asvs:
    input:
        libraries="results/{study}/{marker}/load/libraries.tsv",
        library_results=library_results,
        pool_results=pool_results,
        ready_asvs=ready_asvs,
    output:
        asvs="results/{study}/{marker}/preprocess/asvs.fasta",
        table="results/{study}/{marker}/preprocess/asv_table.tsv",
        libraries_table="results/{study}/{marker}/preprocess/library_table.tsv",
        chimeras="results/{study}/{marker}/preprocess/chimeras.fasta",
        controls="results/{study}/{marker}/preprocess/controls.tsv",
        ledger="results/{study}/{marker}/preprocess/ledger.tsv",
        summary="results/{study}/{marker}/preprocess/summary.tsv",
    log:
        "logs/{study}/{marker}/count_asvs.log",
    benchmark:
        "benchmarks/{study}/{marker}/count_asvs.jsonl"
    conda:
        "../../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 8),
        runtime="60m",
    params:
        pools=pools_for_counting,
        settings=config_model.preprocess.controls.model_dump(),
        code=code_digest("reads.study"),
    script:
        "../../scripts/count_asvs.py"
