"""Changes of the resident models: load, verify, warm up, check the golden answers, switch, drain the old.

Loads happen one at a time; what answers is never touched before its successor has passed every check. Going to a model
that is resident waits for no load, so that a store that does not answer keeps nobody from rolling back.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import TypeVar

from abyssal.errors import AbyssalError, UsageError
from abyssal.inference.v1.admin_pb2 import ModelPhase, ModelState
from abyssal_server.models.loaded import LoadedModel
from abyssal_server.models.resident import Resident, Residents
from abyssal_server.models.store import ModelStore

logger = logging.getLogger(__name__)

_REMEMBERED_FAILURES = 32
_THREAD = "bundle opener"
Result = TypeVar("Result")

Changed = Callable[[], Awaitable[None]]
"""Told after every change of which names answer."""


async def _nobody_told() -> None:
    """Do nothing."""


async def _in_a_thread(task: Callable[[], Result]) -> Result:
    """Do what may take minutes, as with a store that does not answer, in a thread that no shutdown waits for."""
    done: Future[Result] = Future()

    def work() -> None:
        try:
            done.set_result(task())
        except Exception as error:  # noqa: BLE001  handed to whoever awaits it
            done.set_exception(error)

    done.set_running_or_notify_cancel()
    threading.Thread(target=work, name=_THREAD, daemon=True).start()
    return await asyncio.wrap_future(done)


def threads_left() -> bool:
    """Whether a bundle is still being opened or a faster engine looked for, which no shutdown waits for."""
    return any(thread.name == _THREAD for thread in threading.enumerate())


class ModelManager:
    """Loads, activates, rolls back and unloads; used from one event loop.

    Args:
        locations: what the service was started with; the first answers when nothing is chosen.
        store: where bundles come from.
        residents: what is in memory.
        changed: told after every change.
    """

    def __init__(
        self, locations: Sequence[str], store: ModelStore, residents: Residents, changed: Changed = _nobody_told
    ) -> None:
        self._locations = tuple(locations)
        self._store = store
        self.residents = residents
        self._changed = changed
        self._loading = asyncio.Lock()
        self._unfinished: dict[str, ModelState] = {}
        self._one_look = asyncio.Lock()
        self._looking: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Load and activate every location.

        Raises:
            UsageError: nothing is at a location, or two of them hold bundles of one name.
            BundleError: a bundle does not pass its checks.
        """
        async with self._loading:
            loaded = await asyncio.gather(*map(self._load, self._locations))
            names: dict[str, str] = {}
            for resident in loaded:
                name = resident.model.identity.name
                if names.setdefault(name, resident.location) != resident.location:
                    message = (
                        f"{names[name]} and {resident.location} both hold a bundle named {name}; serve one of them"
                    )
                    raise UsageError(message)
                self.residents.activate(resident.model.digest)
        await self._changed()

    async def load(self, location: str, *, activate: bool) -> ModelState:
        """Load a bundle; what answers stays as it is when it fails, and when ``activate`` is False.

        Raises:
            UsageError: there is nothing of this name.
            BundleError: the bundle does not pass its checks.
            NotPossible: too many models are resident.
        """
        async with self._loading:
            resident = await self._load(location)
            if activate:
                self._activate(resident)
        await self._changed()
        return self.residents.state(resident)

    async def activate(self, digest: str, expected: str) -> ModelState:
        """Let a resident model answer to its name; raises as ``Residents.activate``."""
        resident = self.residents.activate(digest, expected)
        await self._changed()
        return self.residents.state(resident)

    async def rollback(self, name: str, expected: str) -> ModelState:
        """Let the previous model of a name answer again; raises as ``Residents.rollback``."""
        resident = self.residents.rollback(name, expected)
        await self._changed()
        logger.info("rolled back to %s", resident.model.digest[:12])
        return self.residents.state(resident)

    async def unload(self, digest: str) -> ModelState:
        """Let a model go; raises as ``Residents.unload``."""
        resident = self.residents.unload(digest)
        return self.residents.state(resident)

    async def refresh(self) -> list[ModelState]:
        """Resolve every location anew and activate what changed; a failing one leaves what answered before."""
        states = []
        for location in self._locations:
            try:
                states.append(await self.load(location, activate=True))
            except AbyssalError:
                states.append(self._unfinished[location])
        return states

    def states(self) -> list[ModelState]:
        """Return what is resident, is being loaded, or could not be loaded."""
        return [*map(self.residents.state, self.residents.all()), *self._unfinished.values()]

    def problem(self) -> str:
        """Return why what the service was started with could not be loaded when it was last looked at, or ""."""
        looked = filter(None, map(self._unfinished.get, self._locations))
        failed = [state for state in looked if state.phase == ModelPhase.MODEL_PHASE_FAILED]
        return "; ".join(f"{state.location}: {state.reason}" for state in failed)

    async def _load(self, location: str) -> Resident:
        self._unfinished.pop(location, None)
        self._unfinished[location] = ModelState(location=location, phase=ModelPhase.MODEL_PHASE_LOADING)
        try:
            opened = await _in_a_thread(partial(self._store.open, location))
            if opened.digest in self.residents:
                resident = self.residents.add(self.residents.resident(opened.digest).model, location)
            else:
                self.residents.require_room()
                resident = self.residents.add(await asyncio.to_thread(self._store.load, opened), location)
        except AbyssalError as error:
            logger.error("%s was not loaded: %s", location, error)
            failed = ModelState(location=location, phase=ModelPhase.MODEL_PHASE_FAILED, reason=str(error))
            self._unfinished[location] = failed
            while len(self._unfinished) > _REMEMBERED_FAILURES:
                self._unfinished.pop(next(iter(self._unfinished)))
            raise
        except BaseException:
            del self._unfinished[location]
            raise
        del self._unfinished[location]
        self._look_for_faster(resident)
        return resident

    def _look_for_faster(self, resident: Resident) -> None:
        """Begin to look for a faster engine, if there is anything to look for; the model answers meanwhile."""
        look = resident.model.faster
        if look is not None:
            resident.model = replace(resident.model, faster=None)
            task = asyncio.create_task(self._go_faster(resident, look), name="faster engine")
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)

    async def _go_faster(self, resident: Resident, look: Callable[[], LoadedModel | None]) -> None:
        """Let later calls be answered by a faster engine; one that has begun ends with the engine it began with.

        One look at a time: two would take each other's cores, and the choice between engines is noted for good.
        """
        async with self._one_look:
            found = await _in_a_thread(look) if self._keeps(resident) else None
        if found is not None and self._keeps(resident):
            logger.info("%s is answered by %s from now on", found.digest[:12], found.identity.engine)
            resident.model = found
            await self._changed()

    def _keeps(self, resident: Resident) -> bool:
        return any(one is resident for one in self.residents.all())

    def _activate(self, resident: Resident) -> None:
        model = resident.model
        if self.residents.names.get(model.identity.name) != model.digest:
            self.residents.activate(model.digest)
            logger.info("%s now answers with %s (%s)", model.identity.name, model.identity.version, model.digest[:12])
