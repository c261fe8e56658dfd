"""Writing a bundle: whole or not at all, the same bytes every time, nothing that could run."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.bundle.conftest import identity

from abyssal.bundle.card import flatten_numbers, operating_points, render_card
from abyssal.bundle.golden import read_golden, select_golden_queries, self_test
from abyssal.bundle.manifest import FORMAT_VERSION, Marker
from abyssal.bundle.read import open_bundle
from abyssal.bundle.write import BundleIdentity, BundleInputs, write_bundle
from abyssal.errors import BundleError, UsageError


def test_a_written_bundle_opens_and_says_what_it_was_given(bundle: Path) -> None:
    opened = open_bundle(bundle)
    assert (opened.name, opened.version, opened.marker, opened.ranks) == ("demo", "1", "18S-V4", ("domain", "genus"))
    assert opened.manifest.format_version == FORMAT_VERSION
    assert set(opened.manifest.files) == {
        "MODEL_CARD.md", "calibration.json", "classifier.safetensors", "config.json", "encoder/config.json",
        "encoder/model.safetensors", "golden.tsv", "metrics.json", "preprocessing.json", "reference.fasta.gz",
        "report.html", "taxonomy.tsv",
    }  # fmt: skip


def test_two_writes_in_two_places_give_the_same_bytes(make_bundle: Callable[..., Path], tmp_path: Path) -> None:
    first, second = make_bundle(tmp_path / "a/one"), make_bundle(tmp_path / "b/c/two")
    assert open_bundle(first).digest == open_bundle(second).digest
    for path in first.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()


def test_modes_and_times_of_the_inputs_do_not_reach_the_bundle(
    make_bundle: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    (model / "calibration.json").chmod(0o700)
    bundle = make_bundle()
    assert {path.stat().st_mode & 0o777 for path in bundle.rglob("*") if path.is_file()} == {0o644}
    assert str(tmp_path) not in "".join(path.read_text(errors="replace") for path in bundle.rglob("*.*"))


def test_an_existing_bundle_is_never_replaced(make_bundle: Callable[..., Path]) -> None:
    bundle = make_bundle()
    before = open_bundle(bundle).digest
    with pytest.raises(UsageError, match="is there already"):
        make_bundle(bundle, recall=0.9)
    assert open_bundle(bundle).digest == before


def test_a_bundle_is_replaced_only_when_asked(make_bundle: Callable[..., Path], model: Path, tmp_path: Path) -> None:
    bundle = make_bundle()
    before = open_bundle(bundle).digest
    (model / "calibration.json").write_text('{"scale": 0.9}')
    make_bundle(bundle, replace=True)
    assert open_bundle(bundle).digest != before
    (model / "preprocessing.json").unlink()
    after = open_bundle(bundle).digest
    with pytest.raises(BundleError):
        make_bundle(bundle, replace=True)
    assert open_bundle(bundle).digest == after


def test_a_failure_leaves_nothing_behind(make_bundle: Callable[..., Path], model: Path, tmp_path: Path) -> None:
    (model / "preprocessing.json").unlink()
    with pytest.raises(BundleError, match=r"preprocessing\.json is required"):
        make_bundle(tmp_path / "place/bundle")
    assert list((tmp_path / "place").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["head.pkl", "run.py", "model.pt", "lib.so", "encoder/modeling.py", "deep/er/file.json", ".hidden.json"]
)
def test_files_that_could_run_are_not_packed(make_bundle: Callable[..., Path], model: Path, name: str) -> None:
    (model / name).parent.mkdir(parents=True, exist_ok=True)
    (model / name).write_bytes(b"{}")
    with pytest.raises(BundleError, match="may not hold a file of this name"):
        make_bundle()


def test_a_link_is_not_packed(make_bundle: Callable[..., Path], model: Path) -> None:
    (model / "extra.json").symlink_to(model / "calibration.json")
    with pytest.raises(BundleError, match=r"extra\.json: is a link"):
        make_bundle()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("extra.json", b"#!/bin/sh\n", "is a script"),
        ("extra.txt", b"\x7fELF\x02", "is an ELF program"),
        ("extra.txt", b"PK\x03\x04rest", "is a zip archive"),
        ("extra.json", pickle.dumps({"a": 1}), "binary bytes"),
        ("extra.safetensors", pickle.dumps({"a": 1}), "not in the safetensors format"),
        ("extra.safetensors", b"", "not in the safetensors format"),
        ("extra.fasta.gz", b">a\nACGT\n", "not gzipped"),
        ("extra.json", b"not json", "not JSON"),
    ],
)
def test_content_must_be_what_the_suffix_says(
    make_bundle: Callable[..., Path], model: Path, name: str, content: bytes, problem: str
) -> None:
    (model / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name}: .*{problem}"):
        make_bundle()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"version": "current"}, "label"),
        ({"version": "../1"}, "version"),
        ({"name": ""}, "name"),
        ({"encoder_digest": "abc"}, "encoder_digest"),
        ({"ranks": ("domain", "domain")}, "twice|ranks"),
        ({"code_version": "a\nb"}, "code_version"),
    ],
)
def test_an_identity_that_breaks_the_format_is_refused(
    make_bundle: Callable[..., Path], changes: dict[str, object], field: str
) -> None:
    with pytest.raises((BundleError, ValueError), match=field):
        make_bundle(**changes)


def test_the_card_states_facts_of_the_files(bundle: Path) -> None:
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "| Reference amplicons | 3 |" in card
    assert "| genus | 3 |" in card
    assert "| genus.recall | 0.5 |" in card
    assert "CCAGCASCYGCGGTAATTCC" in card
    assert f"| reference.fasta.gz | `{'2' * 64}` |" in card


def test_operating_points_are_listed_by_rank_and_method() -> None:
    figures = {"recall": 0.5, "precision": 0.9, "over_classified": 0.05, "coverage": 0.4}
    metrics: dict[str, Any] = {
        "methods": {m: {"ranks": {"genus": {"operating_point": figures}}} for m in ("sintax", "abyssal")}
    }
    metrics["methods"]["abyssal"]["ranks"]["genus"] |= {"present": 20, "absent": 1}
    assert operating_points(metrics, ("family", "genus")) == [
        ("genus", "abyssal", {**figures, "present": 20, "absent": 1}),
        ("genus", "sintax", {**figures, "present": 0, "absent": 0}),
    ]
    assert operating_points({"genus": {"recall": 1}}, ("genus",)) == []


def test_the_card_says_on_how_many_sequences_each_share_rests(bundle: Path) -> None:
    point = {"recall": 0.5, "precision": 0.9, "over_classified": 1.0, "coverage": 0.4}
    ranks = {"genus": {"operating_point": point, "present": 20, "absent": 1}}
    ranks["domain"] = {"operating_point": point, "present": 21, "absent": 0}
    metrics = {
        "methods": {"abyssal": {"ranks": ranks}}, "split": {"strata": {"known": 20, "new genus": 1}},
        "encoder_saw_queries": {"note": "it saw none of them"},
    }  # fmt: skip
    card = render_card(identity(), bundle, metrics)
    assert "21 held-out sequences of the reference, by what the rest of it lacks: known 20, new genus 1." in card
    assert "Encoder: it saw none of them." in card
    assert "| genus | abyssal | 20 | 0.500 | 0.900 | 1 | 1.000 | 0.400 |" in card
    assert "| domain | abyssal | 21 | 0.500 | 0.900 | 0 | - | 0.400 |" in card


def test_the_card_of_a_bundle_without_a_reference_lists_no_figures(bundle: Path) -> None:
    metrics = {"format": "abyssal-metrics", "format_version": 1, "methods": {}, "ranks": [], "reason": "no reference"}
    card = render_card(identity(), bundle, metrics)
    assert "this bundle was not evaluated" in card
    assert "format_version" not in card


def test_the_card_of_a_bundle_without_a_reference_speaks_of_putative_taxa_alone(bundle: Path) -> None:
    card = render_card(identity(ranks=()), bundle, {})
    assert "`putative_taxon` is the taxon whose exemplar is nearest, where that is within the taxon's radius" in card
    assert "`config.json` names the sample sheet.\n" in card
    for claim in ("Naming amplicons", "calibrated probability", "not in the reference", "reference.fasta.gz` and"):
        assert claim not in card
        assert claim in render_card(identity(), bundle, {})


def test_numbers_are_flattened_by_path() -> None:
    assert flatten_numbers({"b": {"c": 1}, "a": 0.5, "d": True, "e": [1], "f": "x"}) == [("a", 0.5), ("b.c", 1)]


def test_golden_sequences_cover_what_users_send(bundle: Path) -> None:
    answers = read_golden(bundle / "golden.tsv", ("domain", "genus"))
    assert {answer.query.kind for answer in answers} == {"reference", "reverse", "novel", "off-target", "refused"}
    assert {answer.error for answer in answers} == {"", "EMPTY", "TOO_SHORT", "INVALID_LETTER"}


def test_golden_selection_depends_on_the_seed_alone() -> None:
    pairs = [(f"r{i}", "ACGT" * (20 + i)) for i in range(100)]
    assert select_golden_queries(pairs, [], seed=3) == select_golden_queries(pairs, [], seed=3)
    assert select_golden_queries(pairs, [], seed=3) != select_golden_queries(pairs, [], seed=4)
    assert len({query.id for query in select_golden_queries(pairs, pairs, seed=3)}) > 24


def test_a_bundle_without_reference_has_golden_sequences_too() -> None:
    kinds = {query.kind for query in select_golden_queries([], [("novel", "ACGTTGCA" * 10)], seed=1)}
    assert kinds == {"novel", "off-target", "refused"}
    assert {query.kind for query in select_golden_queries([], [], seed=1)} == {"refused"}


def test_self_test_passes_on_the_same_model(bundle: Path, load_model: Callable) -> None:
    result = self_test(load_model(bundle), open_bundle(bundle))
    assert result.sequences == 13
    assert result.largest_difference <= 1e-5


@pytest.mark.parametrize(
    ("scale", "problem"), [(1.00004, None), (1.0003, "confidences"), (0.8, "accepted"), (float("nan"), "accepted|conf")]
)
def test_self_test_finds_a_model_that_answers_differently(
    bundle: Path, tmp_path: Path, load_model: Callable, scale: float, problem: str | None
) -> None:
    other = tmp_path / "other"
    shutil.copytree(bundle, other)
    (other / "calibration.json").write_text(json.dumps({"scale": scale}))
    opened = open_bundle(bundle)
    if problem is None:
        assert self_test(load_model(other), opened).largest_difference > 1e-5
    else:
        with pytest.raises(BundleError, match=rf"golden\.tsv: sequence .* {problem}"):
            self_test(load_model(other), opened)


@pytest.mark.parametrize(("text", "row"), [("a\tb\n", "row 1"), ("", "row 1")])
def test_broken_golden_tables_are_named(tmp_path: Path, text: str, row: str) -> None:
    (tmp_path / "golden.tsv").write_text(text)
    with pytest.raises(BundleError, match=row):
        read_golden(tmp_path / "golden.tsv", ("domain",))


def test_a_missing_report_is_the_users_mistake(model: Path, tmp_path: Path, load_model: Callable) -> None:
    inputs = BundleInputs(model, tmp_path / "none.json", tmp_path / "none.html")
    who = BundleIdentity("a", "1", Marker(name="m"), ("domain", "genus"), "0" * 64, "1")
    with pytest.raises(UsageError, match=r"none\.json"):
        write_bundle(tmp_path / "bundle", inputs=inputs, identity=who, golden=[], load=load_model)
