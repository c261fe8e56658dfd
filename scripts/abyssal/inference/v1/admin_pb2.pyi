from abyssal.inference.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelPhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_PHASE_UNSPECIFIED: _ClassVar[ModelPhase]
    MODEL_PHASE_LOADING: _ClassVar[ModelPhase]
    MODEL_PHASE_READY: _ClassVar[ModelPhase]
    MODEL_PHASE_DRAINING: _ClassVar[ModelPhase]
    MODEL_PHASE_FAILED: _ClassVar[ModelPhase]
MODEL_PHASE_UNSPECIFIED: ModelPhase
MODEL_PHASE_LOADING: ModelPhase
MODEL_PHASE_READY: ModelPhase
MODEL_PHASE_DRAINING: ModelPhase
MODEL_PHASE_FAILED: ModelPhase

class ModelState(_message.Message):
    __slots__ = ("model", "phase", "location", "calls", "reason")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    model: _common_pb2.Model
    phase: ModelPhase
    location: str
    calls: int
    reason: str
    def __init__(self, model: _Optional[_Union[_common_pb2.Model, _Mapping]] = ..., phase: _Optional[_Union[ModelPhase, str]] = ..., location: _Optional[str] = ..., calls: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class LoadModelRequest(_message.Message):
    __slots__ = ("location", "activate")
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    ACTIVATE_FIELD_NUMBER: _ClassVar[int]
    location: str
    activate: bool
    def __init__(self, location: _Optional[str] = ..., activate: _Optional[bool] = ...) -> None: ...

class LoadModelResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: ModelState
    def __init__(self, state: _Optional[_Union[ModelState, _Mapping]] = ...) -> None: ...

class ActivateModelRequest(_message.Message):
    __slots__ = ("digest", "expected_digest")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_DIGEST_FIELD_NUMBER: _ClassVar[int]
    digest: str
    expected_digest: str
    def __init__(self, digest: _Optional[str] = ..., expected_digest: _Optional[str] = ...) -> None: ...

class ActivateModelResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: ModelState
    def __init__(self, state: _Optional[_Union[ModelState, _Mapping]] = ...) -> None: ...

class RollbackModelRequest(_message.Message):
    __slots__ = ("name", "expected_digest")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_DIGEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    expected_digest: str
    def __init__(self, name: _Optional[str] = ..., expected_digest: _Optional[str] = ...) -> None: ...

class RollbackModelResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: ModelState
    def __init__(self, state: _Optional[_Union[ModelState, _Mapping]] = ...) -> None: ...

class UnloadModelRequest(_message.Message):
    __slots__ = ("digest",)
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    digest: str
    def __init__(self, digest: _Optional[str] = ...) -> None: ...

class UnloadModelResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: ModelState
    def __init__(self, state: _Optional[_Union[ModelState, _Mapping]] = ...) -> None: ...

class RefreshRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RefreshResponse(_message.Message):
    __slots__ = ("states",)
    STATES_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedCompositeFieldContainer[ModelState]
    def __init__(self, states: _Optional[_Iterable[_Union[ModelState, _Mapping]]] = ...) -> None: ...

class ListModelStatesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelStatesResponse(_message.Message):
    __slots__ = ("states",)
    STATES_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedCompositeFieldContainer[ModelState]
    def __init__(self, states: _Optional[_Iterable[_Union[ModelState, _Mapping]]] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("components", "queued_letters", "calls")
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_LETTERS_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    components: _containers.RepeatedCompositeFieldContainer[ComponentStatus]
    queued_letters: int
    calls: int
    def __init__(self, components: _Optional[_Iterable[_Union[ComponentStatus, _Mapping]]] = ..., queued_letters: _Optional[int] = ..., calls: _Optional[int] = ...) -> None: ...

class ComponentStatus(_message.Message):
    __slots__ = ("name", "healthy", "detail", "dropped")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    name: str
    healthy: bool
    detail: str
    dropped: int
    def __init__(self, name: _Optional[str] = ..., healthy: _Optional[bool] = ..., detail: _Optional[str] = ..., dropped: _Optional[int] = ...) -> None: ...
