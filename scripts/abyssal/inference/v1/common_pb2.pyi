from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReadErrorCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    READ_ERROR_CODE_UNSPECIFIED: _ClassVar[ReadErrorCode]
    READ_ERROR_CODE_EMPTY: _ClassVar[ReadErrorCode]
    READ_ERROR_CODE_TOO_SHORT: _ClassVar[ReadErrorCode]
    READ_ERROR_CODE_TOO_LONG: _ClassVar[ReadErrorCode]
    READ_ERROR_CODE_INVALID_LETTER: _ClassVar[ReadErrorCode]
    READ_ERROR_CODE_WRONG_MARKER: _ClassVar[ReadErrorCode]
READ_ERROR_CODE_UNSPECIFIED: ReadErrorCode
READ_ERROR_CODE_EMPTY: ReadErrorCode
READ_ERROR_CODE_TOO_SHORT: ReadErrorCode
READ_ERROR_CODE_TOO_LONG: ReadErrorCode
READ_ERROR_CODE_INVALID_LETTER: ReadErrorCode
READ_ERROR_CODE_WRONG_MARKER: ReadErrorCode

class Model(_message.Message):
    __slots__ = ("name", "version", "digest", "marker", "ranks", "engine", "taxonomy_digest", "labels")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    MARKER_FIELD_NUMBER: _ClassVar[int]
    RANKS_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    TAXONOMY_DIGEST_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    digest: str
    marker: str
    ranks: _containers.RepeatedScalarFieldContainer[str]
    engine: str
    taxonomy_digest: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., digest: _Optional[str] = ..., marker: _Optional[str] = ..., ranks: _Optional[_Iterable[str]] = ..., engine: _Optional[str] = ..., taxonomy_digest: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...

class ModelSelector(_message.Message):
    __slots__ = ("name", "version", "marker")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MARKER_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    marker: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., marker: _Optional[str] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("reads_per_chunk", "message_bytes", "chunks_in_flight", "queued_letters", "concurrent_calls")
    READS_PER_CHUNK_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    QUEUED_LETTERS_FIELD_NUMBER: _ClassVar[int]
    CONCURRENT_CALLS_FIELD_NUMBER: _ClassVar[int]
    reads_per_chunk: int
    message_bytes: int
    chunks_in_flight: int
    queued_letters: int
    concurrent_calls: int
    def __init__(self, reads_per_chunk: _Optional[int] = ..., message_bytes: _Optional[int] = ..., chunks_in_flight: _Optional[int] = ..., queued_letters: _Optional[int] = ..., concurrent_calls: _Optional[int] = ...) -> None: ...

class NoveltyMix(_message.Message):
    __slots__ = ("species", "genus", "family")
    SPECIES_FIELD_NUMBER: _ClassVar[int]
    GENUS_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    species: float
    genus: float
    family: float
    def __init__(self, species: _Optional[float] = ..., genus: _Optional[float] = ..., family: _Optional[float] = ...) -> None: ...

class ItemError(_message.Message):
    __slots__ = ("index", "code", "message", "field", "marker")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MARKER_FIELD_NUMBER: _ClassVar[int]
    index: int
    code: ReadErrorCode
    message: str
    field: str
    marker: str
    def __init__(self, index: _Optional[int] = ..., code: _Optional[_Union[ReadErrorCode, str]] = ..., message: _Optional[str] = ..., field: _Optional[str] = ..., marker: _Optional[str] = ...) -> None: ...

class Timing(_message.Message):
    __slots__ = ("queue_nanoseconds", "engine_nanoseconds", "search_nanoseconds")
    QUEUE_NANOSECONDS_FIELD_NUMBER: _ClassVar[int]
    ENGINE_NANOSECONDS_FIELD_NUMBER: _ClassVar[int]
    SEARCH_NANOSECONDS_FIELD_NUMBER: _ClassVar[int]
    queue_nanoseconds: int
    engine_nanoseconds: int
    search_nanoseconds: int
    def __init__(self, queue_nanoseconds: _Optional[int] = ..., engine_nanoseconds: _Optional[int] = ..., search_nanoseconds: _Optional[int] = ...) -> None: ...
