"""`python -m bench.scripted_server CHANGES [TENANTS]`: an API server that sends one stream, as fast as it is read.

It prints its URL; then `watching` when a watch has been opened, and begins to send when a line arrives on its
standard input. A LIST has TENANTS objects (default: none), in pages as they are asked for, and the version of the
last line sent; when a complete one of them begins, the server prints `listing`. The stream is about those tenants, if
there are any. One of up to 100,000 lines is made before, a longer one as it is sent, and can be sent once. It is no
`aiohttp.web`, whose cost for each chunk would make it slower than its readers. Every line is an HTTP chunk of its
own, as kube-apiserver sends.
"""

import asyncio
import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from urllib.parse import parse_qs, urlsplit

from bench.stream import BASE_VERSION, HISTORY_BEGAN, Tenant, lines, listed, objects

_WRITE_LINES = 64  # lines a write: about 70 kB, one socket buffer


_MADE_BEFORE = 100_000  # lines, 110 MB


def _parts(changes: int, tenants: Sequence[Tenant]) -> Iterator[bytes]:
    """The stream, a socket buffer at a time."""
    chunks = (b"%x\r\n%b\r\n" % (len(line), line) for line in lines(changes, tenants))
    return iter(lambda: b"".join(islice(chunks, _WRITE_LINES)), b"")


class _Script:
    def __init__(self, changes: int, tenants: int) -> None:
        population = listed(tenants)
        self._listed = list(objects(population))
        self._parts: Iterable[bytes] = _parts(changes, population)
        if changes <= _MADE_BEFORE:
            self._parts = list(self._parts)
        self._last = BASE_VERSION + changes
        self._version = BASE_VERSION
        self._stdin = asyncio.StreamReader()

    async def listen(self) -> None:
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self._stdin), sys.stdin)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: any number of GETs, or a watch and then nothing more."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):  # the reader has hung up
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                target = head.split(b" ", 2)[1].decode()
                if "watch=" in target:
                    await self._watch(reader, writer)
                    break
                body = self._answer(target)
                writer.write(_head(f"Content-Length: {len(body)}") + body)
                await writer.drain()
        writer.close()

    def _answer(self, target: str) -> bytes:
        if target.startswith("/api/v1/namespaces/"):
            return b'{"metadata": {"uid": "c1c1c1c1-0000-4000-8000-00000000c1c1"}}'
        if "piecedtenants" in target:
            query = parse_qs(urlsplit(target).query)
            return self._page(int(query["limit"][0]), int(query.get("continue", ["0"])[0]))
        return b'{"resources": [{"name": "piecedtenants", "namespaced": false}]}'

    def _page(self, limit: int, start: int) -> bytes:
        if self._listed and limit > 1 and start == 0:
            print("listing", flush=True)
        end = start + limit
        more = f'"continue": "{end}", ' if end < len(self._listed) else ""
        head = f'{{"metadata": {{{more}"resourceVersion": "{self._version}"}}, "items": ['
        return head.encode() + b",".join(self._listed[start:end]) + b"]}"

    async def _watch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_head("Transfer-Encoding: chunked"))
        print("watching", flush=True)
        try:
            await self._stdin.readline()
            for part in self._parts:
                writer.write(part)
                self._version = min(self._version + _WRITE_LINES, self._last)
                await writer.drain()
            await reader.read()  # until the reader hangs up
        finally:
            self._version = BASE_VERSION


def _head(framing: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: {HISTORY_BEGAN}\r\n{framing}\r\n\r\n".encode()


async def _main(changes: int, tenants: int) -> None:
    script = _Script(changes, tenants)
    await script.listen()
    async with await asyncio.start_server(script.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"http://127.0.0.1:{port}", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
