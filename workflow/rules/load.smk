rule build_reference:
    input:
        files=source_files,
    output:
        reference="results/{study}/{marker}/load/reference.fasta.gz",
        lineages="results/{study}/{marker}/load/lineages.tsv",
        report="results/{study}/{marker}/load/reference_report.json",
        suspects="results/{study}/{marker}/load/suspects.tsv",
    log:
        "logs/{study}/{marker}/build_reference.log",
    benchmark:
        "benchmarks/{study}/{marker}/build_reference.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        # Profiles for the suspect search take most: up to 1 GB, whatever the size of the file.
        mem_mb=megabytes(2000, per_input_megabyte=20),
        runtime=minutes(120),
    params:
        reference=reference_content,
        marker=marker_settings,
        code=code_digest("references.stage"),
    script:
        "../../scripts/build_reference.py"


rule fit_gate:
    input:
        reference="results/{study}/{marker}/load/reference.fasta.gz",
    output:
        gate="results/{study}/{marker}/load/gate.json",
    log:
        "logs/{study}/{marker}/fit_gate.log",
    benchmark:
        "benchmarks/{study}/{marker}/fit_gate.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, per_input_megabyte=10),
        runtime=minutes(30),
    params:
        quantile=config_model.cluster.gate_quantile,
        seed=config_model.seed,
        code=code_digest("references.gate", "references.stage"),
    script:
        "../../scripts/fit_gate.py"


# Only asked for when a metadata store is configured (see study_outputs in common.smk).
rule record_datasets:
    input:
        unpack(reference_inputs("reference", "lineages")),
        libraries="results/{study}/{marker}/load/libraries.tsv",
    output:
        receipt="results/{study}/{marker}/load/recorded.json",
    log:
        "logs/{study}/{marker}/record_datasets.log",
    benchmark:
        "benchmarks/{study}/{marker}/record_datasets.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime=minutes(10),
    params:
        store=config_model.package.metadata,
        reference=reference_settings,
        code=code_digest("stores.study_records"),
    script:
        "../../scripts/record.py"
