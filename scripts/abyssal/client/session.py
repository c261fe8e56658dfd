"""What the synchronous and the asynchronous client share: options, model descriptions, frames and resuming."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

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


class StreamState:
    """Chunks that are on their way, so that a broken stream continues with the first unanswered one."""

    def __init__(self, novelty: NoveltyConfig | None) -> None:
        self.pending: deque[classification_pb2.ReadChunk] = deque()
        self._config = classify_config(novelty)
        self._next_id = 0

    def opening(self) -> list[classification_pb2.ClassifyStreamRequest]:
        """Return the frames of a new connection: the config, then every unanswered chunk."""
        config = classification_pb2.ClassifyStreamRequest(config=self._config)
        return [config, *(classification_pb2.ClassifyStreamRequest(chunk=chunk) for chunk in self.pending)]

    def push(self, sequences: Sequence[str]) -> classification_pb2.ClassifyStreamRequest:
        """Return the frame of the next chunk and remember it."""
        chunk = classification_pb2.ReadChunk(chunk_id=self._next_id, sequences=encoded(sequences))
        self._next_id += 1
        self.pending.append(chunk)
        return classification_pb2.ClassifyStreamRequest(chunk=chunk)

    def pin(self, model: common_pb2.Model) -> None:
        """Stay with this model on later connections: one stream never mixes two models' answers."""
        self._config.model_digest = model.digest

    def accept(self, result: classification_pb2.ChunkResult, taxa: NumberedTaxa) -> Classifications:
        """Return the answers to the oldest unanswered chunk and forget it.

        Raises:
            DataError: the answer is not the one to that chunk.
        """
        chunk = self.pending[0] if self.pending else None
        expected = (chunk.chunk_id, len(chunk.sequences), self._config.model_digest) if chunk else None
        if expected != (result.chunk_id, result.answers.reads, result.model_digest):
            message = f"the service answered chunk {result.chunk_id}, which was not the next one"
            raise DataError(message)
        answers = to_classifications(result.answers, taxa)
        self.pending.popleft()
        return answers

    def finish(self) -> None:
        """Check that nothing is left to answer.

        Raises:
            DataError: something is.
        """
        if self.pending:
            raise unfinished()


def unfinished() -> DataError:
    """Return the error of a stream that ended well and too early."""
    return DataError("the service ended the stream before every chunk was answered")


def classify_config(novelty: NoveltyConfig | None) -> classification_pb2.ClassifyConfig:
    """Return the configuration of a call."""
    if novelty is None:
        return classification_pb2.ClassifyConfig()
    mix = common_pb2.NoveltyMix(species=novelty.species, genus=novelty.genus, family=novelty.family)
    return classification_pb2.ClassifyConfig(novelty=mix)


def encoded(sequences: Sequence[str]) -> list[bytes]:
    """Return reads as bytes; a letter that has no byte becomes ``?``, which the service refuses for that read."""
    return [sequence.encode("latin-1", errors="replace") for sequence in sequences]
