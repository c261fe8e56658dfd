"""What the REST interface takes and gives, beside answers to sequences (``results``)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from abyssal_server.gateway.results import ModelOutput

Item = TypeVar("Item")
Identity = Annotated[str, Field(pattern="^[0-9a-f]{32}$", examples=["0123456789abcdef0123456789abcdef"])]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", examples=["0" * 64])]
Plain = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Times = Annotated[str, Field(examples=["2026-11-23T12:00:00Z"], description="UTC, ISO 8601.")]


def time_text(seconds: float | None) -> str | None:
    """Return seconds since 1970 as ISO 8601 text."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Input(BaseModel):
    """A body; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel, Generic[Item]):
    """A page of a list, newest first."""

    items: list[Item]
    next: str | None = Field(description="What `after` of the next page is; null on the last one.")


class LoginInput(Input):
    """A credential to log in with."""

    key: Annotated[str, Field(min_length=1, max_length=4096)] = Field(description="API key, token or admin token.")


class CallerOutput(BaseModel):
    """Who calls."""

    id: str = Field(examples=["key:ada"])
    role: Literal["read", "infer", "admin"] | None = Field(description="What they may do; null: nothing.")
    known: bool = Field(description="Whether a credential said so.")


class SessionOutput(BaseModel):
    """The login at hand."""

    open: bool = Field(description="Whether classifying needs no credential.")
    caller: CallerOutput
    csrf_token: str | None = Field(description="For the header X-CSRF-Token; null without a login.")
    expires: str | None = Field(description="When the login ends.")


class FileInput(Input):
    """A file that will be sent."""

    name: Plain = Field(examples=["A_R1.fastq.gz"])
    bytes: Annotated[int, Field(ge=0, lt=1 << 50)] = Field(examples=[1234567])
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = Field(None, description="Compared at the end.")


class DatasetInput(Input):
    """A dataset that will be sent."""

    name: Plain = Field(examples=["my cruise"])
    files: Annotated[list[FileInput], Field(max_length=100_000)] = Field(description="More can be added later.")


class FileOutput(BaseModel):
    """A file of a dataset."""

    index: int
    name: str
    bytes: int
    received: int
    sha256: str | None


class ContentOutput(BaseModel):
    """A file as the workflow gets it."""

    name: str
    bytes: int


class ProblemRow(BaseModel):
    """What is wrong with a dataset."""

    file: str
    row: int | None = Field(description="The row of column names is 1; null: the whole file.")
    column: str | None
    detail: str


class SheetOutput(BaseModel):
    """What a sample sheet holds."""

    libraries: int
    samples: int
    controls: int
    markers: list[str]


class DatasetOutput(BaseModel):
    """A dataset."""

    id: str
    name: str
    state: Literal["uploading", "ready", "invalid"]
    created: Times
    owner: str
    bytes: int
    received: int
    files: list[FileOutput]
    sheet: SheetOutput | None
    problems: list[ProblemRow]
    contents: list[ContentOutput]


class CheckedSheetOutput(BaseModel):
    """A sample sheet that was looked at."""

    sheet: SheetOutput | None
    problems: list[ProblemRow]


class TrainInput(Input):
    """A training job."""

    dataset: Identity
    preset: Annotated[str, Field(max_length=100)] | None = Field(None, examples=["demo"])
    config: dict[str, Any] = Field(
        default={}, description="Laid over the preset.", examples=[{"train": {"alpha": 0.05}}]
    )
    activate: bool = Field(default=False, description="Let the new model answer when it is published.")
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] | None = Field(
        None, description="Version of the bundle; null takes one of its own."
    )


class JobProgress(BaseModel):
    """How far a job is."""

    done: int = 0
    total: int = 0
    rule: str = ""
    running: list[str] = []


class JobError(BaseModel):
    """Why a job failed."""

    detail: str
    rule: str | None = None


class TrainedModel(BaseModel):
    """A model that a job published."""

    name: str
    version: str
    digest: str
    marker: str
    activated: bool
    problem: str = Field(default="", description="Why the service does not answer with it.")


class JobOutput(BaseModel):
    """A training job."""

    id: str
    kind: Literal["train"]
    state: Literal["queued", "running", "publishing", "succeeded", "failed", "cancelled"]
    attempt: int
    created: Times
    started: str | None
    finished: str | None
    owner: str
    dataset: str
    config: dict[str, Any]
    activate: bool
    version: str
    progress: JobProgress
    cancel_requested: bool
    error: JobError | None
    models: list[TrainedModel]


class InferenceJobOutput(BaseModel):
    """A classification that runs in the background."""

    id: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    created: Times
    finished: str | None
    progress: JobProgress
    model: ModelOutput | None
    sequences: int
    error: JobError | None
    formats: list[str]


class ListedModel(ModelOutput):
    """A model that is loaded or published."""

    current: bool = Field(description="Answers to its name.")
    previous: bool = Field(description="Answered before; what a rollback brings back.")
    resident: bool = Field(description="Loaded by the service.")
    published: bool = Field(description="In the registry.")


class ActivateInput(Input):
    """The model that shall answer, by its digest or by name and version."""

    digest: Digest | None = None
    name: Plain | None = None
    version: Plain | None = None
    expected_digest: Digest | None = Field(None, description="What must be current now; otherwise 409.")


class RollbackInput(Input):
    """The name whose previous model shall answer again."""

    name: Plain | None = Field(None, description="May be left out when the service answers to one name.")
    expected_digest: Digest | None = None


class AlignmentOutput(BaseModel):
    """A sequence beside a reference."""

    query: str
    match: str
    reference: str
    identity: float
    coverage: float
    strand: Literal["+", "-"]


class ReferenceOutput(BaseModel):
    """A reference amplicon of a model."""

    id: str
    lineage: list[str] | None
    sequence: str
    alignment: AlignmentOutput | None


class AuditOutput(BaseModel):
    """What an admin did."""

    at: Times
    actor: str
    action: str
    target: str
    detail: str
    request_id: str


class PresetOutput(BaseModel):
    """A config that can be trained with what ships."""

    name: str
    description: str
    markers: list[str]
    config: dict[str, Any]


class TrainOptions(BaseModel):
    """What a training job can be asked for."""

    presets: list[PresetOutput]
    config_schema: dict[str, Any] = Field(serialization_alias="schema", description="JSON schema of the config.")


class StatusOutput(BaseModel):
    """All is well."""

    status: Literal["ok"] = "ok"
