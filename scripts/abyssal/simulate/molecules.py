"""All molecules of a simulation, and how likely a read of each library is one of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abyssal.errors import UsageError
from abyssal.sequences.alphabet import sequence_id
from abyssal.simulate.chimeras import make_chimeras
from abyssal.simulate.community import LibraryPlan, amplification_factors
from abyssal.simulate.kernel_types import Molecules
from abyssal.simulate.settings import Simulation
from abyssal.simulate.templates import Template, by_id

logger = logging.getLogger(__name__)

_CODES = np.zeros(256, dtype=np.uint8)
for _code, _letter in enumerate(b"ACGT"):
    _CODES[_letter] = _code


@dataclass(frozen=True)
class Molecule:
    """One distinct amplicon that reads come from.

    Attributes:
        sequence: the amplicon without primers.
        status: label of its template, or ``chimera``.
        templates: ids of the template or of all parents, 5' to 3'.
        breakpoints: first position of each parent but the first.
        lineage: of its template; empty for chimeras.
        primed: whether primers flank it.
    """

    sequence: str
    status: str
    templates: tuple[str, ...]
    breakpoints: tuple[int, ...] = ()
    lineage: tuple[str | None, ...] = ()
    primed: bool = True

    @property
    def id(self) -> str:
        """MD5 of the amplicon, as an ASV is named."""
        return sequence_id(self.sequence)


@dataclass(frozen=True)
class Composition:
    """What one library's own reads are drawn from.

    Attributes:
        molecules: (n,) int32 positions in the pool.
        cumulative: (n,) float64 cumulative shares, ends at 1.
    """

    molecules: NDArray[np.int32]
    cumulative: NDArray[np.float64]

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.int32]:
        """Draw the molecule of ``count`` reads."""
        found = np.searchsorted(self.cumulative, rng.random(count), side="right")
        return self.molecules[np.minimum(found, len(self.molecules) - 1)]


@dataclass(frozen=True)
class MoleculePool:
    """All molecules, and one composition a library (None: the library has no molecules of its own)."""

    molecules: tuple[Molecule, ...]
    compositions: tuple[Composition | None, ...]

    def encoded(self) -> Molecules:
        """Return the molecules as the kernels take them."""
        text = "".join(molecule.sequence for molecule in self.molecules).encode("ascii")
        lengths = [len(molecule.sequence) for molecule in self.molecules]
        return Molecules(
            _CODES[np.frombuffer(text, dtype=np.uint8)],
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.array([molecule.primed for molecule in self.molecules], dtype=np.uint8),
        )

    def mean_shares(self, pairs: Sequence[int]) -> NDArray[np.float64]:
        """Return each molecule's expected share of all reads, weighted by the libraries' ``pairs``."""
        total = np.zeros(len(self.molecules))
        for composition, reads in zip(self.compositions, pairs, strict=True):
            if composition is not None:
                np.add.at(total, composition.molecules, reads * np.diff(composition.cumulative, prepend=0.0))
        return np.asarray(total / max(total.sum(), 1e-300), dtype=np.float64)


@dataclass(frozen=True)
class OtherTemplates:
    """Templates that belong to no community: reagent contaminants, and other genes that the primers caught."""

    contaminants: Sequence[Template] = ()
    off_targets: Sequence[Template] = ()


NO_OTHERS = OtherTemplates()


def build_pool(
    templates: Sequence[Template],
    libraries: Sequence[LibraryPlan],
    simulation: Simulation,
    rng: np.random.Generator,
    others: OtherTemplates,
) -> MoleculePool:
    """Amplify the communities, add contaminants and off-target molecules, make chimeras.

    Raises:
        UsageError: contamination or off-target reads are asked for, but no such templates are given.
    """
    contaminants, off_targets = others.contaminants, others.off_targets
    _require(simulation.mixing.contamination, contaminants, "contamination", "contaminant")
    _require(simulation.mixing.off_target, off_targets, "off-target reads", "off-target")
    factors = amplification_factors(
        len(templates), rng,
        cycles=simulation.amplification.cycles, efficiency_sd=simulation.amplification.efficiency_sd,
    )  # fmt: skip
    everything = [*templates, *contaminants, *off_targets]
    molecules = [Molecule(t.sequence, t.label, (t.parent or t.id,), (), t.lineage, t.primed) for t in everything]
    strangers = _Strangers(
        np.arange(len(templates), len(templates) + len(contaminants), dtype=np.int32),
        np.arange(len(templates) + len(contaminants), len(everything), dtype=np.int32),
        _declining(len(contaminants), rng),
        _declining(len(off_targets), rng),
    )
    positions = by_id(templates)
    compositions = []
    for library in libraries:
        weights = np.zeros(len(templates))
        for name, weight in library.weights.items():
            weights[positions[name]] = weight
        weights *= factors
        compositions.append(_compose(library, weights, templates, molecules, strangers, simulation, rng))
    return MoleculePool(tuple(molecules), tuple(compositions))


def _require(share: float, templates: Sequence[Template], what: str, kind: str) -> None:
    if share > 0.0 and not templates:
        message = f"{what} of {share} asked, but no {kind} sequences given; name a FASTA or set the share to 0"
        raise UsageError(message)


@dataclass(frozen=True)
class _Strangers:
    """Positions and shares of the molecules that are in no community."""

    contaminants: NDArray[np.int32]
    off_targets: NDArray[np.int32]
    contaminant_shares: NDArray[np.float64]
    off_target_shares: NDArray[np.float64]


def _declining(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return exponential shares that sum to one (empty for none)."""
    weights = rng.exponential(1.0, count)
    return weights / weights.sum() if count else weights


