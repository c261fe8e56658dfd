rule evaluate:
    input:
        unpack(reference_inputs("reference", "lineages", "reference_vectors")),
        encoder="results/{study}/{marker}/embed/encoder",
    output:
        metrics="results/{study}/{marker}/evaluate/metrics.json",
        queries="results/{study}/{marker}/evaluate/queries.tsv",
    log:
        "logs/{study}/{marker}/evaluate.log",
    benchmark:
        "benchmarks/{study}/{marker}/evaluate.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 2
    resources:
        mem_mb=megabytes(4000, 40),
        runtime=minutes(60),
    params:
        train=config_model.train.model_dump(),
        evaluate=config_model.evaluate.model_dump(),
        fallback=config_model.fallback.model_dump(),
        marker=marker_settings,
        encoder_source=config_model.encoder.name,
        batch_size=config_model.encoder.batch_size,
        seed=config_model.seed,
        code=code_digest("evaluation"),
    script:
        "../../scripts/evaluate.py"
