"""load: references from any format to checked, amplicon-cut ones, and the gate fitted on them."""

from dataclasses import asdict

from abyssal.references.formats.tsv import split_column
from abyssal.references.markers import resolve_marker


def reference_files(wildcards):
    """The files a marker's reference is made from; none where it has no reference."""
    reference = marker_config(wildcards).reference
    if reference is None:
        return []
    fasta, _ = split_column(Path(reference.fasta))
    return [str(fasta), *([reference.lineages] if reference.lineages else [])]


def reference_settings(wildcards):
    """The reference section of a marker, as plain values."""
    reference = marker_config(wildcards).reference
    return reference.model_dump() if reference is not None else {}


def marker_settings(wildcards):
    """Primers and length window of a marker, filled from the shipped table where the config leaves them open."""
    return asdict(checked(resolve_marker, wildcards.marker, marker_config(wildcards)))


rule build_reference:
    input:
        files=reference_files,
    output:
        reference="results/{study}/{marker}/load/reference.fasta.gz",
        lineages="results/{study}/{marker}/load/lineages.tsv",
        report="results/{study}/{marker}/load/reference_report.json",
        suspects="results/{study}/{marker}/load/suspects.tsv",
    log:
        "logs/{study}/{marker}/build_reference.log",
    benchmark:
        "benchmarks/{study}/{marker}/build_reference.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        # Profiles for the suspect search take most: up to 1 GB, whatever the size of the file.
        mem_mb=megabytes(2000, per_input_megabyte=20),
        runtime="2h",
    params:
        reference=reference_settings,
        marker=marker_settings,
        code=code_digest("references.stage"),
    script:
        "../../scripts/build_reference.py"


rule fit_gate:
    input:
        reference="results/{study}/{marker}/load/reference.fasta.gz",
    output:
        gate="results/{study}/{marker}/load/gate.json",
    log:
        "logs/{study}/{marker}/fit_gate.log",
    benchmark:
        "benchmarks/{study}/{marker}/fit_gate.jsonl"
    conda:
        "../../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, per_input_megabyte=10),
        runtime="30m",
    params:
        quantile=config_model.cluster.gate_quantile,
        seed=config_model.seed,
        code=code_digest("references.gate", "references.stage"),
    script:
        "../../scripts/fit_gate.py"
