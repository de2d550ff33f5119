"""A port that is served for as long as a block lasts."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from sidecar.errors import Misconfigured
from sidecar.settings import Address

# Connections that may wait to be accepted: writes that contend for one object call some hundred times at once.
_BACKLOG = 1024


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

    `idle_seconds`: how long a connection without a request is kept. `linger_seconds`: how long what is still being sent
    is read and thrown away after an answer, so that the client gets to read it. Raises `Misconfigured`, which names
    `setting`, if the address cannot be had.
    """
    app.on_response_prepare.append(_without_server)
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=idle_seconds,
        lingering_time=linger_seconds,
        shutdown_timeout=last_seconds,
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, address.host, address.port, ssl_context=tls, backlog=_BACKLOG).start()
        except OSError as error:
            raise Misconfigured(f"{setting}: cannot listen on {address.host}:{address.port}: {error}") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _without_server(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall("Server", None)  # names aiohttp's and Python's versions
