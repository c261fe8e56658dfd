from abyssal.bundle.provenance import study_config
from abyssal.report.assets import assets_digest


def report_reference(wildcards):
    """What only a marker with a reference, or one with a truth table, has."""
    marker = marker_config(wildcards)
    root = f"results/{wildcards.study}/{wildcards.marker}"
    found = {}
    if marker.reference is not None:
        found["reference_report"] = f"{root}/load/reference_report.json"
    if marker.truth is not None:
        found["truth"] = marker.truth
    return found


def report_config(wildcards):
    """The configuration the report shows."""
    return study_config(config_model, wildcards.marker)


rule report:
    input:
        unpack(report_reference),
        libraries="results/{study}/{marker}/load/libraries.tsv",
        ledger="results/{study}/{marker}/preprocess/ledger.tsv",
        controls="results/{study}/{marker}/preprocess/controls.tsv",
        table="results/{study}/{marker}/preprocess/asv_table.tsv",
        vectors="results/{study}/{marker}/embed/asvs.safetensors",
        answers="results/{study}/{marker}/taxonomy.tsv",
        putative_taxa="results/{study}/{marker}/cluster/putative_taxa.tsv",
        members="results/{study}/{marker}/cluster/members.tsv",
        exemplars="results/{study}/{marker}/cluster/exemplars.fasta",
        map="results/{study}/{marker}/cluster/map.tsv",
        verdicts="results/{study}/{marker}/cluster/verdicts.tsv",
        selection="results/{study}/{marker}/cluster/selection.json",
        metrics="results/{study}/{marker}/evaluate/metrics.json",
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
        runtime="10m",
    params:
        config=report_config,
        assets=assets_digest(),
        code=code_digest("report"),
    script:
        "../../scripts/report.py"
