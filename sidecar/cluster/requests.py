"""One request to the API server: sent with the present access, bounded, and its errors said in our words."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import aiohttp
import msgspec
from multidict import CIMultiDictProxy

from sidecar.answers import UNDECODABLE, Answered, Silent, TooLong
from sidecar.cluster.access import AccessReader
from sidecar.cluster.lines import Lines
from sidecar.errors import SidecarError, Unavailable

BODY_MOST = 64 * 2**20  # bytes; 500 objects of 128 KiB. Whoever asked asks for less at a time.
_ERROR_MOST = 64 * 2**10  # bytes of a refusal that are read: a Status has a few hundred
_CONNECT = 10.0  # seconds for TCP and TLS; a living server in the same data centre needs milliseconds
_ANSWER = 60.0  # seconds between two bytes of an answer: the API server's own --request-timeout
_RETRY_AFTER_MOST = 300.0  # seconds; the API server says 1 to 32, and no proxy may put us to sleep for a day
_READ_BUFFER = 256 * 2**10
"""Bytes; aiohttp stops reading the socket at twice this. It is all that waits in memory while a batch is
being stored: some 500 events of 1 KB, one batch more."""


class _Written(NamedTuple):
    """What a request sends along."""

    method: str
    media_type: str
    content: bytes


class Oversized(SidecarError):
    """The answer is above BODY_MOST bytes: ask for less at a time."""


class Requests:
    """A session with one API server. Made by `opened`."""

    def __init__(self, session: aiohttp.ClientSession, access: AccessReader) -> None:
        self._session = session
        self._access = access

    @classmethod
    @asynccontextmanager
    async def opened(cls, kubeconfig: Path | None) -> AsyncIterator[Self]:
        """A session as the kubeconfig (None: the pod's ServiceAccount) says. Raises `Misconfigured`."""
        access = AccessReader(kubeconfig)
        await access.present()
        connector = aiohttp.TCPConnector(socket_factory=_kept_alive)
        async with aiohttp.ClientSession(connector=connector, trust_env=True, read_bufsize=_READ_BUFFER) as session:
            yield cls(session, access)

    async def get(self, path: str, query: dict[str, str], what: str) -> tuple[bytes, CIMultiDictProxy[str]]:
        """Body and headers of a 200. `what` is the request in words, for the errors' sentences.

        Raises `Answered` for any other status, `Unavailable` when there is no answer, `Oversized`.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_ANSWER)
        with _translated(what):
            response = await self._send(path, query, limits, what)
            body = await _bounded_or_closed(response, BODY_MOST)
        if body is None:
            raise Oversized
        return body, response.headers

    async def post(self, path: str, content: bytes, what: str, most: int, seconds: float) -> bytes:
        """The body, of `most` bytes at most, of a 200 or 201 to this JSON, within `seconds`.

        Raises `Answered` for any other status, `Unavailable` when there is no answer or one that is too large.
        """
        return await self._write(path, _Written("POST", "application/json", content), what, most, seconds)

    async def patch(self, path: str, content: bytes, kind: str, what: str, most: int, seconds: float) -> bytes:
        """As `post`; `kind` is the media type, which says how the patch is to be understood."""
        return await self._write(path, _Written("PATCH", kind, content), what, most, seconds)

    @asynccontextmanager
    async def stream(self, path: str, query: dict[str, str], what: str, silence: float) -> AsyncIterator["OpenStream"]:
        """The lines of an endless answer, once it has begun with a 200.

        `silence`: seconds without a byte after which it is given up. Raises as `get` does.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=silence)
        with _translated(what):
            async with asyncio.timeout(_CONNECT + _ANSWER):  # for the status line; what follows has no such limit
                response = await self._send(path, query, limits, what)
        try:
            yield OpenStream(response, what)
        finally:
            response.close()

    async def _write(self, path: str, written: _Written, what: str, most: int, seconds: float) -> bytes:
        limits = aiohttp.ClientTimeout(total=seconds)
        with _translated(what):
            response = await self._send(path, {}, limits, what, written)
            body = await _bounded_or_closed(response, most)
        if body is None:
            raise Unavailable(f"{what}: the answer is above {most} bytes")
        return body

    async def _send(
        self,
        path: str,
        query: dict[str, str],
        limits: aiohttp.ClientTimeout,
        what: str,
        written: _Written | None = None,
    ) -> aiohttp.ClientResponse:
        """The answer, once it has begun with success. `written`: what to send; None: a GET."""
        access = await self._access.present()
        headers = {"Accept": "application/json"}
        if access.authorization:
            headers["Authorization"] = access.authorization
        if written is not None:
            headers["Content-Type"] = written.media_type
        response = await self._session.request(
            "GET" if written is None else written.method,
            access.host + path,
            params=query,
            data=None if written is None else written.content,
            headers=headers,
            timeout=limits,
            # With each request rather than with the session: a new CA, token or server counts from the next
            # connection on, and the stream that is open keeps what it has.
            ssl=access.tls,
            server_hostname=access.server_hostname,
            proxy=access.proxy,
            allow_redirects=False,  # the API server has none; a proxy's login page is no answer
        )
        if response.status == 200 or (response.status == 201 and written is not None):
            return response
        try:
            refusal = await _refusal(response, what)
        finally:
            response.close()
        if refusal.status == 401:
            self._access.doubt()
        raise refusal


