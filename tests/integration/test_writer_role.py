"""A role that owns nothing: `manifests/database/writer.sql` gives it what it needs, and nothing that it does not."""

import re
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import pytest

from sidecar.demo.apiserver import Store, kubeconfig, serving
from sidecar.errors import Misconfigured, Unavailable
from sidecar.facts import Adopted, AnyFact, Attribution, Backfilled, Began, Census, Removal, Seen, Segment
from sidecar.facts import Anomaly as AnomalyFact
from sidecar.ledger import Ledger, connected
from sidecar.verify import verify
from tests.support.admin import admin_api
from tests.support.ledger_reader import LedgerReader
from tests.support.sidecar_process import sidecar
from tests.support.tenants import Tenants

FILE = Path(__file__).parents[2] / "manifests" / "database" / "writer.sql"
SQL = FILE.read_text(encoding="utf-8")
NAME = "billing_sidecar"
AUDIT_LOG = Path(__file__).parents[1] / "data" / "audit.log"
PASSWORD = "correct-horse"  # noqa: S105 - of the tests alone
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Privilege(NamedTuple):
    """One privilege on one object, as GRANT writes them."""

    name: str
    on: str


def privileges() -> list[Privilege]:
    """Every single privilege that the file grants."""
    text = re.sub(r"--.*", "", SQL)
    return [
        Privilege(name.strip(), f"{kind} {one.strip()}".strip())
        for names, kind, ones in re.findall(
            rf"GRANT ([\w, ]+) ON (SCHEMA|ALL TABLES IN SCHEMA|)\s*([\w.,\s]+?) TO {NAME};", text
        )
        for name in names.split(",")
        for one in ones.split(",")
    ]


@pytest.fixture(scope="module")
def role() -> str:
    """A name of its own: roles belong to the whole server, which others may use too."""
    return f"{NAME}_{secrets.token_hex(4)}"


@pytest.fixture
async def owner(ledger_database: str, role: str) -> AsyncIterator[asyncpg.Connection]:
    """The owner's connection to a migrated database, in which the file has been run."""
    connection = await asyncpg.connect(ledger_database)
    await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    try:
        await connection.execute(SQL.replace(NAME, role))
        yield connection
    finally:
        await connection.execute(f"DROP OWNED BY {role} CASCADE")
        await connection.execute(f"DROP ROLE {role}")
        await connection.close()


def address_of(role: str, database: str) -> str:
    """How that role reaches the database, whose address is its owner's."""
    parts = urlsplit(database)
    return urlunsplit(parts._replace(netloc=f"{role}:{PASSWORD}@{parts.netloc.rpartition('@')[2]}"))


@pytest.fixture
def writer(ledger_database: str, role: str, owner: asyncpg.Connection) -> str:
    """The address by which that role reaches the database that `owner` is connected to."""
    assert not owner.is_closed()
    return address_of(role, ledger_database)


