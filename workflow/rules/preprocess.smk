include: "preprocess_functions.smk"


wildcard_constraints:
    pool=NAME_PATTERN,
    tagged=NAME_PATTERN,


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
        runtime=minutes(20, 5),
    params:
        markers=list(config_model.markers),
        code=code_digest("samples.libraries", "samples.sheet"),
    script:
        "../../scripts/check_libraries.py"


rule demultiplex:
    input:
        reads=tagged_files,
    output:
        folder=temp(directory("results/{study}/{marker}/preprocess/tagged/{tagged}")),
    log:
        "logs/{study}/{marker}/demultiplex/{tagged}.log",
    benchmark:
        "benchmarks/{study}/{marker}/demultiplex/{tagged}.jsonl"
    conda:
        "../../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime=minutes(60, 60),
    params:
        tags=tags_of_pool,
        orientation=config_model.preprocess.trim.orientation,
        settings=config_model.preprocess.demultiplex.model_dump(),
        code=code_digest("reads.demultiplex"),
    script:
        "../../scripts/demultiplex.py"


rule trim_primers:
    input:
        reads=library_files,
        contaminants=CONTAMINANTS,
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
        runtime=minutes(20, 20),
    params:
        primers=library_primers,
        other_markers=other_markers,
        settings=config_model.preprocess.trim.model_dump(),
        code=code_digest("reads.trim", "reads.demultiplex"),
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
        unmerged=temp(
            "results/{study}/{marker}/preprocess/libraries/{library}/unmerged.fastq"
        ),
        counts="results/{study}/{marker}/preprocess/libraries/{library}/merge.json",
    log:
        "logs/{study}/{marker}/merge_pairs/{library}.log",
    benchmark:
        "benchmarks/{study}/{marker}/merge_pairs/{library}.jsonl"
    # What is begun comes first: else all trimmed reads of a study wait on the disk at once.
    priority: 1
    group:
        "library"
    conda:
        "../../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime=minutes(30),
    params:
        paired=is_paired,
        settings=config_model.preprocess.merge.model_dump(),
        code=code_digest("reads.merge"),
    script:
        "../../scripts/merge_pairs.py"


rule filter_reads:
    input:
        reads="results/{study}/{marker}/preprocess/libraries/{library}/merged.fastq",
        unmerged="results/{study}/{marker}/preprocess/libraries/{library}/unmerged.fastq",
        counts="results/{study}/{marker}/preprocess/libraries/{library}/merge.json",
    output:
        uniques="results/{study}/{marker}/preprocess/libraries/{library}/unique.fasta",
        poor="results/{study}/{marker}/preprocess/libraries/{library}/poor.fasta",
        passed=temp(
            "results/{study}/{marker}/preprocess/libraries/{library}/passed.fastq.gz"
        ),
        counts="results/{study}/{marker}/preprocess/libraries/{library}/filter.json",
    log:
        "logs/{study}/{marker}/filter_reads/{library}.log",
    benchmark:
        "benchmarks/{study}/{marker}/filter_reads/{library}.jsonl"
    priority: 2
    group:
        "library"
    conda:
        "../../envs/preprocess.yaml"
    threads: 1
    resources:
        # Its input is made in the same group of jobs: no share of it could be asked for.
        mem_mb=megabytes(1500),
        runtime=minutes(30),
    params:
        window=length_window,
        method=config_model.preprocess.denoise.method,
        settings=config_model.preprocess.filter.model_dump(),
        code=code_digest("reads.filtering"),
    script:
        "../../scripts/filter_reads.py"


rule denoise:
    input:
        libraries=of_pool("unique.fasta"),
        passed=of_pool("passed.fastq.gz", needed=WANTS_QUALITIES),
    output:
        uniques="results/{study}/{marker}/preprocess/pools/{pool}/uniques.fasta",
        variants="results/{study}/{marker}/preprocess/pools/{pool}/variants.fasta",
        members="results/{study}/{marker}/preprocess/pools/{pool}/members.tsv",
    log:
        "logs/{study}/{marker}/denoise/{pool}.log",
    benchmark:
        "benchmarks/{study}/{marker}/denoise/{pool}.jsonl"
    group:
        POOL_GROUP
    conda:
        "../../envs/preprocess.yaml"
    threads: 2
    resources:
        mem_mb=megabytes(1000, 4),
        runtime=minutes(60, 240),
    params:
        settings=config_model.preprocess.denoise.model_dump(exclude={"pooling"}),
        code=code_digest("reads.variants"),
    script:
        "../../scripts/denoise.py"