class OpenStream:
    """A stream that the API server has begun."""

    def __init__(self, response: aiohttp.ClientResponse, what: str) -> None:
        self._response = response
        self._what = what

    async def __aiter__(self) -> AsyncIterator[list[bytes | TooLong]]:
        """Batches of the complete lines that have arrived; ends when the server ends the stream in order.

        Raises `Silent` when the deadline for silence passes; `Unavailable` if the connection breaks, also
        when it ends in the middle of a line.
        """
        lines = Lines()
        chunks = self._response.content.iter_any()
        while True:
            with _translated(self._what):
                try:
                    chunk = await anext(chunks, None)
                except aiohttp.SocketTimeoutError as error:
                    raise Silent(f"{self._what}: nothing arrived, and no end of the stream either") from error
            if chunk is None:
                break
            if batch := lines.feed(chunk):
                yield batch
        if lines.unfinished:
            raise Unavailable(f"{self._what}: the stream ended within a line")

    def close(self) -> None:
        """Break the connection off: whoever reads it gets `Unavailable`."""
        self._response.close()


def _kept_alive(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that finds out in a minute that its peer has vanished: 30 s idle, 3 probes 10 s apart."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # Linux; elsewhere the system's own times hold
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    return made


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """The driver's errors as ours: nothing is wrong with what was asked, the other side is away."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unavailable(f"{what}: {type(error).__name__}: {error}") from error


async def _bounded_or_closed(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """As `_bounded`; a connection on which something is left to read is closed."""
    try:
        body = await _bounded(response, most)
    except BaseException:
        response.close()
        raise
    if body is None:
        response.close()
    return body


async def _bounded(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """The body (decompressed), or None if it is above `most` bytes."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > most:
            return None
        parts.append(part)
    return b"".join(parts)


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""


async def _refusal(response: aiohttp.ClientResponse, what: str) -> Answered:
    """Any answer but 200 as an error: a JSON Status, or a proxy's or priority-and-fairness' plain text."""
    body = await _bounded(response, _ERROR_MOST) or b""
    try:
        status = msgspec.json.decode(body, type=_Status)
    except UNDECODABLE:
        status = _Status(message=body[:500].decode(errors="replace").strip())
    said = {
        401: f"{what}: the API server does not know our credentials",
        403: f"{what}: we lack this right, a Role or ClusterRole must grant it to our ServiceAccount",
    }.get(response.status, f"{what} was refused")
    after = response.headers.get("Retry-After", "")
    return Answered(
        f"{said} ({response.status} {status.reason or response.reason}): {status.message}",
        status=response.status,
        reason=status.reason,
        retry_after=min(float(after), _RETRY_AFTER_MOST) if after.isdecimal() else None,
    )
