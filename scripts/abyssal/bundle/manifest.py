"""``manifest.json``: what a bundle says about itself, and the rules that every line of it must obey.

The manifest is read before anything else and by people who do not trust its author, so parsing is strict: canonical
bytes only (sorted keys, two-space indent), no duplicate or unknown keys, no floats, bounded lengths, and a checksum
over all other fields, so that a change of any single byte is found without knowing the digest. FORMAT.md is the prose.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from abyssal.config.models import NAME_PATTERN
from abyssal.errors import BundleError
from abyssal.files import to_json

MANIFEST = "manifest.json"
FORMAT = "abyssal-bundle"
FORMAT_VERSION = 1
OLDEST_READABLE = max(1, FORMAT_VERSION - 1)
MAX_MANIFEST_BYTES = 1 << 20
MAX_FILES = 64
# A study's name, a hyphen, a marker's name.
MAX_NAME_LENGTH = 129

REQUIRED_FILES = frozenset(
    {
        "config.json",
        "preprocessing.json",
        "golden.tsv",
        "metrics.json",
        "report.html",
        "MODEL_CARD.md",
    }
)
"""Files without which a bundle cannot be used, checked or understood; the others depend on the study."""

LABEL_NAMES = ("current", "previous")
"""Names that a registry moves between versions; no version may be called so."""

# Only data: every suffix here is read by a parser that cannot run code.
PATH_PATTERN = r"^(encoder/)?[A-Za-z0-9][A-Za-z0-9_-]{0,63}(\.[A-Za-z0-9_-]{1,32}){0,2}\.(json|safetensors|tsv|txt|fasta|fasta\.gz|html|md)$"  # noqa: E501
_PATH = re.compile(PATH_PATTERN)

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(pattern=r"^[^\p{C}]+$", max_length=256)]
BundleName = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$", max_length=MAX_NAME_LENGTH)]
Primer = Annotated[str, StringConstraints(pattern=r"^[ACGTRYSWKMBDHVN]+$", max_length=128)]
Rank = Annotated[str, StringConstraints(pattern=r"^[^\p{C};|]+$", max_length=64)]
FilePath = Annotated[str, StringConstraints(pattern=PATH_PATTERN, max_length=160)]
Length = Annotated[int, Field(ge=1, le=100_000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FileEntry(_Part):
    """One file of the bundle."""

    sha256: Sha256 = Field(description="SHA-256 of the file's bytes, lower-case hex.")
    size: Annotated[int, Field(ge=0, le=1 << 40)] = Field(description="Length in bytes.")


class Marker(_Part):
    """The amplified region this bundle answers for; primers and lengths are null when they are not known."""

    name: BundleName = Field(description="Name of the marker, for example 18S-V4.")
    forward_primer: Primer | None = Field(None, description="5' to 3', upper-case IUPAC letters.")
    reverse_primer: Primer | None = Field(None, description="5' to 3', upper-case IUPAC letters.")
    min_length: Length | None = Field(None, description="Shortest amplicon without primers (bp).")
    max_length: Length | None = Field(None, description="Longest amplicon without primers (bp).")


class Manifest(_Part):
    """Everything in ``manifest.json``."""

    format: Literal["abyssal-bundle"] = Field(description="Always abyssal-bundle.")
    format_version: Annotated[int, Field(ge=OLDEST_READABLE, le=FORMAT_VERSION)] = Field(
        description="Version of this format; a reader of version n opens n and n - 1."
    )
    name: BundleName = Field(description="Name under which versions are published.")
    version: BundleName = Field(description="Version; never reused, never current or previous.")
    marker: Marker
    ranks: Annotated[list[Rank], Field(max_length=32)] = Field(
        description="Rank names of the reference, highest first; empty for a bundle without a reference."
    )
    encoder_digest: Sha256 = Field(description="Digest of the encoder: its identity in caches and answers.")
    config_digest: Sha256 = Field(description="SHA-256 of config.json, the canonical JSON of the configuration.")
    code_version: Text = Field(description="Version of Abyssal and digest of its library modules.")
    data_digests: Annotated[dict[Text, Sha256], Field(max_length=4096)] = Field(
        description="SHA-256 of each input the bundle was made from, by role."
    )
    tool_versions: Annotated[dict[Text, Text], Field(max_length=128)] = Field(
        description="Versions of the programs and libraries that shaped the content."
    )
    facts: Annotated[dict[Text, Text], Field(max_length=128)] = Field(
        default_factory=dict, description="Short statements for people, such as the reference's name and licence."
    )
    files: Annotated[dict[FilePath, FileEntry], Field(max_length=MAX_FILES)] = Field(
        description="Every file but the manifest, by its path below the bundle."
    )
    checksum: Sha256 = Field(description="SHA-256 of this manifest's canonical JSON without the key checksum.")


def render_manifest(fields: dict[str, Any]) -> bytes:
    """Return the bytes of a manifest from all fields but ``format``, ``format_version`` and ``checksum``.

    Raises:
        BundleError: a field breaks the format; names it.
    """
    payload = {"format": FORMAT, "format_version": FORMAT_VERSION, **fields}
    payload["checksum"] = _checksum(payload)
    raw = to_json(payload).encode("utf-8")
    parse_manifest(raw)
    return raw


def parse_manifest(raw: bytes, *, source: str = MANIFEST) -> Manifest:
    """Return the checked manifest.

    Args:
        raw: the file's bytes.
        source: what messages call the file.

    Raises:
        BundleError: one line that names ``source`` and the first thing wrong.
    """
    payload = _load_json(raw, source)
    _check_format(payload, source)
    _check_canonical(payload, raw, source)
    try:
        manifest = Manifest.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        location = ".".join(ascii(part)[1:-1] if isinstance(part, str) else str(part) for part in first["loc"])
        _refuse(source, f"{location[:120]}: {first['msg']} (expected: see the format's schema)")
    _check_meaning(manifest, source)
    return manifest


def _load_json(raw: bytes, source: str) -> dict[str, Any]:
    if len(raw) > MAX_MANIFEST_BYTES:
        _refuse(source, f"larger than {MAX_MANIFEST_BYTES} bytes")
    try:
        payload = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_number,
            parse_float=_refuse_number,
        )
    except (ValueError, RecursionError) as error:
        _refuse(source, f"not the JSON of a manifest ({_one_line(error)})")
    if not isinstance(payload, dict):
        _refuse(source, "expected a JSON object")
    return payload


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        message = f"duplicate key {twice!a}"
        raise ValueError(message)
    return keys


def _refuse_number(text: str) -> NoReturn:
    message = f"{text[:40]} is not a whole number"
    raise ValueError(message)


def _check_format(payload: dict[str, Any], source: str) -> None:
    if payload.get("format") != FORMAT:
        _refuse(source, f"format is not {FORMAT}; this is not an Abyssal bundle")
    version = payload.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool):
        _refuse(source, "format_version is missing or not a whole number")
    if version > FORMAT_VERSION:
        _refuse(source, f"format_version {version} is newer than {FORMAT_VERSION}, the newest this Abyssal reads; "
                        "update Abyssal to open this bundle")  # fmt: skip
    if version < OLDEST_READABLE:
        _refuse(source, f"format_version {version} is older than {OLDEST_READABLE}, the oldest this Abyssal reads; "
                        "write the bundle again with a version in between")  # fmt: skip


def _check_canonical(payload: dict[str, Any], raw: bytes, source: str) -> None:
    """Refuse every spelling but one, so that two manifests of equal content have equal bytes."""
    try:
        same = to_json(payload).encode("utf-8") == raw
    except ValueError as error:
        _refuse(source, f"holds text that is not Unicode ({_one_line(error)})")
    if not same:
        _refuse(source, "not in canonical form (sorted keys, two-space indent, newline at the end); it was altered")
    if payload.get("checksum") != _checksum(payload):
        _refuse(source, "its checksum does not fit its content; it was altered")


def _check_meaning(manifest: Manifest, source: str) -> None:
    if manifest.version in LABEL_NAMES:
        _refuse(source, f"version {manifest.version} is the name of a label")
    if len(set(manifest.ranks)) != len(manifest.ranks):
        _refuse(source, "ranks: a rank is named twice")
    seen: dict[str, str] = {}
    for path in manifest.files:
        other = seen.setdefault(path.casefold(), path)
        if other != path:
            _refuse(source, f"files {other} and {path} differ only in case")
    if MANIFEST in seen:
        _refuse(source, f"files: {MANIFEST} cannot list itself")
    missing = sorted(REQUIRED_FILES - manifest.files.keys())
    if missing:
        _refuse(source, f"files: {missing[0]} is required and not listed")


def _checksum(payload: dict[str, Any]) -> str:
    rest = {key: value for key, value in payload.items() if key != "checksum"}
    return hashlib.sha256(to_json(rest).encode("utf-8")).hexdigest()


def is_allowed_path(path: str) -> bool:
    """Return whether a bundle may hold a file of this name: plain characters, a data suffix, at most one folder."""
    return _PATH.fullmatch(path) is not None and path.casefold() != MANIFEST


def _one_line(error: BaseException) -> str:
    return (" ".join(ascii(str(error))[1:-1].split()) or type(error).__name__)[:160]


def _refuse(source: str, problem: str) -> NoReturn:
    message = f"{source}: {problem}"
    raise BundleError(message)
