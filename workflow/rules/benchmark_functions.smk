"""What the rules of benchmark.smk look up for a dataset or a case; rules and functions are kept apart."""

from abyssal.benchmark.datasets import data_folder, source_of
from abyssal.benchmark.plan import make_plan, most_queries

BENCHMARK_FOLDER = data_folder(config_model.benchmark.data)
BENCHMARK_PLAN = make_plan(config_model.benchmark, BENCHMARK_FOLDER)


def benchmark_sources(wildcards):
    """The files a dataset is made from."""
    source = source_of(wildcards.dataset)
    names = [
        source.fasta.split("#")[0],
        *([source.lineages] if source.lineages else []),
    ]
    return [str(BENCHMARK_FOLDER / name) for name in names]


def benchmark_queries(wildcards):
    """The query files of a published split; other parts draw theirs from the reference."""
    if wildcards.part != "tax-credit":
        return []
    fasta = BENCHMARK_FOLDER / source_of(wildcards.dataset).fasta
    return [
        str(fasta.with_name(name))
        for name in ("query.fasta.gz", "query_taxonomy.tsv.gz")
    ]


def benchmark_most_queries(wildcards):
    """How many queries a case may have."""
    return most_queries(config_model.benchmark, wildcards.part, wildcards.dataset)


def benchmark_cases(name):
    """One file of all cases."""
    return [
        f"results/benchmark/cases/{case.path}/{name}" for case in BENCHMARK_PLAN.cases
    ]
