"""The spool's files, apart from what SQLite does in them: who owns them, and moving damaged ones aside.

Beside the file `spool.db` there may be `spool.db-wal` (SQLite's log), `spool.db.lock` (held by the one
process that has it open), `spool.db.damaged` (the next start must not trust the file) and
`spool.db.moved-aside-<UTC time>` (a damaged file, kept for a person to look at).
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import structlog

from sidecar.errors import Misconfigured

PATIENCE = 5.0
"""Seconds to wait for another process to let go of the file. The kernel frees the lock of a killed process
once its last write to the disk has ended; a replaced container overlaps its successor about as briefly."""

_EVERY = 0.05
"""Seconds between two tries: flock cannot wait with a deadline without blocking a thread."""

_log = structlog.get_logger()


@asynccontextmanager
async def owned(path: Path) -> AsyncIterator[None]:
    """Only this process uses `path` inside the block; the kernel lets go when the process dies.

    Creates the file (mode 0600) if there is none. Raises `Misconfigured` if the folder or the file cannot be
    used, or if another process still holds it after `PATIENCE`.
    """
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        await _locked(lock, path)
        _create(path)
        yield
    finally:
        os.close(lock)


async def _locked(lock: int, path: Path) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if loop.time() >= deadline:
                raise Misconfigured(
                    f"The spool {path} is in use by another process. Each sidecar needs a file of its own: "
                    "set SIDECAR_SPOOL, or give each pod its own volume."
                ) from error
            await asyncio.sleep(_EVERY)
        else:
            return


def _create(path: Path) -> None:
    """0600, because facts name people; SQLite gives its log the mode of the file."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> Misconfigured:
    return Misconfigured(
        f"The spool {path} cannot be used: {error.strerror}. SIDECAR_SPOOL must name a file in an existing "
        "folder that this process may write to."
    )


def mark_damaged(path: Path, why: str) -> None:
    """The next start moves the file aside, even if what is wrong with it does not show at once then."""
    try:
        _mark(path).write_text(why, encoding="utf-8")
    except OSError as error:
        # The check at the next start is then the only guard; the process ends over the damage anyway.
        _log.error("spool_damage_not_marked", spool=str(path), why=why, error=error.strerror)


def marked_damaged(path: Path) -> str | None:
    """Why an earlier process found the file damaged, or None."""
    return _mark(path).read_text(encoding="utf-8") if _mark(path).exists() else None


def move_aside(path: Path, why: str) -> Path:
    """Renames the file and its log, creates an empty one in their place, says so. Returns the new name."""
    aside = Path(f"{path}.moved-aside-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    for part in ("-wal", "-shm", ""):
        here = Path(f"{path}{part}")
        if here.exists():
            here.rename(f"{aside}{part}")
    _create(path)
    _mark(path).unlink(missing_ok=True)
    _log.error("spool_moved_aside", spool=str(path), moved_to=str(aside), why=why)
    return aside


def _mark(path: Path) -> Path:
    return Path(f"{path}.damaged")
