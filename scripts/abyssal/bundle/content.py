"""Which bytes a bundle's files may start with: data in the format their suffix promises, never a program or an archive.

Hashes prove that a file is what its author packed; these checks are for authors who cannot be trusted.
"""

from __future__ import annotations

import zlib

_HEAD = 4096
_MAX_SAFETENSORS_HEADER = 64 << 20
_LENGTH_BYTES = 8
_EXECUTABLE_STARTS = {
    b"\x7fELF": "an ELF program",
    b"MZ": "a Windows program",
    b"\xca\xfe\xba\xbe": "a Mach-O program or Java class",
    b"\xcf\xfa\xed\xfe": "a Mach-O program",
    b"\xfe\xed\xfa": "a Mach-O program",
    b"\x00asm": "a WebAssembly module",
    b"#!": "a script",
    b"PK\x03\x04": "a zip archive (TorchScript, joblib, wheel)",
    b"PK\x05\x06": "a zip archive",
}
HEAD_BYTES = _HEAD
"""How many bytes ``content_problem`` wants to see."""


BINARY = "holds binary bytes, but its suffix promises text"


def is_text(path: str) -> bool:
    """Return whether a file of this name may hold no NUL anywhere: archives that hide behind text have some."""
    return not path.endswith((".safetensors", ".gz"))


def content_problem(path: str, head: bytes, size: int) -> str | None:
    """Return what is wrong with a file's first bytes for its suffix, or None.

    Args:
        path: path below the bundle.
        head: the first ``HEAD_BYTES`` bytes of the file, or all of a shorter one.
        size: length of the whole file in bytes.
    """
    if path.endswith(".safetensors"):
        return _safetensors_problem(head, size)
    if path.endswith(".gz"):
        return _gzip_problem(head)
    for start, meaning in _EXECUTABLE_STARTS.items():
        if head.startswith(start):
            return f"is {meaning}; a bundle holds data only"
    if b"\0" in head:
        return BINARY
    if path.endswith(".json") and head.lstrip()[:1] not in (b"{", b"["):
        return "is not JSON, as its suffix says"
    return None


def _safetensors_problem(head: bytes, size: int) -> str | None:
    length = int.from_bytes(head[:_LENGTH_BYTES], "little")
    fits = len(head) > _LENGTH_BYTES and 0 < length <= min(size - _LENGTH_BYTES, _MAX_SAFETENSORS_HEADER)
    if not fits or head[_LENGTH_BYTES : _LENGTH_BYTES + 1] != b"{":
        return "is not in the safetensors format, as its suffix says"
    return None


def _gzip_problem(head: bytes) -> str | None:
    """Look at the first letters inside, too: an archive may be gzipped as well."""
    try:
        inside = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, _HEAD)
    except zlib.error:
        inside = b"?"
    if not head.startswith(b"\x1f\x8b\x08") or inside[:1] not in (b"", b">") or b"\0" in inside:
        return "is not gzipped FASTA, as its suffix says"
    return None
