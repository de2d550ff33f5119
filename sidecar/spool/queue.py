"""The queue itself: append, take, confirm, set aside."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import structlog

from sidecar.errors import SpoolFull
from sidecar.spool import files, schema
from sidecar.spool.database import Database, SpoolCorrupt
from sidecar.spool.writer import Row, Writer

TAKE_BYTES = 8 * 2**20
"""Bytes a batch carries at most, unless one fact alone is larger: what Postgres gets in one transaction and
this process holds in memory. A usual batch of 500 facts has some 200 kB."""

_OWE_AGAIN_BYTES = 64 * 2**20
"""Of the facts set aside, what a start puts back into the queue, and the next start the next: nothing is served
meanwhile (128 MiB took 2.9 s, measured)."""

_log = structlog.get_logger()

_NO_TENANTS: Mapping[str, bytes | None] = MappingProxyType({})


@dataclass(frozen=True)
class Kept:
    """What a start needs: the position (None: never moved), and each tenant's last known state by uid."""

    position: bytes | None
    tenants: dict[str, bytes]


@dataclass(frozen=True)
class Depth:
    """What is owed now: how many facts wait, and since when the oldest does (Unix seconds; None: none waits).

    `bytes` is what the size limit counts: the pages of the file that are in use. `set_aside` counts the facts
    that wait for a person.
    """

    facts: int
    bytes: int
    set_aside: int
    oldest_at: float | None


