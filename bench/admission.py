"""(g) What the webhook adds to a write on a real API server, beside what the least webhook adds."""

import asyncio
import json
import os
import random
import signal
import ssl
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from bench.parts import Child, Result, Row, child, median, new_ledger, settled, sidecar_settings, until
from bench.webhooks import DATA

_PATH = "/apis/pieced.ch/v1alpha1/piecedtenants"
_KINDS = ("none", "bare", "sidecar")  # who is asked about a write to the tenant of that name
_WEBHOOKS = _KINDS[1:]
_TURNS = {"quiet": 400, "stalled": 200}  # a round
_STORMS = 10  # a round, of each kind
_EVENTS = 8_000  # audit events a round
_CALLS = 5  # of each webhook a turn
_MOST = 1.5  # times the bare handler


@dataclass
class _Times:
    """Seconds that each patch took, and each call that was made directly, by kind."""

    patches: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in _KINDS})
    calls: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in _WEBHOOKS})

    def added(self, kind: str, share: float) -> float:
        """What that webhook adds to the quantile of a patch."""
        return _quantile(self.patches[kind], share) - _quantile(self.patches["none"], share)


@dataclass(frozen=True)
class _Stage:
    """An API server that asks either webhook about the tenants of its kind alone."""

    session: aiohttp.ClientSession
    urls: dict[str, str]
    review: dict[str, Any]
    tls: ssl.SSLContext
    sidecar: Child
    storms: dict[str, Child]
    audit: Child

    async def turn(self, kinds: Sequence[str], times: _Times) -> None:
        """A patch of each kind, in an order by chance, and some calls of each webhook."""
        for kind in random.sample(kinds, len(kinds)):
            await self.patch(kind, times)
        for _ in range(_CALLS):
            for kind in kinds:
                if kind in self.urls:
                    await self._call(kind, times)

    async def while_working(self, worker: Child, kinds: Sequence[str], times: _Times) -> list[float]:
        """Turns, until the worker has done its work once; its seconds."""
        worker.tell()
        done = asyncio.create_task(worker.line())
        while not done.done():
            await self.turn(kinds, times)
        seconds: list[float] = json.loads(await done)
        return seconds

    async def patch(self, kind: str, times: _Times) -> None:
        """One write that bills, to the tenant of that kind."""
        body = json.dumps({"spec": {"packages": [os.urandom(8).hex()]}})
        headers = {"Content-Type": "application/merge-patch+json"}
        began = time.perf_counter()
        async with self.session.patch(f"{_PATH}/{kind}", data=body, headers=headers) as answer:
            await answer.read()
        times.patches[kind].append(time.perf_counter() - began)
        answer.raise_for_status()

    async def _call(self, kind: str, times: _Times) -> None:
        body = json.dumps(self.review | {"request": self.review["request"] | {"uid": str(uuid.uuid4())}})
        headers = {"Content-Type": "application/json"}
        began = time.perf_counter()
        async with self.session.post(self.urls[kind], data=body, headers=headers, ssl=self.tls) as answer:
            await answer.read()
        times.calls[kind].append(time.perf_counter() - began)
        answer.raise_for_status()


async def measure(server: str, rounds: int) -> Result:
    """Latencies of patches without a webhook, with a bare one, and with the sidecar, taking turns."""
    try:
        from tests.support.assets import asset  # noqa: PLC0415 - of the tests' parts only this one is needed here

        asset("kube-apiserver")
    except RuntimeError:
        what = "what the webhook adds to a PATCH"
        return Result([Row("g", what, "not measured", "", "needs KUBEBUILDER_ASSETS: make envtest")])
    # "storm": its own patches; "beside": those to other objects, and the calls.
    times = {name: _Times() for name in ("quiet", "storm", "beside", "stalled", "audit")}
    seconds: dict[str, list[float]] = {kind: [] for kind in (*_KINDS, "audit")}
    async with _staged(server) as stage:
        for _ in range(50):
            await stage.turn(_KINDS, _Times())  # connections and caches
        for _ in range(rounds):
            await settled(stage.sidecar.process.pid)
            for _ in range(_TURNS["quiet"]):
                await stage.turn(_KINDS, times["quiet"])
            for _ in range(_STORMS):
                for kind in random.sample(_KINDS, len(_KINDS)):
                    took = await stage.while_working(stage.storms[kind], (kind,), times["beside"])
                    times["storm"].patches[kind] += took
                    seconds[kind].append(max(took))
            await settled(stage.sidecar.process.pid)
            stage.sidecar.process.send_signal(signal.SIGUSR1)
            for _ in range(_TURNS["stalled"]):
                await stage.turn(_KINDS, times["stalled"])
            stage.sidecar.process.send_signal(signal.SIGUSR1)
            seconds["audit"] += await stage.while_working(stage.audit, _KINDS, times["audit"])
    own, bare = (median(seconds[kind]) for kind in ("sidecar", "bare"))
    storm = f"{own:.1f} s", f"bare {bare:.1f} s: {own / bare:.2f}"
    rows = [
        *_patches("added to a PATCH", times["quiet"]),
        *_calls("one call's answer", times["quiet"]),
        Row("g", "60 PATCHes of one object at once, some 1,400 calls", *storm),
        *_patches("… added to each of them", times["storm"]),
        *_patches("… added to another PATCH meanwhile", times["beside"]),
        # Without an aim, which is one for writes: the bare process does nothing else, while the sidecar watches, spools
        # and flushes what the storm changes.
        *_calls("… one call's answer meanwhile", times["beside"], aim=False),
        *_patches("added to a PATCH while each write to the spool hangs 0.5 s", times["stalled"]),
        *_calls("… one call's answer meanwhile", times["stalled"]),
        *_calls("one call's answer while audit batches come", times["audit"], aim=False),
        Row("g", "… audit events a second", f"{_EVENTS / median(seconds['audit']):,.0f}"),
    ]
    numbers: dict[str, object] = {"seconds": seconds}
    for name, each in times.items():
        numbers[name] = {"patches_ms": _ms(each.patches), "calls_ms": _ms(each.calls)}
    return Result(rows, numbers)


