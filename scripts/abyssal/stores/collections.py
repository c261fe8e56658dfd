"""The collections of Abyssal: what the workflow, the service and the gateway keep in a metadata store."""

from __future__ import annotations

from abyssal.stores.documents import Collection

DATASETS = Collection("datasets", {"kind": str, "study": str, "recorded": str})
"""Read files of a study, or a reference; named by what they hold."""

RUNS = Collection("runs", {"study": str, "model": str, "recorded": str})
"""Finished workflow runs; ``datasets`` names what went in, ``model`` the digest of the bundle that came out."""

MODELS = Collection("models", {"name": str, "marker": str, "recorded": str})
"""Bundles by their digest; ``published`` lists the registries that hold them."""

JOBS = Collection("jobs", {"state": str, "created": float, "lease_until": float})
"""Training jobs; ``fence`` counts the claims of a job, so that a worker whose lease ran out cannot publish."""

USAGE = Collection("usage", {"client": str, "at": float})
"""Who asked for how many reads."""

AUDIT = Collection("audit", {"actor": str, "action": str, "at": float})
"""Who changed what."""

COLLECTIONS = (DATASETS, RUNS, MODELS, JOBS, USAGE, AUDIT)
