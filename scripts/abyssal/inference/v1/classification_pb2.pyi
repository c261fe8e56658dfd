from abyssal.inference.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FallbackMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FALLBACK_MODE_UNSPECIFIED: _ClassVar[FallbackMode]
    FALLBACK_MODE_OFF: _ClassVar[FallbackMode]
    FALLBACK_MODE_OPEN_READS: _ClassVar[FallbackMode]

class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_UNSPECIFIED: _ClassVar[Source]
    SOURCE_MODEL: _ClassVar[Source]
    SOURCE_CACHE: _ClassVar[Source]
    SOURCE_FALLBACK: _ClassVar[Source]
    SOURCE_REJECTED: _ClassVar[Source]
FALLBACK_MODE_UNSPECIFIED: FallbackMode
FALLBACK_MODE_OFF: FallbackMode
FALLBACK_MODE_OPEN_READS: FallbackMode
SOURCE_UNSPECIFIED: Source
SOURCE_MODEL: Source
SOURCE_CACHE: Source
SOURCE_FALLBACK: Source
SOURCE_REJECTED: Source

class ClassifyConfig(_message.Message):
    __slots__ = ("model_digest", "novelty", "model", "fallback")
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    NOVELTY_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    model_digest: str
    novelty: _common_pb2.NoveltyMix
    model: _common_pb2.ModelSelector
    fallback: FallbackMode
    def __init__(self, model_digest: _Optional[str] = ..., novelty: _Optional[_Union[_common_pb2.NoveltyMix, _Mapping]] = ..., model: _Optional[_Union[_common_pb2.ModelSelector, _Mapping]] = ..., fallback: _Optional[_Union[FallbackMode, str]] = ...) -> None: ...

class ClassifyRequest(_message.Message):
    __slots__ = ("config", "sequences")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    config: ClassifyConfig
    sequences: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, config: _Optional[_Union[ClassifyConfig, _Mapping]] = ..., sequences: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ClassifyResponse(_message.Message):
    __slots__ = ("model", "answers", "timing")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    model: _common_pb2.Model
    answers: Answers
    timing: _common_pb2.Timing
    def __init__(self, model: _Optional[_Union[_common_pb2.Model, _Mapping]] = ..., answers: _Optional[_Union[Answers, _Mapping]] = ..., timing: _Optional[_Union[_common_pb2.Timing, _Mapping]] = ...) -> None: ...

class ClassifyStreamRequest(_message.Message):
    __slots__ = ("config", "chunk")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    config: ClassifyConfig
    chunk: ReadChunk
    def __init__(self, config: _Optional[_Union[ClassifyConfig, _Mapping]] = ..., chunk: _Optional[_Union[ReadChunk, _Mapping]] = ...) -> None: ...

class ReadChunk(_message.Message):
    __slots__ = ("chunk_id", "sequences")
    CHUNK_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    chunk_id: int
    sequences: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, chunk_id: _Optional[int] = ..., sequences: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ClassifyStreamResponse(_message.Message):
    __slots__ = ("started", "result", "summary")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    started: StreamStarted
    result: ChunkResult
    summary: StreamSummary
    def __init__(self, started: _Optional[_Union[StreamStarted, _Mapping]] = ..., result: _Optional[_Union[ChunkResult, _Mapping]] = ..., summary: _Optional[_Union[StreamSummary, _Mapping]] = ...) -> None: ...

class StreamStarted(_message.Message):
    __slots__ = ("model", "limits")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    model: _common_pb2.Model
    limits: _common_pb2.Limits
    def __init__(self, model: _Optional[_Union[_common_pb2.Model, _Mapping]] = ..., limits: _Optional[_Union[_common_pb2.Limits, _Mapping]] = ...) -> None: ...

class ChunkResult(_message.Message):
    __slots__ = ("chunk_id", "model_digest", "answers", "timing", "revision", "revision_follows")
    CHUNK_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FOLLOWS_FIELD_NUMBER: _ClassVar[int]
    chunk_id: int
    model_digest: str
    answers: Answers
    timing: _common_pb2.Timing
    revision: int
    revision_follows: bool
    def __init__(self, chunk_id: _Optional[int] = ..., model_digest: _Optional[str] = ..., answers: _Optional[_Union[Answers, _Mapping]] = ..., timing: _Optional[_Union[_common_pb2.Timing, _Mapping]] = ..., revision: _Optional[int] = ..., revision_follows: _Optional[bool] = ...) -> None: ...

