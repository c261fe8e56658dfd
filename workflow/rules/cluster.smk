from abyssal.references.markers import resolve_marker


def cluster_reference(wildcards):
    """The reference and what belongs to it; nothing when the marker has none."""
    if marker_config(wildcards).reference is None:
        return {}
    root = f"results/{wildcards.study}/{wildcards.marker}"
    return {
        "reference": f"{root}/load/reference.fasta.gz",
        "lineages": f"{root}/load/lineages.tsv",
        "gate": f"{root}/load/gate.json",
        "reference_vectors": f"{root}/embed/reference.safetensors",
    }


def length_window(wildcards):
    """Shortest and longest amplicon of the marker (bp)."""
    marker = checked(resolve_marker, wildcards.marker, marker_config(wildcards))
    return [marker.min_length, marker.max_length]


rule cluster:
    input:
        unpack(cluster_reference),
        asvs="results/{study}/{marker}/preprocess/asvs.fasta",
        table="results/{study}/{marker}/preprocess/asv_table.tsv",
        vectors="results/{study}/{marker}/embed/asvs.safetensors",
    output:
        putative_taxa="results/{study}/{marker}/cluster/putative_taxa.tsv",
        members="results/{study}/{marker}/cluster/members.tsv",
        exemplars="results/{study}/{marker}/cluster/exemplars.fasta",
        map="results/{study}/{marker}/cluster/map.tsv",
        verdicts="results/{study}/{marker}/cluster/verdicts.tsv",
        changes="results/{study}/{marker}/cluster/changes.tsv",
        selection="results/{study}/{marker}/cluster/selection.json",
    log:
        "logs/{study}/{marker}/cluster.log",
    benchmark:
        "benchmarks/{study}/{marker}/cluster.jsonl"
    conda:
        "../../envs/cluster.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(3000, 20),
        runtime="30m",
    params:
        settings=config_model.cluster.model_dump(),
        seed=config_model.seed,
        length_window=length_window,
        code=code_digest("discovery"),
    script:
        "../../scripts/cluster.py"
