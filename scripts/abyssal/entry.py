"""What every ``script:`` entry does first: log to the rule's file, check the library, shorten a user's errors."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import abyssal
from abyssal.errors import AbyssalError, UsageError

logger = logging.getLogger(__name__)


def start(snakemake: Any) -> None:
    """Prepare an entry script; call it before anything heavy is imported.

    Messages go to the rule's log file. An AbyssalError ends the job with status 1 and one ``ERROR:`` paragraph in the
    log and on stderr; any other exception keeps its traceback, in the log as well.

    Args:
        snakemake: the object Snakemake hands to a script; ``log``, ``scriptdir`` and ``threads`` are used.
    """
    log = str(snakemake.log[0]) if snakemake.log else None
    logging.basicConfig(
        level=logging.INFO,
        format="%(levelname)s %(name)s: %(message)s",
        handlers=[logging.FileHandler(log, mode="w")] if log else None,
        force=True,
    )
    sys.excepthook = _report
    _limit_threads(int(snakemake.threads))
    _check_library(Path(str(snakemake.scriptdir)))


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, AbyssalError):
        logger.error("%s", error)
        sys.stderr.write(f"ERROR: {error}\n")
        return
    logger.critical("the job failed", exc_info=(kind, error, trace))
    sys.__excepthook__(kind, error, trace)


def _limit_threads(threads: int) -> None:
    """Tell the numerical libraries, before they load, how many threads the rule was given, and to sum in a fixed order.

    A matrix product that is split over threads may round differently, and a bundle's digest must not depend on the
    cores of a machine. MKL (PyTorch) has a mode for that, OpenBLAS (NumPy) gets one thread.
    """
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = str(threads)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    os.environ["MKL_CBWR"] = "AVX2,STRICT"


def _check_library(script_directory: Path) -> None:
    """Refuse to run against an ``abyssal`` that is not the one beside the entry scripts."""
    found = Path(abyssal.__file__).resolve().parent
    expected = (script_directory / "abyssal").resolve()
    if found != expected:
        message = (
            f"the installed abyssal is {found}, but this workflow belongs to {expected}; "
            "install the checkout (make setup) or run the workflow of the installed version"
        )
        raise UsageError(message)
