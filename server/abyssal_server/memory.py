"""Memory of a long-running process: what callers have left is given back, and what stays is not searched for garbage.

Without the first the C library keeps the most that all callers ever had. Without the second a full garbage collection
walks over the models and half a million objects of the libraries: a tenth of a second in which no call is answered.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
from pathlib import Path

_ARENA_MAX = -8
"""``M_ARENA_MAX`` of glibc's ``mallopt``."""
_ARENAS = 2
_LOOK_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 16.0
_STATM = Path("/proc/self/statm")
_WORTH_PAGES = (2 << 20) // os.sysconf("SC_PAGE_SIZE")


def use_few_arenas() -> None:
    """Let threads share arenas, so that what one frees another may use; to be called before there are threads."""
    libc = ctypes.CDLL(None)
    # Only glibc has both; elsewhere the allocator's own ways must do.
    if hasattr(libc, "mallopt"):
        libc.mallopt(_ARENA_MAX, _ARENAS)


async def give_back() -> None:
    """Return free pages to the system whenever the process has grown by some MiB; runs until it is cancelled."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "malloc_trim") or not _STATM.is_file():
        return
    least, wait = _resident_pages(), _LOOK_SECONDS
    while True:
        await asyncio.sleep(wait)
        before = _resident_pages()
        if before <= least + _WORTH_PAGES:
            wait = _LOOK_SECONDS
            continue
        await asyncio.to_thread(libc.malloc_trim, 0)
        # Walking the heap takes some 50 ms: less often as long as all of it is in use.
        in_use = before - _resident_pages() < _WORTH_PAGES
        wait = min(2 * wait, _LONGEST_WAIT_SECONDS) if in_use else _LOOK_SECONDS


def settle() -> None:
    """Collect garbage, and leave all that is alive out of later collections until this is called again."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.enable()


def _resident_pages() -> int:
    return int(_STATM.read_text().split()[1])
