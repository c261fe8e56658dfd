"""Settings of the service: typed, from the environment, overridden by flags, checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from abyssal.errors import ConfigError


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


class ServerSettings(_Settings):
    """Settings of the gRPC service."""

    own_variables: ClassVar[Mapping[str, str]] = {"model_path": "MODEL_PATH"}

    model_path: Annotated[str, Field(min_length=1)] = Field(description="Directory of the bundle to serve.")
    host: str = Field("127.0.0.1", description="Address to listen on; loopback unless said otherwise.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(50051, description="Port to listen on; 0 takes a free one.")
    reads_per_chunk: Annotated[int, Field(ge=1, le=1024)] = Field(1024, description="Most reads in one message.")
    message_bytes: Annotated[int, Field(ge=65536, le=64 << 20)] = Field(
        4 << 20, description="Most bytes of one request message."
    )
    chunks_in_flight: Annotated[int, Field(ge=1, le=64)] = Field(
        4, description="Chunks of one stream worked on at once; the stream is not read further above that."
    )
    queued_letters: Annotated[int, Field(ge=65536)] = Field(
        32 << 20, description="Letters of all waiting reads; beyond it unary calls are refused and streams wait."
    )
    concurrent_calls: Annotated[int, Field(ge=1, le=65536)] = Field(1024, description="Calls served at once.")
    window_reads: Annotated[int, Field(ge=1, le=65536)] = Field(
        8192, description="Most reads that are sorted by length and computed together."
    )
    window_seconds: Annotated[float, Field(gt=0.0, le=60.0)] = Field(
        0.5, description="Computing time that a window aims at: bounds how long a small call waits behind a large one."
    )
    batch_reads: Annotated[int, Field(ge=1, le=4096)] = Field(
        256, description="Distinct reads between two looks for cancelled calls and passed deadlines."
    )
    remembered_reads: Annotated[int, Field(ge=0, le=1 << 20)] = Field(
        16_384, description="Distinct reads whose answers are kept for duplicates in later chunks."
    )
    remembered_letters: Annotated[int, Field(ge=0, le=1 << 32)] = Field(
        16 << 20, description="Letters of the reads that are kept."
    )
    longest_wait_seconds: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        0.005, description="Longest wait for more reads before a small window is computed."
    )
    drain_seconds: Annotated[float, Field(ge=0.0, le=3600.0)] = Field(
        30.0, description="Time that accepted work has to finish after SIGTERM."
    )
    drain_notice_seconds: Annotated[float, Field(ge=0.0, le=600.0)] = Field(
        0.0, description="Time between turning NOT_SERVING and refusing calls, for load balancers to notice."
    )
    reflection: bool = Field(default=True, description="Answer gRPC server reflection.")

    @model_validator(mode="after")
    def _one_message_fits(self) -> Self:
        if self.queued_letters < self.message_bytes:
            message = f"queued_letters ({self.queued_letters}) must hold one message of message_bytes"
            raise ValueError(message)
        return self


class GatewaySettings(_Settings):
    """Settings of the REST gateway."""

    prefix: ClassVar[str] = "ABYSSAL_GATEWAY_"
    own_variables: ClassVar[Mapping[str, str]] = {"server": "ABYSSAL_SERVER"}

    server: Annotated[str, Field(min_length=1)] = Field(description="HOST:PORT of the gRPC service.")
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
    sequences: Annotated[int, Field(ge=1, le=1_000_000)] = Field(20_000, description="Most sequences of one request.")
    request_seconds: Annotated[float, Field(gt=0.0, le=3600.0)] = Field(
        120.0, description="Longest time for one request; passed to the service as its deadline."
    )
    concurrent_requests: Annotated[int, Field(ge=1, le=4096)] = Field(
        16, description="Classification requests at once; more are told to come back later."
    )
