"""The configuration: typos are caught with the right key, and generated files match the models."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
import yaml

from abyssal.config.generate import generated_files, keys
from abyssal.config.load import load_config
from abyssal.config.models import AbyssalConfig
from abyssal.errors import ConfigError

MINIMAL = {"study": "s", "samples": "s.tsv", "markers": {"18S-V4-Zingone": {}}}


def test_minimal_config_has_all_defaults() -> None:
    config = load_config(MINIMAL)
    assert config.train.alpha == 0.05
    assert config.preprocess.trim.error_rate == 0.15


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"trian": {}}, "did you mean train?"),
        ({"train": {"alpa": 0.1}}, "did you mean train.alpha?"),
        (
            {"markers": {"m": {"reference": {"fasta": "f", "lineage": "x"}}}},
            "did you mean markers.m.reference.lineages?",
        ),
        ({"train": {"alpha": 1.5}}, "train.alpha: Input should be less than 1"),
        (
            {"train": {"novelty": {"species": 0.9, "genus": 0.9, "family": 0.1}}},
            "train.novelty: Value error, the shares sum",
        ),
        ({"study": "../escape"}, "study: String should match pattern"),
        ({"markers": {"a b": {}}}, "markers.a b"),
        ({"markers": {"m": None}}, "markers.m: empty; expected keys indented below it, or {} for all defaults"),
        ({"cluster": 3}, "cluster: got 3; expected keys indented below it"),
        (
            {"package": {"version": 5.0}},
            "package.version: Input should be a valid string (got 5.0); write it in quotes",
        ),
        (
            {"preprocess": {"screen": {"reference_identity": 0.7}}},
            "preprocess.screen.reference_identity: compares ASVs with a reference, and no marker has one; give",
        ),
        (
            {"preprocess": {"chimeras": {"reference": True}}},
            "preprocess.chimeras.reference: compares ASVs with a reference, and no marker has one; give",
        ),
    ],
    ids=[
        "section",
        "key",
        "key in a mapping",
        "range",
        "more than all reads",
        "path as a name",
        "blank in a marker",
        "nothing below a marker",
        "number for a section",
        "number for a text",
        "screen without a reference",
        "chimeras without a reference",
    ],
)
def test_wrong_config_says_where_and_how_to_mend(change: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigError, match="problem") as caught:
        load_config({**MINIMAL, **change})
    assert expected in str(caught.value)


def test_one_marker_with_a_reference_is_enough_for_the_screens_that_compare_with_it() -> None:
    markers = {"named": {"reference": {"fasta": "f"}}, "nameless": {}}
    preprocess = {"screen": {"reference_identity": 0.7}, "chimeras": {"reference": True}}
    assert load_config({**MINIMAL, "markers": markers, "preprocess": preprocess}).preprocess.screen.reference_identity


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ConfigError, match=r"3 problem\(s\)"):
        load_config({**MINIMAL, "trian": {}, "seed": -1, "cluster": {"neighbors": 3}})


def test_generated_files_are_in_sync(repository: Path) -> None:
    for target, expected in generated_files(repository).items():
        found = target.read_text(encoding="utf-8") if target.exists() else ""
        changes = "\n".join(difflib.unified_diff(found.splitlines(), expected.splitlines(), lineterm="", n=1))
        assert found == expected, f"{target} is out of date; run `make config`\n{changes}"


def test_every_key_is_described() -> None:
    assert [key.path for key in keys() if not key.description] == []


def test_defaults_file_is_the_defaults(repository: Path) -> None:
    written = yaml.safe_load((repository / "config" / "defaults.yaml").read_text())
    assert AbyssalConfig(**MINIMAL, **written) == load_config(MINIMAL)


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[2].glob("config/**/*.yaml")), ids=lambda path: path.name)
def test_every_shipped_config_is_valid(path: Path) -> None:
    if path.name != "defaults.yaml":
        load_config(yaml.safe_load(path.read_text()), source=path.name)
