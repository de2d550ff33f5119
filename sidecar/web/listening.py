"""A port that is served for as long as a block lasts."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from sidecar.errors import Misconfigured
from sidecar.settings import Address
from sidecar.web.connections import CONNECTIONS_MOST, bound

# Connections that may wait to be accepted: writes that contend for one object call some hundred times at once.
_BACKLOG = 1024

# Seconds that a request has to end once it has been cut; aiohttp waits so long twice.
_CUT_SECONDS = 1.0

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def listening(
    app: web.Application,
    address: Address,
    setting: str,
    *,
    idle_seconds: float,
    last_seconds: float,
    linger_seconds: float,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """Serves `app` until the block ends; gives the port. At the end, requests that run have `last_seconds` to finish.

    That is also for one whose body is still arriving, which aiohttp by itself would not read any further.
    `idle_seconds`: how long a connection without a request is kept. `linger_seconds`: how long what is still being sent
    is read and thrown away after an answer, so that the client gets to read it. Raises `Misconfigured`, which names
    `setting`, if the address cannot be had.
    """
    running = _Running()
    app.middlewares.insert(0, running.counted)
    app.on_response_prepare.append(_without_server)
    app.on_response_prepare.append(running.mark)
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=idle_seconds,
        lingering_time=linger_seconds,
        shutdown_timeout=_CUT_SECONDS,
    )
    await runner.setup()
    try:
        try:
            sockets = bound(address.host, address.port, CONNECTIONS_MOST)
            sites = [web.SockSite(runner, each, ssl_context=tls, backlog=_BACKLOG) for each in sockets]
            for site in sites:
                await site.start()
        except OSError as error:
            raise Misconfigured(f"{setting}: cannot listen on {address.host}:{address.port}: {error}") from error
        try:
            yield runner.addresses[0][1]
        finally:
            for site in sites:
                await site.stop()
            await running.end(last_seconds)
    finally:
        await runner.cleanup()


class _Running:
    """The requests that are being handled."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()
        self._closing = False

    @web.middleware
    async def counted(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        self._count += 1
        self._none.clear()
        try:
            return await handler(request)
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()

    async def mark(self, _: web.Request, response: web.StreamResponse) -> None:
        """Whoever is answered now is told to connect anew, elsewhere."""
        if self._closing:
            response.force_close()

    async def end(self, seconds: float) -> None:
        """Returns when none runs, or when that has taken too long."""
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._none.wait()


async def _without_server(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall("Server", None)  # names aiohttp's and Python's versions
