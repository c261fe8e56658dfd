from abyssal.references.markers import resolve_marker


def train_reference(wildcards):
    """The checked reference and its vectors; nothing when the marker has none."""
    if marker_config(wildcards).reference is None:
        return {}
    root = f"results/{wildcards.study}/{wildcards.marker}"
    return {
        "reference": f"{root}/load/reference.fasta.gz",
        "lineages": f"{root}/load/lineages.tsv",
        "reference_vectors": f"{root}/embed/reference.safetensors",
    }


def read_limits(wildcards):
    """Name, primers and lengths of the marker, written beside the model."""
    marker = checked(resolve_marker, wildcards.marker, marker_config(wildcards))
    return {
        "name": marker.name,
        "forward_primer": marker.forward_primer,
        "reverse_primer": marker.reverse_primer,
        "min_length": marker.min_length,
        "max_length": marker.max_length,
    }


rule train:
    input:
        unpack(train_reference),
        encoder="results/{study}/{marker}/embed/encoder",
        putative_taxa="results/{study}/{marker}/cluster/putative_taxa.tsv",
        exemplars="results/{study}/{marker}/cluster/exemplars.fasta",
    output:
        model=directory("results/{study}/{marker}/train/model"),
    log:
        "logs/{study}/{marker}/train.log",
    benchmark:
        "benchmarks/{study}/{marker}/train.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 2
    resources:
        mem_mb=megabytes(4000, 40),
        runtime="60m",
        gpu=1,
    params:
        settings=config_model.train.model_dump(),
        marker=read_limits,
        batch_size=config_model.encoder.batch_size,
        seed=config_model.seed,
        code=code_digest("taxonomy"),
    script:
        "../../scripts/train.py"


rule classify_asvs:
    input:
        model="results/{study}/{marker}/train/model",
        asvs="results/{study}/{marker}/preprocess/asvs.fasta",
    output:
        taxonomy="results/{study}/{marker}/taxonomy.tsv",
    log:
        "logs/{study}/{marker}/classify_asvs.log",
    benchmark:
        "benchmarks/{study}/{marker}/classify_asvs.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 2
    resources:
        mem_mb=megabytes(3000, 20),
        runtime="30m",
    params:
        code=code_digest("taxonomy"),
    script:
        "../../scripts/classify_asvs.py"
