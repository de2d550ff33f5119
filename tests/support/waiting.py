"""Waiting for a fact that another process makes true, never for time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

# What must happen happens within this, on busy cores too: a start takes some 3 s, and after failures the
# sidecar waits up to 30 s before it tries again.
PATIENCE_SECONDS = 90.0
# Between two looks at a file or a table that another process writes.
POLL_SECONDS = 0.05


async def until(ask: Callable[[], Awaitable[Any]], failure: str | Callable[[], str]) -> None:
    """Ask until the answer is yes. AssertionError after a long while, which says what `failure` says then."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await ask():
        if time.monotonic() > deadline:
            raise AssertionError(failure if isinstance(failure, str) else failure())
        await asyncio.sleep(POLL_SECONDS)


async def until_a_later_second() -> None:
    """Return in a later second than this one: what exists is then older than a history that starts now.

    Kubernetes stamps creations, and the sidecar the start of its history, in whole seconds.
    """
    now = int(time.time())

    async def later() -> bool:
        return int(time.time()) > now

    await until(later, "the clock stands")
