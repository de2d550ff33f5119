"""Group commit: one task stores at once all that came in while the last commit went to the disk."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from sidecar.errors import SpoolFull
from sidecar.spool import schema
from sidecar.spool.database import Database, Parameters

_GROUP_BYTES = 8 * 2**20
"""Bytes of several writes stored together at most: bounds the memory of the joined copy, and how long the
first of them waits for the last."""

Row = tuple[str, str | int | None, str | int | None, bytes]
"""What `schema.WRITE` takes: op, key, detail (why it is set aside; the last id that is confirmed), body."""


@dataclass(eq=False, frozen=True)
class _Write:
    rows: list[Row]
    stored: Callable[[], None]
    makes_room: bool
    done: asyncio.Future[None]
    size: int


class Writer:
    """The only one that writes to the database."""

    def __init__(self, database: Database) -> None:
        self.succeeded = True
        """Whether the last write was stored."""
        self.busy_since: float | None = None
        """Of the write under way, monotonic seconds: one that never ends is a disk that hangs."""
        self._database = database
        self._waiting: deque[_Write] = deque()
        self._task: asyncio.Task[None] | None = None

    async def write(self, rows: list[Row], stored: Callable[[], None], *, makes_room: bool = False) -> None:
        """Stores the rows as one; they are on the disk when this returns.

        `stored` is called when they are, even if the caller was cancelled meanwhile. `makes_room`: may go
        a little over the size limit. Raises `SpoolFull` (nothing of them was stored) or `SpoolCorrupt`.
        """
        size = sum(len(row[3]) for row in rows)
        write = _Write(rows, stored, makes_room, asyncio.get_running_loop().create_future(), size)
        self._waiting.append(write)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="spool-writer")
        await write.done

    async def finish(self) -> None:
        """Waits until everything that was handed in is stored or refused."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        try:
            while group := self._next_group():
                self.busy_since = time.monotonic()
                await self._store(group)
        finally:
            self.busy_since = None
            self._task = None

    def _next_group(self) -> list[_Write]:
        group: list[_Write] = []
        size = 0
        while self._waiting and (not group or size + self._waiting[0].size <= _GROUP_BYTES):
            group.append(self._waiting.popleft())
            size += group[-1].size
        return group

    async def _store(self, group: list[_Write]) -> None:
        error = await self._tried(group)
        if isinstance(error, SpoolFull) and len(group) > 1:
            for write in group:  # one that is too large must not keep out those that fit
                await self._store([write])
            return
        self.succeeded = error is None
        for write in group:
            if error is None:
                write.stored()
            if write.done.done():  # its caller was cancelled
                continue
            if error is None:
                write.done.set_result(None)
            else:
                write.done.set_exception(error)

    async def _tried(self, group: list[_Write]) -> Exception | None:
        """Stores the group in one statement; what went wrong is returned, for each of its callers to hear."""
        try:
            parameters = _parameters([row for write in group for row in write.rows])
            size = sum(write.size for write in group)
            try:
                await self._database.write(schema.WRITE, parameters, size)
            except SpoolFull:
                if len(group) > 1 or not group[0].makes_room:
                    raise
                await self._database.write_with_reserve(schema.WRITE, parameters, size)
        except Exception as error:  # noqa: BLE001 - not swallowed: every caller of this group gets it
            return error
        return None


def _parameters(rows: list[Row]) -> Parameters:
    places, start = [], 1
    for op, key, detail, body in rows:
        places.append((op, key, detail, start, len(body)))
        start += len(body)
    return {
        "rows": msgspec.json.encode(places).decode(),
        "bodies": b"".join(row[3] for row in rows),
        "at": time.time(),
    }
