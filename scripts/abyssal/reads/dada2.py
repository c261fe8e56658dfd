"""Denoising by DADA2, the R package, on merged and filtered reads with their qualities."""

from __future__ import annotations

import gzip
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from abyssal.errors import ToolError
from abyssal.reads.clusters import write_variants
from abyssal.reads.filtering import read_sized
from abyssal.sequences.alphabet import sequence_id
from abyssal.tools import require_tool, run_tool

_SCRIPT = Path(__file__).with_name("dada2.R")


def dada2_variants(
    uniques: Path, passed: Sequence[Path], target: Path, *, min_size: int, threads: int = 1, log: Path | None = None
) -> dict[str, str]:
    """Write DADA2's variants and return the variant of each unique sequence that it explains.

    Args:
        uniques: FASTA with sizes of the pool.
        passed: FASTQ of the same reads, one file a library; empty ones are left out.
        target: FASTA of variants with sizes.
        min_size: fewest reads of a variant.
        threads: threads of R.
        log: file that receives R's messages.

    Raises:
        ToolError: R or its package dada2 is not installed.
    """
    files = [path for path in passed if _has_reads(path)]
    if not files:
        write_variants(target, ())
        return {}
    require_dada2()
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        table = Path(folder) / "variants.tsv"
        run_tool(["Rscript", "--vanilla", _SCRIPT, table, str(threads), *files], log=log)
        sequence_of = dict(line.split("\t") for line in table.read_text(encoding="ascii").splitlines())
    variant_of = {sequence_id(unique): variant for unique, variant in sequence_of.items()}
    sizes: dict[str, int] = {}
    for name, _, size in read_sized(uniques):
        if name in variant_of:
            sizes[variant_of[name]] = sizes.get(variant_of[name], 0) + size
    kept = {variant: size for variant, size in sizes.items() if size >= min_size}
    write_variants(target, ((sequence_id(variant), variant, size) for variant, size in kept.items()))
    return {name: sequence_id(variant) for name, variant in variant_of.items() if variant in kept}


def require_dada2() -> None:
    """Raise ToolError unless R and dada2 are there."""
    found = subprocess.run(
        # Looking for the package takes a fraction of the time that loading it takes.
        [require_tool("Rscript"), "-e", "quit(status = !nzchar(system.file(package = 'dada2')))"],
        check=False,
        capture_output=True,
        text=True,
    )
    if found.returncode:
        message = (
            "preprocess.denoise.method is dada2, but R cannot load its package dada2. To mend: apt-get install "
            "r-bioc-dada2, or conda install -c bioconda bioconductor-dada2; or choose another method"
        )
        raise ToolError(message)


def _has_reads(source: Path) -> bool:
    with gzip.open(source, "rb") as stream:
        return bool(stream.read(1))
