"""Paying what we owe: take facts from the spool, deliver them to the ledger, confirm exactly those.

A fact leaves the spool only after the COMMIT that holds it; a delivery that is repeated, because the process
died between COMMIT and confirm, adds nothing.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec
import structlog

from sidecar.backoff import Backoff
from sidecar.durations import Durations
from sidecar.errors import Refused, Unavailable
from sidecar.facts import Anomaly, AnyFact, decode, encode
from sidecar.ledger import Filed
from sidecar.spool import Spool

# At most 1,000 facts a transaction, so that nobody holds the writer's lock for long (design, "Several replicas").
_MOST_FACTS = 1_000

_SET_ASIDE = "set_aside"
"""The kind of anomaly that tells, in the ledger, of a fact that was set aside."""

# Seconds. A usual transaction takes 3 to 50 ms; Postgres ends a statement after 30 s.
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_log = structlog.get_logger()


class Delivers(Protocol):
    """What flush needs of the ledger."""

    async def deliver(self, facts: Sequence[AnyFact]) -> Filed:
        """Stores the facts and what follows from them; committed when it returns."""


class _Owed(NamedTuple):
    """A fact as the spool gave it out: its number there, its bytes, and what they say."""

    number: int
    body: bytes
    fact: AnyFact


class Flush:
    """The loop that empties the spool."""

    def __init__(self, spool: Spool, ledger: Delivers) -> None:
        self._spool = spool
        self._ledger = ledger
        self._backoff = Backoff()
        self._limit = _MOST_FACTS
        self.busy_since: float | None = None  # of the step under way, monotonic seconds: one that never ends is ill
        self.waiting_for_postgres: str | None = None
        self.seconds = Durations(*_BOUNDS)
        """Of the transactions that were committed."""
        self.batches: Counter[str] = Counter()
        """By what became of them: delivered; postponed, Postgres was away; refused, and so split or set aside."""
        self.facts = 0
        """Delivered ones."""
        self.known = 0
        """Observations among them that the ledger had already."""

    async def run(self) -> None:
        """Delivers for ever. Ends only by cancellation, or by an error that a person must mend."""
        while True:
            await self._spool.waiting()
            if await self.once():
                self._backoff.reset()
            else:
                await asyncio.sleep(self._backoff.wait())

    async def once(self) -> bool:
        """One turn: what waits now, up to one transaction's worth. False: Postgres is away, wait and try again."""
        self.busy_since = time.monotonic()
        taken = await self._spool.take(self._limit)
        try:
            await self._pay(await self._readable(taken))
        except Unavailable as error:
            # A batch too heavy for the server's statement_timeout passes in smaller ones.
            self._limit = max(1, self._limit // 2)
            self.waiting_for_postgres = str(error)
            self.batches["postponed"] += 1
            _log.warning("flush_postponed", reason=str(error), facts=len(taken), next_batch=self._limit)
            return False
        finally:
            self.busy_since = None
        self._limit = min(_MOST_FACTS, self._limit * 2)
        self.waiting_for_postgres = None
        return True

    async def _pay(self, owed: Sequence[_Owed]) -> None:
        if not owed:
            return
        self.busy_since = started = time.monotonic()  # of each transaction: a turn that sets all aside has thousands
        try:
            filed = await self._ledger.deliver([each.fact for each in owed])
        except Refused as error:
            self.batches["refused"] += 1
            if len(owed) == 1:
                await self._give_up(owed[0], str(error))
                return
            middle = len(owed) // 2
            await self._pay(owed[:middle])
            await self._pay(owed[middle:])
            return
        await self._spool.confirm([each.number for each in owed])
        seconds = time.monotonic() - started
        self.seconds.took(seconds)
        self.batches["delivered"] += 1
        self.facts += len(owed)
        self.known += filed.known
        _log.debug("flushed", facts=len(owed), seconds=round(seconds, 4))
        if filed.held_censuses:
            _log.error("removals_held", censuses=filed.held_censuses, what_to_do="python -m sidecar accept-removals")

    async def _readable(self, taken: Sequence[tuple[int, bytes]]) -> list[_Owed]:
        owed: list[_Owed] = []
        for number, body in taken:
            try:
                owed.append(_Owed(number, body, decode(body)))
            except msgspec.DecodeError as error:
                await self._set_aside(number, body, f"this version cannot read the fact: {error}")
        return owed

    async def _give_up(self, owed: _Owed, reason: str) -> None:
        if isinstance(owed.fact, Anomaly) and owed.fact.kind == _SET_ASIDE:
            # A note about the note would be refused too, and so on for ever. The fact that it speaks of stays in
            # the spool with its reason; only the copy of it in the ledger is given up.
            await self._spool.confirm([owed.number])
            _log.error("set_aside_note_refused", number=owed.number, reason=reason)
        else:
            await self._set_aside(owed.number, owed.body, reason)

    async def _set_aside(self, number: int, body: bytes, reason: str) -> None:
        # As text inside JSON the fact is whole, and nothing in it can itself be refused.
        text = _storable(body.decode("utf-8", errors="backslashreplace"))
        note = Anomaly(kind=_SET_ASIDE, detail={"reason": _storable(reason), "fact": text})
        await self._spool.set_aside(number, reason, encode(note))
        _log.error("fact_set_aside", number=number, reason=reason, bytes=len(body))


def _storable(text: str) -> str:
    """The text with a NUL shown as one: Postgres' text and jsonb cannot hold it."""
    return text.replace("\0", "\\x00")
