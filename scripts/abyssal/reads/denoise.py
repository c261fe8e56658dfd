"""Unique sequences of a pool to denoised variants (UNOISE3), and those to variants without chimeras (uchime3).

A pool is the whole study (rarer variants are found) or one sample (old variants stay as they are while a study grows).
Both algorithms are Edgar's (UNOISE2, doi:10.1101/081257; UCHIME2, doi:10.1101/074252) as implemented in vsearch.
Input order is by abundance, then by name, so neither the order of the libraries nor the number of threads changes a
byte of the result.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from abyssal.errors import LedgerError, ToolError
from abyssal.files import atomic_path
from abyssal.reads.chimeras import chimeras_of_pool
from abyssal.reads.clusters import write_variants
from abyssal.reads.filtering import read_sized
from abyssal.tools import run_tool

_ANY_LENGTH = ("--minseqlength", "1", "--fasta_width", "0")
_NO_MASKING = ("--qmask", "none")
_FEWEST_READS = 10
_SIZES = ("--sizein", "--sizeout", "--fasta_width", "0")


def pool_uniques(sources: Sequence[Path], target: Path, *, log: Path | None = None) -> int:
    """Dereplicate the unique sequences of several libraries together.

    Args:
        sources: FASTA files that ``filtering.dereplicate`` wrote.
        target: FASTA of the same form.
        log: file that receives vsearch's messages.

    Returns:
        The number of reads in the pool.

    Raises:
        LedgerError: the pool has another number of reads than its libraries.
    """
    with atomic_path(target) as temporary, tempfile.TemporaryDirectory(dir=target.parent) as folder:
        together = Path(folder) / "together.fasta"
        reads_in = 0
        with together.open("wb") as out:
            for source in sources:
                reads_in += sum(size for _, _, size in read_sized(source))
                with source.open("rb") as stream:
                    shutil.copyfileobj(stream, out)
        run_tool(
            ["vsearch", "--derep_fulllength", together, "--output", temporary, "--sizein", "--sizeout", *_ANY_LENGTH],
            log=log,
        )
        reads_out = sum(size for _, _, size in read_sized(temporary))
    if reads_in != reads_out:
        message = f"{target}: {reads_in} reads of {len(sources)} libraries went into the pool, {reads_out} came out"
        raise LedgerError(message)
    return reads_out


def denoise(
    uniques: Path, target: Path, *, min_size: int, alpha: float, threads: int = 1, log: Path | None = None
) -> None:
    """Write the denoised variants of a pool as FASTA with sizes, most abundant first.

    Args:
        uniques: FASTA that ``pool_uniques`` wrote.
        target: FASTA of variants; each is named as the unique sequence that it is.
        min_size: fewest reads of a variant.
        alpha: UNOISE skew parameter; larger merges less.
        threads: vsearch threads.
        log: file that receives vsearch's messages.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        centroids, absorbed = Path(folder) / "centroids.fasta", Path(folder) / "absorbed.tsv"
        run_tool(
            [
                *("vsearch", "--cluster_unoise", uniques, "--centroids", centroids, "--sizein", "--sizeout"),
                *("--minsize", str(min_size), "--unoise_alpha", str(alpha), "--threads", str(threads)),
                *("--userout", absorbed, "--userfields", "query+target+mism+gaps"),
                *_ANY_LENGTH,
                *_NO_MASKING,
            ],
            log=log,
        )
        found = {name: (sequence, size) for name, sequence, size in read_sized(centroids)}
        kept = _too_many_for_errors(absorbed, uniques, alpha)
    for name, (sequence, size, neighbour) in kept.items():
        found[neighbour] = found[neighbour][0], found[neighbour][1] - size
        found[name] = sequence, size
    write_variants(target, ((name, sequence, size) for name, (sequence, size) in found.items()))


def _too_many_for_errors(absorbed: Path, uniques: Path, alpha: float) -> dict[str, tuple[str, int, str]]:
    """Return what UNOISE gave to a neighbour although it is too frequent for an error: sequence, reads, neighbour.

    UNOISE's skew allows one read in 32 to have the same two errors at alpha 2. Errors are independent of each other, so
    the same two in many reads are a relative; from two differences on, alpha counts twice. vsearch asks mismatches
    alone for a skew, so that one gap gives away a variant of any abundance; here a gap is a difference like another.
    """
    taken: dict[str, tuple[str, float]] = {}
    for line in absorbed.read_text(encoding="ascii").splitlines():
        query, target, wrong, gaps = line.split("\t")
        differences = int(wrong) + int(gaps)
        if differences > 1 or int(gaps):
            exponent = alpha * differences * (2 if differences > 1 else 1) + 1
            taken[query.partition(";size=")[0]] = target.partition(";size=")[0], 2**exponent
    needed = taken.keys() | {target for target, _ in taken.values()}
    known = {name: (sequence, size) for name, sequence, size in read_sized(uniques) if name in needed}
    return {
        name: (*known[name], target)
        for name, (target, skew) in taken.items()
        if known[name][1] >= max(_FEWEST_READS, known[target][1] / skew)
    }


