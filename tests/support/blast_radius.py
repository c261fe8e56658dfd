"""Which rules every config key re-runs, asked from Snakemake itself; the table in workflow/README.md is made here.

A small study is given empty outputs that ``snakemake --touch --forceall`` records as made with its config: planning
looks at recorded parameters, inputs and times, never at what outputs hold, so that no job has to run. Each key is then
changed alone and ``snakemake -n all pretrain`` planned; all calls share one process, where one takes about 0.3 s.
A test asks a study that was really run about some of the keys, and must get the same answers.

Run as ``make blast-radius``, or ``python -m support.blast_radius [--json]`` with ``tests`` on the path.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from snakemake.cli import main as snakemake_main

from abyssal.config.generate import keys
from abyssal.config.load import load_config
from abyssal.errors import ConfigError
from abyssal.exports.write import FORMATS
from support.study import MARKER, Study, small_study

REPOSITORY = Path(__file__).resolve().parents[2]
README = Path("workflow") / "README.md"
TARGETS = ("all", "pretrain")

_JOB = re.compile(r"^( *)(?:local)?rule (\w+):\n((?:^\1    \S.*\n)+)", re.MULTILINE)
_TABLE = re.compile(r"(<!-- blast radius: generated -->\n).*?(<!-- /blast radius -->)", re.DOTALL)
ORDER = (
    "check_libraries", "trim_primers", "merge_pairs", "filter_reads", "denoise", "remove_chimeras", "map_back",
    "count_asvs", "build_reference", "fit_gate", "fetch_encoder", "embed_reference", "embed_asvs", "cluster", "train",
    "classify_asvs", "evaluate", "regress", "report", "export", "diversity", "multiqc", "study_report", "package",
    "publish", "provenance", "record_datasets", "record_run", "pretrain",
)  # fmt: skip
"""The rules in the order of a run."""
_DIRECT = ("Params have changed", "Set of input files has changed", "Missing output files", "Updated input files")
_DIRECTORIES = {"encoder", "model", *(Path(made.path).name for made in FORMATS.values() if made.folder)}
"""Names of outputs that are folders; add the name of a new directory() output, or touching it fails."""


class Planner:
    """A study that counts as finished, and what a changed config would re-run."""

    def __init__(self, study: Study) -> None:
        self.study = study

    @classmethod
    def pretended(cls, directory: Path, repository: Path = REPOSITORY) -> Planner:
        """Configure a study in ``directory`` and record it as finished without running a job."""
        study = small_study(repository, directory)
        # The default references are the demo's, named from the checkout's root; here every path is absolute.
        references = {MARKER: {"reference": dict(study.config["markers"][MARKER]["reference"])}}
        planner = cls(replace(study, config={**study.config, "pretrain": {"references": references}}))
        planner.study.write()
        for _, outputs, _ in planner._jobs(planner._call("-n", *TARGETS)):
            for output in outputs:
                path = directory / output
                path.parent.mkdir(parents=True, exist_ok=True)
                path.mkdir(exist_ok=True) if path.name in _DIRECTORIES else path.touch()
        planner._call("--touch", "--forceall", *TARGETS)
        planner._call("--delete-temp-output", *TARGETS)
        left = planner.plan(planner.study.config)
        if left:
            message = f"the pretended study is not finished: {left}"
            raise RuntimeError(message)
        return planner

    def plan(self, config: dict[str, Any]) -> dict[str, bool]:
        """Return the rules that run under ``config``; True for those that run for a reason of their own.

        Such a reason is a changed parameter or set of inputs, or a temporary file that is needed again. Snakemake
        looks for none where a job has to run anyway because an input of it is made again: False.
        """
        (self.study.directory / "config.yaml").write_text(json.dumps(config))
        try:
            rules: dict[str, bool] = {}
            for name, _, reason in self._jobs(self._call("-n", *TARGETS)):
                rules[name] = rules.get(name, False) or any(start in reason for start in _DIRECT)
            return rules
        finally:
            self.study.write()

    def _call(self, *arguments: str) -> str:
        shown = io.StringIO()
        command = [
            *arguments, "--snakefile", str(self.study.repository / "Snakefile"), "--cores", "2", "--nocolor",
            "--directory", str(self.study.directory), "--configfile", str(self.study.directory / "config.yaml"),
        ]  # fmt: skip
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
            try:
                code = snakemake_main(command)
            except SystemExit as end:
                code = end.code
        if code:
            message = f"snakemake {' '.join(arguments)} ended with {code}:\n{shown.getvalue()[-3000:]}"
            raise RuntimeError(message)
        return shown.getvalue()

    @staticmethod
    def _jobs(output: str) -> Iterator[tuple[str, list[str], str]]:
        for found in _JOB.finditer(output):
            _, name, body = found.groups()
            fields = dict(re.findall(r"^ *(output|benchmark|reason): (.*)$", body, re.MULTILINE))
            if name != "all":
                files = ", ".join(fields[kind] for kind in ("output", "benchmark") if kind in fields)
                yield name, files.split(", "), fields["reason"]


def changed_configs(study: Study) -> dict[str, dict[str, Any]]:
    """Return for each key of the config a copy of the study's config where this key alone has another value."""
    other = _other_values(study)
    configs: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    for key in keys():
        if key.allowed == "section":
            continue
        path = [_entry(part, key.path) for part in key.path.split(".")]
        config = copy.deepcopy(study.config)
        place = config
        for part in path[:-1]:
            place = place.setdefault(part, {})
        known = place.get(path[-1], None if key.default == "required" else yaml.safe_load(key.default))
        place[path[-1]] = other[key.path] if key.path in other else _another(known, key.allowed)
        try:
            load_config(config)
            if place[path[-1]] == known:
                problems.append(f"{key.path}: no other value than {known!r} is known")
        except ConfigError as error:
            problems.append(f"{key.path} = {place[path[-1]]!r}: {error}")
        configs[key.path] = config
    if problems:
        advice = "add other values of these keys to _other_values in tests/support/blast_radius.py:"
        raise RuntimeError("\n".join([advice, *problems]))
    return configs


