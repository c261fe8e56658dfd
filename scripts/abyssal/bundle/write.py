"""Write a bundle: gather the files, let them answer the golden sequences, describe them, seal them with a manifest.

Everything happens in a temporary sibling that is synced and renamed at the end, so that a bundle is there whole or not
at all. The same inputs give the same bytes: nothing here looks at the clock, the host or the path.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abyssal.bundle.card import render_card
from abyssal.bundle.golden import GOLDEN, ClassifiesSequences, GoldenQuery, golden_answers, write_golden
from abyssal.bundle.manifest import MANIFEST, Marker, is_allowed_path, render_manifest
from abyssal.bundle.read import open_bundle
from abyssal.errors import BundleError, UsageError
from abyssal.files import read_json, sha256_file, to_json, write_json, write_text

CARD = "MODEL_CARD.md"
CONFIG = "config.json"
# Snakemake marks a rule's output directory with it; it has no content.
_NOT_OURS = ".snakemake_timestamp"


@dataclass(frozen=True)
class BundleInputs:
    """The files a bundle is gathered from.

    Attributes:
        model: the inference half, a directory of data files with ``encoder/``.
        metrics: metrics.json of the evaluation.
        report: the self-contained report.
        putative_taxa: putative_taxa.tsv of the study, when it has one.
        exemplars: exemplars.fasta of the study, when it has one.
    """

    model: Path
    metrics: Path
    report: Path
    putative_taxa: Path | None = None
    exemplars: Path | None = None

    def sources(self) -> dict[str, Path]:
        """Return the file behind each path of the bundle."""
        named = {
            "metrics.json": self.metrics,
            "report.html": self.report,
            "putative_taxa.tsv": self.putative_taxa,
            "exemplars.fasta": self.exemplars,
        }
        return _model_files(self.model) | {path: source for path, source in named.items() if source is not None}


@dataclass(frozen=True)
class BundleIdentity:
    """What a bundle says about itself; the fields are those of ``manifest.Manifest``, and the configuration itself."""

    name: str
    version: str
    marker: Marker
    ranks: tuple[str, ...]
    encoder_digest: str
    code_version: str
    config: Mapping[str, Any] = field(default_factory=dict)
    data_digests: Mapping[str, str] = field(default_factory=dict)
    tool_versions: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    def manifest_fields(self) -> dict[str, Any]:
        """Return the manifest's fields without ``files``."""
        return {
            "name": self.name,
            "version": self.version,
            "marker": self.marker.model_dump(),
            "ranks": list(self.ranks),
            "encoder_digest": self.encoder_digest,
            "config_digest": hashlib.sha256(to_json(self.config).encode()).hexdigest(),
            "code_version": self.code_version,
            "data_digests": dict(self.data_digests),
            "tool_versions": dict(self.tool_versions),
            "facts": dict(self.facts),
        }


def write_bundle(
    target: Path,
    *,
    inputs: BundleInputs,
    identity: BundleIdentity,
    golden: Sequence[GoldenQuery],
    load: Callable[[Path], ClassifiesSequences],
    replace: bool = False,
) -> str:
    """Write a bundle and return its digest.

    Args:
        target: directory to make.
        inputs: the files that go in.
        identity: what the manifest says.
        golden: sequences whose answers are kept.
        load: makes a classifier from a directory, normally ``Classifier.load``; it sees the very files of the bundle.
        replace: remove what is at ``target`` once the new bundle is whole; otherwise that is an error.

    Raises:
        UsageError: ``target`` is there already, or an input is missing.
        BundleError: a file or a field may not be in a bundle; names it.
    """
    with new_directory(target, replace=replace) as staging:
        for path, source in sorted(inputs.sources().items()):
            _copy(source, staging / path)
        write_json(staging / CONFIG, identity.config)
        write_golden(staging / GOLDEN, identity.ranks, golden_answers(load(staging), golden))
        write_text(staging / CARD, render_card(identity, staging, read_json(inputs.metrics)))
        (staging / MANIFEST).write_bytes(render_manifest(identity.manifest_fields() | {"files": _entries(staging)}))
        digest = open_bundle(staging).digest
    return digest


def _model_files(model: Path) -> dict[str, Path]:
    if not model.is_dir():
        message = f"{model}: no such directory; expected the model that the train stage writes"
        raise UsageError(message)
    files = {}
    for source in sorted(model.rglob("*")):
        path = source.relative_to(model).as_posix()
        if source.is_symlink() or not (source.is_dir() or source.is_file()):
            message = f"{source}: is a link or a special file; a bundle holds regular files only"
            raise BundleError(message)
        if source.is_file() and source.name != _NOT_OURS:
            if not is_allowed_path(path):
                message = (
                    f"{source}: a bundle may not hold a file of this name; expected plain data "
                    "(json, safetensors, tsv, txt, fasta, fasta.gz, html, md) at the top or in encoder/"
                )
                raise BundleError(message)
            files[path] = source
    return files


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        message = f"{source}: no such file; the bundle needs it as {target.name}"
        raise UsageError(message)
    target.parent.mkdir(exist_ok=True)
    # copyfile takes the bytes only: no mode bits, times or links come along.
    shutil.copyfile(source, target)


def _entries(directory: Path) -> dict[str, dict[str, Any]]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {
        path.relative_to(directory).as_posix(): {"sha256": sha256_file(path), "size": path.stat().st_size}
        for path in files
    }


@contextmanager
def new_directory(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary sibling; it becomes ``target``, synced to disk, or vanishes when the block raises.

    Raises:
        UsageError: ``target`` is there already and may not be replaced.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not replace and (target.is_symlink() or target.is_file() or (target.is_dir() and any(target.iterdir()))):
        message = f"{target}: is there already; remove it or choose another place"
        raise UsageError(message)
    staging = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield staging
        settle(staging)
        if replace:
            shutil.rmtree(target, ignore_errors=True)
        # rename() replaces an empty directory and fails on one with content: the check above cannot be raced.
        staging.rename(target)
        sync(target.parent)
    except OSError as error:
        message = f"{target}: cannot be written ({error.strerror})"
        raise BundleError(message) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def settle(directory: Path) -> None:
    """Give a tree plain modes and sync all of it to disk, files before folders."""
    for path in sorted(directory.rglob("*"), reverse=True):
        path.chmod(0o755 if path.is_dir() else 0o644)
        sync(path)
    directory.chmod(0o755)
    sync(directory)


def sync(path: Path) -> None:
    """Flush a file or directory to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