def _compose(
    library: LibraryPlan,
    weights: NDArray[np.float64],
    templates: Sequence[Template],
    molecules: list[Molecule],
    strangers: _Strangers,
    simulation: Simulation,
    rng: np.random.Generator,
) -> Composition | None:
    """Return a library's composition; its chimeras are appended to ``molecules``."""
    mixing = simulation.mixing
    if not library.weights:
        if not len(strangers.contaminants):
            return None
        return _composition([(strangers.contaminants, strangers.contaminant_shares, 1.0)])
    weights = weights / weights.sum()
    present = np.flatnonzero(weights).astype(np.int32)
    chimeras, shares = _chimeras_of(library, weights, templates, molecules, simulation, rng)
    chimera_rate = simulation.amplification.chimera_rate if len(chimeras) else 0.0
    own = 1.0 - chimera_rate - mixing.contamination - mixing.off_target
    return _composition(
        [
            (present, weights[present], own),
            (chimeras, shares, chimera_rate),
            (strangers.contaminants, strangers.contaminant_shares, mixing.contamination),
            (strangers.off_targets, strangers.off_target_shares, mixing.off_target),
        ]
    )


def _chimeras_of(
    library: LibraryPlan,
    weights: NDArray[np.float64],
    templates: Sequence[Template],
    molecules: list[Molecule],
    simulation: Simulation,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    pcr = simulation.amplification
    expected = library.pairs * pcr.chimera_rate
    if expected == 0.0:
        return np.zeros(0, dtype=np.int32), np.zeros(0)
    wanted = int(np.clip(round(expected / pcr.reads_per_chimera), 1, pcr.most_chimeras))
    sequences = [template.sequence for template in templates]
    made = make_chimeras(sequences, weights, wanted, rng, three_parents=pcr.three_parents)
    if not made:
        logger.warning("library %s gets no chimeras: its templates are too few or too alike", library.name)
    first = len(molecules)
    for chimera in made:
        parents = tuple(templates[parent].id for parent in chimera.parents)
        molecules.append(Molecule(chimera.sequence, "chimera", parents, chimera.breakpoints))
    return np.arange(first, len(molecules), dtype=np.int32), _declining(len(made), rng)


def _composition(parts: Sequence[tuple[NDArray[np.int32], NDArray[np.float64], float]]) -> Composition:
    molecules = np.concatenate([positions for positions, _, _ in parts])
    shares = np.concatenate([shares * whole for _, shares, whole in parts])
    keep = shares > 0.0
    cumulative = np.cumsum(shares[keep])
    return Composition(molecules[keep], cumulative / cumulative[-1])
