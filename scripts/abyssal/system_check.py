"""Make sure the programs outside Python are there: install them where that is possible, else say how.

Run as ``python -m abyssal.system_check [--tests]``; it does nothing when everything is on PATH. ``--tests`` adds what
only tests start (servers, a browser, a scheduler): those are installed where that is possible, and a test that misses
one skips and says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REQUIRED = {"vsearch": "vsearch"}
"""Program and the Debian package that holds it."""

TESTS = {
    "swarm": "swarm", "blastn": "ncbi-blast+", "redis-server": "redis-server", "chromium": "chromium",
    "slurmctld": "slurm-wlm", "slurmdbd": "slurmdbd", "munged": "munge", "mysqld": "mariadb-server",
}  # fmt: skip
"""Programs that only tests start."""

SERVICE_POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian asks this script whether an installed service may start; 101 means no."""

SYSTEM_FOLDERS = ("/usr/sbin", "/sbin")
"""Daemons lie here, which is on the PATH of root alone."""


def missing_programs(programs: dict[str, str]) -> list[str]:
    """Return the Debian packages of the programs that are not installed, sorted."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_FOLDERS])
    return sorted({package for program, package in programs.items() if shutil.which(program, path=path) is None})


def main(arguments: list[str]) -> int:
    """Install missing programs with apt when root on Debian, else print the command and return 2."""
    if "--tests" in arguments:
        return _install_for_tests(missing_programs(TESTS))
    packages = missing_programs(REQUIRED)
    if not packages:
        return 0
    if _can_install():
        _install(packages)
        return 0
    sys.stderr.write(
        f"ERROR: not on PATH: {', '.join(packages)}. To mend, type\n"
        f"    sudo apt-get install -y --no-install-recommends {' '.join(packages)}\n"
        f"or\n    conda install -c conda-forge -c bioconda {' '.join(packages)}\n"
    )
    return 2


def _can_install() -> bool:
    return bool(shutil.which("apt-get")) and hasattr(os, "geteuid") and os.geteuid() == 0


def _install(packages: list[str]) -> None:
    sys.stderr.write(f"==> installing {' '.join(packages)} with apt\n")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    for command in (["apt-get", "update", "-qq"], install):
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def _install_for_tests(packages: list[str]) -> int:
    """Install what can be installed, without starting any of it as a service; what is missing then is only named."""
    if packages and _can_install():
        try:
            with _services_stay_off():
                _install(packages)
            packages = missing_programs(TESTS)
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"==> apt ended with code {error.returncode}\n")
    if packages:
        sys.stderr.write(f"==> not installed: {', '.join(packages)}; the tests that need them are skipped\n")
    return 0


@contextmanager
def _services_stay_off() -> Iterator[None]:
    """While Debian packages are installed, do not let them start their services."""
    if SERVICE_POLICY.exists():
        yield
        return
    SERVICE_POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    SERVICE_POLICY.chmod(0o755)
    try:
        yield
    finally:
        SERVICE_POLICY.unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
