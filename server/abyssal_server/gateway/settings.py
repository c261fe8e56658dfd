"""Settings of the REST gateway."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from abyssal_server.places import PlaceSettings
from abyssal_server.settings import LOOPBACK, words


class GatewaySettings(PlaceSettings):
    """Settings of the REST gateway."""

    prefix: ClassVar[str] = "ABYSSAL_GATEWAY_"

    host: str = Field("127.0.0.1", description="Address to listen on; loopback unless said otherwise.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8080, description="Port to listen on; 0 takes a free one.")
    upload_bytes: Annotated[int, Field(ge=1024, le=1 << 32)] = Field(16 << 20, description="Most bytes of a body.")
    expanded_bytes: Annotated[int, Field(ge=1024, le=1 << 32)] = Field(
        64 << 20, description="Most bytes of a body once decompressed."
    )
    expansion_ratio: Annotated[float, Field(ge=2.0, le=10000.0)] = Field(
        200.0, description="Largest ratio of decompressed to raw bytes, looked at after the first MiB."
    )
    sequence_letters: Annotated[int, Field(ge=1, le=1 << 20)] = Field(
        100_000, description="Longest sequence (letters); shorter ones that the model does not take fail one by one."
    )
    id_characters: Annotated[int, Field(ge=1, le=4096)] = Field(256, description="Longest id (characters).")
    sequences: Annotated[int, Field(ge=1, le=1_000_000)] = Field(200_000, description="Most sequences of one request.")
    small_sequences: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1_000, description="Sequences up to which a request is answered at once; larger ones become jobs."
    )
    request_seconds: Annotated[float, Field(gt=0.0, le=3600.0)] = Field(
        120.0, description="Longest time for one request; passed to the service as its deadline."
    )
    concurrent_requests: Annotated[int, Field(ge=1, le=4096)] = Field(
        16, description="Classification requests at once; more are told to come back later."
    )
    waiting_jobs: Annotated[int, Field(ge=1)] = Field(
        200, description="Jobs of a kind that may wait; more are told to come back later."
    )
    inference_jobs: Annotated[int, Field(ge=0, le=64)] = Field(
        1, description="Large classification requests that this gateway works on at once."
    )
    keep_days: Annotated[float, Field(gt=0.0)] = Field(15.0, description="Time that results of inference are kept.")
    dataset_files: Annotated[int, Field(ge=1, le=100_000)] = Field(5_000, description="Most files of a dataset.")
    dataset_bytes: Annotated[int, Field(ge=1024)] = Field(50 << 30, description="Most bytes of a dataset as sent.")
    dataset_expanded_bytes: Annotated[int, Field(ge=1024)] = Field(
        500 << 30, description="Most bytes that one file of a dataset may expand to."
    )
    requests_per_minute: Annotated[int, Field(ge=1)] = Field(1_200, description="Requests of one caller in a minute.")
    logins_per_minute: Annotated[int, Field(ge=1)] = Field(10, description="Tries to log in from one address.")
    session_hours: Annotated[float, Field(gt=0.0, le=720.0)] = Field(8.0, description="Time after which a login ends.")
    secure_cookies: bool = Field(
        default=False, description="Send cookies over HTTPS only; set it where a proxy offers HTTPS."
    )
    hosts: str = Field(
        "",
        description="Names that requests may be sent to, separated by commas; empty: any, on loopback only its own.",
    )
    proxies: str = Field(
        "", description="Addresses of proxies whose X-Forwarded-For and -Proto are believed, separated by commas."
    )
    cors_origins: str = Field("", description="Origins that pages elsewhere may call from, separated by commas.")

    @property
    def origins(self) -> list[str]:
        """The allow-list of origins."""
        return words(self.cors_origins)

    @property
    def known_hosts(self) -> frozenset[str]:
        """The allow-list of hosts; empty: any. A page elsewhere may let its own name lead to this machine."""
        named = words(self.hosts)
        return frozenset([*named, *LOOPBACK] if named or self.host in LOOPBACK else [])
