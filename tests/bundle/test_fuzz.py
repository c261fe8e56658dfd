"""Manifests made by chance and by malice: never a crash, never a read outside, always one line.

Half of the mutations keep to the manifest's structure and recompute its checksum and digests, as a forger would.
The default run takes a share of the million cases; ``-m slow`` takes all of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abyssal.bundle.manifest import is_allowed_path, parse_manifest
from abyssal.bundle.read import open_bundle
from abyssal.errors import BundleError
from abyssal.files import to_json

CASES_IN_CI = 10_000
CASES_IN_ALL = 1_000_000

NASTY_STRINGS = [
    "", ".", "..", "/", "../x.json", "/etc/passwd", "a/../../b.json", "encoder/../../x.json", "C:\\x.json", "x\0.json",
    "x.json\n", "\u202e.json", "CON.json", "%2e%2e/x.json", "~/.ssh/id.txt", "file:///etc/passwd", "a" * 5000,
    "\ud800", "metrics.json", "Metrics.json", "manifest.json", "encoder", "x.pkl", "x.fasta.gz", "{{7*7}}", "$(id)",
]  # fmt: skip
NASTY_VALUES: list[Any] = [
    *NASTY_STRINGS, None, True, False, -1, 0, 1, 2, 2**31, 2**63, 2**200, [], {}, [[]], {"a": {}}, ["a"] * 100,
    "0" * 64, "f" * 64, "G" * 64,
]  # fmt: skip


def seal(payload: Any) -> bytes:
    """Return a manifest with a checksum that fits, as far as the payload can be written at all."""
    if isinstance(payload, dict) and "checksum" in payload:
        rest = {key: value for key, value in payload.items() if key != "checksum"}
        payload["checksum"] = hashlib.sha256(to_json(rest).encode("utf-8", "surrogatepass")).hexdigest()
    return to_json(payload).encode("utf-8", "surrogatepass")


def mutate_structure(payload: Any, chance: random.Random) -> Any:
    """Change, remove, add or swap one to three nodes of a manifest."""
    for _ in range(chance.randint(1, 3)):
        containers = [payload]
        for node in containers:
            children = node.values() if isinstance(node, dict) else node
            containers.extend(child for child in children if isinstance(child, dict | list))
        _change(chance.choice(containers), chance)
    return payload


def _change(node: Any, chance: random.Random) -> None:
    value = json.loads(json.dumps(chance.choice(NASTY_VALUES)))
    if isinstance(node, list):
        node.insert(chance.randint(0, len(node)), value)
        return
    keys = list(node)
    action = chance.choice(["set", "remove", "rename", "add"]) if keys else "add"
    key = chance.choice(keys) if keys else ""
    if action == "set":
        node[key] = value
    elif action == "remove":
        del node[key]
    elif action == "rename":
        node[chance.choice(NASTY_STRINGS)] = node.pop(key)
    else:
        node[chance.choice(NASTY_STRINGS)] = value


def mutate_bytes(raw: bytes, chance: random.Random) -> bytes:
    """Flip, cut, insert or repeat bytes."""
    content = bytearray(raw)
    start = chance.randrange(len(content))
    end = min(len(content), start + chance.randint(1, 40))
    action = chance.randrange(4)
    if action == 0:
        content[start] ^= 1 << chance.randrange(8)
    elif action == 1:
        del content[start:end]
    elif action == 2:
        content[start:start] = content[start:end]
    else:
        content[start:start] = bytes(chance.randrange(256) for _ in range(end - start))
    return bytes(content)


def survives(bundle: Path, raw: bytes) -> bool:
    """Return whether a bundle with this manifest opens; a refusal must be one printable line."""
    (bundle / "manifest.json").write_bytes(raw)
    message = None
    try:
        opened = open_bundle(bundle)
    except BundleError as error:
        message = str(error)
    if message is None:
        assert all(is_allowed_path(path) for path in opened.manifest.files)
        return True
    assert message.isprintable()
    return False


def fuzz(bundle: Path, cases: int, seed: int) -> int:
    """Run mutated manifests against a bundle; returns how many opened all the same."""
    chance = random.Random(seed)
    original = (bundle / "manifest.json").read_bytes()
    opened = 0
    for number in range(cases):
        raw = mutate_bytes(original, chance) if number % 2 else seal(mutate_structure(json.loads(original), chance))
        if raw != original:
            opened += survives(bundle, raw)
    (bundle / "manifest.json").write_bytes(original)
    return opened


RUN = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.bundle.test_fuzz import fuzz
bundle = Path(sys.argv[2])
fuzz(bundle, 50, 0)
opened_files = set()
sys.addaudithook(lambda event, a: opened_files.add(str(a[0])) if event in ("open", "os.scandir") else None)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fuzz(bundle, int(sys.argv[3]), int(sys.argv[4]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
print("\\n".join(sorted(ascii(name) for name in opened_files)))
"""


