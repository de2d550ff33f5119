"""Memory that bodies may take together, whoever sends them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Budget:
    """So many bytes, of which each one takes some for as long as it needs them."""

    def __init__(self, total: int) -> None:
        self._left = total
        self._given_back = asyncio.Condition()

    @asynccontextmanager
    async def taking(self, size: int, patience: float) -> AsyncIterator[None]:
        """The block has `size` bytes (at most all of them). Raises TimeoutError after `patience` seconds."""
        async with asyncio.timeout(patience), self._given_back:
            await self._given_back.wait_for(lambda: self._left >= size)
            self._left -= size
        try:
            yield
        finally:
            # Without waiting for the condition's lock, which a cancelled one could not: the loop is one thread.
            self._left += size
            await self._tell()

    async def _tell(self) -> None:
        async with self._given_back:
            self._given_back.notify_all()
