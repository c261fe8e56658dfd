from abyssal.bundle.provenance import CONTENT_PACKAGES, study_config
from abyssal.references.markers import resolve_marker


def package_reference(wildcards):
    """The checked reference; nothing when the marker has none."""
    if marker_config(wildcards).reference is None:
        return {}
    load = f"results/{wildcards.study}/{wildcards.marker}/load"
    return {
        "reference": f"{load}/reference.fasta.gz",
        "lineages": f"{load}/lineages.tsv",
    }


def bundle_marker(wildcards):
    """Name, primers and lengths of the marker as the manifest states them."""
    marker = checked(resolve_marker, wildcards.marker, marker_config(wildcards))
    return {
        "name": marker.name,
        "forward_primer": marker.forward_primer,
        "reverse_primer": marker.reverse_primer,
        "min_length": marker.min_length,
        "max_length": marker.max_length,
    }


def science_of(wildcards):
    """The configuration of one marker without paths and registries."""
    return study_config(config_model, wildcards.marker)


def rule_graph(wildcards):
    """Name, input and output patterns of every rule; a function stands for files that depend on the config."""
    return [
        {
            "name": rule.name,
            "inputs": [
                f"{item.__name__}()" if callable(item) else str(item)
                for item in rule.input
            ],
            "outputs": [str(item) for item in rule.output],
        }
        for rule in sorted(workflow.rules, key=lambda rule: rule.name)
    ]


# The manifest stands for the bundle: Snakemake would leave a timestamp file in a directory() output, and a bundle with
# a file that its manifest does not list is refused.
rule package:
    input:
        unpack(package_reference),
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
        runtime="20m",
    params:
        version=config_model.package.version,
        marker=bundle_marker,
        config=science_of,
        code=code_digest(*CONTENT_PACKAGES),
    script:
        "../../scripts/package.py"


rule provenance:
    input:
        unpack(package_reference),
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
        mem_mb=1000,
        runtime="10m",
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
        mem_mb=1000,
        runtime="30m",
    params:
        registry=config_model.package.registry,
        code=code_digest("bundle.registry"),
    script:
        "../../scripts/publish.py"
