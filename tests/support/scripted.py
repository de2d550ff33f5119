"""A real HTTP server that says what a test tells it to, byte for byte; it knows nothing of Kubernetes.

Lists are answered from a queue of scripted answers, and when that is empty with `version` and `items`. Each
watch waits for the test, which takes it by `watch()` and writes to it. It is the cluster CLUSTER until a test
says otherwise.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

LABEL = "pieced.ch/zitadel-org-id"
CLUSTER = "c1c1c1c1-0000-4000-8000-00000000c1c1"
PATH = "/apis/pieced.ch/v1alpha1/piecedtenants"
KUBE_SYSTEM = "/api/v1/namespaces/kube-system"
PATIENCE = 20.0  # seconds until a wait for a fact is a failed test


def uid(number: int) -> str:
    return f"{number:08d}-0000-4000-8000-000000000000"


def tenant(number: int, generation: int, version: int, packages: Any = (), **more: Any) -> dict[str, Any]:
    """A PiecedTenant as the API server writes it. `more`: org, suspend, name, metadata (merged), status."""
    metadata: dict[str, Any] = {
        "name": more.get("name", f"tenant-{number}"),
        "uid": uid(number),
        "generation": generation,
        "resourceVersion": str(version),
        "creationTimestamp": "2026-11-20T10:00:00Z",
    }
    org = more.get("org", "org-1")
    if org is not None:
        metadata["labels"] = {LABEL: org}
    packages = list(packages) if isinstance(packages, tuple) else packages
    made = {
        "apiVersion": "pieced.ch/v1alpha1",
        "kind": "PiecedTenant",
        "metadata": metadata | more.get("metadata", {}),
        "spec": {"packages": packages, "suspend": more.get("suspend", False)},
    }
    if "status" in more:
        made["status"] = more["status"]
    return made


def event(kind: str, body: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": body}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    return event("BOOKMARK", {"kind": "PiecedTenant", "metadata": {"resourceVersion": str(version)}})


def error_line(code: int, reason: str) -> bytes:
    """As a server writes it into a stream that began with 200."""
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return event("ERROR", status | {"message": "too old", "reason": reason, "code": code})


@dataclass
class Answer:
    """One answer to a list, or (not 200) to a watch."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False  # break the connection in the middle of the body instead of ending it
    held: asyncio.Event | None = None  # the answer waits for it


def page(version: int, items: list[dict[str, Any]], continue_token: str = "") -> Answer:
    metadata = {"resourceVersion": str(version)} | ({"continue": continue_token} if continue_token else {})
    body = {"kind": "PiecedTenantList", "metadata": metadata, "items": items}
    return Answer(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def cluster(name: str) -> Answer:
    """What names a cluster: its namespace kube-system with this uid."""
    body = {"kind": "Namespace", "metadata": {"name": "kube-system", "uid": name}}
    return Answer(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def status(code: int, reason: str, message: str = "", **headers: str) -> Answer:
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(code, json.dumps(body).encode(), {"Content-Type": "application/json"} | named)


class Wire:
    """A watch that the server holds open."""

    def __init__(self, request: web.Request, response: web.StreamResponse) -> None:
        self.query = dict(request.query)
        self.headers = dict(request.headers)
        self._request = request
        self._response = response
        self._over = asyncio.Event()

    async def send(self, *chunks: bytes) -> None:
        """Everything in one write."""
        await self._response.write(b"".join(chunks))

    def end(self) -> None:
        """A clean end of the stream."""
        self._over.set()

    def cut(self) -> None:
        """A connection that breaks, as when the server is killed."""
        assert self._request.transport is not None
        self._request.transport.abort()
        self._over.set()

    async def held(self) -> None:
        await self._over.wait()


class Server:
    """`requests`: what came, in order: ("list"|"probe"|"watch", query, headers)."""

    def __init__(self) -> None:
        self.version = 100
        self.items: list[dict[str, Any]] = []
        self.lists: list[Answer] = []  # answers to complete lists and their pages, used up
        self.probes: list[Answer] = []  # answers to limit=1, used up
        self.watches: list[Answer] = []  # refusals of a watch, used up
        self.other = {KUBE_SYSTEM: cluster(CLUSTER)}  # path → answer
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.url = ""
        self._wires: asyncio.Queue[Wire] = asyncio.Queue()
        self._open: list[Wire] = []
        self._changed = asyncio.Condition()

    def count(self, kind: str) -> int:
        return sum(1 for what, _, _ in self.requests if what == kind)

    async def asked(self, kind: str, times: int) -> None:
        """Wait until there were so many requests of this kind."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: self.count(kind) >= times)

    async def watch(self) -> Wire:
        """The next watch that was opened."""
        async with asyncio.timeout(PATIENCE):
            return await self._wires.get()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path != PATH:
            given = self.other.get(request.path, status(404, "NotFound"))
            return await self._give(request, "other", given)
        if "watch" in request.query:
            return await self._watch(request)
        if request.query.get("limit") == "1":
            return await self._give(request, "probe", self.probes.pop(0) if self.probes else self._present(1))
        return await self._give(request, "list", self.lists.pop(0) if self.lists else self._present(None))

    def _present(self, limit: int | None) -> Answer:
        return page(self.version, self.items[:limit])

    async def _note(self, kind: str, request: web.Request) -> None:
        async with self._changed:
            self.requests.append((kind, dict(request.query), dict(request.headers)))
            self._changed.notify_all()

    async def _give(self, request: web.Request, kind: str, answer: Answer) -> web.StreamResponse:
        await self._note(kind, request)
        if answer.held is not None:
            await answer.held.wait()
        if answer.cut:
            response = web.StreamResponse(status=answer.status, headers=answer.headers)
            response.content_length = len(answer.body) + 100
            await response.prepare(request)
            await response.write(answer.body)
            assert request.transport is not None
            request.transport.abort()
            return response
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        if self.watches:
            return await self._give(request, "watch", self.watches.pop(0))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        wire = Wire(request, response)
        self._open.append(wire)
        await self._note("watch", request)
        self._wires.put_nowait(wire)
        await wire.held()
        return response

    def hang_up(self) -> None:
        for wire in self._open:
            wire.end()


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """The server on a free port of the loopback."""
    server = Server()
    app = web.Application()
    app.router.add_get("/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield server
    finally:
        server.hang_up()
        await runner.cleanup()


def kubeconfig(folder: Path, url: str, user: dict[str, Any] | None = None, **cluster: Any) -> Path:
    """A kubeconfig file for this server (JSON is YAML)."""
    path = folder / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": url} | cluster}],
                "users": [{"name": "u", "user": user or {}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    return path
