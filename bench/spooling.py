"""(b) What the spool adds to SQLite: appends against bare sqlite3 with the same settings on the same disk."""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from bench.facts import stream_facts
from bench.parts import Result, Row, median
from sidecar.facts import encode
from sidecar.spool import Spool

_MAX_BYTES = 2**30
_APPENDS = {1: 500, 50: 200, 500: 60}
"""Facts an append → appends a round: 0.2 to 0.5 s each, so that a round is short and there can be several."""

_AT_ONCE = 64  # callers at the same time, as when a webhook and a stream deliver: they share commits


async def measure(rounds: int) -> Result:
    """`rounds` times each size, spool and bare in turn. One append waits for the one before it."""
    bodies = [encode(fact) for fact in stream_facts(max(size * count for size, count in _APPENDS.items()))]
    rows, numbers = [], dict[str, object]()
    for size, count in _APPENDS.items():
        batches = [bodies[start : start + size] for start in range(0, size * count, size)]
        spooled, bare = [], []
        for _ in range(rounds):
            spooled.append(count / await _spool(batches))
            bare.append(count / _bare(batches))
        ratio = median(spooled) / median(bare)
        what = f"spool appends a second, {size} fact{'s' if size > 1 else ''} each"
        value = f"{median(spooled):,.0f} of {median(bare):,.0f}"
        rows.append(Row("b", what, value, f"{ratio:.2f} x", "> 0.5 x", ratio > 0.5))
        numbers[str(size)] = {"spool": spooled, "sqlite3": bare}
    each = [[body] for body in bodies[: _AT_ONCE * 50]]
    together = [len(each) / await _spool(each, _AT_ONCE) for _ in range(rounds)]
    rows.append(Row("b", f"… by {_AT_ONCE} callers at once, 1 fact each", f"{median(together):,.0f}"))
    return Result(rows, numbers | {"at_once": together})


async def _spool(batches: Sequence[Sequence[bytes]], callers: int = 1) -> float:
    """Seconds for all of them, each of the callers waiting for one of its own before the next."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with Spool.open(Path(folder) / "spool.db", _MAX_BYTES) as spool:
            started = time.perf_counter()
            async with asyncio.TaskGroup() as tasks:
                for first in range(callers):
                    tasks.create_task(_append(spool, batches[first::callers]))
            return time.perf_counter() - started


async def _append(spool: Spool, batches: Sequence[Sequence[bytes]]) -> None:
    for batch in batches:
        await spool.append(batch)


def _bare(batches: Sequence[Sequence[bytes]]) -> float:
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        closing(sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)) as connection,
    ):
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute("CREATE TABLE facts (id INTEGER PRIMARY KEY AUTOINCREMENT, appended_at REAL, body BLOB)")
        started = time.perf_counter()
        for batch in batches:
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO facts (appended_at, body) VALUES (?, ?)", _rows(batch))
            connection.execute("COMMIT")
        return time.perf_counter() - started


def _rows(batch: Sequence[bytes]) -> Iterator[tuple[float, bytes]]:
    at = time.time()
    return ((at, body) for body in batch)
