"""Simulated libraries, streamed to disk block by block.

Order: build the pool of molecules (``molecules``), decide how many reads jump between the libraries of a run, then for
each library and block decide every read's origin and molecule, sequence them (``kernels``) and append FASTQ and truth.
The block is fixed, not an option: it is part of what a seed means. Memory does not grow with the number of reads.
"""

from __future__ import annotations

import gzip
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from isal import igzip
from numpy.typing import NDArray

from abyssal.config.models import NAME_PATTERN
from abyssal.errors import UsageError
from abyssal.files import atomic_path, write_json
from abyssal.simulate.community import LibraryPlan
from abyssal.simulate.kernel_types import COUNTERS, Construct, Molecules, Names
from abyssal.simulate.kernels import sequence_block
from abyssal.simulate.molecules import NO_OTHERS, Molecule, MoleculePool, OtherTemplates, build_pool
from abyssal.simulate.names import build_comments, build_naming
from abyssal.simulate.sequencer import build_construct, build_sequencer
from abyssal.simulate.settings import Compression, Simulation
from abyssal.simulate.sheet import read_files
from abyssal.simulate.templates import Template, by_id
from abyssal.simulate.text_kernels import LONGEST_NUMBER, name_block, truth_block
from abyssal.simulate.truth import READ_COLUMNS, describe, packed, write_counts, write_molecules

logger = logging.getLogger(__name__)

BLOCK = 16_384
"""Pairs made at a time."""
_HEAD_BYTES = 160
"""Room for a record's name beside the library's, comment and line ends."""
_ROW_BYTES = 240
"""Room for the name and the fixed and numeric columns of a truth row."""


@dataclass(frozen=True)
class SimulationReport:
    """What came out.

    Attributes:
        reads: pairs (or single reads) written, by library.
        statuses: pairs by status.
        jumped: pairs whose molecule comes from another library.
        bases: bases sequenced, all mates.
        substitutions: sequencing substitutions.
        indels: sequencing indels.
        pcr_errors: substitutions made in PCR.
    """

    reads: dict[str, int]
    statuses: dict[str, int]
    jumped: int
    bases: int
    substitutions: int
    indels: int
    pcr_errors: int


def simulate_libraries(
    templates: Sequence[Template],
    libraries: Sequence[LibraryPlan],
    simulation: Simulation,
    target: Path,
    *,
    seed: int,
    ranks: Sequence[str] = (),
    others: OtherTemplates = NO_OTHERS,
    truth: bool = True,
) -> SimulationReport:
    """Write FASTQ files, truth tables and ``simulation.json`` to a folder; the same seed gives the same bytes.

    Args:
        templates: everything that communities may name; ids are unique.
        libraries: what to make; names are unique.
        simulation: marker, amplification, mixing, sequencer.
        target, seed: folder, made when missing; seed of all randomness.
        ranks: rank names of the templates' lineages, for the truth tables.
        others: templates that belong to no community.
        truth: whether to write the table of every read (the other truth tables are always written).

    Raises:
        UsageError: settings, libraries and templates do not fit.
    """
    simulation.check()
    _check_libraries(libraries, by_id(templates))
    rng = np.random.default_rng(seed)
    pool = build_pool(templates, libraries, simulation, rng, others)
    origins = _reads_by_origin(libraries, pool, simulation.mixing.tag_jump_rate, rng)
    writer = _LibraryWriter(libraries, pool, simulation, target, rng, seed=seed, truth=truth)
    streams = rng.spawn(len(libraries))
    for library in range(len(libraries)):
        writer.write(library, origins[library], streams[library])
    names = [library.name for library in libraries]
    write_molecules(pool.molecules, writer.counts, target)
    write_counts(names, pool.molecules, writer.counts, ranks, target / "truth_reads.tsv")
    report = writer.report()
    write_json(target / "simulation.json", {"seed": seed, "settings": _settings(simulation), "made": asdict(report)})
    return report


def _settings(simulation: Simulation) -> dict[str, Any]:
    sequencing = {k: v for k, v in vars(simulation.sequencing).items() if k != "quality"}
    return {
        "forward_primer": simulation.forward_primer,
        "reverse_primer": simulation.reverse_primer,
        "amplification": asdict(simulation.amplification),
        "mixing": asdict(simulation.mixing),
        "sequencing": {**sequencing, "quality": simulation.sequencing.quality.name},
    }


