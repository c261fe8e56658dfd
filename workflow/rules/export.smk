EXPORTS = {name: made.path for name, made in FORMATS.items() if not made.folder}
EXPORT_FOLDERS = {name: made.path for name, made in FORMATS.items() if made.folder}


rule export:
    input:
        libraries="results/{study}/{marker}/load/libraries.tsv",
        table="results/{study}/{marker}/preprocess/asv_table.tsv",
        sequences="results/{study}/{marker}/preprocess/asvs.fasta",
        members="results/{study}/{marker}/cluster/members.tsv",
        answers="results/{study}/{marker}/taxonomy.tsv",
    output:
        **{
            name: f"results/{{study}}/{{marker}}/exports/{path}"
            for name, path in EXPORTS.items()
        },
        **{
            name: directory(f"results/{{study}}/{{marker}}/exports/{path}")
            for name, path in EXPORT_FOLDERS.items()
        },
    log:
        "logs/{study}/{marker}/export.log",
    benchmark:
        "benchmarks/{study}/{marker}/export.jsonl"
    conda:
        "../../envs/export.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(20),
    params:
        marker=marker_settings,
        reference=reference_name,
        code=code_digest("exports"),
    script:
        "../../scripts/export.py"


rule diversity:
    input:
        libraries="results/{study}/{marker}/load/libraries.tsv",
        table="results/{study}/{marker}/preprocess/asv_table.tsv",
        sequences="results/{study}/{marker}/preprocess/asvs.fasta",
        members="results/{study}/{marker}/cluster/members.tsv",
        answers="results/{study}/{marker}/taxonomy.tsv",
    output:
        alpha="results/{study}/{marker}/diversity/alpha.tsv",
        rarefaction="results/{study}/{marker}/diversity/rarefaction.tsv",
        ordination="results/{study}/{marker}/diversity/ordination.tsv",
        braycurtis="results/{study}/{marker}/diversity/braycurtis.tsv",
        jaccard="results/{study}/{marker}/diversity/jaccard.tsv",
    log:
        "logs/{study}/{marker}/diversity.log",
    benchmark:
        "benchmarks/{study}/{marker}/diversity.jsonl"
    conda:
        "../../envs/export.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(20),
    params:
        code=code_digest("diversity", "exports.source"),
    script:
        "../../scripts/diversity.py"


rule multiqc:
    input:
        ledger="results/{study}/{marker}/preprocess/ledger.tsv",
        summary="results/{study}/{marker}/preprocess/summary.tsv",
    output:
        fates="results/{study}/{marker}/multiqc/read_fates_mqc.json",
        libraries="results/{study}/{marker}/multiqc/libraries_mqc.json",
    log:
        "logs/{study}/{marker}/multiqc.log",
    benchmark:
        "benchmarks/{study}/{marker}/multiqc.jsonl"
    conda:
        "../../envs/export.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(200),
        runtime=minutes(10),
    params:
        code=code_digest("exports.multiqc"),
    script:
        "../../scripts/multiqc.py"
