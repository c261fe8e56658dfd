rule report:
    input:
        unpack(reference_inputs("reference_report")),
        unpack(truth_input),
        unpack(regression_inputs),
        libraries="results/{study}/{marker}/load/libraries.tsv",
        ledger="results/{study}/{marker}/preprocess/ledger.tsv",
        controls="results/{study}/{marker}/preprocess/controls.tsv",
        table="results/{study}/{marker}/preprocess/asv_table.tsv",
        vectors="results/{study}/{marker}/embed/asvs.safetensors",
        answers="results/{study}/{marker}/taxonomy.tsv",
        novelty="results/{study}/{marker}/novelty.json",
        putative_taxa="results/{study}/{marker}/cluster/putative_taxa.tsv",
        members="results/{study}/{marker}/cluster/members.tsv",
        exemplars="results/{study}/{marker}/cluster/exemplars.fasta",
        map="results/{study}/{marker}/cluster/map.tsv",
        verdicts="results/{study}/{marker}/cluster/verdicts.tsv",
        changes="results/{study}/{marker}/cluster/changes.tsv",
        selection="results/{study}/{marker}/cluster/selection.json",
        metrics="results/{study}/{marker}/evaluate/metrics.json",
        alpha="results/{study}/{marker}/diversity/alpha.tsv",
        rarefaction="results/{study}/{marker}/diversity/rarefaction.tsv",
        ordination="results/{study}/{marker}/diversity/ordination.tsv",
    output:
        report="results/{study}/{marker}/report.html",
    log:
        "logs/{study}/{marker}/report.log",
    benchmark:
        "benchmarks/{study}/{marker}/report.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 20),
        runtime=minutes(10),
    params:
        config=science_of,
        assets=assets_digest(),
        # The report names the code's version, as the manifest does.
        code=code_digest(*CONTENT_PACKAGES),
    script:
        "../../scripts/report.py"


STUDY_REPORT_FILES = (
    "preprocess/asv_table.tsv",
    "preprocess/asvs.fasta",
    "preprocess/ledger.tsv",
    "load/libraries.tsv",
    "cluster/members.tsv",
    "taxonomy.tsv",
    "bundle/manifest.json",
)


rule study_report:
    input:
        expand(
            "results/{{study}}/{marker}/{file}",
            marker=config_model.markers,
            file=STUDY_REPORT_FILES,
        ),
    output:
        report="results/{study}/report.html",
    log:
        "logs/{study}/study_report.log",
    benchmark:
        "benchmarks/{study}/study_report.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 20),
        runtime=minutes(10),
    params:
        markers=list(config_model.markers),
        assets=assets_digest(),
        code=code_digest("report.study_page", "bundle.manifest"),
    script:
        "../../scripts/study_report.py"