def _check_libraries(libraries: Sequence[LibraryPlan], templates: dict[str, int]) -> None:
    names = Counter(library.name for library in libraries)
    repeated = [name for name, count in names.items() if count > 1]
    if repeated:
        message = f"library {repeated[0]!r} is planned twice; names must be unique"
        raise UsageError(message)
    for library in libraries:
        if not re.fullmatch(NAME_PATTERN, library.name):
            message = f"library {library.name!r}: a name becomes a file's name; expected {NAME_PATTERN}"
            raise UsageError(message)
        unknown = [name for name in library.weights if name not in templates]
        if unknown:
            message = f"library {library.name!r} holds {unknown[0]!r}, which is no template"
            raise UsageError(message)
        if not library.weights and not library.is_blank:
            message = f"library {library.name!r} has no community and is no blank; give it at least one template"
            raise UsageError(message)


def _reads_by_origin(
    libraries: Sequence[LibraryPlan], pool: MoleculePool, rate: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return (libraries, libraries): reads in the row's library that come from the column's."""
    count = len(libraries)
    moved = np.zeros((count, count), dtype=np.int64)
    for source, library in enumerate(libraries):
        reads = library.pairs if pool.compositions[source] is not None else 0
        others = [i for i, other in enumerate(libraries) if i != source and other.run == library.run]
        leaving: NDArray[np.int64] = np.zeros(0, np.int64)
        if others:
            leaving = rng.multinomial(int(rng.binomial(reads, rate)), [1.0 / len(others)] * len(others))
        moved[others, source] = leaving
        moved[source, source] = reads - int(leaving.sum())
    return moved


class _LibraryWriter:
    """Writes one library after the other and counts what it wrote."""

    def __init__(
        self,
        libraries: Sequence[LibraryPlan],
        pool: MoleculePool,
        simulation: Simulation,
        target: Path,
        rng: np.random.Generator,
        *,
        seed: int,
        truth: bool,
    ) -> None:
        self._seed, self._style = seed, simulation.sequencing.names
        self._libraries, self._pool, self._target, self._truth = libraries, pool, target, truth
        self._compression = simulation.compression
        self._encoded: Molecules = pool.encoded()
        self._construct: Construct = build_construct(simulation)
        shares = pool.mean_shares([library.pairs for library in libraries])
        self._sequencer = build_sequencer(simulation, self._encoded, shares, self._construct, rng)
        self._origins = packed(library.name for library in libraries)
        self._descriptions = packed(describe(molecule) for molecule in pool.molecules)
        self._keys = rng.integers(0, 2**63, size=len(libraries), dtype=np.uint64)
        self._bases = 0
        self._errors = np.zeros(COUNTERS, dtype=np.int64)
        self.counts = np.zeros((len(libraries), len(pool.molecules), 2), dtype=np.int64)
        self._buffers = self._allocate(max((len(library.name) for library in libraries), default=0))

    def _allocate(self, name: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
        longest = int(np.diff(self._encoded.starts).max()) + 2 * len(self._construct.forward) + 100
        length = self._sequencer.length or 2 * longest
        record = 2 * length + name + _HEAD_BYTES
        row = _ROW_BYTES + 2 * name + int(np.diff(self._descriptions[1]).max())
        second = record if self._sequencer.mates == 2 else 1
        sizes = (BLOCK * record, BLOCK * second, BLOCK * row if self._truth else 1)
        return np.empty(sizes[0], np.uint8), np.empty(sizes[1], np.uint8), np.empty(sizes[2], np.uint8)

    def write(self, library: int, remaining: NDArray[np.int64], rng: np.random.Generator) -> None:
        """Write one library; ``remaining``: (libraries,) reads it gets from each origin."""
        name = self._libraries[library].name
        left = remaining.copy()
        named = self._names(library, int(left.sum()))
        files = read_files(self._target, name, mates=self._sequencer.mates, compression=self._compression)
        with ExitStack() as stack, ThreadPoolExecutor(len(files)) as self._packers:
            reads = [stack.enter_context(open_gzip(path, self._compression)) for path in files]
            rows = self._open_truth(stack, name)
            first = 1
            while (total := int(left.sum())) > 0:
                size = min(BLOCK, total)
                origins = self._draw_origins(left, size, rng)
                chosen = self._draw_molecules(origins, rng)
                self._count(library, origins, chosen)
                self._write_block((self._keys[library], first), origins, chosen, named(first, size), reads, rows)
                first += size
        logger.info("%s: %d reads", name, first - 1)

    def _names(self, library: int, reads: int) -> Callable[[int, int], Names]:
        """Return a function of a block's first read and size to the names of its reads."""
        naming = build_naming(self._style, self._libraries, library, reads, seed=self._seed)
        mates, run = self._sequencer.mates, self._libraries[library].run
        comments = build_comments(self._style, run, naming.library + 1, mates=mates, seed=self._seed)
        letters = np.empty(BLOCK * (len(naming.prefix) + LONGEST_NUMBER), dtype=np.uint8)

        def named(first: int, size: int) -> Names:
            starts = np.empty(size + 1, dtype=np.int64)
            name_block(first, naming, letters, starts)
            return Names(letters, starts, comments)

        return named

    def _write_block(
        self,
        stream: tuple[np.uint64, int],
        origins: NDArray[np.int32],
        chosen: NDArray[np.int32],
        names: Names,
        reads: Sequence[IO[bytes]],
        rows: IO[bytes] | None,
    ) -> None:
        counters = np.zeros((len(chosen), COUNTERS), dtype=np.int32)
        *used, bases = sequence_block(
            stream, chosen, self._encoded, self._construct, self._sequencer, names, self._buffers[:2], counters
        )
        # Compression lets go of the interpreter: the mates' files are packed at once, while the truth is written.
        waiting = [
            self._packers.submit(file.write, buffer[:end].data)
            for file, buffer, end in zip(reads, self._buffers, used, strict=False)
        ]
        if rows is not None:
            end = truth_block(
                names[:2], (origins, *self._origins), (chosen, *self._descriptions), counters, self._buffers[2]
            )
            rows.write(self._buffers[2][:end].data)
        for written in waiting:
            written.result()
        self._bases += bases
        self._errors += counters.sum(axis=0, dtype=np.int64)

    def _open_truth(self, stack: ExitStack, name: str) -> IO[bytes] | None:
        if not self._truth:
            return None
        rows = stack.enter_context(open_gzip(self._target / f"{name}_truth.tsv.gz", self._compression))
        rows.write(("\t".join(READ_COLUMNS) + "\n").encode())
        return rows

    def _draw_origins(self, left: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.int32]:
        """Draw the origin of the next reads without replacement and take them off ``left``."""
        if size == int(left.sum()):
            taken = left.copy()
        else:
            taken = rng.multivariate_hypergeometric(left, size, method="marginals")
        left -= taken
        origins = np.repeat(np.arange(len(taken), dtype=np.int32), taken)
        # With one origin only there is nothing to shuffle, and most libraries have one.
        return rng.permutation(origins) if np.count_nonzero(taken) > 1 else origins

    def _draw_molecules(self, origins: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int32]:
        chosen = np.empty(len(origins), dtype=np.int32)
        for origin in np.unique(origins):
            composition = self._pool.compositions[origin]
            if composition is not None:
                here = origins == origin
                chosen[here] = composition.draw(int(here.sum()), rng)
        return chosen

    def _count(self, library: int, origins: NDArray[np.int32], chosen: NDArray[np.int32]) -> None:
        jumped = (origins != library).astype(np.int64)
        np.add.at(self.counts[library], (chosen, jumped), 1)

    def report(self) -> SimulationReport:
        """Return the totals of everything written so far."""
        statuses: Counter[str] = Counter()
        molecules: Sequence[Molecule] = self._pool.molecules
        for molecule, reads in zip(molecules, self.counts.sum(axis=(0, 2)), strict=True):
            if reads:
                statuses[molecule.status] += int(reads)
        totals = self.counts.sum(axis=(1, 2))
        return SimulationReport(
            reads={library.name: int(n) for library, n in zip(self._libraries, totals, strict=True)},
            statuses=dict(sorted(statuses.items())),
            jumped=int(self.counts[:, :, 1].sum()),
            bases=self._bases,
            substitutions=int(self._errors[2] + self._errors[4]),
            indels=int(self._errors[3] + self._errors[5]),
            pcr_errors=int(self._errors[1]),
        )


@contextmanager
def open_gzip(target: Path, compression: Compression) -> Iterator[IO[bytes]]:
    """Open a file for bytes, written whole or not at all; gzip without name and time when it ends in ``.gz``.

    ``fast`` is ISA-L's deflate (some five times zlib's speed), ``small`` zlib's best.
    """
    with atomic_path(target) as temporary, temporary.open("wb") as raw:
        if target.suffix != ".gz":
            yield raw
        elif compression == "small":
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=9, mtime=0) as small_file:
                yield cast(IO[bytes], small_file)
        else:
            with igzip.IGzipFile(filename="", mode="wb", fileobj=raw, compresslevel=1, mtime=0) as packed_file:  # type: ignore[no-untyped-call]
                yield cast(IO[bytes], packed_file)
