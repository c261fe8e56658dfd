from abyssal.inference.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetCurrentModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: _common_pb2.ModelSelector
    def __init__(self, model: _Optional[_Union[_common_pb2.ModelSelector, _Mapping]] = ...) -> None: ...

class GetCurrentModelResponse(_message.Message):
    __slots__ = ("model", "limits")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    model: _common_pb2.Model
    limits: _common_pb2.Limits
    def __init__(self, model: _Optional[_Union[_common_pb2.Model, _Mapping]] = ..., limits: _Optional[_Union[_common_pb2.Limits, _Mapping]] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[_common_pb2.Model]
    def __init__(self, models: _Optional[_Iterable[_Union[_common_pb2.Model, _Mapping]]] = ...) -> None: ...

class GetTaxonomyRequest(_message.Message):
    __slots__ = ("digest", "page_token", "page_size")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    digest: str
    page_token: str
    page_size: int
    def __init__(self, digest: _Optional[str] = ..., page_token: _Optional[str] = ..., page_size: _Optional[int] = ...) -> None: ...

class GetTaxonomyResponse(_message.Message):
    __slots__ = ("digest", "ranks", "taxa", "names", "rank_numbers", "parents", "next_page_token")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    RANKS_FIELD_NUMBER: _ClassVar[int]
    TAXA_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    RANK_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    PARENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    digest: str
    ranks: _containers.RepeatedScalarFieldContainer[str]
    taxa: int
    names: _containers.RepeatedScalarFieldContainer[str]
    rank_numbers: _containers.RepeatedScalarFieldContainer[int]
    parents: _containers.RepeatedScalarFieldContainer[int]
    next_page_token: str
    def __init__(self, digest: _Optional[str] = ..., ranks: _Optional[_Iterable[str]] = ..., taxa: _Optional[int] = ..., names: _Optional[_Iterable[str]] = ..., rank_numbers: _Optional[_Iterable[int]] = ..., parents: _Optional[_Iterable[int]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetModelCardRequest(_message.Message):
    __slots__ = ("model_digest", "model")
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model_digest: str
    model: _common_pb2.ModelSelector
    def __init__(self, model_digest: _Optional[str] = ..., model: _Optional[_Union[_common_pb2.ModelSelector, _Mapping]] = ...) -> None: ...

class GetModelCardResponse(_message.Message):
    __slots__ = ("model", "markdown")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MARKDOWN_FIELD_NUMBER: _ClassVar[int]
    model: _common_pb2.Model
    markdown: str
    def __init__(self, model: _Optional[_Union[_common_pb2.Model, _Mapping]] = ..., markdown: _Optional[str] = ...) -> None: ...
