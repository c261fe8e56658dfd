# Only asked for when task is regression (see study_outputs in common.smk).
rule regress:
    input:
        libraries="results/{study}/{marker}/load/libraries.tsv",
        table="results/{study}/{marker}/preprocess/asv_table.tsv",
        asvs="results/{study}/{marker}/preprocess/asvs.fasta",
        vectors="results/{study}/{marker}/embed/asvs.safetensors",
    output:
        metrics="results/{study}/{marker}/regression/metrics.json",
        predictions="results/{study}/{marker}/regression/predictions.tsv",
        model="results/{study}/{marker}/regression/model.json",
    log:
        "logs/{study}/{marker}/regress.log",
    benchmark:
        "benchmarks/{study}/{marker}/regress.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 20),
        runtime=minutes(30),
    params:
        settings=config_model.regression.model_dump(),
        seed=config_model.seed,
        code=code_digest("regression"),
    script:
        "../../scripts/regress.py"
