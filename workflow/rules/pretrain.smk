rule pretrain:
    output:
        encoder=directory("results/pretrain/encoder"),
    log:
        "logs/pretrain.log",
    benchmark:
        "benchmarks/pretrain.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 2
    resources:
        mem_mb=megabytes(6000),
        runtime=minutes(60),
        gpu=1,
    params:
        settings=config_model.pretrain.model_dump(),
        seed=config_model.seed,
        # The checkpoint lies outside the output, which Snakemake removes when a job fails.
        work="results/pretrain/work",
        code=code_digest("encoder.training"),
    script:
        "../../scripts/pretrain.py"
