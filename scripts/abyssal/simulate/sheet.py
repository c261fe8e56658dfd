"""The sample sheet of simulated libraries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from abyssal.files import open_atomic
from abyssal.simulate.community import LibraryPlan
from abyssal.simulate.settings import Compression, Simulation

COLUMNS = (
    "sample", "library", "run", "marker", "r1", "r2", "control", "replicate", "latitude", "longitude", "depth_m",
)  # fmt: skip


def read_files(folder: Path, library: str, *, mates: int, compression: Compression) -> list[Path]:
    """Return the FASTQ files of a library: two, or one for single reads."""
    suffix = ".fastq" if compression == "none" else ".fastq.gz"
    if mates == 1:
        return [folder / f"{library}{suffix}"]
    return [folder / f"{library}_R{mate}{suffix}" for mate in (1, 2)]


def write_sample_sheet(
    sheet: Path,
    libraries: Sequence[LibraryPlan],
    simulation: Simulation,
    *,
    marker: str,
    folder: Path | None = None,
    places: Sequence[tuple[object, object, object]] = (),
) -> None:
    """Write one row a library.

    Args:
        sheet: file to write.
        libraries: what was made.
        simulation: with which settings.
        marker: name of the marker.
        folder: where the sheet says the reads are; by default its own folder.
        places: latitude, longitude and depth (m) of each library, or nothing.
    """
    mates = simulation.sequencing.quality.mates
    with open_atomic(sheet) as out:
        out.write("\t".join(COLUMNS) + "\n")
        for number, library in enumerate(libraries):
            files = read_files(folder or sheet.parent, library.name, mates=mates, compression=simulation.compression)
            paths = [file.as_posix() for file in files] + [""] * (2 - mates)
            place = places[number] if number < len(places) else ("", "", "")
            cells = (library.name, library.name, library.run, marker, *paths, library.control, "1", *place)
            out.write("\t".join(map(str, cells)) + "\n")
