rule train:
    input:
        unpack(reference_inputs("reference", "lineages", "reference_vectors")),
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
        runtime=minutes(60),
    params:
        settings=config_model.train.model_dump(),
        marker=marker_settings,
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
        novelty="results/{study}/{marker}/novelty.json",
    log:
        "logs/{study}/{marker}/classify_asvs.log",
    benchmark:
        "benchmarks/{study}/{marker}/classify_asvs.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 2
    resources:
        mem_mb=megabytes(3000, 20),
        runtime=minutes(30),
    params:
        fallback=config_model.fallback.model_dump(),
        code=code_digest("taxonomy"),
    script:
        "../../scripts/classify_asvs.py"
