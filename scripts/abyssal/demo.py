"""The demo: the workflow on the data that ship, then the bundle served on loopback and asked through gRPC.

Run as ``python -m abyssal.demo [--cores N]`` from the repository's root (``make demo``). Safe to interrupt; a second
run only does what is missing.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from abyssal.errors import AbyssalError, ToolError

STUDY = Path("results/demo/18S-V4-Zingone")
QUERIES = Path("resources/demo/queries.fasta")
START_TIMEOUT_SECONDS = 120


def _say(text: str) -> None:
    sys.stderr.write(f"==> {text}\n")


def _python(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", *map(str, arguments)]


def run_workflow(cores: int) -> None:
    """Run the workflow on the demo config, unlocking a directory that an interrupted run left locked."""
    command = _python("snakemake", "--cores", str(cores), "--rerun-incomplete", "--quiet", "rules")
    lock = Path(".snakemake/locks")
    if lock.is_dir() and any(lock.iterdir()):
        subprocess.run([*command, "--unlock"], check=True)
    done = subprocess.run(command, check=False)
    if done.returncode:
        message = f"the workflow ended with status {done.returncode}; the messages above name the rule and its log"
        raise ToolError(message)


@contextmanager
def served(bundle: Path, log: Path) -> Iterator[str]:
    """Serve a bundle on a free loopback port and yield ``host:port``; the service is stopped at the end."""
    with tempfile.TemporaryDirectory() as folder, log.open("w") as output:
        port_file = Path(folder) / "port"
        command = _python("abyssal.cli", "serve", "--bundle", bundle, "--port", "0", "--port-file", port_file)
        service = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            yield _wait_for_address(service, port_file, log)
        finally:
            os.killpg(service.pid, signal.SIGTERM)
            service.wait(timeout=30)


def _wait_for_address(service: subprocess.Popen[bytes], port_file: Path, log: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if port_file.is_file() and (text := port_file.read_text().strip()):
            return text
        if service.poll() is not None:
            break
        time.sleep(0.1)
    message = f"the service did not start; its messages are in {log}:\n{log.read_text()[-2000:]}"
    raise ToolError(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo and say where everything is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args(argv)
    started = time.monotonic()
    answers = STUDY / "demo_classifications.tsv"
    try:
        _say(f"reads to bundle: snakemake --cores {arguments.cores}")
        run_workflow(arguments.cores)
        _say("serving the bundle and classifying through gRPC")
        with served(STUDY / "bundle", Path("logs/demo_service.log")) as address:
            subprocess.run(
                _python("abyssal.cli", "classify", QUERIES, "--server", address, "-o", answers, "--table"), check=True
            )
    except AbyssalError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return error.exit_code
    except subprocess.CalledProcessError as error:
        return error.returncode
    except KeyboardInterrupt:
        return 130
    _say(f"done in {time.monotonic() - started:.0f} s")
    for what, where in {
        "bundle": STUDY / "bundle",
        "report (open in a browser)": STUDY / "report.html",
        "ledger of every read": STUDY / "preprocess" / "ledger.tsv",
        "ASVs with their lineages": STUDY / "taxonomy.tsv",
        "the table above": answers,
        "serve it yourself": f"abyssal serve --bundle {STUDY / 'bundle'}",
        "web page": "abyssal gateway --server HOST:PORT, then open the address it prints",
    }.items():
        sys.stdout.write(f"{what:28} {where}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
