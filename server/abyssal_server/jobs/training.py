"""One attempt at a training job: workspace, Snakemake, artefacts, publication."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from abyssal.errors import StoreError
from abyssal.stores.collections import UPLOADS
from abyssal_server.errors import Missing
from abyssal_server.jobs.artefacts import keep_artefacts
from abyssal_server.jobs.lease import Lease
from abyssal_server.jobs.logs import JobLog
from abyssal_server.jobs.processes import JobProcess, kill_marked
from abyssal_server.jobs.progress import EventFile, GrowingText
from abyssal_server.jobs.publishing import activate_bundle, bundles_of, publish_bundle
from abyssal_server.jobs.queue import Claim, JobQueue, State
from abyssal_server.jobs.settings import WorkerSettings
from abyssal_server.jobs.workspace import Workspace, snakemake_environment
from abyssal_server.places import Places

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_REPORT_SECONDS = 1.0
_TAIL_CHARACTERS = 2000
_KILLED = (-9, 137)
"""Exit statuses of a supervisor that was killed, and of one whose command was."""


class RunFailed(Exception):
    """Snakemake ended with an error; ``rule`` is the failed step, or ""."""

    def __init__(self, detail: str, rule: str = "") -> None:
        super().__init__(detail)
        self.rule = rule


class Killed(Exception):
    """Somebody killed the run, the kernel short of memory for example; that is no failure of the workflow."""


class Cancelled(Exception):
    """Somebody wanted the end of the job."""


class Training:
    """Runs training jobs.

    Args:
        settings: of the worker.
        places: the stores.
        queue: the jobs.
    """

    def __init__(self, settings: WorkerSettings, places: Places, queue: JobQueue) -> None:
        self._settings = settings
        self._places = places
        self._queue = queue

    def run(self, claim: Claim, stopping: Callable[[], bool]) -> None:
        """Work on a claimed job until it has ended.

        Raises:
            LeaseLost: somebody else works on it now; nothing of this attempt runs any more.
            StoreError: a store is out of order; the job is not ended.
            Interrupted: this worker is to stop; the job is not ended.
        """
        log = JobLog(self._places.documents, claim.id)
        with Lease(self._queue, claim) as lease:
            try:
                self._attempt(claim, lease, log, stopping)
            except Cancelled:
                self._queue.finish(claim, State.CANCELLED)
            except Killed:
                log.append("=== the run was killed; it is tried again\n")
                self._queue.release(claim, lost=True)
            except RunFailed as error:
                values = {"error": {"detail": str(error), "rule": error.rule or None}}
                self._queue.finish(claim, State.FAILED, values)

    def _attempt(self, claim: Claim, lease: Lease, log: JobLog, stopping: Callable[[], bool]) -> None:
        request = claim.job["request"]
        config = json.loads(request["config"])
        markers = sorted(config["markers"])
        kill_marked(lambda mark: mark.partition(":")[0] == claim.id)
        workspace = Workspace(self._settings.work, claim.id)
        self._prepare(workspace, request, config)
        log.append(f"=== attempt {claim.job['attempt']}\n")
        self._snakemake(claim, lease, log, workspace, stopping)
        results = workspace.results(config)
        keep_artefacts(self._places, claim.id, results, markers)
        self._publish(claim, lease, results, markers)
        if not self._settings.keep_workspaces:
            workspace.remove()

    def _prepare(self, workspace: Workspace, request: dict[str, Any], config: dict[str, Any]) -> None:
        dataset = self._places.documents.get(UPLOADS, request["dataset"])
        if dataset is None:
            raise RunFailed(str(Missing(kind="dataset", name=request["dataset"])))
        workspace.prepare(self._places, dataset, config)

    def _snakemake(
        self, claim: Claim, lease: Lease, log: JobLog, workspace: Workspace, stopping: Callable[[], bool]
    ) -> None:
        """Run Snakemake to its end, reporting what it does."""
        text_file = workspace.begin_attempt(int(claim.job["attempt"]))
        events, text = EventFile(workspace.events), GrowingText(text_file)
        process = JobProcess(
            self._command(workspace), directory=workspace.directory, log=text_file,
            environment=snakemake_environment(workspace.events), mark=f"{claim.id}:{claim.fence}",
        )  # fmt: skip
        end = time.monotonic() + 3600 * self._settings.job_hours
        tail, reported, asked = "", 0.0, False
        try:
            while (status := process.poll()) is None:
                time.sleep(_LOOK_SECONDS)
                lease.check()
                if stopping():
                    raise Interrupted
                if (lease.cancelled.is_set() or time.monotonic() > end) and not asked:
                    asked = True
                    process.ask_to_end()
                if time.monotonic() > reported + _REPORT_SECONDS:
                    reported = time.monotonic()
                    tail = self._report(claim, events, text, log, tail)
        finally:
            process.close()
        tail = self._report(claim, events, text, log, tail, last=True)
        if lease.cancelled.is_set():
            raise Cancelled
        if status in _KILLED and not asked:
            raise Killed
        if status:
            progress = events.progress
            failed = progress.failed_rule or next(iter(progress.to_json()["running"]), "")
            reason = "it took too long" if asked else f"Snakemake ended with status {status}"
            message = f"{reason}. The end of its log:\n{tail}"
            raise RunFailed(message, failed)

    def _report(
        self, claim: Claim, events: EventFile, text: GrowingText, log: JobLog, tail: str, *, last: bool = False
    ) -> str:
        """Write what is new to the stores; a store that does not answer is told again the next time."""
        try:
            if events.read():
                self._queue.update(claim, {"progress": events.progress.to_json()})
            if new := text.read(to_the_end=last):
                log.append(new)
                tail = (tail + new)[-_TAIL_CHARACTERS:]
        except StoreError as error:
            logger.warning("job %s: progress was not reported (%s)", claim.id, error)
        return tail

    def _command(self, workspace: Workspace) -> list[str]:
        command = [
            sys.executable, "-m", "snakemake", "--snakefile", str(self._settings.workflow.resolve() / "Snakefile"),
            "--directory", str(workspace.directory), "--configfile", str(workspace.config_file),
            "--rerun-incomplete", "--nolock", "--nocolor", "--logger", "abyssal",
        ]  # fmt: skip
        if self._settings.profile is not None:
            return [*command, "--profile", str(self._settings.profile)]
        command += ["--cores", str(self._settings.cores)]
        if self._settings.memory_mb:
            command += ["--resources", f"mem_mb={self._settings.memory_mb}"]
        return command

    def _publish(self, claim: Claim, lease: Lease, results: Path, markers: list[str]) -> None:
        """Publish and end the job: the fence is compared before anything is published and again at the end."""
        announced = {one["name"]: one["digest"] for one in claim.job.get("bundles", ())}
        bundles = [{**one, "announced": announced.get(one["name"], "")} for one in bundles_of(results, markers)]
        lease.check()
        kept = [{**one, "digest": one["announced"] or one["digest"]} for one in bundles]
        self._queue.publish(claim, [{key: one[key] for key in ("name", "version", "digest", "marker")} for one in kept])
        registry = self._places.registry()
        models = []
        for bundle in bundles:
            digest = publish_bundle(registry, results / bundle["marker"] / "bundle", bundle)
            model = {**{key: bundle[key] for key in ("name", "version", "marker")}, "digest": digest}
            models.append({**model, "activated": False, "problem": ""})
        if claim.job["request"]["activate"]:
            for model in models:
                model["problem"] = activate_bundle(
                    registry, model, server=self._settings.server, key=self._settings.service_key()
                )
                model["activated"] = not model["problem"]
        self._queue.finish(claim, State.SUCCEEDED, {"models": models})


class Interrupted(Exception):
    """The worker is to stop; whoever comes next goes on with the job."""
