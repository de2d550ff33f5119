"""What is lost on the way, and how it is noticed: forgotten versions, restored backups, mass deletions."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Databases
from tests.support.envtest import Kubernetes, running_kubernetes
from tests.support.sidecar_process import sidecar
from tests.support.stage import Stage
from tests.support.tenants import PATH
from tests.support.writers import FINALIZER


async def test_what_changed_while_we_were_away_and_the_server_forgot_is_listed(stage: Stage):
    admin = stage.admin
    stage.sidecar.start()
    await stage.delivered()
    for name in ("changed", "removed", "replaced"):
        await admin.create(name, "jitsi")
    await admin.create("finalized", "jitsi", finalizers=[FINALIZER])
    await admin.delete("finalized")  # requested, and seen
    await stage.delivered()
    await stage.sidecar.kill()
    await admin.merge("changed", {"spec": {"packages": ["wiki"]}})  # generation 2, which nobody sees
    await admin.merge("changed", {"spec": {"packages": ["threema"]}})
    await admin.delete("removed")
    await admin.merge("replaced", {"spec": {"packages": ["wiki"]}})
    await admin.delete("replaced")
    replacement = await admin.create("replaced", "nextcloud")
    await admin.create("unseen", "jitsi")
    await admin.delete("unseen")
    await admin.merge("finalized", {"metadata": {"finalizers": None}})
    await stage.restart_kubernetes()
    stage.sidecar.start()
    await stage.sidecar.logged("watch_lost", reason="expired")
    await stage.delivered()

    assert await stage.skill_events("changed") == [
        (1, "jitsi", "enabled"),
        (3, "jitsi", "disabled"),
        (3, "threema", "enabled"),
    ]
    missing = await stage.ledger.rows("SELECT * FROM ledger.missing_generations")
    assert [(row["tenant_name"], row["generation_from"], row["generation_to"]) for row in missing] == [
        ("changed", 2, 2)
    ]
    assert [row["deleted_source"] for row in await stage.lifecycle("removed")] == ["census"]
    (old, new) = await stage.lifecycle("replaced")
    assert (old["deleted_source"], old["deleted_at"]) == ("inferred", new["created_at"])
    assert (str(new["tenant_uid"]), new["deleted_at"]) == (replacement["metadata"]["uid"], None)
    assert [row["deleted_source"] for row in await stage.lifecycle("finalized")] == ["deletion"]
    open_ends = await stage.ledger.rows("SELECT tenant_name FROM ledger.open_ends ORDER BY tenant_name")
    assert [row["tenant_name"] for row in open_ends] == ["removed", "replaced"]
    assert await stage.lifecycle("unseen") == []
    (gap,) = await stage.ledger.rows("SELECT * FROM ledger.gaps")
    version = int(replacement["metadata"]["resourceVersion"])
    assert gap["from_version"] < version < gap["to_version"]
    verified = await stage.verified()
    for listed in ("MISSING    tenant_name=changed", "OPEN END   tenant_name=replaced", "GAP ", "incomplete"):
        assert listed in verified


async def test_tenants_that_vanish_in_a_mass_wait_for_a_persons_word(stage: Stage):
    names = [f"tenant-{number:02}" for number in range(15)]
    stage.sidecar.start()
    await stage.delivered()
    for name in names:
        await stage.admin.create(name, "jitsi", labels={"leaving": "yes"})
    await stage.delivered()
    await stage.sidecar.stop()
    (await stage.admin.call("DELETE", PATH, labelSelector="leaving=yes")).ok()
    await stage.restart_kubernetes()
    stage.sidecar.start()
    await stage.sidecar.logged("removals_held")
    await stage.delivered()

    living = "SELECT count(*) FROM public.tenant_billing_lifecycle WHERE deleted_at IS NULL AND tenant_name = ANY ($1)"
    assert await stage.ledger.value(living, names) == 15
    (held,) = await stage.anomalies("mass_removal")
    assert held["detail"].count("tenant-") == 10  # examples
    assert "HELD" in await stage.verified()

    accepted = await stage.sidecar.command("accept-removals", "--by", "alice")
    assert (accepted.code, accepted.output) == (0, "15 tenants have ended.\n")
    assert await stage.ledger.value(living, names) == 0
    assert "HELD" not in await stage.verified()
    assert await stage.ledger.value("SELECT count(*) FROM ledger.open_ends") == 15


async def test_a_restored_etcd_is_noticed_and_what_then_differs_is_said(stage: Stage, tmp_path: Path):
    admin, kubernetes = stage.admin, stage.kubernetes
    stage.sidecar.start()
    await stage.delivered()
    await admin.create("acme", "jitsi")
    await admin.create("later", "jitsi")
    await _offline(kubernetes, lambda: shutil.copytree(kubernetes.etcd_data, tmp_path / "backup"))
    await stage.answered(200)
    await admin.merge("acme", {"spec": {"packages": ["threema"]}})
    for number in range(200):  # more than the API server itself writes when it starts again
        await admin.merge("later", {"metadata": {"labels": {"number": str(number)}}})
    await stage.delivered()

    def put_back() -> None:
        shutil.rmtree(kubernetes.etcd_data)
        shutil.copytree(tmp_path / "backup", kubernetes.etcd_data)

    await _offline(kubernetes, put_back)
    await stage.sidecar.logged("watch_anomaly", kind="version_ahead")
    await stage.sidecar.logged("watch_listed", reason="ahead")
    await stage.answered(200)
    # The backup has acme at generation 1; what becomes its generation 2 now is not what that was.
    await admin.merge("acme", {"spec": {"packages": ["wiki"]}})
    await stage.recorded(
        "SELECT count(*) FROM ledger.anomalies WHERE kind = 'diverged' AND detail->>'why' LIKE 'other content%'"
    )

    assert len(await stage.anomalies("version_ahead")) == 1
    # What was recorded first stays, until a generation above all known ones says what is now.
    assert await stage.skill_events("acme") == [
        (1, "jitsi", "enabled"),
        (2, "jitsi", "disabled"),
        (2, "threema", "enabled"),
    ]
    await admin.merge("acme", {"spec": {"displayName": "acme"}})
    third = "SELECT count(*) FROM ledger.observations WHERE tenant_name = 'acme' AND generation = 3"
    await stage.recorded(third)
    assert (await stage.skill_events("acme"))[3:] == [(3, "threema", "disabled"), (3, "wiki", "enabled")]
    assert "ANOMALY    diverged" in await stage.verified()


async def _offline(kubernetes: Kubernetes, act: Callable[[], object]) -> None:
    """Stop API server and etcd, act on the data, start both."""

    def off_and_on() -> None:
        kubernetes.kill_apiserver()
        kubernetes.stop_etcd()
        act()
        kubernetes.start_etcd()
        kubernetes.start_apiserver()

    await asyncio.to_thread(off_and_on)


async def test_another_cluster_is_refused_with_exit_code_2(stage: Stage, ledgers: Databases, tmp_path: Path):
    stage.sidecar.start()
    await stage.delivered()
    await stage.sidecar.stop()
    (tmp_path / "other").mkdir()
    with running_kubernetes(tmp_path / "other") as other:
        config = other.kubeconfig("sidecar")
        # Without a spool it is the ledger that knows to which cluster it belongs; and the other way round.
        async with sidecar(tmp_path / "other", config, stage.ledger.database_url) as without_spool:
            without_spool.start()
            assert await without_spool.exit_code() == 2
            assert "one ledger records one cluster" in without_spool.tail()
        async with ledgers() as empty:
            stage.sidecar.environment |= {"KUBECONFIG": str(config), "DATABASE_URL": empty}
            stage.sidecar.start()
            assert await stage.sidecar.exit_code() == 2
            assert "the spool belongs to cluster" in stage.sidecar.tail()
    known = await stage.ledger.rows("SELECT tenant_name FROM ledger.tenants")
    assert [row["tenant_name"] for row in known] == ["zz-mark"]