class StreamSummary(_message.Message):
    __slots__ = ("chunks", "reads", "errors", "cached", "searched")
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    READS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    SEARCHED_FIELD_NUMBER: _ClassVar[int]
    chunks: int
    reads: int
    errors: int
    cached: int
    searched: int
    def __init__(self, chunks: _Optional[int] = ..., reads: _Optional[int] = ..., errors: _Optional[int] = ..., cached: _Optional[int] = ..., searched: _Optional[int] = ...) -> None: ...

class Answers(_message.Message):
    __slots__ = ("reads", "engine", "taxa", "confidences", "accepted_ranks", "novel_ranks", "sources", "strings", "putative_taxa", "nearest_ids", "nearest_identities", "nearest_coverages", "alternatives", "errors")
    READS_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    TAXA_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCES_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_RANKS_FIELD_NUMBER: _ClassVar[int]
    NOVEL_RANKS_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    STRINGS_FIELD_NUMBER: _ClassVar[int]
    PUTATIVE_TAXA_FIELD_NUMBER: _ClassVar[int]
    NEAREST_IDS_FIELD_NUMBER: _ClassVar[int]
    NEAREST_IDENTITIES_FIELD_NUMBER: _ClassVar[int]
    NEAREST_COVERAGES_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    reads: int
    engine: str
    taxa: _containers.RepeatedScalarFieldContainer[int]
    confidences: _containers.RepeatedScalarFieldContainer[float]
    accepted_ranks: _containers.RepeatedScalarFieldContainer[int]
    novel_ranks: _containers.RepeatedScalarFieldContainer[int]
    sources: _containers.RepeatedScalarFieldContainer[Source]
    strings: _containers.RepeatedScalarFieldContainer[str]
    putative_taxa: _containers.RepeatedScalarFieldContainer[int]
    nearest_ids: _containers.RepeatedScalarFieldContainer[int]
    nearest_identities: _containers.RepeatedScalarFieldContainer[float]
    nearest_coverages: _containers.RepeatedScalarFieldContainer[float]
    alternatives: _containers.RepeatedCompositeFieldContainer[Alternatives]
    errors: _containers.RepeatedCompositeFieldContainer[_common_pb2.ItemError]
    def __init__(self, reads: _Optional[int] = ..., engine: _Optional[str] = ..., taxa: _Optional[_Iterable[int]] = ..., confidences: _Optional[_Iterable[float]] = ..., accepted_ranks: _Optional[_Iterable[int]] = ..., novel_ranks: _Optional[_Iterable[int]] = ..., sources: _Optional[_Iterable[_Union[Source, str]]] = ..., strings: _Optional[_Iterable[str]] = ..., putative_taxa: _Optional[_Iterable[int]] = ..., nearest_ids: _Optional[_Iterable[int]] = ..., nearest_identities: _Optional[_Iterable[float]] = ..., nearest_coverages: _Optional[_Iterable[float]] = ..., alternatives: _Optional[_Iterable[_Union[Alternatives, _Mapping]]] = ..., errors: _Optional[_Iterable[_Union[_common_pb2.ItemError, _Mapping]]] = ...) -> None: ...

class Alternatives(_message.Message):
    __slots__ = ("index", "names")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    index: int
    names: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, index: _Optional[int] = ..., names: _Optional[_Iterable[int]] = ...) -> None: ...

class EmbedRequest(_message.Message):
    __slots__ = ("model_digest", "sequences", "model")
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model_digest: str
    sequences: _containers.RepeatedScalarFieldContainer[bytes]
    model: _common_pb2.ModelSelector
    def __init__(self, model_digest: _Optional[str] = ..., sequences: _Optional[_Iterable[bytes]] = ..., model: _Optional[_Union[_common_pb2.ModelSelector, _Mapping]] = ...) -> None: ...

class EmbedResponse(_message.Message):
    __slots__ = ("model", "dimension", "vectors", "errors")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    model: _common_pb2.Model
    dimension: int
    vectors: _containers.RepeatedScalarFieldContainer[float]
    errors: _containers.RepeatedCompositeFieldContainer[_common_pb2.ItemError]
    def __init__(self, model: _Optional[_Union[_common_pb2.Model, _Mapping]] = ..., dimension: _Optional[int] = ..., vectors: _Optional[_Iterable[float]] = ..., errors: _Optional[_Iterable[_Union[_common_pb2.ItemError, _Mapping]]] = ...) -> None: ...
