from abyssal.encoder.identity import configured_identity


rule embed_asvs:
    input:
        fasta="results/{study}/{marker}/preprocess/asvs.fasta",
        encoder="results/{study}/{marker}/embed/encoder",
    output:
        vectors="results/{study}/{marker}/embed/asvs.safetensors",
    log:
        "logs/{study}/{marker}/embed_asvs.log",
    benchmark:
        "benchmarks/{study}/{marker}/embed_asvs.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 2
    resources:
        mem_mb=megabytes(2000, 10),
        runtime="20m",
        gpu=1,
    params:
        batch_size=config_model.encoder.batch_size,
        trust_remote_code=config_model.encoder.trust_remote_code,
        # Not encoder.load: it knows the config models, and a new key elsewhere must not embed everything again.
        code=code_digest(
            "encoder.baseline",
            "encoder.engine",
            "encoder.hub",
            "encoder.store",
            "encoder.vectors",
        ),
    script:
        "../../scripts/embed.py"


use rule embed_asvs as embed_reference with:
    input:
        fasta="results/{study}/{marker}/load/reference.fasta.gz",
        encoder="results/{study}/{marker}/embed/encoder",
    output:
        vectors="results/{study}/{marker}/embed/reference.safetensors",
    log:
        "logs/{study}/{marker}/embed_reference.log",
    benchmark:
        "benchmarks/{study}/{marker}/embed_reference.jsonl"


rule fetch_encoder:
    output:
        encoder=directory("results/{study}/{marker}/embed/encoder"),
    log:
        "logs/{study}/{marker}/fetch_encoder.log",
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime="20m",
    params:
        encoder=config_model.encoder.model_dump(),
        # A local encoder's digest, so that new weights below an old name rerun the stage.
        identity=checked(
            configured_identity,
            config_model.encoder.name,
            config_model.encoder.revision,
        ),
        code=code_digest("encoder.identity"),
    script:
        "../../scripts/fetch_encoder.py"
