"""What one step did to the reads of one library, in the step's own numbers.

Every step writes a ``StepCounts`` beside its reads. The next step reads it and refuses to work when it does not find as
many reads as the step before says it left: a read that vanishes between two steps stops the run at that place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abyssal.errors import DataError, LedgerError
from abyssal.files import read_json, write_json

FORMAT = "abyssal-step-counts"
FORMAT_VERSION = 1

STEPS = (
    "raw", "demultiplex", "trim", "merge", "filter", "dereplicate", "map_back", "screen", "tag_jumps", "controls",
    "replicates", "curate",
)  # fmt: skip
"""The steps of a library in their order; a pair of reads counts as one read throughout."""

READ_STEPS = ("trim", "merge", "filter", "dereplicate")
"""Steps that a library of ready-made ASVs does not have."""

OPTIONAL_STEPS = ("demultiplex", "replicates", "curate")
"""Steps that are in the ledger only where the configuration or the sheet asks for them."""


@dataclass(frozen=True)
class StepCounts:
    """Reads entering and leaving one step.

    Args:
        library: name of the library.
        step: one of ``STEPS``.
        reads_in: reads (or pairs) the step's tool says it was given.
        reads_out: reads the step's tool says it wrote.
        losses: reads lost by reason; reasons without reads are left out.
        notes: further counts that are not losses (reads turned round, unique sequences, ties).

    Raises:
        LedgerError: the losses do not explain the difference between in and out.
    """

    library: str
    step: str
    reads_in: int
    reads_out: int
    losses: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "losses", {name: lost for name, lost in sorted(self.losses.items()) if lost})
        object.__setattr__(self, "notes", dict(sorted(self.notes.items())))
        negative = [name for name, lost in self.losses.items() if lost < 0]
        named = sum(self.losses.values())
        if negative or self.reads_in < 0 or self.reads_out < 0 or self.reads_in != self.reads_out + named:
            reasons = ", ".join(f"{lost} {name}" for name, lost in self.losses.items()) or "none"
            message = (
                f"library {self.library}, step {self.step}: {self.reads_in} reads went in, {self.reads_out} came out "
                f"and the named losses are {reasons}, which leaves {self.reads_in - self.reads_out - named} unexplained"
            )
            raise LedgerError(message)

    def follows(self, previous: StepCounts) -> StepCounts:
        """Return self when it received exactly what ``previous`` left, else raise LedgerError."""
        if self.library != previous.library or self.reads_in != previous.reads_out:
            message = (
                f"library {self.library}, step {self.step}: {self.reads_in} reads arrived, but step {previous.step} "
                f"of library {previous.library} left {previous.reads_out}. A file between the two was altered or cut "
                "short; delete the library's folder and run again"
            )
            raise LedgerError(message)
        return self

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "library": self.library,
            "step": self.step,
            "reads_in": self.reads_in,
            "reads_out": self.reads_out,
            "losses": dict(self.losses),
            "notes": dict(self.notes),
        }


def write_counts(target: Path, steps: list[StepCounts]) -> None:
    """Write the counts of the steps that one rule made, in their order."""
    write_json(target, [step.to_json() for step in steps])


def read_counts(source: Path) -> list[StepCounts]:
    """Read what ``write_counts`` wrote.

    Raises:
        DataError: the file has another format or a newer version.
        LedgerError: its numbers do not add up.
    """
    found = []
    for entry in read_json(source):
        if entry.get("format") != FORMAT or entry.get("format_version") != FORMAT_VERSION:
            message = (
                f"{source}: expected {FORMAT} version {FORMAT_VERSION}; made by another version? Run the step again"
            )
            raise DataError(message)
        found.append(
            StepCounts(
                entry["library"], entry["step"], entry["reads_in"], entry["reads_out"], entry["losses"], entry["notes"]
            )
        )
    return found
