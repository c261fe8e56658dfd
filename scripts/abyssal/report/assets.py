"""The template, style and script that the page is made from."""

from __future__ import annotations

import hashlib
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parent / "templates"


def read_asset(name: str) -> str:
    """Return the text of one asset."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def assets_digest() -> str:
    """Return 16 hex digits over all assets, so that an edit of the page's looks makes the report again."""
    digest = hashlib.sha256()
    for path in sorted(TEMPLATES.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