rule remove_chimeras:
    input:
        unpack(
            reference_when(
                config_model.preprocess.chimeras is not None
                and config_model.preprocess.chimeras.reference
            )
        ),
        variants="results/{study}/{marker}/preprocess/pools/{pool}/variants.fasta",
        libraries=of_pool("unique.fasta", needed=CHIMERAS_BY_LIBRARY),
    output:
        asvs="results/{study}/{marker}/preprocess/pools/{pool}/asvs.fasta",
        chimeras="results/{study}/{marker}/preprocess/pools/{pool}/chimeras.fasta",
    log:
        "logs/{study}/{marker}/remove_chimeras/{pool}.log",
    benchmark:
        "benchmarks/{study}/{marker}/remove_chimeras/{pool}.jsonl"
    group:
        POOL_GROUP
    conda:
        "../../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(500, 2),
        runtime=minutes(60, 60),
    params:
        settings=(
            config_model.preprocess.chimeras.model_dump(exclude={"reference"})
            if config_model.preprocess.chimeras
            else None
        ),
        code=code_digest("reads.denoise"),
    script:
        "../../scripts/remove_chimeras.py"


rule map_back:
    input:
        uniques="results/{study}/{marker}/preprocess/pools/{pool}/uniques.fasta",
        members="results/{study}/{marker}/preprocess/pools/{pool}/members.tsv",
        poor=of_pool("poor.fasta", needed=MAPS_POOR_READS),
        asvs="results/{study}/{marker}/preprocess/pools/{pool}/asvs.fasta",
        chimeras="results/{study}/{marker}/preprocess/pools/{pool}/chimeras.fasta",
    output:
        assignments="results/{study}/{marker}/preprocess/pools/{pool}/assignments.tsv",
    log:
        "logs/{study}/{marker}/map_back/{pool}.log",
    benchmark:
        "benchmarks/{study}/{marker}/map_back/{pool}.jsonl"
    group:
        POOL_GROUP
    conda:
        "../../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 1),
        runtime=minutes(60, 60),
    params:
        identity=config_model.preprocess.map_back_identity,
        code=code_digest("reads.map_back", "reads.variants"),
    script:
        "../../scripts/map_back.py"


rule count_asvs:
    input:
        unpack(
            reference_when(
                config_model.preprocess.screen.reference_identity is not None
            )
        ),
        libraries="results/{study}/{marker}/load/libraries.tsv",
        library_results=library_results,
        pool_results=pool_results,
        ready_asvs=ready_asvs,
        tagged=tagged_results,
        contaminants=CONTAMINANTS,
    output:
        asvs="results/{study}/{marker}/preprocess/asvs.fasta",
        table="results/{study}/{marker}/preprocess/asv_table.tsv",
        libraries_table="results/{study}/{marker}/preprocess/library_table.tsv",
        chimeras="results/{study}/{marker}/preprocess/chimeras.fasta",
        controls="results/{study}/{marker}/preprocess/controls.tsv",
        removed="results/{study}/{marker}/preprocess/removed.tsv",
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
        mem_mb=megabytes(1000, 2),
        runtime=minutes(30, 30),
    params:
        pools=pools_for_counting,
        controls=config_model.preprocess.controls.model_dump(),
        screen=config_model.preprocess.screen.model_dump(exclude={"contaminants"}),
        coding=coding_settings,
        curate=(
            config_model.preprocess.curate.model_dump()
            if config_model.preprocess.curate
            else None
        ),
        maps_poor_reads=MAPS_POOR_READS,
        code=code_digest(
            "reads.study",
            "reads.demultiplex",
            "reads.settings",
            "samples.libraries",
        ),
    script:
        "../../scripts/count_asvs.py"