class Spool:
    """A durable queue of facts, oldest first. Make one with `Spool.open`."""

    def __init__(self, database: Database, facts: int, set_aside: int, moved_aside: Path | None) -> None:
        self.moved_aside = moved_aside
        """Where the file that was found damaged at the start is now, or None."""
        self._database = database
        self._writer = Writer(database)
        self._facts = facts
        self._set_aside = set_aside
        self._handed_out: set[int] = set()
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._changed(0)

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, max_bytes: int) -> AsyncIterator["Spool"]:
        """The spool in the file `path`, made if there is none; on the way out, finishes the writes under way.

        `max_bytes` limits the file; confirmed facts leave their room in it to new ones. A file that is larger
        already grows no further. A damaged file is moved aside (`moved_aside`) and an empty one takes its
        place. Raises `Misconfigured` if the file cannot be used, belongs to another program or to a newer
        version, or another process has it; `SpoolFull` if the disk has no room to open it. What an earlier process
        set aside waits again, the oldest 64 MiB of it, after all others: only a new start tries it once more.
        """
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(files.owned(path))
            moved_aside = None
            if why := files.marked_damaged(path):
                moved_aside = files.move_aside(path, why)
            try:
                database = await stack.enter_async_context(Database.open(path, max_bytes))
            except SpoolCorrupt as error:
                moved_aside = files.move_aside(path, str(error))
                database = await stack.enter_async_context(Database.open(path, max_bytes))
            await _owe_again(database)
            ((facts, set_aside),) = await database.read(schema.COUNTS)
            spool = cls(database, facts, set_aside, moved_aside)
            stack.push_async_callback(spool._writer.finish)
            yield spool

    @property
    def writable(self) -> bool:
        """Whether the last write succeeded: False while the disk is full or the size limit is reached."""
        return self._writer.succeeded

    @property
    def busy_since(self) -> float | None:
        """When the write under way began (monotonic seconds); None: none is."""
        return self._writer.busy_since

    async def append(
        self,
        facts: Sequence[bytes],
        tenants: Mapping[str, bytes | None] = _NO_TENANTS,
        position: bytes | None = None,
    ) -> None:
        """Stores these facts, these tenants' last known states (None: forget) and the position, as one.

        The tenants' keys are uids: any text without a NUL.
        All of it is on the disk (fsync) when this returns; many concurrent appends share one fsync. Raises
        `SpoolFull` if there is no room: nothing of it was stored then. A cancelled call may have stored all
        of it or nothing. Who moves the position waits for one append before beginning the next.
        """
        rows: list[Row] = [("fact", None, None, fact) for fact in facts]
        rows += [
            ("forget", uid, None, b"") if body is None else ("tenant", uid, None, body) for uid, body in tenants.items()
        ]
        if position is not None:
            rows.append(("position", None, None, position))
        if rows:
            await self._writer.write(rows, lambda: self._changed(len(facts)))

    async def take(self, limit: int, max_bytes: int = TAKE_BYTES) -> list[tuple[int, bytes]]:
        """The oldest facts with their ids: at most `limit`, and `max_bytes` together, but one at least.

        The same ones again until they are confirmed or set aside; empty if none waits.
        """
        rows = await self._database.read(schema.TAKE, {"most": limit, "max_bytes": max_bytes})
        self._handed_out.update(fact_id for fact_id, _ in rows)
        return rows

    async def confirm(self, ids: Iterable[int]) -> None:
        """Forgets exactly these facts, which `take` gave out; also when the size limit is reached.

        On the disk when this returns, like every write: losing a confirmation would only repeat a delivery,
        but it shares the commit of the appends that wait beside it, so there is nothing to save. An id that
        was confirmed before changes nothing.
        """
        leaving = self._handed_out.intersection(ids)

        def stored() -> None:
            self._left(leaving)

        if leaving:
            rows: list[Row] = [("confirm", first, last, b"") for first, last in _runs(leaving)]
            await self._writer.write(rows, stored, makes_room=True)

    async def set_aside(self, fact_id: int, reason: str, note: bytes) -> None:
        """Moves a fact that `take` gave out from the queue to those set aside, and appends `note`, as one.

        Also when the size limit is reached. An id confirmed or set aside before changes nothing.
        """

        def stored() -> None:
            if self._left({fact_id}):
                self._set_aside += 1
                self._changed(1)

        if fact_id in self._handed_out:
            await self._writer.write([("set_aside", fact_id, reason, note)], stored, makes_room=True)

    async def waiting(self) -> None:
        """Returns as soon as a fact waits: at once if one does."""
        await self._some.wait()

    async def empty(self) -> None:
        """Returns as soon as no fact waits: all have been confirmed or set aside."""
        await self._none.wait()

    async def kept(self) -> Kept:
        """What a start needs, as of the last append that returned."""
        rows = await self._database.read(schema.KEPT)
        position = next((body for uid, body in rows if uid is None), None)
        return Kept(position, {uid: body for uid, body in rows if uid is not None})

    async def depth(self) -> Depth:
        """What is owed now. Cheap: facts are counted as they come and go, not by reading them."""
        ((pages, page_size, oldest_at),) = await self._database.read(schema.DEPTH)
        return Depth(self._facts, pages * page_size, self._set_aside, oldest_at)

    def _left(self, ids: set[int]) -> int:
        """These have left the queue; returns how many of them had not left before."""
        left = self._handed_out & ids
        self._handed_out -= left
        self._changed(-len(left))
        return len(left)

    def _changed(self, by: int) -> None:
        self._facts += by
        here, gone = (self._some, self._none) if self._facts else (self._none, self._some)
        here.set()
        gone.clear()


async def _owe_again(database: Database) -> None:
    """What was set aside joins the queue: the cause may have been mended. If not, it is set aside once more."""
    ((_, set_aside),) = await database.read(schema.COUNTS)
    if not set_aside:
        return
    try:
        await database.write_with_reserve(schema.OWE_AGAIN, {"max_bytes": _OWE_AGAIN_BYTES}, 0)
    except SpoolFull as error:  # it stays where it is until a start with more room: this one has changes to record
        _log.error("set_aside_not_owed_again", facts=set_aside, reason=str(error))
    else:
        ((_, left),) = await database.read(schema.COUNTS)
        _log.warning("set_aside_owed_again", facts=set_aside - left, left=left)


def _runs(ids: Iterable[int]) -> Iterator[tuple[int, int]]:
    """These ids as runs without a gap, first and last of each: a confirmed batch is one statement's one row."""
    ascending = sorted(ids)
    first = 0
    for here, this in enumerate(ascending):
        if here + 1 == len(ascending) or ascending[here + 1] != this + 1:
            yield ascending[first], this
            first = here + 1
