"""Public references: which there are, where they come from, and fetching them so that a broken download never counts.

A download goes to ``<file>.part`` and continues there after an interruption (HTTP Range), is verified, and only then
takes its name. The first download of a source whose hash is not shipped records it in ``references.lock.json`` beside
the files; every later one, on any machine that has the lock file, must match it.
"""

from __future__ import annotations

import http.client
import logging
import shutil
import stat
import urllib.error
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from abyssal.errors import DataError, UsageError
from abyssal.files import atomic_path, read_json, sha256_file, write_json
from abyssal.references.shipped import read_shipped_table

logger = logging.getLogger(__name__)

LOCK_NAME = "references.lock.json"
_COLUMNS = ("name", "version", "gene", "format", "url", "sha256", "licence", "citation")
_BLOCK = 1 << 20
_ATTEMPTS = 4
_TIMEOUT = 60.0
_MOST_UNPACKED = 50_000_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """A row of ``resources/sources.tsv``; ``url`` is empty where a download needs a person, ``sha256`` if unknown."""

    name: str
    version: str
    gene: str
    format: str
    url: str
    sha256: str
    licence: str
    citation: str

    @property
    def filename(self) -> str:
        """Name of the file: the last part of the URL's path or of its file parameter."""
        parts = urlsplit(self.url)
        for values in parse_qs(parts.query).values():
            if "." in values[0].rsplit("/", 1)[-1]:
                return unquote(values[0]).rsplit("/", 1)[-1]
        return unquote(parts.path).rsplit("/", 1)[-1] or self.name


def read_sources() -> dict[str, Source]:
    """Return the shipped sources by name."""
    return {row["name"]: Source(**row) for row in read_shipped_table("sources.tsv", _COLUMNS)}


def find_source(name: str) -> Source:
    """Return a source by name; UsageError lists what there is."""
    sources = read_sources()
    if name not in sources:
        message = f"no source {name!r} in resources/sources.tsv; expected one of {', '.join(sources)}"
        raise UsageError(message)
    return sources[name]


def fetch(source: Source, folder: Path, *, offline: Path | None = None) -> Path:
    """Put a source's file into a folder, verified, and return its path.

    A file that is already there and matches its hash is left alone. A zip archive stays as it was published; what it
    holds is unpacked beside it, into a folder with the archive's name.

    Args:
        source: what to fetch.
        folder: where to; the lock file is kept there.
        offline: a folder to copy from instead of the network.

    Raises:
        UsageError: the source has no URL, or the offline folder lacks the file.
        DataError: the download cannot be finished, or the hash does not match.
    """
    if offline is None and not source.url:
        message = f"{source.name} cannot be downloaded by a program ({source.licence}); use --from FOLDER"
        raise UsageError(message)
    original = _offline_file(source, offline) if offline is not None else None
    target = folder / (original.name if original is not None else source.filename)
    expected = _expected(source, target)
    if target.is_file() and expected and sha256_file(target) == expected:
        logger.info("%s is there and whole", target)
        return _unpacked(target)
    folder.mkdir(parents=True, exist_ok=True)
    if original is not None:
        _copy(source, original, target, expected)
    else:
        part = target.with_name(target.name + ".part")
        download(source.url, part)
        _verify(source, part, expected, discard=True)
        part.replace(target)
    _lock(source, target)
    return _unpacked(target)


def _unpacked(target: Path) -> Path:
    """Return the file itself, or for a zip archive the one file it holds or the folder it was unpacked into.

    Raises:
        DataError: the archive is damaged, leads outside its folder, or unpacks to more than 50 GB.
    """
    if target.suffix != ".zip":
        return target
    folder = target.with_suffix("")
    try:
        with zipfile.ZipFile(target) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check_members(target, members)
            for member in members:
                place = folder / member.filename
                place.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as packed, atomic_path(place) as temporary, temporary.open("wb") as out:
                    shutil.copyfileobj(packed, out, _BLOCK)
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        message = f"{target}: not a whole zip archive ({error}); delete it and fetch it again"
        raise DataError(message) from error
    return folder / members[0].filename if len(members) == 1 else folder


def _check_members(target: Path, members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        link = stat.S_ISLNK(member.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or link:
            message = f"{target}: member {member.filename!r} would leave the archive's folder; nothing was unpacked"
            raise DataError(message)
    size = sum(member.file_size for member in members)
    if not members or size > _MOST_UNPACKED:
        message = f"{target}: {len(members)} files of {size} bytes; expected at least one and at most {_MOST_UNPACKED}"
        raise DataError(message)


def download(url: str, part: Path, *, attempts: int = _ATTEMPTS) -> None:
    """Download to ``part``, continuing where an earlier attempt stopped; DataError after ``attempts`` failures."""
    problem: Exception | None = None
    for _ in range(attempts):
        try:
            if _continue(url, part):
                return
            problem = None
        except urllib.error.HTTPError as error:
            message = f"{url}: the server answers {error.code} {error.reason}; check the address in sources.tsv"
            raise DataError(message) from error
        except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
            problem = error
        logger.warning("%s broke off after %d bytes, trying again", url, part.stat().st_size if part.exists() else 0)
    have = part.stat().st_size if part.exists() else 0
    message = (
        f"{url}: the download broke off {attempts} times ({problem or 'connection closed early'}); {have} bytes are "
        f"kept in {part.name} and the same command continues there. Without a network use --from FOLDER"
    )
    raise DataError(message) from problem


def _continue(url: str, part: Path) -> bool:
    """Fetch what is missing and return whether the file is complete by the server's word."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            # Nothing lies beyond what we have; the hash decides whether it is the right file.
            return True
        raise
    with response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        length = response.headers.get("Content-Length")
        with part.open("ab" if resumed else "wb") as out:
            shutil.copyfileobj(response, out, _BLOCK)
    if length is None:
        return True
    return part.stat().st_size == int(length) + (have if resumed else 0)


def _offline_file(source: Source, folder: Path) -> Path:
    candidates = [folder / source.filename] if source.url else sorted(folder.glob(f"{source.name}*"))
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    wanted = source.filename if source.url else f"{source.name}*"
    message = f"{folder} holds no {wanted}; expected the file of {source.name} {source.version} there"
    raise UsageError(message)


def _copy(source: Source, original: Path, target: Path, expected: str) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(original, temporary)
        _verify(source, temporary, expected, discard=False)


def _verify(source: Source, file: Path, expected: str, *, discard: bool) -> None:
    found = sha256_file(file)
    if expected and found != expected:
        if discard:
            file.unlink()
        message = (
            f"{source.name} {source.version}: sha256 is {found}, expected {expected}; the file was damaged on its way "
            f"or changed at its source. Fetch it again; if it changed on purpose, delete its entry in {LOCK_NAME}"
        )
        raise DataError(message)


def _expected(source: Source, target: Path) -> str:
    if source.sha256:
        return source.sha256
    lock = target.parent / LOCK_NAME
    entries = read_json(lock) if lock.is_file() else {}
    entry = entries.get(f"{source.name} {source.version}".strip(), {})
    return str(entry.get("sha256", ""))


def _lock(source: Source, target: Path) -> None:
    lock = target.parent / LOCK_NAME
    entries = read_json(lock) if lock.is_file() else {}
    digest = sha256_file(target)
    entries[f"{source.name} {source.version}".strip()] = {"file": target.name, "sha256": digest, "url": source.url}
    write_json(lock, entries)
