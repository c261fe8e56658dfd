"""Which models are in memory, which of them answers to a name, and who uses them; used from one event loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from abyssal.inference.taxa import NumberedTaxa
from abyssal.inference.v1.admin_pb2 import ModelPhase, ModelState
from abyssal.inference.v1.common_pb2 import Model, ModelSelector
from abyssal_server.errors import Conflict, NotFound, NotPossible, NotReady
from abyssal_server.models.loaded import LoadedModel

CURRENT = "current"
PREVIOUS = "previous"


@dataclass(eq=False)
class Resident:
    """A model in memory.

    Attributes:
        model: what answers.
        location: where it came from.
        calls: calls that use it.
        draining: whether it goes after the last of them.
    """

    model: LoadedModel
    location: str
    calls: int = 0
    draining: bool = False


@dataclass
class _Labels:
    """The digests that a name's labels stand for; ``previous`` may be empty."""

    current: str
    previous: str = ""


class Residents:
    """The models of this process.

    A name answers with its ``current`` model; the first name answers when nothing is chosen. A model that lost its last
    label stays until its calls are done, so a stream that began with it ends with it.

    Args:
        limit: most models in memory, those that drain included.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_digest: dict[str, Resident] = {}
        self._names: dict[str, _Labels] = {}

    def __contains__(self, digest: str) -> bool:
        return digest in self._by_digest

    @property
    def names(self) -> Mapping[str, str]:
        """Digest of the current model of each name, the default name first."""
        return {name: labels.current for name, labels in self._names.items()}

    def require_room(self) -> None:
        """Raise NotPossible when no further model may be loaded."""
        if len(self._by_digest) >= self._limit:
            message = f"{self._limit} models are resident already (setting resident_models); unload one first"
            raise NotPossible(message)

    def add(self, model: LoadedModel, location: str) -> Resident:
        """Keep a model in memory without giving it calls; a model that is there already stays as it is."""
        resident = self._by_digest.get(model.digest)
        if resident is None:
            self.require_room()
            resident = self._by_digest[model.digest] = Resident(model, location)
        resident.draining = False
        return resident

    def activate(self, digest: str, expected: str = "") -> Resident:
        """Let a resident model answer to its name, in one step.

        Raises:
            NotFound: it is not resident.
            Conflict: another model than ``expected`` is current.
        """
        resident = self.resident(digest)
        name = resident.model.identity.name
        labels = self._names.get(name)
        self._check_expected(name, labels, expected)
        if labels is None:
            self._names[name] = _Labels(digest)
        elif labels.current != digest:
            replaced = labels.previous
            self._names[name] = _Labels(digest, labels.current)
            self._retire(replaced)
        resident.draining = False
        return resident

    def rollback(self, name: str, expected: str = "") -> Resident:
        """Exchange ``current`` and ``previous`` of a name; the only name when it is empty.

        Raises:
            NotFound: nothing answers to this name.
            NotPossible: it has no previous model; or there are several names and none was given.
            Conflict: another model than ``expected`` is current.
        """
        if not name and len(self._names) > 1:
            message = f"several models are served; name one of: {', '.join(self._names)}"
            raise NotPossible(message)
        name = name or next(iter(self._names), "")
        labels = self._names.get(name)
        if labels is None:
            raise NotFound(kind="model", name=name, choices=self.choices())
        self._check_expected(name, labels, expected)
        if not labels.previous:
            message = f"{name} has no previous model in memory, so there is no way back"
            raise NotPossible(message)
        self._names[name] = _Labels(labels.previous, labels.current)
        return self._by_digest[labels.previous]

    def unload(self, digest: str) -> Resident:
        """Let a model go once its calls are done.

        Raises:
            NotFound: it is not resident.
            NotPossible: it is current.
        """
        resident = self.resident(digest)
        name = resident.model.identity.name
        labels = self._names.get(name)
        if labels is not None and labels.current == digest:
            message = f"{name} {resident.model.identity.version} is current; activate another model first"
            raise NotPossible(message)
        if labels is not None and labels.previous == digest:
            labels.previous = ""
        self._retire(digest)
        return resident

    def resident(self, digest: str) -> Resident:
        """Return the resident model of a digest; NotFound when there is none."""
        if digest not in self._by_digest:
            raise NotFound(kind="model", name=digest, choices=self.choices())
        return self._by_digest[digest]

    def choose(self, selector: ModelSelector, digest: str = "") -> LoadedModel:
        """Return the model that a request means.

        Raises:
            NotReady: nothing answers yet.
            NotFound: no resident model fits; lists what could be chosen.
        """
        if not self._names:
            message = "the model is still being loaded"
            raise NotReady(message, retry_after=1.0)
        found = self._chosen(selector, digest)
        if found is None:
            raise NotFound(kind="model", name=digest or _text(selector), choices=self.choices())
        return found.model

    def _chosen(self, selector: ModelSelector, digest: str) -> Resident | None:
        if digest:
            found = self._by_digest.get(digest)
        elif selector.name or selector.version or not selector.marker:
            found = self._of_name(selector.name or next(iter(self._names)), selector.version or CURRENT)
        else:
            markers = (self._by_digest[labels.current] for labels in self._names.values())
            found = next((one for one in markers if one.model.identity.marker == selector.marker), None)
        if found is None or selector.name not in ("", found.model.identity.name):
            return None
        return found if selector.marker in ("", found.model.identity.marker) else None

    def _of_name(self, name: str, version: str) -> Resident | None:
        labels = self._names.get(name)
        if labels is not None and version in (CURRENT, PREVIOUS):
            return self._by_digest.get(labels.current if version == CURRENT else labels.previous)
        named = (one for one in self._by_digest.values() if one.model.identity.name == name)
        return next((one for one in named if one.model.identity.version == version), None)

    def others(self, model: LoadedModel) -> list[LoadedModel]:
        """Return one current model of every other marker, in the order of the names."""
        found = {model.identity.marker: model}
        for labels in self._names.values():
            other = self._by_digest[labels.current].model
            found.setdefault(other.identity.marker, other)
        return [other for other in found.values() if other is not model]

    @contextmanager
    def lease(self, selector: ModelSelector, digest: str = "") -> Iterator[LoadedModel]:
        """Hold the model that a request means for as long as the call lasts; raises as ``choose``."""
        resident = self._by_digest[self.choose(selector, digest).digest]
        resident.calls += 1
        try:
            yield resident.model
        finally:
            resident.calls -= 1
            if resident.draining and not resident.calls:
                self._by_digest.pop(resident.model.digest, None)

    def taxonomy(self, digest: str) -> NumberedTaxa:
        """Return the taxa of a taxonomy digest.

        Raises:
            NotReady: nothing answers yet.
            NotFound: no resident model has such a taxonomy.
        """
        if not self._names:
            self.choose(ModelSelector())
        for resident in self._by_digest.values():
            if resident.model.identity.taxonomy_digest == digest:
                return resident.model.taxa
        raise NotFound(kind="taxonomy", name=digest)

    def describe(self, model: LoadedModel) -> Model:
        """Return a model's identity with its labels."""
        described = Model()
        described.CopyFrom(model.identity)
        labels = self._names.get(model.identity.name)
        if labels is not None:
            pairs = ((CURRENT, labels.current), (PREVIOUS, labels.previous))
            described.labels.extend(label for label, digest in pairs if digest == model.digest)
        return described

    def state(self, resident: Resident) -> ModelState:
        """Return what a resident model is doing."""
        phase = ModelPhase.MODEL_PHASE_DRAINING if resident.draining else ModelPhase.MODEL_PHASE_READY
        identity = self.describe(resident.model)
        return ModelState(model=identity, phase=phase, location=resident.location, calls=resident.calls)

    def all(self) -> list[Resident]:
        """Return every resident model: the current ones in the order of their names, then the others."""
        current = [self._by_digest[labels.current] for labels in self._names.values()]
        return [*current, *(one for one in self._by_digest.values() if one not in current)]

    def choices(self) -> list[str]:
        """Return what could be chosen, in words."""
        return [
            f"{model.name}@{model.version} (marker {model.marker}{''.join(f', {label}' for label in model.labels)})"
            for model in (self.describe(resident.model) for resident in self.all() if not resident.draining)
        ]

    def _retire(self, digest: str) -> None:
        resident = self._by_digest.get(digest)
        labelled = {d for labels in self._names.values() for d in (labels.current, labels.previous)}
        if resident is None or digest in labelled:
            return
        resident.draining = True
        if not resident.calls:
            del self._by_digest[digest]

    def _check_expected(self, name: str, labels: _Labels | None, expected: str) -> None:
        found = "" if labels is None else labels.current
        if expected and found != expected:
            message = f"the current model of {name} is {found[:12] or 'none'}, not {expected[:12]}; look again"
            raise Conflict(message)


def _text(selector: ModelSelector) -> str:
    name = f"{selector.name}@{selector.version}" if selector.version else selector.name
    return f"{name} of marker {selector.marker}" if name and selector.marker else name or selector.marker
