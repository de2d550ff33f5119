"""Notices that our own loop was away, so that what it then reads is not taken for news of this moment."""

import asyncio
import time
from collections.abc import Callable

STALL = 1.0
"""Seconds. What a live stream delivers is said to be read milliseconds after the commit; a second is the
resolution of the times that Kubernetes itself stamps, and far above the usual delays of a busy loop."""

_BEAT = 0.25  # seconds; a quarter of STALL: a stall between 1 and 1.25 s may pass unnoticed, a longer one not


class Pulse:
    """A beat on the loop; `on_stall` is called when it comes late by more than STALL."""

    def __init__(self, on_stall: Callable[[], None]) -> None:
        self._on_stall = on_stall
        self._last = time.monotonic()

    async def beat(self) -> None:
        """Runs for ever, beside the readers."""
        while True:
            self.look()
            await asyncio.sleep(_BEAT)

    def look(self) -> None:
        """For a reader before it believes the clock: after a stall it may run before the beat does."""
        now = time.monotonic()
        late = now - self._last > STALL + _BEAT
        self._last = now
        if late:
            self._on_stall()
