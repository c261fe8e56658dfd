"""The collections of Abyssal: what the workflow, the service and the gateway keep in a metadata store."""

from __future__ import annotations

from abyssal.stores.documents import Collection

DATASETS = Collection("datasets", {"kind": str, "study": str, "recorded": str})
"""Read files of a study, or a reference; named by what they hold."""

RUNS = Collection("runs", {"study": str, "model": str, "recorded": str})
"""Finished workflow runs; ``datasets`` names what went in, ``model`` the digest of the bundle that came out."""

MODELS = Collection("models", {"name": str, "marker": str, "recorded": str})
"""Bundles by their digest; ``published`` lists the registries that hold them."""

JOBS = Collection(
    "jobs",
    {"kind": str, "state": str, "created": float, "lease_until": float, "fence": float, "key": str},
    frozenset({"key"}),
)
"""Training and classification; ``fence`` counts the claims of a job, so that a worker whose lease ran out cannot
publish; ``key`` is what a client calls its request, so that the same request twice is one job."""

JOB_LOGS = Collection("job_logs", {"job": str, "number": float})
"""What a job's programs wrote, piece by piece."""

UPLOADS = Collection("uploads", {"state": str, "owner": str, "created": float})
"""Datasets that users sent: files, sample sheet, and what is wrong with them."""

SESSIONS = Collection("sessions", {"expires": float})
"""Logins of the web page, named by the SHA-256 of what the browser holds."""

USAGE = Collection("usage", {"client": str, "at": float})
"""Who asked for how many reads."""

AUDIT = Collection("audit", {"actor": str, "action": str, "at": float})
"""Who changed what."""

COLLECTIONS = (DATASETS, RUNS, MODELS, JOBS, JOB_LOGS, UPLOADS, SESSIONS, USAGE, AUDIT)
