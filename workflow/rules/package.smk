# The manifest stands for the bundle: Snakemake would leave a timestamp file in a directory() output, and a bundle with
# a file that its manifest does not list is refused.
rule package:
    input:
        unpack(reference_inputs("reference", "lineages")),
        model="results/{study}/{marker}/train/model",
        metrics="results/{study}/{marker}/evaluate/metrics.json",
        report="results/{study}/{marker}/report.html",
        asvs="results/{study}/{marker}/preprocess/asvs.fasta",
        libraries="results/{study}/{marker}/load/libraries.tsv",
        vectors="results/{study}/{marker}/embed/asvs.safetensors",
    output:
        manifest="results/{study}/{marker}/bundle/manifest.json",
    log:
        "logs/{study}/{marker}/package.log",
    benchmark:
        "benchmarks/{study}/{marker}/package.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000, 20),
        runtime=minutes(20),
    params:
        version=config_model.package.version,
        marker=marker_settings,
        config=science_of,
        code=code_digest(*CONTENT_PACKAGES),
    script:
        "../../scripts/package.py"


rule provenance:
    input:
        unpack(reference_inputs("reference", "lineages")),
        unpack(previous_input),
        sources=source_files,
        libraries="results/{study}/{marker}/load/libraries.tsv",
        asvs="results/{study}/{marker}/preprocess/asvs.fasta",
        table="results/{study}/{marker}/preprocess/asv_table.tsv",
        ledger="results/{study}/{marker}/preprocess/ledger.tsv",
        taxonomy="results/{study}/{marker}/taxonomy.tsv",
        manifest="results/{study}/{marker}/bundle/manifest.json",
    output:
        provenance="results/{study}/{marker}/provenance.json",
    log:
        "logs/{study}/{marker}/provenance.log",
    benchmark:
        "benchmarks/{study}/{marker}/provenance.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(200),
        runtime=minutes(10),
    params:
        config=science_of,
        rules=rule_graph,
        code=code_digest("bundle.provenance"),
    script:
        "../../scripts/provenance.py"


# Only asked for when package.registry is set (see study_outputs in common.smk).
rule publish:
    input:
        manifest="results/{study}/{marker}/bundle/manifest.json",
    output:
        receipt="results/{study}/{marker}/published.json",
    log:
        "logs/{study}/{marker}/publish.log",
    benchmark:
        "benchmarks/{study}/{marker}/publish.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(200),
        runtime=minutes(30),
    params:
        registry=config_model.package.registry,
        code=code_digest("bundle.registry"),
    script:
        "../../scripts/publish.py"


# Only asked for when a metadata store is configured (see study_outputs in common.smk).
rule record_run:
    input:
        unpack(publication),
        provenance="results/{study}/{marker}/provenance.json",
        manifest="results/{study}/{marker}/bundle/manifest.json",
    output:
        receipt="results/{study}/{marker}/recorded.json",
    log:
        "logs/{study}/{marker}/record_run.log",
    benchmark:
        "benchmarks/{study}/{marker}/record_run.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime=minutes(10),
    params:
        store=config_model.package.metadata,
        code=code_digest("stores.study_records"),
    script:
        "../../scripts/record.py"
