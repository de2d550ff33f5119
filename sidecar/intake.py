"""Into the spool: facts as bytes, counted by source and kind."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from sidecar.facts import AnyFact, encode
from sidecar.spool import Spool


class Intake:
    """The way in of one source's facts."""

    def __init__(self, spool: Spool, source: Literal["watch", "audit", "backfill"]) -> None:
        self.source = source
        self.counts: Counter[type[AnyFact]] = Counter()
        """Facts that are on the disk, or were, by kind."""
        self._spool = spool

    async def append(
        self, facts: Sequence[AnyFact], tenants: Mapping[str, bytes | None] | None = None, position: bytes | None = None
    ) -> None:
        """Makes facts durable, with the tenants as last known and the position. Raises `SpoolFull`, `Unavailable`."""
        await self._spool.append([encode(fact) for fact in facts], tenants or {}, position)
        self.counts.update(map(type, facts))
