"""The one table from errors to status, and the settings."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import grpc
import pytest

import abyssal
import abyssal_server
from abyssal.client.errors import ServiceError
from abyssal.errors import AbyssalError, ConfigError
from abyssal_server import status
from abyssal_server.gateway.settings import GatewaySettings
from abyssal_server.settings import ServerSettings


def all_errors() -> list[type[AbyssalError]]:
    for package in (abyssal, abyssal_server):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if module.name.endswith(".errors"):
                importlib.import_module(module.name)
    found, open_classes = [], [AbyssalError]
    while open_classes:
        error = open_classes.pop()
        found.append(error)
        open_classes += error.__subclasses__()
    return found


def test_every_error_has_a_row_and_no_row_hides_another() -> None:
    for error in all_errors():
        assert any(issubclass(error, row.error) for row in status.TABLE)
    for place, row in enumerate(status.TABLE):
        assert not any(issubclass(row.error, earlier.error) for earlier in status.TABLE[:place])


def test_readme_shows_the_real_table(repository: Path) -> None:
    readme = (repository / "server" / "README.md").read_text(encoding="utf-8")
    assert status.markdown_table() in readme, "paste what `python -m abyssal_server.status` prints"


def test_status_of_the_service_keeps_its_meaning_in_http() -> None:
    assert status.http_status_of(ServiceError("full", code=grpc.StatusCode.RESOURCE_EXHAUSTED)) == 429
    assert status.http_status_of(ServiceError("odd", code=grpc.StatusCode.DATA_LOSS)) == 502


def test_flag_wins_over_environment() -> None:
    environment = {"MODEL_PATH": "a", "ABYSSAL_PORT": "1234", "ABYSSAL_HOST": "0.0.0.0"}
    settings = ServerSettings.read(environment, model_path="b", host=None)
    assert (settings.model_path, settings.port, settings.host) == ("b", 1234, "0.0.0.0")
    assert ServerSettings.read({"MODEL_PATH": "a"}).host == "127.0.0.1"


def test_gateway_has_its_own_variables() -> None:
    environment = {"ABYSSAL_SERVER": "x:1", "ABYSSAL_PORT": "1234", "ABYSSAL_GATEWAY_PORT": "99"}
    assert GatewaySettings.read(environment).port == 99


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "MODEL_PATH"),
        ({"MODEL_PATH": "a", "ABYSSAL_PORT": "ninety"}, "ABYSSAL_PORT"),
        ({"MODEL_PATH": "a", "ABYSSAL_CHUNKS_IN_FLIGHT": "0"}, "ABYSSAL_CHUNKS_IN_FLIGHT"),
        ({"MODEL_PATH": "a", "ABYSSAL_QUEUED_LETTERS": "100000"}, "queued_letters"),
        ({"MODEL_PATH": " , "}, "names no bundle"),
        ({"MODEL_PATH": "a", "REDIS_URL": "http://localhost:6379"}, "redis://"),
    ],
)
def test_wrong_settings_name_the_variable(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ServerSettings.read(environment)
