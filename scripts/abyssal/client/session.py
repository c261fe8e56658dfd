"""What the synchronous and the asynchronous client share: options, model descriptions, frames and resuming."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from abyssal.client.errors import ServiceError, ServiceUnavailable
from abyssal.config.models import NoveltyConfig
from abyssal.errors import DataError
from abyssal.inference.messages import to_classifications
from abyssal.inference.taxa import NumberedTaxa
from abyssal.inference.v1 import classification_pb2, common_pb2, models_pb2
from abyssal.taxonomy.classifications import Classifications

CHUNK_READS = 512
"""Reads in a message: fewer cost the service more each, more make small calls wait longer."""
CHUNKS_AHEAD = 8
"""Chunks that are sent before the answer to the first is read."""
CHANNEL_OPTIONS = [
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 256 << 10),
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    # The streams resume by chunk id; gRPC's own retries would only hide the reason.
    ("grpc.enable_retries", 0),
]
_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class ModelInfo:
    """The model that answers; ``digest`` is the SHA-256 of its bundle's manifest."""

    name: str
    version: str
    digest: str
    marker: str
    ranks: tuple[str, ...]
    engine: str
    taxonomy_digest: str

    @classmethod
    def of(cls, model: common_pb2.Model) -> ModelInfo:
        """Return the description in a message."""
        return cls(
            model.name,
            model.version,
            model.digest,
            model.marker,
            tuple(model.ranks),
            model.engine,
            model.taxonomy_digest,
        )


class TaxaPages:
    """Collects the pages of a taxonomy."""

    def __init__(self, digest: str) -> None:
        self._digest = digest
        self._ranks: tuple[str, ...] = ()
        self._names: list[str] = []
        self._rank_numbers: list[int] = []
        self._parents: list[int] = []
        self.request: models_pb2.GetTaxonomyRequest | None = models_pb2.GetTaxonomyRequest(digest=digest)

    def add(self, page: models_pb2.GetTaxonomyResponse) -> None:
        """Add a page and set ``request`` to the next one's, None after the last."""
        self._ranks = tuple(page.ranks)
        self._names += page.names
        self._rank_numbers += page.rank_numbers
        self._parents += page.parents
        token = page.next_page_token
        self.request = models_pb2.GetTaxonomyRequest(digest=self._digest, page_token=token) if token else None

    def taxa(self) -> NumberedTaxa:
        """Return the whole taxonomy.

        Raises:
            DataError: the pages do not add up to the digest.
        """
        taxa = NumberedTaxa(self._ranks, self._names, self._rank_numbers, self._parents)
        if taxa.digest != self._digest:
            message = f"the service's taxonomy does not have the digest {self._digest[:12]}...; try again"
            raise DataError(message)
        return taxa


class Backoff:
    """How long to wait before another attempt; gives up after ``attempts`` failures without progress."""

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._failures = 0

    def progress(self) -> None:
        """Forget earlier failures: the service has answered."""
        self._failures = 0

    def wait(self, error: ServiceError) -> float:
        """Return the seconds to wait.

        Raises:
            ServiceError: ``error`` itself, when another attempt would not help or too many have failed.
        """
        self._failures += 1
        if not isinstance(error, ServiceUnavailable) or self._failures >= self._attempts:
            raise error
        wait: float = min(_FIRST_WAIT_SECONDS * 2 ** (self._failures - 1), _LONGEST_WAIT_SECONDS)
        return max(wait, min(error.retry_after or 0.0, _LONGEST_WAIT_SECONDS))


