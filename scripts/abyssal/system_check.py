"""Make sure the programs outside Python are there: install them where that is possible, else say how.

Run as ``python -m abyssal.system_check [--optional]``; it does nothing when everything is on PATH.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

REQUIRED = {"vsearch": "vsearch"}
"""Program and the Debian package that holds it."""


def missing_programs(programs: dict[str, str]) -> list[str]:
    """Return the Debian packages of the programs that are not on PATH, sorted."""
    return sorted({package for program, package in programs.items() if shutil.which(program) is None})


def main() -> int:
    """Install missing programs with apt when root on Debian, else print the command and return 2."""
    packages = missing_programs(REQUIRED)
    if not packages:
        return 0
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        sys.stderr.write(f"==> installing {' '.join(packages)} with apt\n")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], install):
            subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        return 0
    sys.stderr.write(
        f"ERROR: not on PATH: {', '.join(packages)}. To mend, type\n"
        f"    sudo {' '.join(install)}\n"
        f"or\n    conda install -c conda-forge -c bioconda {' '.join(packages)}\n"
    )
    return 2


if __name__ == "__main__":
    sys.exit(main())