def minutes(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


def uid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def seen(number: int, generation: int, *packages: str, created: float = 1, **more: object) -> Seen:
    given = {
        "tenant_uid": uid(number),
        "generation": generation,
        "resource_version": str(100 * number + generation),
        "tenant_name": f"tenant-{number}",
        "zitadel_org_id": "org",
        "packages": packages,
        "created_at": minutes(created),
        "source": "watch",
        "at": minutes(10 + generation),
        "time_source": "watch",
    }
    return Seen(**(given | more))


def story(run: int) -> list[list[AnyFact]]:
    """Batches with every kind of fact, and every kind of row that follows from one."""
    author = {"request_key": "k", "actor": "alice", "operation": "UPDATE", "how": "claimed", "source": "admission"}
    segment = {"from_version": "1", "from_at": minutes(0)}
    live = [seen(number, 1, "jitsi") for number in range(2, 6)]
    return [
        [
            Began(cluster_uid="c", at=NOON),
            Segment(**segment, to_version="10", to_at=minutes(11)),
            seen(1, 1, "jitsi"),
            seen(1, 2, "jitsi", "wiki", suspended=True),
            Attribution(tenant_uid=uid(1), resource_version="102", generation=2, **author),
            AnomalyFact(kind="clock_skew", tenant_uid=uid(1), detail={"seconds": 2}),
            *live,
        ],
        [seen(9, 3, "jitsi", created=-60, suspended=True, source="list", time_source="late", backfill=run)],
        [Adopted(at=minutes(20), by="admin", backfill=run), Backfilled(tenants_examined=6, backfill=run)],
        [
            Segment(**segment, to_version="2000", to_at=minutes(30)),
            Removal(tenant_uid=uid(1), time_source="watch", at=minutes(29), last_generation=2),
            Census(version="2000", sent_at=minutes(30), answered_at=minutes(30), uids=()),
        ],
    ]


async def everything(address: str, folder: Path) -> None:
    """All that a running sidecar and its commands do to a database, by their own code."""
    ledger = Ledger(address)
    try:
        assert await ledger.delivered() is None
        run = await ledger.begin_backfill("admin")
        for facts in story(run):
            await ledger.deliver(facts)
        assert (await ledger.backfill(run)).events_inserted == 1
        assert await ledger.adopted()
    finally:
        await ledger.close()
    async with admin_api(address, folder) as api:
        accepted = (await api.call("POST", "/accept-removals", {"confirm": True})).ok()
        assert accepted == {"tenantsEnded": 5}, accepted
        pricing = (await api.call("GET", "/pricing")).ok()
        changed = {key: value for key, value in pricing.items() if key not in ("updatedAt", "updatedBy")}
        (await api.call("PUT", "/pricing", changed)).ok()
        for price in ("0.10", "0.20"):
            (await api.call("PUT", "/skills/jitsi/price", {"dailyPriceChf": price})).ok()
        assert len((await api.call("GET", "/skills")).ok()["skills"]) == 1
        (await api.call("DELETE", "/skills/jitsi/price")).ok()
        config = (await api.call("GET", "/orgs/org/config")).ok()
        unset = ("zitadelOrgId", "createdAt", "updatedAt")
        config = {key: value for key, value in config.items() if key not in unset} | {"payByInvoice": True}
        (await api.call("PUT", "/orgs/org/config", config)).ok()
        assert len((await api.call("GET", "/tenants")).ok()["tenants"]) == 6
        (await api.call("GET", "/tenants/tenant-1/timeline")).ok()
        (await api.call("GET", "/completeness")).ok()
    async with connected(address) as connection:
        assert (await verify(connection)).differences == []


async def test_the_grants_are_enough_for_everything(writer: str, tmp_path: Path):
    await everything(writer, tmp_path)


@pytest.mark.parametrize("privilege", privileges(), ids=lambda each: f"{each.name}-{each.on}")
async def test_each_grant_is_missed_when_it_is_taken_away(
    writer: str, role: str, owner: asyncpg.Connection, tmp_path: Path, privilege: Privilege
):
    await owner.execute(f"REVOKE {privilege.name} ON {privilege.on} FROM {role}")
    with pytest.raises(
        (AssertionError, asyncpg.InsufficientPrivilegeError, Misconfigured, Unavailable), match="permission denied"
    ):
        await everything(writer, tmp_path)


def test_the_file_grants_no_more_than_these_lines():
    lines = [line for line in SQL.splitlines() if line.startswith("GRANT")]
    assert len(lines) == len(re.findall(r"\bGRANT\b", re.sub(r"--.*", "", SQL)))
    assert {each.name for each in privileges()} == {"USAGE", "SELECT", "INSERT", "UPDATE", "DELETE"}
    assert [each.on for each in privileges() if each.name == "DELETE"] == ["public.skill_pricing"]


async def test_the_role_cannot_change_what_was_recorded_nor_the_schema(writer: str):
    connection = await asyncpg.connect(writer)
    try:
        for statement in (
            "UPDATE ledger.observations SET suspended = true",
            "DELETE FROM public.tenant_skill_events",
            "INSERT INTO ledger.pricing_history (table_name, operation, changed_by) VALUES ('skill_pricing', 'X', 'x')",
            "ALTER TABLE public.tenant_skill_events DISABLE TRIGGER ALL",
            "DROP SCHEMA ledger CASCADE",
            "CREATE TABLE ledger.mine ()",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_sidecar_of_that_role_records_and_all_its_commands_work(writer: str, tmp_path: Path):
    config = tmp_path / "kubeconfig"
    async with (
        serving(Store(history=1000)) as url,
        aiohttp.ClientSession() as session,
        sidecar(tmp_path, config, writer) as process,
    ):
        config.write_text(kubeconfig(url))
        process.start()
        await process.logged("watch_opened")
        tenants, ledger = Tenants(session, url, "alice"), LedgerReader(writer)
        await tenants.create("acme", "jitsi")
        await tenants.merge("acme", {"spec": {"packages": ["jitsi", "wiki"], "suspend": True}})
        await ledger.until("SELECT count(*) = 1 FROM ledger.suspension_events", why=process.tail)
        for command in (["migrate"], ["backfill"], ["ingest", str(AUDIT_LOG)], ["verify"], ["timeline", "acme"]):
            ended = await process.command(*command)
            assert ended.code == 0, (command, ended)
        await process.stop()
        assert await ledger.value("SELECT count(*) > 0 FROM ledger.attributions")
        assert process.events("flush_postponed") == []


async def test_before_the_owner_has_migrated_the_role_is_told_which_right_is_missing(
    database: str, role: str, tmp_path: Path
):
    """And so it is after an upgrade that brings a migration."""
    connection = await asyncpg.connect(database)
    await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    try:
        async with sidecar(tmp_path, tmp_path / "none", address_of(role, database)) as process:
            ended = await process.command("migrate")
        assert ended.code == 2
        assert "GRANT it CREATE on the database" in ended.errors
    finally:
        await connection.execute(f"DROP ROLE {role}")
        await connection.close()
