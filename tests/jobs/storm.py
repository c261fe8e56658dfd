"""A site under random faults: gateways, workers and stores are killed, stopped and slowed while jobs run.

Everything is real: processes of the ``abyssal`` command, Redis, a server of MongoDB's protocol, an S3-compatible
server. The workflow is the project's own, or a small stand-in whose steps take half a second.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from abyssal.errors import AbyssalError
from abyssal.stores.collections import UPLOADS
from abyssal_server.jobs.processes import marked_processes
from abyssal_server.jobs.queue import CLAIMED, JobQueue
from abyssal_server.places import Places, PlaceSettings

LEASE_SECONDS = 5.0
ADMIN_TOKEN = "an-admin-token-for-storms-0123456789"
_PIECE = 60_000
_OFFSET = {"Content-Type": "application/offset+octet-stream"}


class Part:
    """A process that is killed and started again with the same command line."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.command = command
        self._environment = {**os.environ, **environment}
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @classmethod
    def adopt(cls, name: str, word: str, log: Path) -> Part:
        """Take over a server that a fixture started, found by a word of its command line."""
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                line = (
                    (entry / "cmdline").read_bytes().decode().rstrip("\0").split("\0") if entry.name.isdigit() else []
                )
                if any(word in one for one in line) and int(entry.name) != os.getpid():
                    os.kill(int(entry.name), signal.SIGKILL)
                    time.sleep(0.3)
                    return cls(name, line, {}, log)
        raise AssertionError(word)

    def start(self) -> None:
        if "--pid-file" in self.command:  # a server that was killed left it
            Path(self.command[self.command.index("--pid-file") + 1]).unlink(missing_ok=True)
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, env=self._environment, stdout=out, stderr=out, start_new_session=True
            )

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def kill(self, pause: float) -> None:
        """End it as a power cut would, and start it again."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(20)
        time.sleep(pause)
        self.start()

    def freeze(self, seconds: float) -> None:
        """Stop it for a while, as an overloaded machine would."""
        self.signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.signal(signal.SIGCONT)

    def slow_down(self, seconds: float) -> None:
        """Let it run a tenth of the time, as a starved machine would."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.freeze(0.09)
            time.sleep(0.01)

    def stop(self) -> None:
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        assert self.process is not None
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


@dataclass
class Outcome:
    """What a storm did and found."""

    faults: Counter[str] = field(default_factory=Counter)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    uploads: int = 0
    orphans: list[int] = field(default_factory=list)

    def summary(self) -> str:
        attempts = sum(job["attempt"] for job in self.jobs)
        slowest = max(self.recoveries, default=0.0)
        return (
            f"{self.faults.total()} faults {dict(self.faults)}; {len(self.jobs)} jobs in {attempts} attempts, states "
            f"{dict(Counter(job['state'] for job in self.jobs))}; {self.uploads} datasets equal byte for byte; "
            f"{len(self.recoveries)} recoveries, slowest {slowest:.1f} s; {len(self.orphans)} orphans"
        )


