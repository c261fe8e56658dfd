"""Turns between clients, and room for what waits.

Two clients with work get equal shares, however many calls each has.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

Item = TypeVar("Item")

LENGTH_STEP = 64
"""The engine pads a read to a multiple of this many letters, so that is what a read costs."""


def padded_letters(length: int) -> int:
    """Return what a read of ``length`` letters costs: its length as the engine pads it."""
    return (length + LENGTH_STEP - 1) // LENGTH_STEP * LENGTH_STEP or LENGTH_STEP


def padded_sum(sequences: Sequence[str]) -> int:
    """Return what reads cost together."""
    lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    return int(np.maximum((lengths + LENGTH_STEP - 1) // LENGTH_STEP, 1).sum()) * LENGTH_STEP


@dataclass(eq=False)
class Lane:
    """The calls of one kind share turns by it.

    Attributes:
        client: who calls.
        interactive: whether somebody waits for the answer, as after a unary call; a stream is bulk work.
    """

    client: str
    interactive: bool = False


@dataclass
class _Client(Generic[Item]):
    """What one client waits for: items by lane; lanes take turns."""

    served: float
    lanes: dict[Lane, deque[tuple[Item, float]]] = field(default_factory=dict)


class FairQueue(Generic[Item]):
    """Items of several clients: the client that was served least goes next (start-time fair queueing).

    A client that was away does not save up turns: it starts where the others are.
    """

    def __init__(self) -> None:
        self._clients: dict[str, _Client[Item]] = {}
        self._order: list[tuple[float, int, str]] = []
        self._clock = 0.0
        self._pushed = 0
        self.cost = 0.0

    def __bool__(self) -> bool:
        return bool(self._clients)

    def push(self, lane: Lane, item: Item, cost: float) -> None:
        """Let an item wait behind the others of its lane."""
        client = self._clients.get(lane.client)
        if client is None:
            client = self._clients[lane.client] = _Client(self._clock)
            self._schedule(lane.client, client)
        client.lanes.setdefault(lane, deque()).append((item, cost))
        self.cost += cost

    def peek(self) -> tuple[Item, float]:
        """Return the item that ``pop`` will return, and its cost."""
        client = self._clients[self._order[0][2]]
        return next(iter(client.lanes.values()))[0]

    def pop(self) -> Item:
        """Take the next item."""
        served, _, name = heapq.heappop(self._order)
        self._clock = served
        client = self._clients[name]
        lane = next(iter(client.lanes))
        waiting = client.lanes.pop(lane)
        item, cost = waiting.popleft()
        if waiting:
            client.lanes[lane] = waiting
        client.served = served + cost
        self.cost -= cost
        if client.lanes:
            self._schedule(name, client)
        else:
            del self._clients[name]
        return item

    def _schedule(self, name: str, client: _Client[Item]) -> None:
        self._pushed += 1
        heapq.heappush(self._order, (client.served, self._pushed, name))


class Room:
    """Room for the padded letters of waiting reads.

    Streams fill at most ``bulk_share`` of it and wait for more, client by client in turn; what is left is for unary
    calls, which are refused when there is none. What is larger than all room takes all room.
    """

    def __init__(self, capacity: int, bulk_share: float = 0.75) -> None:
        self.capacity = capacity
        self.used = 0
        self._bulk_capacity = int(capacity * bulk_share)
        self._bulk_used = 0
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()

    def try_take(self, cost: int) -> bool:
        """Take room for a unary call if there is some."""
        cost = min(cost, self.capacity)
        if self.used + cost > self.capacity:
            return False
        self.used += cost
        return True

    def give(self, cost: int) -> None:
        """Give a unary call's room back."""
        self.used -= min(cost, self.capacity)
        self._hand_out()

    async def take(self, lane: Lane, cost: int) -> None:
        """Wait for room for a stream's chunk and take it."""
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.push(lane, granted, min(cost, self._bulk_capacity))
        self._hand_out()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.give_bulk(cost)
            raise

    def give_bulk(self, cost: int) -> None:
        """Give the room of a stream's chunk back."""
        self.used -= min(cost, self._bulk_capacity)
        self._bulk_used -= min(cost, self._bulk_capacity)
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting:
            granted, waiting_cost = self._waiting.peek()
            cost = int(waiting_cost)
            if not granted.done():
                full = self._bulk_used + cost > self._bulk_capacity or self.used + cost > self.capacity
                if full:
                    return
                self.used += cost
                self._bulk_used += cost
                granted.set_result(None)
            self._waiting.pop()
