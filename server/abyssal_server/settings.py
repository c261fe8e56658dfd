"""Settings of the service: typed, from the environment, overridden by flags, checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from abyssal.errors import ConfigError
from abyssal_server.access import gate_of
from abyssal_server.access.certificates import Identity

LOOPBACK = ("127.0.0.1", "::1", "[::1]", "localhost")


def default_bundle_cache() -> Path:
    """Return the user's folder for fetched bundles, the same as that of ``abyssal bundle``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "abyssal" / "bundles"


def words(text: str) -> list[str]:
    """Return what stands between commas, without blanks around it; empty places are left out."""
    return [word.strip() for word in text.split(",") if word.strip()]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    prefix: ClassVar[str] = "ABYSSAL_"
    own_variables: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def read(cls, environment: Mapping[str, str], **flags: Any) -> Self:
        """Return the settings; a flag that is not None wins over the environment.

        Raises:
            ConfigError: a value is missing or out of range; names every offending variable.
        """
        values: dict[str, Any] = {}
        for name in cls.model_fields:
            variable = cls.variable(name)
            if flags.get(name) is not None:
                values[name] = flags[name]
            elif environment.get(variable, "") != "":
                values[name] = environment[variable]
        try:
            return cls(**values)
        except ValidationError as error:
            problems = [f"{cls._where(problem['loc'])}: {problem['msg']}" for problem in error.errors()]
            message = "settings of the service: " + "; ".join(problems)
            raise ConfigError(message) from error

    @classmethod
    def variable(cls, name: str) -> str:
        """Return the environment variable of a setting."""
        return cls.own_variables.get(name, cls.prefix + name.upper())

    @classmethod
    def _where(cls, location: tuple[int | str, ...]) -> str:
        return f"{location[0]} (environment variable {cls.variable(str(location[0]))})" if location else "together"


class AccessSettings(_Settings):
    """Who may call; the same variables for the service and for the gateway."""

    keys_file: Path | None = Field(
        None, description="API keys, made by `abyssal keys add`; with it every call needs a credential."
    )
    jwt_key_file: Path | None = Field(
        None,
        description="PEM public key (RSA, P-256, Ed25519) or shared secret (HS256) of JSON web tokens; with it every "
        "call needs a credential.",
    )
    jwt_audience: Annotated[str, Field(min_length=1)] = Field("abyssal", description="What `aud` of a token must name.")
    jwt_issuer: str = Field("", description="What `iss` of a token must be; empty accepts any.")
    admin: bool = Field(default=False, description="Insist on ModelAdmin: do not start without a credential for it.")
    admin_token: SecretStr = Field(
        SecretStr(""), description="Token of ModelAdmin, 32 characters or more, or sha256: and its SHA-256 in hex."
    )
    admin_token_file: Path | None = Field(None, description="File with the admin token; wins over admin_token.")

    @classmethod
    def variable(cls, name: str) -> str:
        """Return the environment variable of a setting."""
        if name in AccessSettings.model_fields:
            return AccessSettings.prefix + name.upper()
        return super().variable(name)

    @model_validator(mode="after")
    def _credentials_can_be_used(self) -> Self:
        gate_of(self)
        return self


