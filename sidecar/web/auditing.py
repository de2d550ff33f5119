"""`POST /audit`: an EventList into facts as it arrives, in bounded memory and in turns with everybody else."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from sidecar.audit import Batch, Left, Repetition, Resource, Unreadable, read
from sidecar.brackets import SLICE
from sidecar.facts import AnyFact
from sidecar.web.problems import Problem

# Bytes of a batch: what can be read in the 30 s that the API server waits. Less would be a way to hide. Whoever may
# edit a tenant can send patches of 3 MiB, which the log writes as 17 (a `<` as six bytes, measured): 8 of them are more
# than 128 MiB, and the API server drops a refused batch whole, with everybody's events in it.
_BATCH_MOST = 2**30

# Batches at once: each holds the facts of its events until its end. Seconds to wait for a turn, and for a body: the API
# server gives up after 30 and sends the same again.
_AT_ONCE = 2
_TURN_SECONDS = 10.0
_BODY_SECONDS = 120.0

# Facts held until the body has ended in order: some 20 MiB. A usual batch of 400 events makes 800. Of a larger one the
# first are stored before it has ended; if it then breaks off it is refused, and the same again adds nothing.
_HELD_MOST = 20_000

# Bytes of an event. To read a usual one of this size takes some 0.2 ms, the oddest (nothing but brackets) up to 15. A
# larger one goes to a thread, or one patch of 3 MiB would keep every answer of the webhook waiting for 0.7 s.
_READ_ON_LOOP = 32 * 2**10

# Seconds between two lines of one reason: who has no token must not fill a log.
_SAY_SECONDS = 10.0

# Facts stored together: some 250 KB, which other appends wait for.
_APPEND_MOST = 500

Append = Callable[[Sequence[AnyFact]], Awaitable[None]]

_log = structlog.get_logger()


class Auditing:
    """Takes batches."""

    def __init__(self, resource: Resource, append: Append) -> None:
        self.taken = 0
        """Events that told something of a tenant."""
        self.left_out: Counter[str] = Counter()
        """Events that did not, by reason."""
        self.batches: Counter[str] = Counter()
        """By what became of them: taken, refused (for whatever reason, with an answer other than 200)."""
        self.failed_open = 0
        """Requests that the API server let through without our webhook's answer."""
        self._resource = resource
        self._append = append
        self._repetition = Repetition()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._said: dict[str, float] = {}

    def refused(self, reason: str) -> None:
        """Counts a batch that is not taken, and says why, though the same not again and again."""
        self.batches["refused"] += 1
        now = time.monotonic()
        if now - self._said.get(reason, -math.inf) >= _SAY_SECONDS:
            self._said = {why: at for why, at in self._said.items() if now - at < _SAY_SECONDS} | {reason: now}
            _log.warning("audit_batch_refused", reason=reason)

    async def take(self, request: web.Request) -> None:
        """Everything that the body tells is on the disk when this returns.

        Raises `Problem` (400: no EventList, 408, 413, 503: too many at once); `Unavailable` when the spool takes
        nothing.
        """
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await self._turns.acquire()
        except TimeoutError as error:
            raise Problem(503, "Too many audit batches are being read at once.", {"Retry-After": "5"}) from error
        try:
            await self._read(request)
        except (Unreadable, web.RequestPayloadError, ConnectionError) as error:
            raise Problem(400, f"The batch cannot be taken: {error}") from error
        finally:
            self._turns.release()
        self.batches["taken"] += 1

    async def _read(self, request: web.Request) -> None:
        batch, told, size = Batch(), _Told(), 0
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                async for chunk in request.content.iter_any():
                    size += len(chunk)
                    if size > _BATCH_MOST:
                        raise Problem(413, f"A batch has at most {_BATCH_MOST} bytes.", {"Connection": "close"})
                    for start in range(0, len(chunk), SLICE):
                        for event in batch.feed(chunk[start : start + SLICE]):
                            await self._take(event, told)
                        await asyncio.sleep(0)  # the webhook's answers in between
                    if len(told.facts) > _HELD_MOST:
                        await self._store(told)
        except TimeoutError as error:
            detail = f"The batch was not there after {_BODY_SECONDS:.0f} s."
            raise Problem(408, detail, {"Connection": "close"}) from error
        batch.finish()
        await self._store(told)
        self.taken += told.events
        self.left_out += told.left_out
        self.failed_open += told.failed_open

    async def _take(self, event: bytes, told: "_Told") -> None:
        if len(event) <= _READ_ON_LOOP:
            says = read(event, self._resource)
        else:
            says = await asyncio.to_thread(read, event, self._resource)
        told.failed_open += says.failed_open
        if isinstance(says, Left):
            told.left_out[says.reason] += 1
        else:
            told.events += 1
            told.facts += self._repetition.without(says.facts)

    async def _store(self, told: "_Told") -> None:
        facts, told.facts = told.facts, []
        for start in range(0, len(facts), _APPEND_MOST):
            await self._append(facts[start : start + _APPEND_MOST])
        self._repetition.kept(facts)


@dataclass
class _Told:
    """What a batch has told so far: facts that are not stored yet, and its events, by what became of them."""

    facts: list[AnyFact] = field(default_factory=list)
    events: int = 0
    failed_open: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