@dataclass(frozen=True)
class Question:
    """How reads are to be classified.

    Attributes:
        novelty: the novelty mix to assume, None for the bundle's own.
        model: which resident model answers, as NAME, NAME@VERSION or NAME@LABEL; "" for the first one.
        marker: marker of the model that answers; "" for any.
        fallback: whether the service searches for reads that the model leaves open.
    """

    novelty: NoveltyConfig | None = None
    model: str = ""
    marker: str = ""
    fallback: bool = False

    @property
    def selector(self) -> common_pb2.ModelSelector:
        """The choice of the model as a message."""
        name, _, version = self.model.partition("@")
        return common_pb2.ModelSelector(name=name, version=version, marker=self.marker)

    @property
    def config(self) -> classification_pb2.ClassifyConfig:
        """The configuration of a call."""
        config = classification_pb2.ClassifyConfig(model=self.selector)
        if self.fallback:
            config.fallback = classification_pb2.FALLBACK_MODE_OPEN_READS
        if self.novelty is not None:
            mix = self.novelty
            config.novelty.CopyFrom(common_pb2.NoveltyMix(species=mix.species, genus=mix.genus, family=mix.family))
        return config


class QuestionWords(TypedDict, total=False):
    """The fields of ``Question`` as keyword arguments."""

    novelty: NoveltyConfig | None
    model: str
    marker: str
    fallback: bool


@dataclass
class _Sent:
    """A chunk on its way; ``final`` is its last revision once that is there."""

    chunk: classification_pb2.ReadChunk
    final: Classifications | None = None


class StreamState:
    """Chunks that are on their way, so that a broken stream continues with the first unfinished one.

    A chunk whose searched revision is still to come counts as unfinished: only last revisions are handed on.
    """

    def __init__(self, question: Question) -> None:
        self._sent: dict[int, _Sent] = {}
        self._config = question.config
        self._next_id = 0

    def __len__(self) -> int:
        """Return the number of chunks that have not been handed on."""
        return len(self._sent)

    def opening(self) -> list[classification_pb2.ClassifyStreamRequest]:
        """Return the frames of a new connection: the config, then every unfinished chunk."""
        config = classification_pb2.ClassifyStreamRequest(config=self._config)
        unfinished = [sent.chunk for sent in self._sent.values() if sent.final is None]
        return [config, *(classification_pb2.ClassifyStreamRequest(chunk=chunk) for chunk in unfinished)]

    def push(self, sequences: Sequence[str]) -> classification_pb2.ClassifyStreamRequest:
        """Return the frame of the next chunk and remember it."""
        chunk = classification_pb2.ReadChunk(chunk_id=self._next_id, sequences=encoded(sequences))
        self._sent[self._next_id] = _Sent(chunk)
        self._next_id += 1
        return classification_pb2.ClassifyStreamRequest(chunk=chunk)

    def pin(self, model: common_pb2.Model) -> None:
        """Stay with this model on later connections: one stream never mixes two models' answers."""
        self._config.model_digest = model.digest
        self._config.ClearField("model")

    def accept(self, result: classification_pb2.ChunkResult, taxa: NumberedTaxa) -> list[Classifications]:
        """Take a result and return the answers that are complete now, in the order of their chunks.

        Raises:
            DataError: the answer is not one to an unfinished chunk.
        """
        sent = self._sent.get(result.chunk_id)
        known = sent is not None and sent.final is None and result.model_digest == self._config.model_digest
        if sent is None or not known or result.answers.reads != len(sent.chunk.sequences):
            message = f"the service answered chunk {result.chunk_id}, which was not waiting for that answer"
            raise DataError(message)
        answers = to_classifications(result.answers, taxa)
        if not result.revision_follows:
            sent.final = answers
        ready: list[Classifications] = []
        for chunk_id, first in list(self._sent.items()):
            if first.final is None:
                break
            ready.append(first.final)
            del self._sent[chunk_id]
        return ready

    def finish(self) -> None:
        """Check that nothing is left to answer.

        Raises:
            DataError: something is.
        """
        if self._sent:
            raise unfinished()


def unfinished() -> DataError:
    """Return the error of a stream that ended well and too early."""
    return DataError("the service ended the stream before every chunk was answered")


def encoded(sequences: Sequence[str]) -> list[bytes]:
    """Return reads as bytes; a letter that has no byte becomes ``?``, which the service refuses for that read."""
    return [sequence.encode("latin-1", errors="replace") for sequence in sequences]
