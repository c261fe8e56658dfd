# snakemake benchmark: the published comparison. Cases are files, so that a stopped run goes on where it was; peers do
# not run again when only Abyssal's own code changes.
include: "benchmark_functions.smk"


wildcard_constraints:
    part="[a-z-]+",
    dataset=NAME_PATTERN,
    split=NAME_PATTERN,


rule benchmark:
    input:
        "results/benchmark/RESULTS.md",
        "results/benchmark/benchmark.json",
    localrule: True


rule benchmark_dataset:
    input:
        files=benchmark_sources,
    output:
        reference="results/benchmark/datasets/{dataset}/reference.fasta.gz",
        lineages="results/benchmark/datasets/{dataset}/lineages.tsv",
        vectors="results/benchmark/datasets/{dataset}/vectors.safetensors",
    log:
        "logs/benchmark/dataset/{dataset}.log",
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(3000),
        runtime=minutes(60),
    params:
        folder=str(BENCHMARK_FOLDER),
        scale=config_model.benchmark.scale,
        encoder=config_model.encoder.name,
        identity=checked(
            configured_identity,
            config_model.encoder.name,
            config_model.encoder.revision,
        ),
        batch_size=config_model.encoder.batch_size,
        code=code_digest("benchmark.build"),
    script:
        "../../scripts/benchmark_dataset.py"


rule benchmark_case:
    input:
        reference="results/benchmark/datasets/{dataset}/reference.fasta.gz",
        lineages="results/benchmark/datasets/{dataset}/lineages.tsv",
        queries=benchmark_queries,
    output:
        reference="results/benchmark/cases/{part}/{dataset}/{split}/reference.fasta.gz",
        lineages="results/benchmark/cases/{part}/{dataset}/{split}/lineages.tsv",
        queries="results/benchmark/cases/{part}/{dataset}/{split}/queries.tsv",
    log:
        "logs/benchmark/case/{part}.{dataset}.{split}.log",
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(60),
    params:
        folder=str(BENCHMARK_FOLDER),
        # Only what draws the queries, so that other keys leave the cases alone.
        queries=benchmark_most_queries,
        scale=config_model.benchmark.scale,
        code=code_digest("benchmark.draw"),
    script:
        "../../scripts/benchmark_case.py"


rule benchmark_ours:
    input:
        case=multiext(
            "results/benchmark/cases/{part}/{dataset}/{split}/",
            "reference.fasta.gz",
            "lineages.tsv",
            "queries.tsv",
        ),
        reference="results/benchmark/datasets/{dataset}/reference.fasta.gz",
        vectors="results/benchmark/datasets/{dataset}/vectors.safetensors",
    output:
        answers="results/benchmark/cases/{part}/{dataset}/{split}/ours.json",
    log:
        "logs/benchmark/ours/{part}.{dataset}.{split}.log",
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(120),
    params:
        encoder=config_model.encoder.name,
        settings=config_model.train.model_dump(),
        batch_size=config_model.encoder.batch_size,
        seed=config_model.seed,
        code=code_digest("benchmark.ours"),
    script:
        "../../scripts/benchmark_ours.py"


rule benchmark_peers:
    input:
        case=multiext(
            "results/benchmark/cases/{part}/{dataset}/{split}/",
            "reference.fasta.gz",
            "lineages.tsv",
            "queries.tsv",
        ),
    output:
        answers="results/benchmark/cases/{part}/{dataset}/{split}/peers.json",
    log:
        "logs/benchmark/peers/{part}.{dataset}.{split}.log",
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(5000),
        runtime=minutes(240),
    params:
        peers=config_model.benchmark.peers,
        seed=config_model.seed,
        code=code_digest("benchmark.peers"),
    script:
        "../../scripts/benchmark_peers.py"


rule benchmark_communities:
    input:
        case=multiext(
            "results/benchmark/cases/communities/{dataset}/1/",
            "reference.fasta.gz",
            "lineages.tsv",
            "queries.tsv",
        ),
    output:
        found="results/benchmark/communities/{dataset}.json",
    log:
        "logs/benchmark/communities/{dataset}.log",
    conda:
        "../../envs/learn.yaml"
    threads: 2
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(120),
    params:
        encoder=config_model.encoder.name,
        seed=config_model.seed,
        snakefile=str(REPOSITORY / "Snakefile"),
        # The inner run is the whole workflow.
        workflow=code_digest(*CONTENT_PACKAGES),
        code=code_digest("benchmark.communities", "simulate", "cli"),
    script:
        "../../scripts/benchmark_communities.py"


rule benchmark_speed:
    input:
        reference="results/benchmark/datasets/{dataset}/reference.fasta.gz",
        lineages="results/benchmark/datasets/{dataset}/lineages.tsv",
    output:
        found="results/benchmark/speed/{dataset}.json",
    log:
        "logs/benchmark/speed/{dataset}.log",
    conda:
        "../../envs/learn.yaml"
    threads: 2
    resources:
        mem_mb=megabytes(6000),
        runtime=minutes(120),
    params:
        encoder=config_model.encoder.name,
        settings=config_model.train.model_dump(),
        sizes=config_model.benchmark.speed_sizes,
        batch_size=config_model.encoder.batch_size,
        seed=config_model.seed,
        code=code_digest("benchmark.speed"),
    script:
        "../../scripts/benchmark_speed.py"


rule benchmark_summary:
    input:
        cases=benchmark_cases("queries.tsv"),
        ours=benchmark_cases("ours.json"),
        peers=benchmark_cases("peers.json"),
        communities=expand(
            "results/benchmark/communities/{dataset}.json",
            dataset=BENCHMARK_PLAN.communities,
        ),
        speed=expand(
            "results/benchmark/speed/{dataset}.json", dataset=BENCHMARK_PLAN.speed
        ),
    output:
        found="results/benchmark/benchmark.json",
        page="results/benchmark/RESULTS.md",
    log:
        "logs/benchmark/summary.log",
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(3000),
        runtime=minutes(60),
    params:
        settings=config_model.benchmark.model_dump(),
        folder=str(BENCHMARK_FOLDER),
        train=config_model.train.model_dump(),
        encoder=config_model.encoder.name,
        seed=config_model.seed,
        code=code_digest("benchmark.summary", "bundle.provenance"),
    script:
        "../../scripts/benchmark_summary.py"


DISCOVERY_DATASETS = ["18s-v4", "coi-annelida"]


# Putative taxa beside other ways to group; not part of the benchmark's page: ask for results/benchmark/DISCOVERY.md.
rule benchmark_discovery:
    input:
        reference=expand(
            "results/benchmark/datasets/{dataset}/reference.fasta.gz",
            dataset=DISCOVERY_DATASETS,
        ),
        lineages=expand(
            "results/benchmark/datasets/{dataset}/lineages.tsv",
            dataset=DISCOVERY_DATASETS,
        ),
    output:
        found="results/benchmark/discovery.json",
        page="results/benchmark/DISCOVERY.md",
    log:
        "logs/benchmark/discovery.log",
    conda:
        "../../envs/cluster.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(60),
    params:
        datasets=DISCOVERY_DATASETS,
        seed=config_model.seed,
        code=code_digest("benchmark.discovery", "benchmark.discovery_score"),
    script:
        "../../scripts/benchmark_discovery.py"
