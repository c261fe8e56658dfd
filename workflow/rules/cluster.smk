rule cluster:
    input:
        unpack(reference_inputs("reference", "lineages", "gate", "reference_vectors")),
        unpack(previous_input),
        asvs="results/{study}/{marker}/preprocess/asvs.fasta",
        table="results/{study}/{marker}/preprocess/asv_table.tsv",
        vectors="results/{study}/{marker}/embed/asvs.safetensors",
    output:
        putative_taxa="results/{study}/{marker}/cluster/putative_taxa.tsv",
        members="results/{study}/{marker}/cluster/members.tsv",
        exemplars="results/{study}/{marker}/cluster/exemplars.fasta",
        consensus="results/{study}/{marker}/cluster/consensus.fasta",
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
        runtime=minutes(30),
    params:
        settings=config_model.cluster.model_dump(),
        seed=config_model.seed,
        marker=marker_settings,
        code=code_digest("discovery"),
    script:
        "../../scripts/cluster.py"
