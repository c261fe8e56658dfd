"""What ``server/deploy`` says is what the code knows: metrics, variables, ports; the manifests fit their schemas."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.serving import PacedClassifier, paced_model, running_server

from abyssal.client import Client
from abyssal_server.gateway.settings import GatewaySettings
from abyssal_server.settings import ServerSettings
from abyssal_server.settings_table import markdown_table

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    kubernetes_validate = pytest.importorskip("kubernetes_validate")

DEPLOY = Path(__file__).resolve().parents[2] / "server" / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
ELSEWHERE = {"S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY", "MONGO_URL", "NUMBA_CACHE_DIR"}
"""Variables that the stores and numba read themselves."""
_METRIC = re.compile(r"\babyssal_[a-z_]+")


def documents(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a manifest."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


OBJECTS = [pytest.param(one, id=f"{path.stem}-{one['kind']}-{one['metadata']['name']}")
           for path in MANIFESTS for one in documents(path)]  # fmt: skip
BY_KIND = [one.values[0] for one in OBJECTS]


def containers() -> list[dict[str, Any]]:
    """Return every container of every Deployment."""
    deployments = [one for one in BY_KIND if one["kind"] == "Deployment"]
    return [container for one in deployments for container in one["spec"]["template"]["spec"]["containers"]]


def service_container() -> dict[str, Any]:
    """Return the container of the gRPC service."""
    return next(one for one in containers() if one["name"] == "service")


@pytest.fixture(scope="module")
def metric_names() -> set[str]:
    """Every series that a service shows."""
    with running_server(paced_model(PacedClassifier())) as running, Client(running.target) as client:
        client.classify(["ACGTACGTAC"])
        families = list(running.server.metrics.registry.collect())
    return {sample.name for family in families for sample in family.samples}


@pytest.mark.parametrize("manifest", OBJECTS)
def test_manifests_fit_their_schema(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_the_schema_does_catch_mistakes() -> None:
    (deployment,) = [one for one in BY_KIND if one["kind"] == "Deployment" and one["metadata"]["name"] == "abyssal"]
    spoiled = json.loads(json.dumps(deployment))
    spoiled["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(spoiled, kubernetes_validate.latest_version(), strict=True)


def test_everything_a_replicated_service_needs_is_there() -> None:
    kinds = {(one["kind"], one["metadata"]["name"]) for one in BY_KIND}
    assert {
        (kind, "abyssal") for kind in ("Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service")
    } <= kinds
    assert {("Deployment", "abyssal-gateway"), ("Deployment", "abyssal-redis")} <= kinds
    service = service_container()
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= service.keys()
    assert service["readinessProbe"]["grpc"]["port"] == ServerSettings.model_fields["port"].default
    budget = next(one for one in BY_KIND if one["kind"] == "PodDisruptionBudget")
    assert budget["spec"]["minAvailable"] >= 1
    autoscaler = next(one for one in BY_KIND if one["kind"] == "HorizontalPodAutoscaler")
    assert autoscaler["spec"]["metrics"][0]["pods"]["metric"]["name"] == "abyssal_queue_reads"


def test_pods_have_time_to_drain() -> None:
    config = next(one for one in BY_KIND if one["kind"] == "ConfigMap" and "MODEL_PATH" in one["data"])["data"]
    deployment = next(one for one in BY_KIND if one["metadata"]["name"] == "abyssal" and one["kind"] == "Deployment")
    grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace > float(config["ABYSSAL_DRAIN_SECONDS"]) + float(config["ABYSSAL_DRAIN_NOTICE_SECONDS"])


def test_ports_are_those_the_settings_name() -> None:
    config = next(one for one in BY_KIND if one["kind"] == "ConfigMap" and "MODEL_PATH" in one["data"])["data"]
    service = service_container()
    assert {str(port["containerPort"]) for port in service["ports"]} == {
        config["ABYSSAL_PORT"], config["ABYSSAL_METRICS_PORT"]
    }  # fmt: skip
    values = {name: config[name] for name in config if name not in ELSEWHERE}
    ServerSettings.read(values)


def variables_of(settings: type[ServerSettings] | type[GatewaySettings]) -> set[str]:
    """Return every variable a process reads its settings from."""
    return {settings.variable(name) for name in settings.model_fields}


def test_every_variable_in_deploy_is_one_the_code_reads() -> None:
    known = variables_of(ServerSettings) | variables_of(GatewaySettings) | ELSEWHERE
    text = "\n".join(path.read_text() for path in DEPLOY.rglob("*") if path.is_file())
    named = set(re.findall(r"\b(?:ABYSSAL_[A-Z0-9_]+|MODEL_PATH|REDIS_URL|OTEL_[A-Z_]+|NUMBA_[A-Z_]+)\b", text))
    assert named - known == set()
    set_in_manifests = {
        name for one in BY_KIND if one["kind"] == "ConfigMap" and "MODEL_PATH" in one["data"] for name in one["data"]
    } | {entry["name"] for container in containers() for entry in container.get("env", ())}
    assert set_in_manifests - known == set()


def test_every_metric_in_deploy_exists_and_every_metric_is_shown(metric_names: set[str]) -> None:
    text = (DEPLOY / "grafana" / "abyssal.json").read_text()
    shown = set(_METRIC.findall(text))
    assert shown - metric_names == set()
    asked = set(_METRIC.findall((DEPLOY / "kubernetes" / "prometheus-adapter.yaml").read_text()))
    assert asked - metric_names == set()
    ours = {name for name in metric_names if name.startswith("abyssal_")}
    stems = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in ours}
    shown_stems = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    assert {stem for stem in stems if stem not in shown_stems and f"{stem}_total" not in shown_stems} == set()


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    board = json.loads((DEPLOY / "grafana" / "abyssal.json").read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert board["title"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert all(target["expr"] for panel in panels for target in panel["targets"])


def test_the_readme_has_the_table_of_settings() -> None:
    assert markdown_table() in (DEPLOY.parent / "README.md").read_text()
