"""Approximate search: as good as exact search, the same whatever stands beside a query, stored as plain arrays."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from support.evolved_taxa import mutate

from abyssal.encoder.load import load_encoder
from abyssal.errors import BundleError
from abyssal.references.formats import open_reference
from abyssal.taxonomy.approximate import PROBED, ApproximateSearch, CoarseLists, nearest_lists
from abyssal.taxonomy.classifications import tsv_rows
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.index import build_index
from abyssal.taxonomy.model import save_model
from abyssal.taxonomy.neighbourhood import LIST_LENGTH, neighbour_lists

from .conftest import MARKER, Trained

NEAREST = 10


def rounded(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(vectors.astype(np.float16).astype(np.float32))


@pytest.fixture(scope="module")
def vectors(trained: Trained) -> NDArray[np.float32]:
    rng = np.random.default_rng(2)
    letters = [mutate(s, rate, rng) for s in trained.reference.sequences for rate in (0.01, 0.03, 0.06, 0.1, 0.2)]
    return rounded(load_encoder("kmers").embed([*trained.reference.sequences, *letters]))


def recall(exact: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    return float(np.mean([np.isin(row[:NEAREST], other).mean() for row, other in zip(exact, found, strict=True)]))


def exact_neighbours(vectors: NDArray[np.float32], queries: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    return np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :count]


def test_neighbours_are_those_of_exact_search(vectors: NDArray[np.float32]) -> None:
    search = ApproximateSearch(vectors, CoarseLists.train(vectors))
    places, values = search.search(vectors[::7], NEAREST)
    assert recall(exact_neighbours(vectors, vectors[::7], NEAREST), places) > 0.97
    products = np.take_along_axis(vectors[::7] @ vectors.T, places, axis=1)
    assert np.abs(values - products).max() < 1e-5
    assert (np.diff(values, axis=1) <= 0).all()


def test_a_query_is_answered_alike_alone_and_in_company(vectors: NDArray[np.float32]) -> None:
    search = ApproximateSearch(vectors, CoarseLists.train(vectors))
    queries = vectors[5:400:3]
    places, values = search.search(queries, 30)
    with ThreadPoolExecutor(3) as pool:
        alone = list(pool.map(lambda row: search.search(queries[row : row + 1], 30), range(len(queries))))
    assert np.array_equal(np.concatenate([found for found, _ in alone]), places)
    assert np.array_equal(np.concatenate([value for _, value in alone]), values)


def test_training_is_repeatable_and_additions_move_nothing(vectors: NDArray[np.float32]) -> None:
    first, second = CoarseLists.train(vectors), CoarseLists.train(vectors)
    assert first.centroids.tobytes() == second.centroids.tobytes()
    assert np.array_equal(first.assigned, second.assigned)
    longer = first.extended(vectors[:9])
    assert np.array_equal(longer.assigned[:-9], first.assigned)
    assert np.array_equal(longer.assigned[-9:], first.assigned[:9])
    assert longer.centroids is first.centroids


def test_a_query_is_compared_with_a_share_that_falls_as_the_reference_grows(vectors: NDArray[np.float32]) -> None:
    shares = []
    for part in (vectors[::4], vectors):
        lists = CoarseLists.train(part)
        sizes = np.bincount(lists.assigned, minlength=len(lists.centroids))
        visited = nearest_lists(lists.centroids, part[::9], PROBED)[0]
        shares.append(float(sizes[visited].sum(axis=1).mean()) / len(part))
    assert shares[1] < 0.75 * shares[0]


def test_places_that_nothing_fills_are_empty(vectors: NDArray[np.float32]) -> None:
    few = vectors[:40]
    places, values = ApproximateSearch(few, CoarseLists.train(few)).search(few[:3], 60)
    assert (places[:, -5:] == -1).all()
    assert (values[:, -5:] == -2.0).all()


def test_neighbour_lists_leave_the_amplicon_itself_out(trained: Trained) -> None:
    index = trained.model.index
    lists = CoarseLists.train(index.vectors)
    places, _ = neighbour_lists(build_index(index.reference, index.vectors, lists=lists))
    assert places.shape == (len(index), LIST_LENGTH)
    assert not (places == np.arange(len(index))[:, None]).any()
    assert recall(neighbour_lists(index)[0], places) > 0.97


def approximate_copy(trained: Trained, folder: Path) -> Path:
    index = trained.model.index
    large = build_index(index.reference, index.vectors, lists=CoarseLists.train(index.vectors))
    save_model(replace(trained.model, index=large), folder, encoder=None, marker=MARKER, batch_size=64)
    return folder


def test_a_stored_model_answers_through_its_lists(trained: Trained, tmp_path: Path) -> None:
    folder = approximate_copy(trained, tmp_path / "model")
    again = Classifier.load(folder)
    assert again.model.index.lists is not None
    save_model(again.model, tmp_path / "again", encoder=None, marker=MARKER, batch_size=64)
    digests = [
        hashlib.sha256((place / "classifier.safetensors").read_bytes()).hexdigest()
        for place in (folder, tmp_path / "again")
    ]
    assert digests[0] == digests[1]
    rng = np.random.default_rng(4)
    reads = [mutate(sequence, 0.01, rng) for sequence in trained.reference.sequences[::6]]
    exact, found = trained.classifier.classify(reads), again.classify(reads)
    assert np.mean([new == old for new, old in zip(found.labels, exact.labels, strict=True)]) > 0.98
    together = tsv_rows(["x"] * len(reads), found)
    assert [tsv_rows(["x"], again.classify([read]))[0] for read in reads[:5]] == together[:5]


def test_lists_that_do_not_fit_are_refused(trained: Trained, tmp_path: Path) -> None:
    folder = approximate_copy(trained, tmp_path / "model")
    arrays = load_file(folder / "classifier.safetensors")
    arrays["lists.assigned"] = arrays["lists.assigned"][:-1]
    save_file(arrays, folder / "classifier.safetensors")
    with pytest.raises(BundleError, match=r"lists\.assigned"):
        Classifier.load(folder)


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.timeout(1800)
def test_recall_on_real_vectors_beyond_the_limit(shared_data: Path, repository: Path) -> None:
    sequences = set()
    folder = shared_data / "18s-reference"
    for name in ("pr2_4.7.2_x_silva93_18S.V4_TAReuk.fasta.gz", "pr2_4.7.2_x_silva93_18S.V9_1389F1510R.fasta.gz"):
        sequences |= {record.sequence.upper() for record in open_reference(folder / name).records}
    for name in ("annelida_coi.tsv.gz", "fish_mitogenome_coi_12s.tsv.gz#coi_658"):
        sequences |= {record.sequence.upper().replace("-", "") for record in
                      open_reference(shared_data / "coi-reference" / name).records}  # fmt: skip
    rng = np.random.default_rng(5)
    real = sorted(sequence for sequence in sequences if len(sequence) > 80)
    wanted = int(os.environ.get("ABYSSAL_LARGE_REFERENCE", "80000"))
    relatives = [mutate(real[int(place)], 0.04, rng) for place in rng.integers(len(real), size=wanted - len(real))]
    encoder = load_encoder(repository / "resources/encoders/abyssal-small")
    vectors = rounded(encoder.embed([*real, *relatives]))
    queries = vectors[rng.choice(len(real), size=500, replace=False)]
    places, _ = ApproximateSearch(vectors, CoarseLists.train(vectors)).search(queries, NEAREST + 1)
    assert recall(exact_neighbours(vectors, queries, NEAREST), places) >= 0.99
