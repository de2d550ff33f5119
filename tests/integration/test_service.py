"""The sidecar as one process, between the stand-in API server and a real Postgres."""

import asyncio
import json
import random
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from sidecar.demo.apiserver import kubeconfig
from sidecar.demo.postgres import embedded_postgres
from tests.support import scripted
from tests.support.ledger_reader import LedgerReader
from tests.support.sidecar_process import Sidecar, sidecar
from tests.support.stand_in import Cluster, complete, events, owed, stand_in, toggle, toggled, watched
from tests.support.waiting import until

# 90 s of patience for a condition, several conditions a test, on busy cores.
pytestmark = pytest.mark.timeout(300)

ANY_PORT = {"SIDECAR_HTTP": "127.0.0.1:0", "SIDECAR_HTTPS": "127.0.0.1:0"}


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with stand_in(tmp_path) as cluster:
        yield cluster


@pytest.fixture
async def other_cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    (tmp_path / "other").mkdir()
    async with stand_in(tmp_path / "other") as cluster:
        yield cluster


@pytest.fixture
def postgres_folder() -> Iterator[Path]:
    """A folder for a server's data.

    Not below tmp_path: every pytest that starts closes that tree to other users, and a Postgres that root has
    started runs as another user.
    """
    with tempfile.TemporaryDirectory(prefix="sidecar-test-") as folder:
        yield Path(folder)


@pytest.fixture
def ledger(database: str) -> LedgerReader:
    return LedgerReader(database)


@pytest.fixture
async def running(tmp_path: Path, cluster: Cluster, database: str, ledger: LedgerReader) -> AsyncIterator[Sidecar]:
    """A sidecar that watches and delivers."""
    async with sidecar(tmp_path, cluster.config, database, **ANY_PORT) as made:
        made.start()
        await watched(made, ledger)
        yield made


async def test_sigterm_ends_it_within_seconds_with_everything_delivered(cluster, running, ledger) -> None:
    await cluster.create("acme", "jitsi")
    await toggle(cluster, 100)
    # Whatever of this it has seen, it delivers; what it has not seen it finds when it is started again.
    async with asyncio.timeout(25):  # kubelet waits 30 s, also on a busy machine
        await running.stop()
    assert running.events("stopped")
    assert await owed(running.spool) == 0
    running.start()
    await ledger.delivered(await cluster.version(), running.tail)
    assert await events(ledger) == toggled(100)
    await complete(running)


async def test_kill_9_at_random_instants_during_changes_loses_nothing(cluster, running, ledger) -> None:
    at = random.Random(20261122)  # noqa: S311 - instants, the same ones in each run
    await cluster.create("acme", "jitsi")
    changed = 0
    for _ in range(5):
        for _ in range(at.randint(1, 60)):
            await toggle(cluster, 1, changed)
            changed += 1
        await running.kill()
        await toggle(cluster, 3, changed)
        changed += 3
        running.start()
        if at.random() < 0.5:  # else it is killed while it starts
            await running.logged("watch_opened")
    await ledger.delivered(await cluster.version(), running.tail)
    assert await events(ledger) == toggled(changed)
    assert await events(ledger, "public") == toggled(changed)
    await complete(running)


async def test_started_while_postgres_is_away_it_records_and_delivers_later(tmp_path, cluster, postgres_folder) -> None:
    with embedded_postgres(postgres_folder) as address:
        pass  # its address, and an empty database
    async with sidecar(tmp_path, cluster.config, address, **ANY_PORT) as made:
        made.start()
        await made.logged("ledger_unreachable_at_start")
        await made.logged("watch_opened")
        await cluster.create("acme", "jitsi")
        await toggle(cluster, 9)
        await made.stop()
        assert await owed(made.spool) > 0
        made.start()  # with a position of its own it asks nobody
        await made.logged("watch_opened")
        await toggle(cluster, 1, 9)
        with embedded_postgres(postgres_folder):
            ledger = LedgerReader(address)
            await ledger.delivered(await cluster.version(), made.tail)
            assert await events(ledger) == toggled(10)
            await complete(made)
            await made.stop()


async def test_a_new_empty_spool_resumes_where_delivery_stands(cluster, running, ledger) -> None:
    await cluster.create("acme", "jitsi")
    await toggle(cluster, 5)
    await ledger.delivered(await cluster.version())
    await running.stop()
    for file in running.spool.parent.glob("spool.db*"):
        file.unlink()
    await toggle(cluster, 5, 5)
    running.start()
    await ledger.delivered(await cluster.version(), running.tail)
    assert running.events("watch_listed") == []
    assert await events(ledger, "public") == toggled(10)
    assert await ledger.rows("SELECT * FROM ledger.gaps") == []
    assert await ledger.rows("SELECT * FROM ledger.anomalies") == []
    await complete(running)


async def test_a_corrupt_spool_is_moved_aside_and_recorded(cluster, running, ledger) -> None:
    await cluster.create("acme", "jitsi")
    await ledger.delivered(await cluster.version())
    await running.stop()
    running.spool.write_bytes(b"no database at all" * 1000)
    await toggle(cluster, 2)
    running.start()
    await ledger.delivered(await cluster.version(), running.tail)
    await ledger.until("SELECT count(*) = 1 FROM ledger.anomalies WHERE kind = 'spool_corrupt'", why=running.tail)
    (aside,) = running.spool.parent.glob("spool.db.moved-aside-*Z")
    assert aside.read_bytes().startswith(b"no database at all")
    detail = await ledger.value("SELECT detail FROM ledger.anomalies")
    assert json.loads(detail) == {"moved_to": aside.name}
    assert await events(ledger) == toggled(2)


