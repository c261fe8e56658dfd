"""What every registry does, written once over a few primitives that a store must offer.

``NAME/VERSION`` never changes after it is published. The labels ``current`` and ``previous`` live in one small document
per name that is replaced by compare-and-swap, so both move together or not at all. The same document lists retired
versions: a version is retired first and deleted then, so nobody can label what is about to go, and its name is never
used again. All writes are invisible until one atomic step; whoever dies before leaves nothing that a reader can see.
"""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from abyssal.bundle.manifest import LABEL_NAMES, MAX_NAME_LENGTH, Manifest, parse_manifest
from abyssal.bundle.read import Bundle, open_bundle
from abyssal.bundle.registry.fetch import fetch_files
from abyssal.bundle.signing import signature_path
from abyssal.config.models import NAME_PATTERN
from abyssal.errors import BundleError, UsageError
from abyssal.files import atomic_path, to_json

LABELS_FILE = ".labels.json"
LABELS_FORMAT = "abyssal-labels"
LABELS_FORMAT_VERSION = 1
_NAME = re.compile(NAME_PATTERN)
_MOST_ATTEMPTS = 100


@dataclass(frozen=True)
class Labels:
    """Which versions of one name are labelled, and which are gone for good."""

    current: str | None = None
    previous: str | None = None
    retired: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the document that a registry stores."""
        return to_json(
            {
                "format": LABELS_FORMAT,
                "format_version": LABELS_FORMAT_VERSION,
                "current": self.current,
                "previous": self.previous,
                "retired": sorted(self.retired),
            }
        ).encode()

    @classmethod
    def from_bytes(cls, raw: bytes, source: str) -> Labels:
        """Read the document; BundleError when it is damaged or of a newer format."""
        try:
            values = json.loads(raw)
            form = (values["format"], values["format_version"])
            labels = cls(values["current"], values["previous"], tuple(values["retired"]))
            named = [label for label in (labels.current, labels.previous) if label is not None]
            sound = isinstance(values["retired"], list) and all(is_name(name) for name in (*named, *labels.retired))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            message = f"{source}: the labels are damaged ({type(error).__name__}); mend or remove this file"
            raise BundleError(message) from error
        if form != (LABELS_FORMAT, LABELS_FORMAT_VERSION) or not sound:
            message = f"{source}: labels of an unknown format; update Abyssal to use this registry"
            raise BundleError(message)
        return labels


@dataclass(frozen=True)
class Publication:
    """What publishing did; ``created`` is False when the same bytes were there already."""

    name: str
    version: str
    digest: str
    created: bool


class Registry(ABC):
    """A place for bundles.

    Attributes:
        location: how users and messages call it.
    """

    location: str

    @abstractmethod
    def names(self) -> list[str]:
        """Return all names with at least one version, sorted."""

    @abstractmethod
    def stored_versions(self, name: str) -> list[str]:
        """Return the published versions of a name, retired ones that are not deleted yet included."""

    @abstractmethod
    def upload(self, bundle: Bundle) -> bool:
        """Make a bundle visible in one atomic step; False when its version was there first, with whatever content."""

    @abstractmethod
    def manifest_bytes(self, name: str, version: str) -> bytes | None:
        """Return the manifest of a published version, at most one byte more than allowed; None when there is none."""

    @abstractmethod
    def read_blocks(self, bundle: tuple[str, str, str], path: str, offset: int) -> Iterator[bytes]:
        """Yield a file's bytes from ``offset``; the bundle is (name, version, digest)."""

    @abstractmethod
    def put_signature(self, bundle: Bundle, signature: Path) -> None:
        """Keep the signature of a bundle; it is found by the bundle's name and digest."""

    @abstractmethod
    def signature(self, name: str, digest: str) -> bytes | None:
        """Return a signature, None when there is none."""

    @abstractmethod
    def read_labels(self, name: str) -> bytes | None:
        """Return the labels document, None when there is none yet."""

    @abstractmethod
    def swap_labels(self, name: str, expected: bytes | None, new: bytes) -> bool:
        """Replace the labels document if it still is ``expected`` (None: absent); atomic."""

    @abstractmethod
    def delete(self, name: str, version: str) -> None:
        """Make a retired version invisible in one step, then free its space."""

    @abstractmethod
    def clean(self, name: str) -> None:
        """Free the space of interrupted uploads and deletions that nobody is working on."""

    @abstractmethod
    def open(self, name: str, selector: str, *, cache: Path) -> Bundle:
        """Open a version for use on this machine, fetching it into ``cache`` where that is needed."""

    def publish(self, directory: Path) -> Publication:
        """Publish a verified bundle, with its signature if it has one; publishing the same bytes again does nothing.

        Raises:
            BundleError: the bundle does not verify, or its version is taken by other bytes.
        """
        bundle = open_bundle(directory)
        if bundle.version in self.labels(bundle.name).retired:
            message = f"{self.location}: {bundle.name} {bundle.version} was pruned; a version is never used twice"
            raise BundleError(message)
        if signature_path(bundle).is_file():
            self.put_signature(bundle, signature_path(bundle))
        created = self.upload(bundle)
        there = self._require_manifest(bundle.name, bundle.version)
        if hashlib.sha256(there).hexdigest() != bundle.digest:
            message = (
                f"{self.location}: {bundle.name} {bundle.version} is published already with other content; "
                "a version is never overwritten: write the bundle with a new version"
            )
            raise BundleError(message)
        return Publication(bundle.name, bundle.version, bundle.digest, created)

    def versions(self, name: str) -> list[str]:
        """Return the usable versions of a name, oldest first by the numbers in them."""
        retired = self.labels(name).retired
        return sorted((v for v in self.stored_versions(name) if v not in retired), key=version_order)

    def labels(self, name: str) -> Labels:
        """Return the labels of a name."""
        _check_name(name)
        return self._parse_labels(name, self.read_labels(name))

    def manifest(self, name: str, selector: str) -> tuple[Manifest, str]:
        """Return the checked manifest of a version or label, and its digest."""
        version = self.resolve(name, selector)
        raw = self._require_manifest(name, version)
        manifest = parse_manifest(raw, source=f"{self.location}/{name}/{version}/manifest.json")
        if (manifest.name, manifest.version) != (name, version):
            message = (
                f"{self.location}/{name}/{version}: holds {manifest.name} {manifest.version}; it was moved by hand"
            )
            raise BundleError(message)
        return manifest, hashlib.sha256(raw).hexdigest()

    def resolve(self, name: str, selector: str) -> str:
        """Return the version that a label or a version stands for; UsageError when there is none."""
        _check_name(name)
        _check_name(selector)
        if selector not in LABEL_NAMES:
            return selector
        version = getattr(self.labels(name), selector)
        if version is None:
            message = f"{self.location}: no version of {name} is labelled {selector}; see abyssal bundle list"
            raise UsageError(message)
        return str(version)

    def fetch(self, name: str, selector: str, target: Path) -> Bundle:
        """Copy a version to ``target``, going on where an interrupted fetch stopped; it appears whole and verified.

        Raises:
            UsageError: there is no such version, or ``target`` holds something else.
            BundleError: what arrived does not verify.
        """
        version = self.resolve(name, selector)
        manifest, digest = self.manifest(name, version)
        raw = self._require_manifest(name, version)
        bundle = fetch_files(
            target, raw, manifest, lambda path, offset: self.read_blocks((name, version, digest), path, offset)
        )
        signature = self.signature(name, digest)
        if signature is not None:
            with atomic_path(signature_path(bundle)) as temporary:
                temporary.write_bytes(signature)
        return bundle

    def activate(self, name: str, version: str) -> Labels:
        """Label a version ``current``; what was current becomes ``previous``."""
        _check_name(name)
        if version in LABEL_NAMES:
            message = f"{version} is a label; name a version (see abyssal bundle list)"
            raise UsageError(message)
        self.manifest(name, version)

        def move(labels: Labels) -> Labels:
            if version in labels.retired:
                message = f"{self.location}: {name} {version} was pruned"
                raise UsageError(message)
            return labels if labels.current == version else replace(labels, current=version, previous=labels.current)

        return self._change_labels(name, move)

    def rollback(self, name: str) -> Labels:
        """Exchange ``current`` and ``previous``."""

        def exchange(labels: Labels) -> Labels:
            if labels.previous is None:
                message = f"{self.location}: no version of {name} is labelled previous, so there is no way back"
                raise UsageError(message)
            return replace(labels, current=labels.previous, previous=labels.current)

        return self._change_labels(name, exchange)

    def prune(self, name: str, *, keep: int) -> list[str]:
        """Delete all but the ``keep`` newest versions, never a labelled one; returns what was deleted, oldest first."""
        stored = self.stored_versions(name)

        def retire(labels: Labels) -> Labels:
            usable = sorted((v for v in stored if v not in labels.retired), key=version_order)
            old = usable[: max(0, len(usable) - keep)]
            leaving = [v for v in old if v not in (labels.current, labels.previous)]
            return replace(labels, retired=tuple(sorted({*labels.retired, *leaving})))

        retired = self._change_labels(name, retire).retired
        deleted = sorted((version for version in stored if version in retired), key=version_order)
        for version in deleted:
            self.delete(name, version)
        self.clean(name)
        return deleted

    def _change_labels(self, name: str, change: Callable[[Labels], Labels]) -> Labels:
        _check_name(name)
        for _ in range(_MOST_ATTEMPTS):
            raw = self.read_labels(name)
            before = self._parse_labels(name, raw)
            after = change(before)
            if after == before or self.swap_labels(name, raw, after.to_bytes()):
                return after
            # A swap whose answer was lost on the way back is refused when the client repeats it, yet it happened.
            if self.read_labels(name) == after.to_bytes():
                return after
        message = f"{self.location}: the labels of {name} are changed by others all the time; try again"
        raise BundleError(message)

    def _parse_labels(self, name: str, raw: bytes | None) -> Labels:
        return Labels() if raw is None else Labels.from_bytes(raw, f"{self.location}/{name}/{LABELS_FILE}")

    def _require_manifest(self, name: str, version: str) -> bytes:
        raw = self.manifest_bytes(name, version)
        if raw is None:
            message = f"{self.location}: there is no {name} {version}; see abyssal bundle list"
            raise UsageError(message)
        return raw


def version_order(version: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key under which 10 comes after 9 and 1.2 after 1.

    >>> sorted(["10", "9", "1.2", "1"], key=version_order)
    ['1', '1.2', '9', '10']
    """
    parts = re.findall(r"\d+|\D+", version)
    return tuple((1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts)


def is_name(text: str) -> bool:
    """Return whether a name or version may be used; nothing with a dot in front, so helper files are no versions."""
    return len(text) <= MAX_NAME_LENGTH and _NAME.fullmatch(text) is not None


def _check_name(name: str) -> None:
    if not is_name(name):
        message = f"{name!a} cannot be the name of a bundle or version; expected letters, digits, '_', '.' and '-'"
        raise UsageError(message)
