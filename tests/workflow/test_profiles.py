"""What the profiles plan, without running it: pods on shared storage, and cluster jobs that stay few."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from support.study import Study, small_study

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(600)]

LIBRARY_RULES = ("trim_primers", "merge_pairs", "filter_reads")
POOL_RULES = ("denoise", "remove_chimeras", "map_back")
MOST_CLUSTER_JOBS = 150


def planned(text: str) -> Counter[str]:
    """Read the jobs of each rule from a dry run."""
    table = text.split("Job stats:", 1)[1].split("total", 1)[0]
    return Counter({rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)})


def test_kubernetes_plans_the_demo_in_pods(repository: Path, tmp_path: Path) -> None:
    cluster = {"name": "here", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "here", "context": {"cluster": "here", "user": "me"}}
    access = tmp_path / "kubeconfig"
    access.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [context],
                "users": [{"name": "me", "user": {}}], "current-context": "here",
            }
        )
    )  # fmt: skip
    command = [
        sys.executable, "-m", "snakemake", "-n", "--nocolor", "--profile", "workflow/profiles/kubernetes",
        "--default-storage-prefix", str(repository), "--configfile", "config/config.yaml", "--config", "study=planned",
    ]  # fmt: skip
    environment = {**os.environ, "KUBECONFIG": str(access)}
    done = subprocess.run(command, cwd=repository, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    rules = planned(done.stdout + done.stderr)
    assert rules["trim_primers"] == 6
    assert rules["package"] == 1


def linked_profile(repository: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Let ``make`` link the Slurm profile below this folder of settings."""
    return subprocess.run(
        ["make", "--no-print-directory", "slurm-profile"],
        cwd=repository, env={**os.environ, "XDG_CONFIG_HOME": str(home)}, check=False, capture_output=True, text=True,
    )  # fmt: skip


def test_the_link_to_the_slurm_profile_is_made_and_made_anew(repository: Path, tmp_path: Path) -> None:
    link = tmp_path / "settings of mine" / "snakemake" / "slurm"
    for _ in range(2):
        done = linked_profile(repository, link.parents[1])
        assert done.returncode == 0, done.stderr
        assert link.resolve() == repository / "workflow" / "profiles" / "slurm"


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_profile_of_the_users_own_stays_as_it_is(repository: Path, tmp_path: Path, kind: str) -> None:
    own = tmp_path / "snakemake" / "slurm"
    own.parent.mkdir()
    settings = own / "config.yaml" if kind == "folder" else own
    settings.parent.mkdir(exist_ok=True)
    settings.write_text("executor: slurm\n")
    done = linked_profile(repository, tmp_path)
    assert done.returncode != 0
    assert f"{own} is a profile of your own" in done.stderr
    assert settings.read_text() == "executor: slurm\n"
    assert list(own.parent.rglob("*")) == ([own, settings] if kind == "folder" else [own])


def many_libraries(study: Study, count: int) -> None:
    """Give the study so many libraries, each with files of its own."""
    reads = study.directory / "reads"
    reads.mkdir(exist_ok=True)
    rows = ["sample\tr1\tr2"]
    for number in range(count):
        mates = [reads / f"s{number:04}_R{mate}.fastq.gz" for mate in (1, 2)]
        for mate in mates:
            mate.touch()
        rows.append("\t".join([f"s{number:04}", *map(str, mates)]))
    (study.directory / "samples.tsv").write_text("\n".join(rows) + "\n")


def cluster_jobs(study: Study, libraries: int) -> tuple[int, int]:
    """Return the jobs that the Slurm profile would submit: groups of libraries or pools, and all others."""
    many_libraries(study, libraries)
    profile = study.repository / "workflow" / "profiles" / "slurm"
    rules = planned(study.snakemake("-n", "--profile", str(profile)).stdout)
    given = yaml.safe_load((profile / "profile.yaml").read_text())["group-components"]
    components = {name: int(number) for name, number in (entry.split("=") for entry in given)}
    grouped = {"library": LIBRARY_RULES}
    if study.config.get("preprocess", {}).get("denoise") == {"pooling": "sample"}:
        grouped["pool"] = POOL_RULES
    assert {rules[rule] for named in grouped.values() for rule in named} == {libraries}
    groups = sum(-(-libraries // components[name]) for name in grouped)
    alone = set(rules) - {"all", *(rule for named in grouped.values() for rule in named)}
    return groups, sum(rules[rule] for rule in alone)


def test_slurm_jobs_grow_with_groups_of_libraries_only(repository: Path, tmp_path: Path) -> None:
    """1,000 libraries take at most 150 jobs, and nothing but their 50 groups grows with their number."""
    study = small_study(repository, tmp_path)
    few, others = cluster_jobs(study, 3)
    more, same = cluster_jobs(study, 45)
    assert (few, more) == (1, 3)
    assert same == others
    assert -(-1000 // 20) + others <= MOST_CLUSTER_JOBS


def test_samples_denoised_apart_are_grouped_too(repository: Path, tmp_path: Path) -> None:
    study = small_study(repository, tmp_path)
    study.config["preprocess"] = {**study.config.get("preprocess", {}), "denoise": {"pooling": "sample"}}
    study.write()
    groups, others = cluster_jobs(study, 25)
    assert groups == 4
    assert 2 * -(-1000 // 20) + others <= MOST_CLUSTER_JOBS


@pytest.mark.slow
def test_a_thousand_libraries_are_planned(repository: Path, tmp_path: Path) -> None:
    study = small_study(repository, tmp_path)
    groups, others = cluster_jobs(study, 1000)
    assert groups + others <= MOST_CLUSTER_JOBS
    assert not (study.directory / "results").exists()
