"""The quality model: what is fitted comes out again, files round-trip, wrong files are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from abyssal.errors import DataError, UsageError
from abyssal.sequences.records import read_records
from abyssal.simulate.quality import fit_quality_model, load_quality_model, save_quality_model, shipped_models

from .conftest import Simulated

LENGTH = 60


def write_fastq(path: Path, qualities: np.ndarray) -> Path:
    """Write reads of A with these Phred values."""
    lines = [f"@r{i}\n{'A' * len(row)}\n+\n{bytes((row + 33).tolist()).decode()}\n" for i, row in enumerate(qualities)]
    path.write_text("".join(lines))
    return path


def phred(reads: list[str]) -> np.ndarray:
    return np.array([list(read.encode()) for read in reads]) - 33


@pytest.fixture
def real_like(tmp_path: Path) -> tuple[Path, Path]:
    """Pairs in which a third is bad from end to end in both mates, and quality falls along the read."""
    rng = np.random.default_rng(4)
    bad = rng.random(3000) < 1 / 3
    files = []
    for mate, drop in ((1, 4), (2, 12)):
        top = np.where(bad, 24, 38)[:, None] - np.linspace(0, drop, LENGTH)[None, :]
        values = np.clip(np.round(top + rng.normal(0, 2, top.shape)), 2, 40).astype(np.int64)
        files.append(write_fastq(tmp_path / f"r{mate}.fastq", values))
    return files[0], files[1]


def test_means_by_position_spread_of_reads_and_likeness_of_mates_are_kept(real_like, simulate) -> None:  # type: ignore[no-untyped-def]
    model = fit_quality_model("made", "here", [real_like], strata=4)
    made: Simulated = simulate(pairs=3000, sequencing={"quality": model, "read_length": LENGTH})
    real, simulated = [], []
    for mate, file in ((1, real_like[0]), (2, real_like[1])):
        real.append(phred([record.quality or "" for record in read_records(file)]))
        simulated.append(phred([record.quality or "" for record in made.reads("lib", mate)]))
        assert np.abs(real[-1].mean(axis=0) - simulated[-1].mean(axis=0)).max() < 1.6
        assert simulated[-1].mean(axis=1).std() == pytest.approx(real[-1].mean(axis=1).std(), rel=0.15)
    likeness = [np.corrcoef(pair[0].mean(axis=1), pair[1].mean(axis=1))[0, 1] for pair in (real, simulated)]
    # Mates drawn independently of each other would give about 0.
    assert likeness[1] > 0.5 * likeness[0] > 0.45


def test_a_model_survives_its_file(real_like: tuple[Path, Path], tmp_path: Path) -> None:
    model = fit_quality_model("made", "somewhere", [real_like])
    save_quality_model(model, tmp_path / "m.safetensors")
    again = load_quality_model(tmp_path / "m.safetensors")
    # More than one metadata key would be stored in another order by another process.
    with safe_open(tmp_path / "m.safetensors", framework="numpy") as stored:
        assert len(stored.metadata()) == 1
    assert (again.name, again.source, again.ambiguous_share) == ("made", "somewhere", model.ambiguous_share)
    for name in ("phred", "bin_starts", "joint", "counts", "lengths", "length_counts"):
        assert np.array_equal(getattr(again, name), getattr(model, name))


def test_every_context_is_a_distribution_and_alias_tables_give_it_back(real_like: tuple[Path, Path]) -> None:
    model = fit_quality_model("made", "", [real_like])
    assert model.transitions.sum(axis=-1) == pytest.approx(np.ones(model.transitions.shape[:-1]))
    threshold, alias = model.alias_tables()
    letters = len(model.phred)
    own = (threshold / 65536.0) / letters
    given = np.zeros_like(model.transitions)
    np.put_along_axis(given, np.arange(letters)[None, None, None, None, :] + 0 * alias.astype(np.int64), own, axis=-1)
    for slot in range(letters):
        target = alias[..., slot].astype(np.int64)[..., None]
        rest = np.take_along_axis(given, target, axis=-1) + (1.0 / letters - own[..., slot])[..., None]
        np.put_along_axis(given, target, rest, axis=-1)
    assert np.abs(given - model.transitions).max() < 1e-3


def test_bases_called_n_come_back_as_n(tmp_path: Path, simulate) -> None:  # type: ignore[no-untyped-def]
    rows = ["@r\n" + "ACGN" * 15 + "\n+\n" + "III#" * 15 + "\n"] * 50
    file = tmp_path / "n.fastq"
    file.write_text("".join(rows))
    model = fit_quality_model("n", "", [[file]])
    assert model.ambiguous_share == 1.0
    made: Simulated = simulate(pairs=50, sequencing={"quality": model, "read_length": 60})
    for read in made.reads("lib"):
        assert [base == "N" for base in read.sequence] == [quality == "#" for quality in read.quality or ""]


def test_mates_of_different_number_are_refused(real_like: tuple[Path, Path], tmp_path: Path) -> None:
    short = write_fastq(tmp_path / "short.fastq", np.full((3, LENGTH), 30))
    with pytest.raises(DataError, match="as many reads"):
        fit_quality_model("x", "", [(real_like[0], short)])


def test_files_that_are_no_model(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"no model")
    with pytest.raises(DataError, match="not a quality model"):
        load_quality_model(wrong)
    with pytest.raises(UsageError, match="miseq-2x250"):
        load_quality_model(tmp_path / "absent.safetensors")


def test_the_shipped_models_are_there() -> None:
    assert shipped_models() == ["miseq-2x250", "nanopore-r9-sup"]


@pytest.mark.shared_data
def test_simulated_qualities_look_like_carboms(shared_data: Path, simulate) -> None:  # type: ignore[no-untyped-def]
    folder = shared_data / "18s-carbom-reads" / "fastq"
    made: Simulated = simulate(pairs=5000)
    for mate in (1, 2):
        real = [r.quality for f in sorted(folder.glob(f"*_R{mate}*")) for r in read_records(f)]
        real = [quality[:250] for quality in real if quality is not None and len(quality) >= 250]
        simulated = [record.quality or "" for record in made.reads("lib", mate)]
        off = np.abs(phred(real).mean(axis=0) - phred(simulated).mean(axis=0))
        # Single positions of CARBOM's few dominant amplicons are worse than their neighbours; a bin averages over them.
        assert off.mean() < 1.0
        assert off.max() < 3.0
        assert phred(simulated).mean(axis=1).std() == pytest.approx(phred(real).mean(axis=1).std(), rel=0.1)


def test_lengths_are_fitted_by_pair_and_masked_reads_are_told_apart(tmp_path: Path) -> None:
    files = []
    for mate, lengths in ((1, (30, 30, 20)), (2, (28, 28, 30))):
        rows = [f"@r{i}\n{'A' * n}\n+\n{'I' * n}\n" for i, n in enumerate(lengths)]
        rows.append("@masked\nNNNNN\n+\n#####\n")
        files.append(tmp_path / f"r{mate}.fastq")
        files[-1].write_text("".join(rows))
    model = fit_quality_model("made", "", [files], min_length=10)
    assert model.lengths[0].tolist() == [30, 28]
    assert dict(zip(map(tuple, model.lengths.tolist()), model.length_counts.tolist(), strict=True)) == {
        (30, 28): 2, (20, 30): 1, (-5, -5): 1,
    }  # fmt: skip
    single = model.first_mate()
    found = zip(single.lengths.ravel().tolist(), single.length_counts.tolist(), strict=True)
    assert dict(found) == {30: 2, 20: 1, -5: 1}