def _entry(part: str, path: str) -> str:
    return MARKER if part == "<name>" and path.startswith(("markers", "pretrain")) else part


def _another(value: Any, allowed: str) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 0.9 if value else 0.01
    bound = re.match(r"(≥|>) (-?[\d.]+)", allowed)
    if bound and value is None:
        return yaml.safe_load(bound[2]) + (0.5 if bound[1] == ">" else 0)
    choices = [choice for choice in allowed.split(", ") if choice]
    if isinstance(value, list):
        return [choice for choice in choices if [choice] != value][:1]
    return next((choice for choice in choices if choice != value), f"{value}-other")


def _other_values(study: Study) -> dict[str, Any]:
    """Values for keys whose type does not say what else they may be; files are copies under another name."""
    root = study.repository
    reference = study.config["markers"][MARKER]["reference"]

    def copied(source: str | Path, name: str) -> str:
        target = study.directory / name
        if not target.exists():
            shutil.copyfile(study.directory / source, target)
        return str(target)

    earlier = study.directory / "previous"
    earlier.mkdir(exist_ok=True)
    (earlier / "members.tsv").touch()
    fasta = copied(reference["fasta"], "other.fasta.gz")
    lineages = copied(reference["lineages"], "other.lineages.tsv.gz")
    primers = {"forward_primer": "GTACACACCGCCCGTC", "reverse_primer": "TGATCCTTCTGCAGGTTCACCTAC",
               "min_length": 111, "max_length": 777, "genetic_codes": [5]}  # fmt: skip
    values: dict[str, Any] = {
        "samples": Path(copied("samples.tsv", "other.samples.tsv")).name,
        "markers.<name>.reference": None,
        "markers.<name>.truth": str(root / "resources" / "demo" / "truth.tsv"),
        # Its default is the word that stands for "no default" in the table of keys.
        "preprocess.trim.primers": "optional",
        "preprocess.trim.adapters": ["AGATCGGAAGAGC"],
        "preprocess.chimeras": None,
        "preprocess.curate": {},
        "preprocess.map_back_identity": 0.98,
        "encoder.name": "kmers",
        "encoder.revision": "0" * 40,
        "cluster.min_cluster_size": 4,
        "cluster.distance": 0.2,
        "cluster.exact_limit": 20_000,
        "cluster.previous": "previous",
        "evaluate.baselines": ["top-hit"],
        "regression.targets": ["latitude"],
        "benchmark.parts": ["speed"],
        "benchmark.datasets": ["16s-v4"],
        "benchmark.identity_datasets": ["18s-v9"],
        "benchmark.speed_sizes": [0.5],
        "benchmark.peers": ["rdp"],
        "fallback.rank": "genus",
        "fallback.max_seconds": 60.0,
        "package.registry": "registry",
        "package.metadata": "records.sqlite",
        "pretrain.exclude": [fasta],
        "pretrain.references.<name>.reference": None,
        "pretrain.references.<name>.truth": str(root / "resources" / "demo" / "truth.tsv"),
    }
    for section in ("markers.<name>", "pretrain.references.<name>"):
        values |= {f"{section}.{name}": value for name, value in primers.items()}
        values |= {f"{section}.reference.fasta": fasta, f"{section}.reference.lineages": lineages}
    return values


def blast_radius(planner: Planner) -> dict[str, dict[str, bool]]:
    """Return for each key the rules that a change re-runs; True for those it reaches directly."""
    return {key: planner.plan(config) for key, config in changed_configs(planner.study).items()}


def table(radius: dict[str, dict[str, bool]]) -> str:
    """Return the Markdown table; rules stand in the order of a run."""
    rows = ["| changed key | re-runs | and what follows |", "|---|---|---|"]
    for key, rules in radius.items():
        first = [name for name in ORDER if rules.get(name)]
        after = [name for name in ORDER if rules.get(name) is False]
        rows.append(f"| `{key}` | {', '.join(first)} | {', '.join(after)} |".replace("|  |", "| |"))
    return "\n".join(rows) + "\n"


def documented(radius: dict[str, dict[str, bool]], text: str) -> str:
    """Return the text of workflow/README.md with this table in its place."""
    return _TABLE.sub(lambda found: f"{found[1]}{table(radius)}{found[2]}", text)


def main() -> int:
    """Print the radius as JSON (``--json``), or write it into workflow/README.md."""
    with tempfile.TemporaryDirectory() as scratch:
        planner = Planner.pretended(Path(scratch))
        radius = blast_radius(planner)
    if "--json" in sys.argv[1:]:
        sys.stdout.write(json.dumps(radius))
        return 0
    readme = REPOSITORY / README
    readme.write_text(documented(radius, readme.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