async def test_the_spool_of_another_cluster_is_refused(cluster, other_cluster, running, ledger) -> None:
    await cluster.create("acme", "jitsi")
    await ledger.delivered(await cluster.version())
    await running.stop()
    running.environment["KUBECONFIG"] = str(other_cluster.config)
    running.start()
    assert await running.exit_code() == 2
    assert "the spool belongs to cluster " in running.tail()


async def test_the_ledger_of_another_cluster_is_refused_before_anything_reaches_it(
    tmp_path, cluster, other_cluster, running, ledger, database
) -> None:
    await cluster.create("acme", "jitsi")
    await ledger.delivered(await cluster.version())
    await running.stop()
    (tmp_path / "second").mkdir()
    await other_cluster.create("globex", "wiki")
    # auto: what it would write first is that everything in this ledger is adopted
    settings = {**ANY_PORT, "SIDECAR_BOOTSTRAP": "auto"}
    async with sidecar(tmp_path / "second", other_cluster.config, database, **settings) as second:
        second.start()
        assert await second.exit_code() == 2
        assert "DATABASE_URL is the ledger of the cluster whose kube-system namespace has uid" in second.tail()
        assert "Traceback" not in second.tail()
    assert await ledger.rows("SELECT tenant_name FROM ledger.tenants") == [{"tenant_name": "acme"}]
    assert await ledger.value("SELECT adopted_at FROM ledger.history") is None


async def test_the_ledger_of_another_cluster_is_refused_when_it_was_away_at_the_start(
    tmp_path, cluster, database, postgres_folder
) -> None:
    with embedded_postgres(postgres_folder) as address:
        async with sidecar(tmp_path, cluster.config, address, **ANY_PORT) as foreign:
            foreign.start()
            await watched(foreign, LedgerReader(address))
            await foreign.stop()
    (tmp_path / "second").mkdir()
    async with (
        stand_in(tmp_path / "second") as second,
        sidecar(tmp_path / "second", second.config, database, **ANY_PORT) as ours,
    ):
        ours.start()
        await watched(ours, LedgerReader(database))
        await ours.stop()
        ours.environment["DATABASE_URL"] = address
        ours.start()
        await ours.logged("watch_opened")
        await second.create("acme", "jitsi")
        await ours.logged("flush_postponed")
        with embedded_postgres(postgres_folder):
            assert await ours.exit_code() == 2
            assert await LedgerReader(address).rows("SELECT * FROM ledger.tenants") == []


async def test_a_namespaced_resource_is_refused(tmp_path, database) -> None:
    def answer(body: object) -> scripted.Answer:
        return scripted.Answer(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})

    async with scripted.serving() as server:
        server.other["/api/v1/namespaces/kube-system"] = answer({"metadata": {"uid": scripted.CLUSTER}})
        server.other["/apis/pieced.ch/v1alpha1"] = answer(
            {"resources": [{"name": "piecedtenants", "namespaced": True}]}
        )
        config = scripted.kubeconfig(tmp_path, server.url)
        async with sidecar(tmp_path, config, database, **ANY_PORT) as made:
            made.start()
            assert await made.exit_code() == 2
            assert "piecedtenants.pieced.ch is namespaced" in made.tail()
            assert "Traceback" not in made.tail()
        assert server.count("list") == server.count("watch") == 0


async def test_two_sidecars_on_one_database_give_one_history(tmp_path, cluster, running, ledger, database) -> None:
    (tmp_path / "second").mkdir()
    async with sidecar(tmp_path / "second", cluster.config, database, **ANY_PORT) as second:
        second.start()
        await second.logged("watch_opened")
        await cluster.create("acme", "jitsi")
        await toggle(cluster, 20)
        await second.kill()
        await toggle(cluster, 20, 20)
        second.start()
        await second.logged("watch_opened")
        await toggle(cluster, 20, 40)
        for one in (running, second):
            await ledger.delivered(await cluster.version(), one.tail)
            await one.stop()
            assert await owed(one.spool) == 0
        assert await events(ledger) == await events(ledger, "public") == toggled(60)
        await complete(running)


async def test_bootstrap_auto_adopts_what_was_there_before(tmp_path, cluster, ledger, database) -> None:
    await cluster.create("acme", "jitsi")
    # The API server's times have whole seconds: what was created in the second of the first list is not inherited.
    await until(lambda: _older(cluster, "acme"), "the second never ended")
    async with sidecar(tmp_path, cluster.config, database, **ANY_PORT) as made:
        made.start()
        await ledger.delivered(await cluster.version(), made.tail)
        assert await ledger.rows("SELECT * FROM public.tenant_billing_lifecycle") == []
        assert await events(ledger) == []
        await made.stop()
        made.environment["SIDECAR_BOOTSTRAP"] = "auto"
        made.start()
        await ledger.until("SELECT count(*) = 1 FROM public.tenant_billing_lifecycle", why=made.tail)
        assert await events(ledger) == [("acme", 1, "jitsi", "enabled")]
        adopted_by = await ledger.value("SELECT adopted_by FROM ledger.history")
        assert adopted_by == "SIDECAR_BOOTSTRAP=auto"


async def _older(cluster: Cluster, name: str) -> bool:
    answer = await cluster.tenants.call("GET", f"/apis/pieced.ch/v1alpha1/piecedtenants/{name}")
    created = answer.body["metadata"]["creationTimestamp"]
    now = parsedate_to_datetime(answer.headers["Date"])
    return datetime.fromisoformat(created) < now


async def test_without_a_cluster_it_waits_and_says_so(tmp_path, database) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(kubeconfig("http://127.0.0.1:1"))
    async with sidecar(tmp_path, config, database, **ANY_PORT) as made:
        made.start()
        await made.logged("cluster_awaited")
        await made.stop()
