"""Workers that publish, activate, fetch and prune until kill -9 hits them, and what must hold whenever it did."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from abyssal.bundle.read import open_bundle
from abyssal.bundle.registry import Registry, open_registry

VERSIONS = 6

# Says on stdout what it has done, after it was done: what was said must be there later.
WORKER = """
import sys
from pathlib import Path
from abyssal.bundle.registry import open_registry
from abyssal.errors import UsageError
location, written, target, round_ = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
registry = open_registry(location)
bundles = sorted(written.iterdir())
print("ready", flush=True)
while True:
    # Starts elsewhere each time, so that slow stores see every version and every step, too.
    for bundle in bundles[round_ % len(bundles):] + bundles[:round_ % len(bundles)]:
        done = registry.publish(bundle)
        print("published", done.version, done.digest, flush=True)
        registry.activate("demo", done.version)
        print("activated", done.version, flush=True)
        try:
            fetched = registry.fetch("demo", "current", target / f"{done.version}-{round_}")
            print("fetched", fetched.version, flush=True)
        except UsageError:
            print("elsewhere", done.version, flush=True)
        registry.prune("demo", keep=100)
"""


class Storm:
    """A registry that is worked on and killed again and again.

    Args:
        location: of the registry.
        environment: its settings, beside those of this process.
        written: folder with ``VERSIONS`` bundles of the name demo.
        scratch: an empty folder.
    """

    def __init__(self, location: str, environment: Mapping[str, str], written: Path, scratch: Path) -> None:
        self._location, self._environment = location, dict(environment)
        self._written, self._target, self._cache = written, scratch / "fetched", scratch / "cache"
        self._target.mkdir(parents=True)
        self._acknowledged: dict[str, str] = {}
        self._fresh = 0

    @property
    def registry(self) -> Registry:
        """The registry as a newcomer opens it."""
        return open_registry(self._location, environment=self._environment)

    def rage(self, kills: int, *, seed: int, longest: float) -> None:
        """Kill workers at random moments of their first ``longest`` seconds; look at the registry after each."""
        chance = random.Random(seed)
        for round_ in range(kills):
            said = self._run_until_killed(round_, chance.uniform(0.0, longest))
            self._check(said, chance)

    def finish(self) -> None:
        """Publish what is missing; all versions are there, whole, and nothing else is listed."""
        for bundle in self._written.iterdir():
            self.registry.publish(bundle)
        self.registry.prune("demo", keep=100)
        assert self.registry.versions("demo") == [str(version) for version in range(1, VERSIONS + 1)]
        for version in self.registry.versions("demo"):
            self._fetch_afresh(version)

    def _run_until_killed(self, round_: int, delay: float) -> list[list[str]]:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, self._location, str(self._written), str(self._target), str(round_)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **self._environment},
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        said, errors = process.communicate(timeout=30)
        assert errors == ""
        return [line.split() for line in said.splitlines(keepends=True) if line.endswith("\n")]

    def _check(self, said: list[list[str]], chance: random.Random) -> None:
        """All that can be seen is valid, and all that was ever acknowledged can be seen."""
        registry = self.registry
        visible = registry.versions("demo")
        self._acknowledged |= {event[1]: event[2] for event in said if event[0] == "published"}
        digests = {version: registry.manifest("demo", version)[1] for version in visible}
        assert {version: digests[version] for version in self._acknowledged} == self._acknowledged
        labels = registry.labels("demo")
        for label in (labels.current, labels.previous):
            assert label is None or label in visible
        activated = [event[1] for event in said if event[0] == "activated"]
        if activated:
            following = str(int(activated[-1]) % VERSIONS + 1)
            assert labels.current in (activated[-1], following)
        for version in visible:
            assert registry.open("demo", version, cache=self._cache).digest == digests[version]
        if visible:
            self._fetch_afresh(chance.choice(visible))
        for fetched in self._target.glob("[!.]*"):
            open_bundle(fetched)

    def _fetch_afresh(self, version: str) -> None:
        self._fresh += 1
        self.registry.fetch("demo", version, self._cache / f"fresh-{self._fresh}")
