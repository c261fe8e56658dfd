"""What a changed config key or library module re-runs: enough, and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.blast_radius import ORDER, README, documented
from support.study import Study

from abyssal.config.generate import keys

pytestmark = pytest.mark.workflow

LIBRARIES = {"trim_primers", "merge_pairs"}
STARTS: dict[str, set[str]] = {
    "study": set(ORDER) - {"publish", "record_datasets", "record_run", "pretrain", "regress"},
    "samples": {"check_libraries"},
    "seed": {"fit_gate", "evaluate", "pretrain"},
    "markers.<name>": {"build_reference", *LIBRARIES},
    "markers.<name>.min_length": {"build_reference", "filter_reads", *LIBRARIES},
    "markers.<name>.max_length": {"build_reference", "filter_reads", *LIBRARIES},
    "markers.<name>.genetic_codes": {"report"},
    "markers.<name>.reading_frame": {"report"},
    "markers.<name>.reference": {"cluster", "evaluate"},
    "markers.<name>.reference.": {"build_reference"},
    "markers.<name>.reference.name": {"report", "export"},
    "markers.<name>.reference.version": {"report", "export"},
    "markers.<name>.truth": {"report"},
    "preprocess.platform": LIBRARIES,
    "preprocess.demultiplex": {"report"},
    "preprocess.trim": LIBRARIES,
    "preprocess.merge": LIBRARIES,
    "preprocess.filter": {"filter_reads", *LIBRARIES},
    "preprocess.denoise": {"denoise"},
    "preprocess.denoise.method": {"filter_reads", *LIBRARIES},
    "preprocess.denoise.pooling": {"denoise", "remove_chimeras", "map_back", "count_asvs"},
    "preprocess.chimeras": {"remove_chimeras"},
    "preprocess.map_back_identity": {"map_back"},
    "preprocess.screen": {"count_asvs"},
    "preprocess.screen.contaminants": LIBRARIES,
    "preprocess.controls": {"count_asvs"},
    "preprocess.curate": {"count_asvs"},
    "encoder": {"fetch_encoder"},
    "cluster": {"cluster"},
    "cluster.gate_quantile": {"fit_gate"},
    "train": {"train", "evaluate"},
    "fallback": {"classify_asvs", "evaluate"},
    "evaluate": {"evaluate"},
    "package.version": {"package"},
    "package.registry": {"publish"},
    "package.metadata": {"record_datasets", "record_run"},
    "pretrain": {"pretrain"},
    "benchmark": set(),
    "task": {"regress", "report"},
    "regression": set(),
}
"""Where a change of a key starts; the longest prefix counts."""

SEPARATE = ("benchmark.", "regression.")
"""Keys of targets that neither a bare run nor ``pretrain`` asks for."""

Radius = dict[str, dict[str, bool]]


def without_stores() -> dict[str, str]:
    """The environment without what would ask for records of every study."""
    return {name: value for name, value in os.environ.items() if name not in ("MONGO_URL", "ABYSSAL_METADATA")}


@pytest.fixture(scope="module")
def radius(repository: Path) -> Radius:
    """The table as data, from its own process: Snakemake changes global state."""
    path = [str(repository / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "support.blast_radius", "--json"],
        check=False, capture_output=True, text=True, env={**without_stores(), "PYTHONPATH": os.pathsep.join(path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: Radius = json.loads(done.stdout)
    return found


def test_every_key_starts_exactly_the_rules_that_use_it(radius: Radius) -> None:
    wrong = []
    for key, rules in radius.items():
        stated = max((start for start in STARTS if key.startswith(start)), key=len, default=None)
        started = {name for name, first in rules.items() if first}
        if stated is None:
            wrong.append(f"{key} starts {sorted(started)}: if that is right, add to STARTS: {key!r}: {started!r}")
        elif started != STARTS[stated]:
            more, fewer = sorted(started - STARTS[stated]), sorted(STARTS[stated] - started)
            wrong.append(
                f"{key} starts {more or 'nothing'} that STARTS[{stated!r}] does not name, and not {fewer or 'nothing'} "
                f"that it names: mend the rules' params, or, if that is right, add to STARTS: {key!r}: {started!r}"
            )
    assert not wrong, "\n".join(wrong)


def test_no_key_re_runs_nothing(radius: Radius) -> None:
    """A key that nothing uses misleads its user; keys of separate targets are reached by no bare run."""
    idle = [key for key, rules in radius.items() if not rules and not key.startswith(SEPARATE)]
    assert not idle, f"no rule uses {idle}: pass them through a rule's params, or delete them"


def test_every_key_of_the_config_is_in_the_table(radius: Radius) -> None:
    sections = {key.path for key in keys() if key.allowed == "section"}
    assert set(radius) == {key.path for key in keys()} - sections


def test_every_rule_is_reached(radius: Radius) -> None:
    assert {name for rules in radius.values() for name in rules} == set(ORDER)


@pytest.mark.parametrize("prefix", ["cluster.", "train.", "evaluate.", "package.", "markers.<name>.truth"])
def test_late_keys_leave_reads_reference_and_vectors_alone(radius: Radius, prefix: str) -> None:
    early = set(ORDER[: ORDER.index("cluster")]) - {"fit_gate"}
    for key, rules in radius.items():
        if key.startswith(prefix):
            assert early.isdisjoint(rules), key


def test_stores_and_pretraining_touch_no_result(radius: Radius) -> None:
    assert set(radius["package.registry"]) == {"publish"}
    assert set(radius["package.metadata"]) == {"record_datasets", "record_run"}
    assert all(set(rules) == {"pretrain"} for key, rules in radius.items() if key.startswith("pretrain."))


def test_table_in_the_docs_is_current(radius: Radius, repository: Path) -> None:
    text = (repository / README).read_text(encoding="utf-8")
    assert documented(radius, text) == text, "run make blast-radius"


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("preprocess.filter.max_expected_errors", {"preprocess": {"filter": {"max_expected_errors": 0.9}}}),
        ("evaluate.queries", {"evaluate": {"queries": 201}}),
        ("package.registry", {"package": {"registry": "registry"}}),
    ],
)
def test_a_study_that_was_really_run_answers_the_same(
    radius: Radius, finished_study: Study, key: str, change: dict[str, Any]
) -> None:
    finished_study.write(**change)
    try:
        shown = finished_study.snakemake("-n").stdout
    finally:
        finished_study.write()
    counts = shown[shown.index("Job stats:") :].split("total", 1)[0]
    planned = {line.split()[0] for line in counts.splitlines()[3:] if line.strip()} - {"all"}
    assert planned == set(radius[key])