def _patches(what: str, times: _Times) -> list[Row]:
    return [_row(what, share, times.added("sidecar", share), times.added("bare", share)) for share in (0.5, 0.99)]


def _calls(what: str, times: _Times, *, aim: bool = True) -> list[Row]:
    own, bare = times.calls["sidecar"], times.calls["bare"]
    return [_row(what, share, _quantile(own, share), _quantile(bare, share), aim=aim) for share in (0.5, 0.99)]


def _row(what: str, share: float, own: float, bare: float, *, aim: bool = True) -> Row:
    if bare <= 0:  # a p99 of patches, on a machine with busy neighbours
        return Row("g", f"{what}, p{share * 100:.0f}", f"{own * 1e3:.2f} ms", "the bare one's is lost in noise")
    compared = f"bare {bare * 1e3:.2f} ms: {own / bare:.2f}"
    aimed: tuple[Any, ...] = (f"≤ {_MOST}", own <= bare * _MOST) if aim else ()
    return Row("g", f"{what}, p{share * 100:.0f}", f"{own * 1e3:.2f} ms", compared, *aimed)


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


def _ms(seconds: dict[str, list[float]]) -> dict[str, list[float]]:
    return {kind: [round(each * 1e3, 3) for each in took] for kind, took in seconds.items()}


@asynccontextmanager
async def _staged(server: str) -> AsyncIterator[_Stage]:
    from tests.support.envtest import running_kubernetes  # noqa: PLC0415 - only with the binaries
    from tests.support.registration import hooks, webhook  # noqa: PLC0415

    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        own = hooks(folder)
        kubernetes = stack.enter_context(running_kubernetes(folder))
        database = await stack.enter_async_context(new_ledger(server))
        settings = sidecar_settings(database, kubernetes.kubeconfig("sidecar"), folder) | own.settings()

        async def started(name: str, *command: str, **environment: str) -> Child:
            log = folder / f"{name}.log"
            return await stack.enter_async_context(child("bench.webhooks", *command, log=log, **environment))

        bare = await started("bare", "bare", str(own.certificate), str(own.key))
        urls = {"bare": f"https://127.0.0.1:{await bare.line()}/admission", "sidecar": own.webhook_url}
        sidecar = await started("sidecar", "stalling", **settings, SIDECAR_LOG_LEVEL="warning")
        token = kubernetes.tokens["admin"]
        storms = {}
        for kind, url in urls.items():
            kubernetes.register(webhook(url, own.ca, kind, objectSelector={"matchLabels": {"kind": kind}}))
        for kind in _KINDS:
            target = f"{kubernetes.url}{_PATH}/storm-{kind}"
            storms[kind] = await started(f"storm-{kind}", "storm", target, str(kubernetes.ca_file), token)
        audit = await started("audit", "audit", f"{own.url}/audit", str(own.ca), own.token, str(_EVENTS))
        headers = {"Authorization": f"Bearer {token}"}
        connector = aiohttp.TCPConnector(ssl=kubernetes.tls())
        session = await stack.enter_async_context(
            aiohttp.ClientSession(kubernetes.url, connector=connector, headers=headers)
        )
        stage = _Stage(session, urls, _review(), own.tls(), sidecar, storms, audit)
        for name in (*_KINDS, *(f"storm-{kind}" for kind in _KINDS)):
            async with session.post(_PATH, json=_tenant(name)) as answer:
                answer.raise_for_status()
        await _heard(stage, database)
        yield stage


async def _heard(stage: _Stage, database: str) -> None:
    """The API server asks the sidecar, which hears of the commits too."""
    connection = await asyncpg.connect(database)

    async def claimed() -> bool:
        await stage.patch("sidecar", _Times())
        return bool(await connection.fetchval("SELECT count(*) FROM ledger.attributions"))

    try:
        await until(claimed)
    finally:
        await connection.close()


def _review() -> dict[str, Any]:
    """A captured review of an update."""
    with (DATA / "admission-reviews.jsonl").open("rb") as lines:
        return next(review for review in map(json.loads, lines) if review["request"]["operation"] == "UPDATE")


def _tenant(name: str) -> dict[str, object]:
    return {
        "apiVersion": "pieced.ch/v1alpha1",
        "kind": "PiecedTenant",
        "metadata": {"name": name, "labels": {"kind": name.removeprefix("storm-")}},
        "spec": {"packages": []},
    }
