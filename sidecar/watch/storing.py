"""Making facts durable, with the tenants as then known and the position: all of it, or none and again."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from sidecar.backoff import Backoff
from sidecar.errors import Unavailable
from sidecar.facts import AnyFact
from sidecar.watch import positions
from sidecar.watch.memory import Memory
from sidecar.watch.positions import Position
from sidecar.watch.standing import Standing

Append = Callable[[Sequence[AnyFact], Mapping[str, bytes | None], bytes | None], Awaitable[None]]
"""Makes facts, tenants as last known (uid → bytes, None: gone) and the position (None: it stays) durable in
one transaction. Raises `Unavailable` (`SpoolFull` is one): nothing was stored."""

_log = structlog.stdlib.get_logger(__name__)


class Storing:
    """The way from one watch into the spool. It is never used twice at a time."""

    def __init__(self, append: Append, memory: Memory, standing: Standing) -> None:
        self._append = append
        self._memory = memory
        self._standing = standing
        self._stored_at = time.monotonic()

    async def store(self, facts: Sequence[AnyFact], position: Position | None) -> None:
        """Returns when the facts and what changed in the memory are durable; position None: it stays.

        As long as the spool takes nothing it tries again: nothing is dropped, nothing more is read meanwhile.
        """
        changed = self._memory.take()
        if not facts and not changed and position is None:
            return
        body = None if position is None else positions.encode(position)
        backoff = Backoff()
        while True:
            try:
                await self._append(facts, changed, body)
                break
            except Unavailable as error:
                wait = backoff.wait(error.retry_after or 0.0)
                _log.warning("watch_paused", detail=str(error), facts=len(facts), wait=wait)
                self._standing.paused = True
                await asyncio.sleep(wait)
        if self._standing.paused:
            _log.info("watch_resumed", facts=len(facts))
            self._standing.paused = False
        self._stored_at = time.monotonic()

    def quiet_for(self) -> float:
        """Seconds since the last append."""
        return time.monotonic() - self._stored_at
