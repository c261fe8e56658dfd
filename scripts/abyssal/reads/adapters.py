"""Primers and sequencing adapters in the notation of cutadapt."""

from __future__ import annotations

from collections.abc import Iterable

from abyssal.errors import ConfigError
from abyssal.sequences.alphabet import first_invalid_letter, normalise, reverse_complement

_FRONT_SHARE = 0.8
_BACK_OVERLAP = 10

KNOWN_ADAPTERS = {
    "truseq": ("AGATCGGAAGAGCACACGTCTGAACTCCAGTCA", "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT"),
    "nextera": ("CTGTCTCTTATACACATCTCCGAGCCCACGAGAC", "CTGTCTCTTATACACATCTGACGCTGCCGACGA"),
}
"""What Illumina's kits put behind the insert, as R1 and as R2 read it (Illumina document 1000000002694)."""


def adapter_pairs(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the adapters of R1 and R2 that the configuration names or spells out (``R1,R2`` or one for both).

    Raises:
        ConfigError: a name is unknown and is no DNA.
    """
    pairs = []
    for name in names:
        if name.casefold() in KNOWN_ADAPTERS:
            pairs.append(KNOWN_ADAPTERS[name.casefold()])
            continue
        first, _, second = (normalise(part.strip()) for part in name.partition(","))
        if not first or first_invalid_letter(first + second):
            message = (
                f"preprocess.trim.adapters: {name!r} is neither {' nor '.join(KNOWN_ADAPTERS)} nor DNA; "
                "expected a sequence such as AGATCGGAAGAGC, or two (R1,R2)"
            )
            raise ConfigError(message)
        pairs.append((first, second or first))
    return tuple(pairs)


def front_adapter(primer: str) -> str:
    """Return cutadapt's notation of a primer that must be there nearly whole, at the start or behind other bases."""
    primer = normalise(primer.upper())
    return f"{primer};min_overlap={max(1, round(len(primer) * _FRONT_SHARE))}"


def linked_adapter(front: str, back: str, *, anchored: bool = False, required: bool = True) -> str:
    """Return cutadapt's notation of a 5' primer and the optional reverse complement of the other one.

    Args:
        front: primer at the start, IUPAC letters, inosine allowed.
        back: the other primer, 5' to 3'.
        anchored: whether the primer must be the very start of the read.
        required: whether the 5' primer must be there.
    """
    front, back = normalise(front.upper()), reverse_complement(normalise(back.upper()))
    end = f"{back};min_overlap={min(_BACK_OVERLAP, len(back))};optional"
    need = "required" if required else "optional"
    if anchored:
        return f"^{front};{need}...{end}"
    return f"{front_adapter(front)};{need}...{end}"