def run_fuzz(bundle: Path, repository: Path, cases: int) -> None:
    inside = {str(bundle), "encoder"} | {p.name for p in bundle.rglob("*")}
    inside |= {str(path) for path in bundle.rglob("*")}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(repository), str(bundle), str(cases), "1"],
        check=False, capture_output=True, text=True, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    growth, *files = done.stdout.splitlines()
    assert int(growth) <= 64 * 1024, "KiB"
    numbers = {name for name in files if name.isdecimal()}  # os.scandir of a descriptor
    outside = {name.strip("'") for name in files} - inside - numbers
    assert {name for name in outside if not name.isdecimal()} == set()


@pytest.mark.timeout(600)
def test_mutated_manifests_never_crash_read_outside_or_eat_memory(bundle: Path, repository: Path) -> None:
    run_fuzz(bundle, repository, CASES_IN_CI)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_million_mutated_manifests(bundle: Path, repository: Path) -> None:
    run_fuzz(bundle, repository, CASES_IN_ALL)


def test_the_structural_mutations_reach_the_deeper_checks(bundle: Path) -> None:
    """A fuzzer whose cases all fail at the first check would prove nothing."""
    chance = random.Random(3)
    original = (bundle / "manifest.json").read_bytes()
    reasons = set()
    for _ in range(600):
        raw = seal(mutate_structure(json.loads(original), chance))
        (bundle / "manifest.json").write_bytes(raw)
        try:
            open_bundle(bundle)
        except BundleError as error:
            reasons.add(str(error).removeprefix(f"{bundle}: ").split(":")[1].split("(")[0].strip()[:14])
        else:
            reasons.add("opened")
    assert len(reasons) >= 10, reasons


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
@settings(max_examples=300, deadline=None)
def test_any_json_is_parsed_or_refused(value: Any) -> None:
    _parse(json.dumps(value).encode())


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_parsed_or_refused(raw: bytes) -> None:
    _parse(raw)


def _parse(raw: bytes) -> None:
    message = "parsed"
    try:
        parse_manifest(raw)
    except BundleError as error:
        message = str(error)
    assert message.isprintable()


@given(st.text(alphabet="abcAB01./\\-_ \n\0é", max_size=24).map(lambda stem: stem + ".json"))
@settings(max_examples=500, deadline=None)
def test_no_allowed_path_leaves_the_directory(path: str) -> None:
    if is_allowed_path(path):
        folder, _, name = path.rpartition("/")
        assert folder in ("", "encoder")
        assert not name.startswith(".")
        assert "\\" not in path
        assert path.isascii()
        assert path.isprintable()


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_change_of_any_two_bytes_is_found(bundle: Path, data: st.DataObject) -> None:
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    changed: dict[Path, bytes] = {}
    for _ in range(2):
        path = data.draw(st.sampled_from(files))
        content = bytearray(path.read_bytes())
        changed.setdefault(path, bytes(content))
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
    same = all(path.read_bytes() == content for path, content in changed.items())
    try:
        open_bundle(bundle)
    except BundleError:
        assert not same
    else:
        assert same
    finally:
        for path, content in changed.items():
            path.write_bytes(content)
