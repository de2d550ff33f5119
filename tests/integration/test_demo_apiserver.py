"""The demo's API server passes the suite that the real one passes, and what only it has works."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from sidecar.demo.apiserver import Store, Webhook, serving
from sidecar.demo.apiserver.store import Forgotten
from sidecar.demo.apiserver.tables import age
from tests.support.conformance import Api, Conformance
from tests.support.ports import free_ports
from tests.support.receiver import Receiver
from tests.support.tenants import PATH, Tenants, tenant

HISTORY = 50  # more writes than any test of the suite makes before it resumes


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def api(session: aiohttp.ClientSession) -> AsyncIterator[Api]:
    receiver = Receiver()
    with receiver.serving():
        async with serving(Store(HISTORY), bookmark_seconds=0.2, webhooks=[Webhook(receiver.url)]) as url:
            admin = Tenants(session, url, "admin")

            async def forget() -> None:
                for count in range(HISTORY):
                    await admin.merge("t0", {"metadata": {"labels": {"count": str(count)}}})

            yield Api(admin, Tenants(session, url, "alice"), receiver.reviews, forget)


class TestDemo(Conformance):
    """The suite on the demo's server."""


def test_a_store_remembers_as_many_writes_as_its_history():
    store = Store(history=3)
    start = store.version
    for name in "abcd":
        store.commit(name, None, {"metadata": {"name": name}})
    assert [change.object["metadata"]["name"] for change in store.after(start + 1)] == ["b", "c", "d"]
    assert [obj["metadata"]["name"] for obj in store.at(start + 1)] == ["a"]
    with pytest.raises(Forgotten):
        store.after(start)


def test_a_store_refuses_a_write_over_what_is_not_there_any_more():
    store = Store(history=3)
    first = store.commit("a", None, {"metadata": {"name": "a"}})
    second = store.commit("a", first, {"metadata": {"name": "a"}, "spec": {}})
    with pytest.raises(ValueError, match="a does not hold"):
        store.commit("a", first, None)
    assert store.get("a") is second


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (600, "10m"), (3 * 3600 - 1, "179m"), (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"), (8 * 3600, "8h"), (48 * 3600 - 1, "47h"), (48 * 3600, "2d"), (51 * 3600, "2d3h"),
        (8 * 86400 + 3600, "8d"),
    ],
)  # fmt: skip
def test_an_age_is_said_as_kubectl_says_it(seconds: int, said: str):
    created = datetime(2026, 11, 22, 9, 26, 44, tzinfo=UTC)
    assert age("2026-11-22T09:26:44Z", created + timedelta(seconds=seconds)) == said


async def test_a_webhook_that_hangs_costs_a_write_one_second(
    session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
):
    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked.wait()
        writer.close()

    asked = asyncio.Event()
    async with await asyncio.start_server(hang, "127.0.0.1", 0) as hung:
        hook = Webhook(f"http://127.0.0.1:{hung.sockets[0].getsockname()[1]}/admission")
        async with serving(Store(HISTORY), webhooks=[hook]) as url:
            begun = time.monotonic()
            created = await Tenants(session, url, "alice").create("acme", "jitsi")
            took = time.monotonic() - begun
        asked.set()
    assert created["metadata"]["generation"] == 1
    assert 0.9 < took < 5
    assert "failing open" in caplog.text


async def test_a_webhook_that_is_down_costs_a_write_nothing(
    session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
):
    [nobody] = free_ports(1)
    async with serving(Store(HISTORY), webhooks=[Webhook(f"http://127.0.0.1:{nobody}/")]) as url:
        with caplog.at_level(logging.WARNING):
            await Tenants(session, url, "alice").create("acme", "jitsi")
    assert "failing open" in caplog.text


@asynccontextmanager
async def answering(response: dict[str, object]) -> AsyncIterator[Webhook]:
    """A webhook that gives this response, about the request that it was asked unless it says otherwise."""

    async def answer(request: web.Request) -> web.Response:
        review = await request.json()
        return web.json_response({**review, "response": {"uid": review["request"]["uid"], **response}})

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Webhook(f"http://127.0.0.1:{runner.addresses[0][1]}/")
    finally:
        await runner.cleanup()


async def test_a_webhook_that_refuses_is_believed(session: aiohttp.ClientSession):
    async with (
        answering({"allowed": False, "status": {"message": "not today"}}) as hook,
        serving(Store(HISTORY), webhooks=[hook]) as url,
    ):
        admin = Tenants(session, url, "admin")
        answer = await admin.call("POST", body=tenant("acme"))
        assert (await admin.list())["items"] == []
    assert answer.refused() == (400, "BadRequest")
    assert "not today" in answer.body["message"]


@pytest.mark.parametrize("response", [{"allowed": False, "uid": "another"}, {"allowed": "no"}, {}])
async def test_a_webhook_that_answers_something_else_has_failed(
    session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture, response: dict[str, object]
):
    async with answering(response) as hook, serving(Store(HISTORY), webhooks=[hook]) as url:
        await Tenants(session, url, "admin").create("acme")
    assert "failing open" in caplog.text


async def test_what_is_not_served_is_refused_and_not_ignored(api: Api):
    await api.tenants.create("acme")
    labels = await api.tenants.call("GET", labelSelector="team=blue")
    orphaned = await api.tenants.call("DELETE", f"{PATH}/acme", {"propagationPolicy": "Orphan"})
    applied = await api.tenants.call(
        "PATCH", f"{PATH}/acme", tenant("acme"), content_type="application/apply-patch+yaml"
    )
    assert labels.refused() == (400, "BadRequest")
    assert orphaned.refused() == (400, "BadRequest")
    assert applied.refused() == (415, "UnsupportedMediaType")


async def test_as_a_process_it_says_where_it_serves_and_ends_with_0_although_somebody_watches(
    session: aiohttp.ClientSession, tmp_path: Path
):
    kubeconfig = tmp_path / "kubeconfig"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sidecar.demo.apiserver", "--kubeconfig", kubeconfig, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            url = (await process.stdout.readline()).decode().strip()
        assert f'"server": "{url}"' in kubeconfig.read_text()
        async with Tenants(session, url, "admin").watch():
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
