"""An edit of a library module re-runs the rules whose scripts use it: their digests cover what the scripts import."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from abyssal import code_digest as digests
from abyssal.bundle.provenance import CONTENT_PACKAGES

ROOT = Path(digests.__file__).parent
EVERYWHERE = {"__init__.py", "entry.py", "errors.py"}
"""Modules that shape no result: messages, logging, the start of a script."""

CONFIG_MODELS = {
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "config").glob("*.py")
    if path.stem not in {"__init__", "generate", "load"}
}
"""config/models.py and the modules of its sections."""

LEFT_OUT = {
    # Only choose between encoders and copy files; they know the config models, and a new key must not embed again.
    "embed_asvs": CONFIG_MODELS | {"encoder/load.py", "encoder/fetch.py"},
    # Copies files, whose digest is a parameter; the engines come along because a Hub encoder is loaded once.
    "fetch_encoder": CONFIG_MODELS | {"encoder/attention.py", "encoder/engine.py", "encoder/engines/half.py",
                      "encoder/engines/names.py", "encoder/engines/programs.py", "encoder/fetch.py", "encoder/hub.py",
                      "encoder/interface.py", "encoder/kmers.py", "encoder/letters.py", "encoder/network.py",
                      "sequences/alphabet.py"},
}  # fmt: skip
"""What a rule's digest leaves out on purpose."""

_RULE = re.compile(r"^rule (\w+):\n((?:(?: {4}.*)?\n)+)", re.MULTILINE)


def rules() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name, script and digested modules of every script rule."""
    found = {}
    for file in sorted((ROOT.parents[1] / "workflow" / "rules").glob("*.smk")):
        for name, body in _RULE.findall(file.read_text(encoding="utf-8")):
            script = re.search(r'"\.\./\.\./scripts/(\w+\.py)"', body)
            code = re.search(r"code=code_digest\((.*?)\)", body, re.DOTALL)
            if script:
                assert code, f"rule {name} has no code digest"
                quoted = tuple(re.findall(r'"([\w.]+)"', code[1]))
                found[name] = (script[1], quoted or CONTENT_PACKAGES)
    return found


RULES = rules()


def covered(modules: tuple[str, ...]) -> set[str]:
    """The files that a digest over these modules reads, relative to the library."""
    starts = [source for module in modules for source in digests._sources(module)]
    return {path.relative_to(ROOT).as_posix() for start in starts for path in digests._closure(start)}


def used(script: str) -> set[str]:
    """The library files that an entry script imports, at any distance."""
    path = ROOT.parent / script
    return {
        file.relative_to(ROOT).as_posix()
        for start in digests._imports(path)
        for file in digests._closure(start)
        if file.relative_to(ROOT).as_posix() not in EVERYWHERE
    }


@pytest.mark.parametrize("name", sorted(RULES))
def test_digest_covers_what_the_script_imports(name: str) -> None:
    script, modules = RULES[name]
    assert used(script) - covered(modules) == LEFT_OUT.get(name, set())


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("reads/trim.py", {"trim_primers"}),
        ("reads/merge.py", {"merge_pairs"}),
        ("references/stage.py", {"build_reference", "fit_gate", "pretrain"}),
        ("evaluation/run.py", {"evaluate"}),
        ("bundle/registry/directory.py", {"publish"}),
        ("bundle/crate.py", set()),
    ],
)
def test_an_edit_re_runs_exactly_its_rules(module: str, expected: set[str]) -> None:
    assert (ROOT / module).is_file()
    # Report and manifest name the digest of all that shapes a bundle, and one benchmark runs the whole workflow: any
    # such edit reaches them.
    reached = {name for name, (_, modules) in RULES.items() if module in covered(modules)}
    assert reached - {"report", "package", "benchmark_communities"} == expected


def test_the_plan_loads_no_large_library() -> None:
    """Every start of Snakemake, and with Slurm every job, imports what the rules' files import."""
    texts = [file.read_text(encoding="utf-8") for file in (ROOT.parents[1] / "workflow" / "rules").glob("*.smk")]
    modules = {name for text in texts for name in re.findall(r"^from (abyssal[\w.]*) import", text, re.MULTILINE)}
    assert modules
    imports = "; ".join(f"import {name}" for name in sorted(modules))
    done = subprocess.run(
        [sys.executable, "-c", f"{imports}; import sys; print(*sys.modules)"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert not {"sklearn", "torch", "transformers", "pandas", "matplotlib", "grpc"} & set(done.stdout.split())
