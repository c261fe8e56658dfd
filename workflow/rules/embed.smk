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
        mem_mb=megabytes(2000),
        runtime=minutes(20),
        gpu=1,
    params:
        batch_size=config_model.encoder.batch_size,
        trust_remote_code=config_model.encoder.trust_remote_code,
        # Not encoder.load: it knows the config models, and a new key elsewhere must not embed everything again.
        code=code_digest(
            "encoder.baseline",
            "encoder.cache",
            "encoder.engine",
            "encoder.hub",
            "encoder.shards",
            "encoder.store",
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
        runtime=minutes(20),
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


# One job a shard on machines that have many GPUs or nodes: set-scatter in the profile (workflow/profiles/slurm). The
# vectors are the same to the last bit, so the number is no part of the study.
scattergather:
    embed=1,


use rule embed_asvs as embed_shard with:
    input:
        fasta=embedded_fasta,
        encoder="results/{study}/{marker}/embed/encoder",
    output:
        vectors=temp(
            "results/{study}/{marker}/embed/shards/{table}.{scatteritem}.safetensors"
        ),
    log:
        "logs/{study}/{marker}/embed_shard/{table}.{scatteritem}.log",
    benchmark:
        "benchmarks/{study}/{marker}/embed_shard/{table}.{scatteritem}.jsonl"


rule gather_vectors:
    input:
        fasta=embedded_fasta,
        shards=shards_of_table,
    output:
        vectors="results/{study}/{marker}/embed/{table}.safetensors",
    log:
        "logs/{study}/{marker}/gather_vectors/{table}.log",
    benchmark:
        "benchmarks/{study}/{marker}/gather_vectors/{table}.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(20),
    params:
        code=code_digest("encoder.shards"),
    script:
        "../../scripts/gather_vectors.py"


# One shard needs neither a part nor a gathering.
if len(gather.embed("{scatteritem}")) > 1:

    ruleorder: gather_vectors > embed_asvs
    ruleorder: gather_vectors > embed_reference

else:

    ruleorder: embed_asvs > gather_vectors
    ruleorder: embed_reference > gather_vectors