class ServerSettings(AccessSettings):
    """Settings of the gRPC service."""

    own_variables: ClassVar[Mapping[str, str]] = {
        "model_path": "MODEL_PATH",
        "redis_url": "REDIS_URL",
        "otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
    }

    model_path: Annotated[str, Field(min_length=1)] = Field(
        description="Bundles to serve, separated by commas: directories or REGISTRY/NAME@VERSION-OR-LABEL, where "
        "REGISTRY is a directory or s3://BUCKET/PREFIX. The first one answers when nothing is chosen."
    )
    bundle_cache: Path = Field(
        default_factory=default_bundle_cache, description="Directory that bundles are fetched into from S3."
    )
    resident_models: Annotated[int, Field(ge=1, le=64)] = Field(
        8, description="Most models in memory, previous and draining ones included."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="What the encoder computes on; auto takes a GPU where PyTorch finds one."
    )
    engine: Literal["auto", "reference"] = Field(
        "auto",
        description="auto: the fastest engine that gives the bundle's golden answers, found once for each kind of CPU; "
        "reference: PyTorch fp32.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on; loopback unless said otherwise.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(50051, description="Port to listen on; 0 takes a free one.")
    tls_cert: Path | None = Field(
        None, description="Certificate chain (PEM); a renewed file counts from the next connection on."
    )
    tls_key: Path | None = Field(None, description="Private key (PEM) of the certificate.")
    tls_client_ca: Path | None = Field(
        None, description="Certificates (PEM) that callers' certificates must be signed by; none asks callers for none."
    )
    reads_per_chunk: Annotated[int, Field(ge=1, le=1024)] = Field(1024, description="Most reads in one message.")
    message_bytes: Annotated[int, Field(ge=65536, le=64 << 20)] = Field(
        4 << 20, description="Most bytes of one request message."
    )
    chunks_in_flight: Annotated[int, Field(ge=1, le=64)] = Field(
        4, description="Chunks of one stream worked on at once; the stream is not read further above that."
    )
    queued_letters: Annotated[int, Field(ge=65536)] = Field(
        8 << 20,
        description="Padded letters of all waiting reads; beyond it unary calls are refused. Streams wait before.",
    )
    concurrent_calls: Annotated[int, Field(ge=1, le=65536)] = Field(1024, description="Calls served at once.")
    window_reads: Annotated[int, Field(ge=1, le=65536)] = Field(
        8192, description="Most reads that are sorted by length and computed together."
    )
    window_seconds: Annotated[float, Field(gt=0.0, le=60.0)] = Field(
        2.0, description="Computing time that a window of reads aims at; small calls go in between."
    )
    step_seconds: Annotated[float, Field(gt=0.0, le=10.0)] = Field(
        0.05, description="Computing time between two looks for small calls while there are some."
    )
    batch_reads: Annotated[int, Field(ge=1, le=4096)] = Field(
        1024, description="Most distinct reads between two looks for small calls, cancelled calls and passed deadlines."
    )
    remembered_reads: Annotated[int, Field(ge=0, le=1 << 20)] = Field(
        65_536, description="Distinct reads whose answers are kept in memory."
    )
    remembered_letters: Annotated[int, Field(ge=0, le=1 << 32)] = Field(
        32 << 20, description="Letters of the reads that are kept."
    )
    redis_url: SecretStr = Field(
        SecretStr(""), description="Redis that replicas share answers through; none: memory only."
    )
    redis_seconds: Annotated[float, Field(gt=0.0, le=5.0)] = Field(
        0.05, description="Longest wait for Redis; slower counts as an outage."
    )
    redis_keep_seconds: Annotated[int, Field(ge=1, le=31_536_000)] = Field(
        604_800, description="Time that Redis keeps an answer."
    )
    longest_wait_seconds: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        0.005, description="Longest wait for more reads before a small window is computed."
    )
    fallback: Literal["vsearch", "blast", "off"] = Field(
        "vsearch", description="Program that searches reads the model leaves open, for callers that ask for it."
    )
    search_workers: Annotated[int, Field(ge=1, le=64)] = Field(1, description="Searches at once.")
    searches: Annotated[int, Field(ge=1, le=4096)] = Field(
        32, description="Searches that run or wait; beyond it unary calls are refused and streams wait."
    )
    searches_in_flight: Annotated[int, Field(ge=1, le=64)] = Field(
        8, description="Chunks of one stream that wait for their search; the stream is not read further above that."
    )
    search_seconds: Annotated[float, Field(gt=0.0, le=3600.0)] = Field(
        60.0, description="Longest time for one search; a sooner deadline of the caller wins."
    )
    usage_records: Annotated[int, Field(ge=1, le=1 << 20)] = Field(
        4096, description="Records of the usage log that wait for the metadata store; more are dropped and counted."
    )
    usage_sequences: bool = Field(default=False, description="Write the first reads of a call to the usage log, too.")
    drain_seconds: Annotated[float, Field(ge=0.0, le=3600.0)] = Field(
        30.0, description="Time that accepted work has to finish after SIGTERM."
    )
    drain_notice_seconds: Annotated[float, Field(ge=0.0, le=600.0)] = Field(
        0.0, description="Time between turning NOT_SERVING and refusing calls, for load balancers to notice."
    )
    metrics_host: str = Field("127.0.0.1", description="Address of the Prometheus metrics.")
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        9464, description="Port of the Prometheus metrics; 0 leaves them out, as does one that is taken."
    )
    otlp_endpoint: str = Field(
        "", description="OpenTelemetry collector (OTLP over HTTP) that gets the traces; empty for none."
    )
    log_format: Literal["text", "json"] = Field("text", description="Log lines for people or for machines.")
    reflection: bool = Field(default=True, description="Answer gRPC server reflection.")

    @model_validator(mode="after")
    def _one_message_fits(self) -> Self:
        if self.queued_letters < self.message_bytes:
            message = f"queued_letters ({self.queued_letters}) must hold one message of message_bytes"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _places_are_places(self) -> Self:
        if not self.locations:
            message = f"MODEL_PATH {self.model_path!r} names no bundle; expected one or more, separated by commas"
            raise ConfigError(message)
        url = self.redis_url.get_secret_value()
        if url and not url.startswith(("redis://", "rediss://", "unix://")):
            message = "REDIS_URL must begin with redis://, rediss:// or unix://"
            raise ConfigError(message)
        return self

    @model_validator(mode="after")
    def _identity_is_whole(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            message = "tls_cert and tls_key belong together; give both or neither"
            raise ConfigError(message)
        if self.tls_client_ca is not None and self.tls_cert is None:
            message = "tls_client_ca asks callers for certificates, which needs tls_cert and tls_key"
            raise ConfigError(message)
        return self

    def exposed(self) -> list[str]:
        """Return what others on the network could do or see with these settings."""
        if self.host in LOOPBACK or self.host.startswith("unix:"):
            return []
        problems = []
        if self.keys_file is None and self.jwt_key_file is None and self.tls_client_ca is None:
            problems.append(f"everybody who reaches {self.host} may classify; set ABYSSAL_KEYS_FILE to ask for keys")
        if self.tls_cert is None:
            problems.append("reads, answers and keys cross the network unencrypted; set ABYSSAL_TLS_CERT and _TLS_KEY")
        return problems

    @property
    def identity(self) -> Identity | None:
        """The service's certificate, None without TLS."""
        if self.tls_cert is None or self.tls_key is None:
            return None
        return Identity(self.tls_cert, self.tls_key, self.tls_client_ca)

    @property
    def locations(self) -> list[str]:
        """Where the bundles are."""
        return words(self.model_path)
