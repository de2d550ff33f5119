"""The processes around (g): `python -m bench.webhooks bare|stalling|storm|audit`.

`bare CERTIFICATE KEY`: the least that a webhook can be: it reads the review's JSON and allows it. Prints its port.
`stalling`: `python -m sidecar`, whose disk stalls from a SIGUSR1 on until the next one: each statement of its spool
then begins half a second late, in SQLite's own thread, as it would wait in an fsync. (Not a real disk that stalls:
that needs a device of one's own.)
`storm URL CA TOKEN`: for each line that it is told, 60 patches at once of the object at URL; prints the seconds that
each of them took, as a JSON array.
`audit URL CA TOKEN EVENTS`: likewise that many audit events to URL, 400 a batch; prints an array of its seconds.
"""

import asyncio
import functools
import json
import signal
import sqlite3
import ssl
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

STORM = 60
"""Concurrent patches of one object, each tried again and again: some 1,400 calls of a webhook."""

BATCH = 400
"""Events; --audit-webhook-batch-max-size of kube-apiserver by default."""

DATA = Path(__file__).parent.parent / "tests" / "data"
"""The captures."""

_STALL_SECONDS = 0.5


async def _bare(certificate: str, key: str) -> None:
    async def allow(request: web.Request) -> web.Response:
        review = await request.json()
        response = {"uid": review["request"]["uid"], "allowed": True}
        return web.json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})

    app = web.Application(client_max_size=16 * 2**20)
    app.router.add_post("/admission", allow)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=120)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


class _Stalling(sqlite3.Connection):
    stalled = False

    def execute(self, *statement: object) -> sqlite3.Cursor:
        if _Stalling.stalled:
            time.sleep(_STALL_SECONDS)
        return super().execute(*statement)  # type: ignore[arg-type] # passed on unread


def _stalling() -> int:
    from sidecar.__main__ import main  # noqa: PLC0415 - the others start without it

    def turn(*_: object) -> None:
        _Stalling.stalled = not _Stalling.stalled

    signal.signal(signal.SIGUSR1, turn)
    sqlite3.connect = functools.partial(sqlite3.connect, factory=_Stalling)  # type: ignore[assignment] # aiosqlite calls it by name
    return main(["run"])


async def _sending(ca: str, send: Callable[[aiohttp.ClientSession], Awaitable[list[float]]]) -> None:
    """Sends once for each line on standard input, and prints the seconds that `send` gives."""
    tls = ssl.create_default_context(cafile=ca)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=STORM, ssl=tls)) as session:
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await send(session)), flush=True)


async def _storm(url: str, ca: str, token: str) -> None:
    headers = {"Content-Type": "application/merge-patch+json", "Authorization": f"Bearer {token}"}

    async def send(session: aiohttp.ClientSession) -> list[float]:
        async def patch() -> float:
            began = time.perf_counter()
            body = json.dumps({"spec": {"packages": [str(uuid.uuid4())]}})
            while True:
                async with session.patch(url, data=body, headers=headers) as answer:
                    await answer.read()
                    if answer.status != 409:  # after some retries of its own the API server gives up
                        answer.raise_for_status()
                        return time.perf_counter() - began

        return await asyncio.gather(*(patch() for _ in range(STORM)))

    await _sending(ca, send)


async def _audit(url: str, ca: str, token: str, events: str) -> None:
    captured = [event for line in (DATA / "audit-eventlists.jsonl").open("rb") for event in json.loads(line)["items"]]
    patches = [event for event in captured if event["verb"] == "patch" and event["responseStatus"]["code"] == 200]

    async def send(session: aiohttp.ClientSession) -> list[float]:
        began = time.perf_counter()
        for _ in range(int(events) // BATCH):
            items = [_another(patches[number % len(patches)]) for number in range(BATCH)]
            body = json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": items})
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            async with session.post(url, data=body, headers=headers) as answer:
                if answer.status != 200:
                    raise RuntimeError(f"a batch was answered with {answer.status}: {await answer.text()}")
        return [time.perf_counter() - began]

    await _sending(ca, send)


def _another(event: dict[str, Any]) -> dict[str, Any]:
    """The same of a tenant of its own, so that no event repeats what another told."""
    answer = event["responseObject"]
    named = answer | {"metadata": answer["metadata"] | {"uid": str(uuid.uuid4())}}
    return event | {"auditID": str(uuid.uuid4()), "responseObject": named}


def _main(kind: str, *arguments: str) -> int:
    if kind == "stalling":
        return _stalling()
    work: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {"bare": _bare, "storm": _storm, "audit": _audit}
    asyncio.run(work[kind](*arguments))
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
