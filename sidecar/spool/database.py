"""SQLite, and what its errors mean: the only module that imports aiosqlite."""

import os
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from sidecar.errors import Misconfigured, SidecarError, SpoolFull, Unavailable
from sidecar.spool import files, schema

LIMIT_RESERVE_BYTES = 2**20
"""What `write_with_reserve` may go over the size limit, besides twice what it writes: removing rows seldom needs a
page, and what a fact that is set aside takes is free again with its old pages."""

DISK_RESERVE_BYTES = 16 * 2**20
"""What `write` leaves free on the disk. Removing rows from a disk that is full to the last byte cannot work:
the removal must be logged first, and the log can only be emptied into a file that may have to grow (tried: no
fact could be confirmed any more). Four times the 4 MiB a log has grown to when SQLite empties it: the log and
what the file grows by, each twice, because one commit may have doubled it."""

_WAL_BYTES = 8 * 2**20
"""What is left of the log after a checkpoint: twice the 4 MiB (1000 pages) at which SQLite checkpoints by
itself, so only one unusually large transaction leaves anything to cut off."""

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
"""Primary result codes (sqlite.org/rescode.html): a full disk is FULL or IOERR, depending on which call met
it; a disk that failed is remounted read-only by the kernel."""

Parameters = Mapping[str, str | bytes | int | float]


class SpoolCorrupt(SidecarError):
    """The spool's file is damaged. End the process: the next start moves the file aside and begins afresh."""


class Database:
    """One SQLite connection. Every statement commits by itself; errors come out as the sidecar's own."""

    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._page_size = self._most_pages = self._limit_now = 0  # known once prepared
        self._corrupt: SpoolCorrupt | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, max_bytes: int) -> AsyncIterator["Database"]:
        """The database in an existing file (an empty one is given its tables), which no other process uses.

        Raises `SpoolCorrupt`; `Misconfigured` for a file of another program or a newer version; `SpoolFull`
        if the disk has no room.
        """
        async with aiosqlite.connect(path, isolation_level=None) as connection:
            database = cls(connection, path)
            try:
                await database._prepare(max_bytes)
            except sqlite3.Error as error:
                raise database._translated(error, "opened", SpoolFull) from error
            yield database

    async def read(self, sql: str, parameters: Parameters | None = None) -> list[Any]:
        """The rows of one SELECT. Raises `SpoolCorrupt`, or `Unavailable` if the disk does not answer."""
        try:
            return await self._run(sql, parameters)
        except sqlite3.Error as error:
            raise self._translated(error, "read", Unavailable) from error

    async def write(self, sql: str, parameters: Parameters, size: int) -> None:
        """One statement that adds about `size` bytes, on the disk (fsync) when this returns.

        Raises `SpoolFull` (nothing was stored), or `SpoolCorrupt`. Cancelling does not stop the statement.
        """
        disk = os.statvfs(self._path.parent)
        # Twice: it is written to the log and then to the file. One page: SQLite takes it as "grow no more",
        # and pages that confirmed facts have left are still used.
        low = disk.f_bavail * disk.f_frsize < DISK_RESERVE_BYTES + 2 * size
        await self._limit(1 if low else self._most_pages)
        await self._write(sql, parameters)

    async def write_with_reserve(self, sql: str, parameters: Parameters, size: int) -> None:
        """As `write`, but may use both reserves, of the disk and of the size limit: for what makes room."""
        # Twice the size: of a fact that is set aside, the copy and the note are there before the original is gone.
        await self._limit(self._most_pages + (LIMIT_RESERVE_BYTES + 2 * size) // self._page_size)
        await self._write(sql, parameters)

    async def _limit(self, pages: int) -> None:
        if pages != self._limit_now:
            await self.read(f"PRAGMA max_page_count = {pages}")
            self._limit_now = pages

    async def _write(self, sql: str, parameters: Parameters) -> None:
        try:
            await self._run(sql, parameters)
        except sqlite3.Error as error:
            raise self._translated(error, "written", SpoolFull) from error

    async def _run(self, sql: str, parameters: Parameters | None = None) -> list[Any]:
        if self._corrupt is not None:
            raise self._corrupt  # nothing may be added to a file that the next start moves aside
        # One hop to the connection's thread and back; `execute` and `fetchall` would be two.
        return list(await self._connection.execute_fetchall(sql, parameters))

    async def _prepare(self, max_bytes: int) -> None:
        # EXCLUSIVE: one process has the file anyway, and without its shared-memory index a commit is cheaper.
        await self._run("PRAGMA locking_mode = EXCLUSIVE")
        ((mode,),) = await self._run("PRAGMA journal_mode = WAL")
        if mode != "wal":
            raise Misconfigured(
                f"The spool {self._path} needs a local file system: SQLite has no WAL mode on this one."
            )
        await self._run("PRAGMA synchronous = FULL")  # fsync at each commit; NORMAL would lose the last ones
        await self._run(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        ((found,),) = await self._run("PRAGMA quick_check(1)")
        if found != "ok":
            raise SpoolCorrupt(f"the check of the spool {self._path} found: {found}")
        await self._migrate()
        ((self._page_size,),) = await self._run("PRAGMA page_size")
        self._most_pages = max_bytes // self._page_size

    async def _migrate(self) -> None:
        ((version,),) = await self._run("PRAGMA user_version")
        if version > len(schema.MIGRATIONS):
            raise Misconfigured(
                f"The spool {self._path} was written by a newer version of the sidecar (its schema is "
                f"{version}, this one knows {len(schema.MIGRATIONS)}). Run that version again, or set "
                "SIDECAR_SPOOL to a new file."
            )
        ((tables,),) = await self._run("SELECT count(*) FROM sqlite_master")
        if version == 0 and tables:
            raise Misconfigured(f"{self._path} is another program's database: set SIDECAR_SPOOL to a file of its own.")
        for number, script in enumerate(schema.MIGRATIONS[version:], version + 1):
            await self._connection.executescript(f"BEGIN; {script}; PRAGMA user_version = {number}; COMMIT")

    def _translated(self, error: sqlite3.Error, done: str, no_room: type[Unavailable]) -> Exception:
        """The error to raise; `done`: what could not be done with it. A mistake of ours stays as it is."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
        if code in _DAMAGED:
            self._corrupt = SpoolCorrupt(f"the spool {self._path} is damaged ({error}); the next start moves it aside")
            files.mark_damaged(self._path, str(error))
            return self._corrupt
        if code in _NO_ROOM:
            return no_room(f"the spool {self._path} cannot be {done}: {error}")
        if code == sqlite3.SQLITE_BUSY:
            return Misconfigured(f"another program has the spool {self._path} open ({error})")
        return error