class Site:
    """Gateway, workers and stores of one storm."""

    def __init__(self, folder: Path, environment: Mapping[str, str], stores: list[Part], workflow: Path | None) -> None:
        self._folder = folder
        self._stores = stores
        address = folder / "address"
        settings = {
            "ABYSSAL_DATA": str(folder / "data"), "ABYSSAL_ADMIN_TOKEN": ADMIN_TOKEN, "ABYSSAL_SERVER": "127.0.0.1:9",
            "ABYSSAL_LEASE_SECONDS": str(LEASE_SECONDS), "OMP_NUM_THREADS": "1",
            "ABYSSAL_GATEWAY_REQUESTS_PER_MINUTE": "100000", **environment,
        }  # fmt: skip
        if workflow is not None:
            settings["ABYSSAL_WORKER_WORKFLOW"] = str(workflow)
        (folder / "data").mkdir(parents=True)
        self.settings = PlaceSettings.read({**os.environ, **settings})
        os.environ.update({name: value for name, value in environment.items() if name.startswith("S3_")})
        self.places = Places(self.settings)
        self.queue = JobQueue(self.places.documents)
        command = [sys.executable, "-m", "abyssal.cli"]
        self.gateway = Part(
            "gateway",
            [*command, "gateway", "--port", "0", "--port-file", str(address)],
            settings,
            folder / "gateway.log",
        )
        while not address.is_file():
            time.sleep(0.05)
        self.url = f"http://{address.read_text().strip()}"
        port = self.url.rpartition(":")[2]
        self.gateway.command = [*command, "gateway", "--port", port]
        self.workers = [
            Part(f"worker-{n}", [*command, "worker", "--cores", "2"], settings, folder / f"worker-{n}.log")
            for n in range(2)
        ]
        self.outcome = Outcome()
        self._healed = threading.Event()
        self._interrupted: dict[str, tuple[int, float]] = {}

    # -- the load -----------------------------------------------------------------------------------------------

    def submit(self, files: Mapping[str, bytes], body: Mapping[str, Any], key: str) -> str:
        """Upload a dataset and queue a job, as a patient client does; returns the job's id."""
        dataset: dict[str, Any] = self._ask(
            "POST", "/datasets",
            json={"name": key, "files": [{"name": name, "bytes": len(content)} for name, content in files.items()]},
        ).json()  # fmt: skip
        for file in dataset["files"]:
            self._send(f"/datasets/{dataset['id']}/files/{file['index']}", files[file["name"]])
        done = self._ask("POST", f"/datasets/{dataset['id']}/complete").json()
        assert done["state"] == "ready", done["problems"]
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Idempotency-Key": key}
        job = self._ask("POST", "/jobs/train", json={**body, "dataset": dataset["id"]}, headers=headers).json()
        self._verify(dataset["id"], files)
        return str(job["id"])

    def _send(self, path: str, content: bytes) -> None:
        while (offset := int(self._ask("HEAD", path).headers["Upload-Offset"])) < len(content):
            piece = content[offset : offset + _PIECE]
            self._ask("PATCH", path, content=piece, headers={**_OFFSET, "Upload-Offset": str(offset)}, also=(409,))

    def _ask(self, method: str, path: str, *, also: tuple[int, ...] = (), **more: Any) -> httpx.Response:
        end = time.monotonic() + 180
        while True:
            try:
                answer = httpx.request(method, self.url + path, timeout=30, **more)
            except httpx.TransportError:
                answer = None
            if answer is not None and (answer.status_code < 400 or answer.status_code in also):
                return answer
            transient = answer is None or answer.status_code in (409, 429, 500, 503)
            assert transient, (method, path, answer and answer.text)
            assert time.monotonic() < end, (method, path, answer and answer.text)
            time.sleep(0.3)

    def _verify(self, dataset: str, files: Mapping[str, bytes]) -> None:
        """Compare what is kept with what was sent, byte for byte."""
        rows = self._ask("GET", f"/datasets/{dataset}").json()["contents"]
        assert {row["name"] for row in rows} == set(files)
        kept = self._patiently(lambda: self.places.documents.get(UPLOADS, dataset))["contents"]
        for row in kept:
            content = self._patiently(
                lambda row=row: b"".join(self.places.objects(f"datasets/{dataset}").stream(row["file"]))
            )
            assert hashlib.sha256(content).digest() == hashlib.sha256(files[row["name"]]).digest()
        self.outcome.uploads += 1

    def _patiently(self, call: Callable[[], Any]) -> Any:
        end = time.monotonic() + 120
        while True:
            try:
                return call()
            except AbyssalError:
                assert time.monotonic() < end
                time.sleep(0.3)

    # -- the faults ---------------------------------------------------------------------------------------------

    def strike(self, random_: random.Random) -> None:
        """Do one thing that must not matter."""
        parts = [*self.workers, *self.workers, self.gateway, *self._stores]
        kinds = ["kill", "freeze", "slow", "snakemake", "supervisor"]
        kind = random_.choices(kinds, [5, 3, 2, 1, 1])[0]
        if kind in ("snakemake", "supervisor"):
            if self._kill_program(kind):
                self.outcome.faults[f"kill {kind}"] += 1
                return
            kind = "kill"
        part = random_.choice(parts)
        if part in self.workers:
            self._note_interruption(part)
        if kind == "kill":
            part.kill(random_.uniform(0.0, 1.0))
        elif kind == "slow":
            part.slow_down(random_.choice([2.0, LEASE_SECONDS + 2.0]))
        else:
            part.freeze(random_.choice([0.5, 2.0, LEASE_SECONDS + 2.0]))
        self.outcome.faults[f"{kind} {part.name.partition('-')[0]}"] += 1

    def _kill_program(self, kind: str) -> bool:
        word = b"supervisor.py" if kind == "supervisor" else b"snakemake"
        for pid in self._marked():
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                if word in line and (kind == "supervisor" or b"supervisor.py" not in line):
                    os.kill(pid, signal.SIGKILL)
                    return True
        return False

    def _note_interruption(self, worker: Part) -> None:
        assert worker.process is not None
        with contextlib.suppress(AbyssalError):
            for job in self.running():
                if f":{worker.process.pid}:" in job["worker"]:
                    self._interrupted[job["_id"]] = (job["fence"], time.time())

    def running(self) -> list[dict[str, Any]]:
        return [job for state in CLAIMED for job in self.queue.jobs({"kind": "train", "state": state.value})]

    def watch(self, ids: list[str]) -> None:
        """Measure how long interrupted jobs wait for their next worker, until the storm has been healed."""
        while not self._healed.is_set():
            for identity, (fence, at) in list(self._interrupted.items()):
                with contextlib.suppress(AbyssalError):
                    job = self.queue.get(identity)
                    # A frozen worker that came back in time still holds its claim.
                    renewed = job["fence"] == fence and job["lease_until"] > at + LEASE_SECONDS
                    if job["fence"] != fence or job["state"] not in CLAIMED or renewed:
                        self.outcome.recoveries.append(time.time() - at)
                        del self._interrupted[identity]
            time.sleep(0.1)

    # -- the end ------------------------------------------------------------------------------------------------

    def finish(self, ids: list[str], seconds: float) -> Outcome:
        """Wait until all jobs have ended, then stop everything and look for what is left."""
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(AbyssalError):
                self.outcome.jobs = [self.queue.get(identity) for identity in ids]
                if all(job["state"] in ("succeeded", "failed", "cancelled") for job in self.outcome.jobs):
                    break
            assert time.monotonic() < end, self.outcome.summary()
            time.sleep(0.3)
        self._healed.set()
        for worker in self.workers:
            worker.stop()
        self.outcome.orphans = self._marked()
        return self.outcome

    def close(self) -> None:
        self._healed.set()
        for part in (*self.workers, self.gateway):
            part.stop()
        for part in self._stores:
            part.signal(signal.SIGCONT)
            part.signal(signal.SIGKILL)
            assert part.process is not None
            part.process.wait(20)
        for pid in self._marked():
            os.kill(pid, signal.SIGKILL)
        self.places.close()

    def _marked(self) -> list[int]:
        """Return the processes of this site's jobs; other sites may run on this machine."""
        place = str(self._folder)
        found = []
        for pid in marked_processes():
            with contextlib.suppress(OSError):
                if f"ABYSSAL_DATA={place}/data".encode() in Path(f"/proc/{pid}/environ").read_bytes():
                    found.append(pid)
        return found