@dataclass(frozen=True)
class ChimeraSettings:
    """How chimeras are found.

    Args:
        method: ``libraries`` (see ``chimeras``) or ``uchime3``.
        abundance_skew: how many times more abundant both parents must be; None takes the method's own.
    """

    method: Literal["libraries", "uchime3"] = "libraries"
    abundance_skew: float | None = None

    @property
    def skew(self) -> float:
        """The stated skew, or 16 in the pool (UCHIME3) and 1.5 in one library, where a chimera was made."""
        usual = 16.0 if self.method == "uchime3" else 1.5
        return usual if self.abundance_skew is None else self.abundance_skew


def remove_chimeras(
    variants: Path,
    kept: Path,
    chimeras: Path,
    *,
    settings: ChimeraSettings | None,
    libraries: Sequence[Path] = (),
    reference: Path | None = None,
    log: Path | None = None,
) -> tuple[int, int]:
    """Split variants into those that stay and those that look like two more abundant ones joined.

    Args:
        variants: FASTA that ``denoise`` wrote.
        kept: FASTA of variants that stay.
        chimeras: FASTA of chimeras.
        settings: how chimeras are found; None keeps everything.
        libraries: FASTA with sizes of the unique sequences of each library of the pool.
        reference: FASTA in which parents are looked for as well.
        log: file that receives vsearch's messages.

    Returns:
        Numbers of variants kept and of chimeras.
    """
    with atomic_path(kept) as kept_temporary, atomic_path(chimeras) as chimeras_temporary:
        if settings is None:
            shutil.copyfile(variants, kept_temporary)
            return len(list(read_sized(variants))), 0
        if settings.method == "uchime3":
            method = "--uchime3_denovo", "--abskew", str(settings.skew)
            _split_chimeras(variants, kept_temporary, chimeras_temporary, method, log=log)
        else:
            found = chimeras_of_pool(variants, libraries, abundance_skew=settings.skew)
            _split(list(read_sized(variants)), found, kept_temporary, chimeras_temporary)
        if reference is not None:
            _against_reference(kept_temporary, chimeras_temporary, reference, log=log)
        numbers = [len(list(read_sized(path))) for path in (kept_temporary, chimeras_temporary)]
    return numbers[0], numbers[1]


def _split_chimeras(variants: Path, kept: Path, chimeras: Path, method: tuple[str, ...], *, log: Path | None) -> None:
    files: list[str | Path] = [variants, "--nonchimeras", kept, "--chimeras", chimeras]
    done = run_tool(["vsearch", method[0], *files, *method[1:], *_SIZES, *_NO_MASKING], log=log)
    numbers = [len(list(read_sized(path))) for path in (variants, kept, chimeras)]
    found = re.search(r"Found (\d+)(?: \([^)]*\))? chimeras, (\d+)", done.stderr)
    if not found or [int(found[1]) + int(found[2]), int(found[2]), int(found[1])] != numbers:
        message = f"{variants}: the variants do not add up: {numbers} in, kept, chimeras; vsearch says:\n{done.stderr}"
        raise ToolError(message)


def _against_reference(kept: Path, chimeras: Path, reference: Path, *, log: Path | None) -> None:
    """Move variants with two parents in the reference to the chimeras; one equal to a reference stays."""
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        clean, found = Path(folder) / "clean.fasta", Path(folder) / "found.fasta"
        # Borderline cases count as kept: uchime_ref puts them into neither file.
        options = ("--db", str(reference), "--borderline", str(Path(folder) / "borderline.fasta"))
        run_tool(
            [
                *("vsearch", "--uchime_ref", kept, "--nonchimeras", clean, "--chimeras", found, *options),
                *(*_SIZES, *_NO_MASKING, "--dbmask", "none"),
            ],
            log=log,
        )
        _split(list(read_sized(kept)), {name for name, _, _ in read_sized(found)}, kept, chimeras)


def _split(records: Sequence[tuple[str, str, int]], names: set[str], kept: Path, chimeras: Path) -> None:
    """Write the records without those names, and add the others to the chimeras."""
    for target, chosen in ((kept, False), (chimeras, True)):
        with target.open("a" if chosen else "w", encoding="ascii") as out:
            out.writelines(
                f">{name};size={size}\n{sequence}\n" for name, sequence, size in records if (name in names) == chosen
            )
