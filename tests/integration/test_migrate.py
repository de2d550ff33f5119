"""Bringing a database to the newest migration: at once, at the same time, and never over something else."""

import asyncio
import secrets
import shutil
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from sidecar import migrate as module
from sidecar.errors import Misconfigured, Unavailable
from sidecar.migrate import PUBLIC_TABLES, migrate, schema_folder

REPOSITORY = Path(__file__).parents[2]
VERSIONS = sorted(int(file.name[:4]) for file in (REPOSITORY / "schema").glob("[0-9]*.sql"))
ROLLBACK = (REPOSITORY / "schema" / "rollback.sql").read_text()

Connect = Callable[..., Awaitable[asyncpg.Connection]]


@pytest.fixture
async def connect(database: str) -> AsyncIterator[Connect]:
    """Opens connections to an empty database; closes them after the test."""
    opened: list[asyncpg.Connection] = []

    async def connect(**parameters: object) -> asyncpg.Connection:
        opened.append(await asyncpg.connect(database, **parameters))
        return opened[-1]

    yield connect
    for connection in opened:
        await connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the schema's folder, to be changed by the test."""
    return Path(shutil.copytree(REPOSITORY / "schema", tmp_path / "schema"))


async def public_tables(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in rows}


async def applied(connection: asyncpg.Connection) -> list[int]:
    rows = await connection.fetch("SELECT version FROM ledger.migrations ORDER BY version")
    return [row["version"] for row in rows]


async def test_an_empty_database_gets_everything_in_the_order_of_the_numbers(connect: Connect) -> None:
    connection = await connect()
    assert await migrate(connection) == VERSIONS
    assert await applied(connection) == VERSIONS
    assert await public_tables(connection) == set(PUBLIC_TABLES)


async def test_eight_boots_at_once_migrate_an_empty_database_once(connect: Connect) -> None:
    boots = [await connect() for _ in range(8)]
    for _ in range(5):
        results = await asyncio.gather(*(migrate(connection) for connection in boots))
        assert sorted(results) == [[]] * 7 + [VERSIONS]
        assert await applied(boots[0]) == VERSIONS
        await boots[0].execute(ROLLBACK)


async def test_a_second_boot_writes_nothing_and_waits_for_nobody(connect: Connect) -> None:
    busy = await connect()
    await migrate(busy)
    second = await connect(
        # Any write would be refused; any wait for a lock would end in an error after a millisecond.
        server_settings={"default_transaction_read_only": "on", "lock_timeout": "1ms"}
    )
    async with busy.transaction():
        await busy.execute(f"LOCK TABLE {', '.join(PUBLIC_TABLES)} IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await second.fetch("SELECT * FROM platform_pricing")
        assert await migrate(second) == []


async def test_only_what_is_missing_is_applied(connect: Connect, folder: Path) -> None:
    connection = await connect()
    await migrate(connection, folder)
    (folder / "9998_more.sql").write_text("CREATE TABLE ledger.more (id int); INSERT INTO ledger.more VALUES (1)")
    (folder / "9999_most.sql").write_text("INSERT INTO ledger.more VALUES (2)")
    assert await migrate(connection, folder) == [9998, 9999]
    assert await migrate(connection, folder) == []
    assert await connection.fetch("SELECT id FROM ledger.more ORDER BY id") == [(1,), (2,)]


async def test_all_files_are_applied_or_none(connect: Connect, folder: Path) -> None:
    connection = await connect()
    (folder / "9999_broken.sql").write_text("SELECT 1 / 0")
    with pytest.raises(Misconfigured, match=r"applying 9999_broken\.sql: division by zero"):
        await migrate(connection, folder)
    assert await public_tables(connection) == set()
    assert not await connection.fetchval("SELECT to_regnamespace('ledger') IS NOT NULL")


async def test_a_file_must_name_the_schema_of_what_it_makes(connect: Connect, folder: Path) -> None:
    (folder / "9999_nowhere.sql").write_text("CREATE TABLE nowhere (id int)")
    with pytest.raises(Misconfigured, match=r"9999_nowhere\.sql"):
        await migrate(await connect(server_settings={"search_path": "public"}), folder)


async def test_nothing_of_a_migration_stays_in_the_session(connect: Connect) -> None:
    connection = await connect()
    settings = "SELECT current_setting('search_path'), current_setting('lock_timeout')"
    before = await connection.fetchrow(settings)
    await migrate(connection)
    assert await connection.fetchrow(settings) == before
    locks = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'"
    assert await connection.fetchval(locks) == 0


async def test_a_roles_own_isolation_level_does_not_hide_what_was_just_migrated(connect: Connect) -> None:
    boots = [await connect(server_settings={"default_transaction_isolation": "serializable"}) for _ in range(4)]
    results = await asyncio.gather(*(migrate(connection) for connection in boots))
    assert sorted(results) == [[]] * 3 + [VERSIONS]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_cannot_hold_every_name_is_refused(postgres_server: str, encoding: str) -> None:
    admin, name = await asyncpg.connect(postgres_server), f"test_{secrets.token_hex(6)}"
    try:
        await admin.execute(f'CREATE DATABASE "{name}" ENCODING {encoding} LOCALE "C" TEMPLATE template0')
        connection = await asyncpg.connect(postgres_server, database=name)
        try:
            with pytest.raises(Misconfigured, match=f"encoding is {encoding}, .* ENCODING 'UTF8'"):
                await migrate(connection)
            assert await public_tables(connection) == set()
        finally:
            await connection.close()
            await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()


async def test_a_database_at_a_newer_version_is_refused(connect: Connect, folder: Path) -> None:
    connection = await connect()
    (folder / "9999_newer.sql").write_text("CREATE TABLE ledger.newer (id int)")
    await migrate(connection, folder)
    with pytest.raises(Misconfigured, match=rf"at version 9999.* up to {VERSIONS[-1]}: deploy the newer"):
        await migrate(connection)


async def test_a_file_that_changed_after_it_was_applied_is_refused(connect: Connect, folder: Path) -> None:
    connection = await connect()
    await migrate(connection, folder)
    first = folder / "0001_billing.sql"
    first.write_bytes(first.read_bytes() + b"-- one more comment\n")
    with pytest.raises(Misconfigured, match="Migration 1 was applied to this database in another form"):
        await migrate(connection, folder)
    first.unlink()
    (folder / "9999_new.sql").write_text("SELECT 1")
    with pytest.raises(Misconfigured, match="Migration 1 was applied to this database in another form"):
        await migrate(connection, folder)
    assert await applied(connection) == VERSIONS


async def test_tables_that_the_portal_made_itself_are_named_and_left_alone(connect: Connect) -> None:
    connection = await connect()
    await connection.execute(
        """
        CREATE TABLE skill_pricing (skill_id text PRIMARY KEY, price numeric);
        CREATE TABLE invoices (id serial PRIMARY KEY);
        CREATE TABLE sessions (id serial PRIMARY KEY);
        """
    )
    with pytest.raises(Misconfigured, match=r"skill_pricing, invoices\. .* SET SCHEMA"):
        await migrate(connection)
    assert await public_tables(connection) == {"skill_pricing", "invoices", "sessions"}

    await connection.execute(
        """
        CREATE SCHEMA phase_1;
        ALTER TABLE skill_pricing SET SCHEMA phase_1;
        ALTER TABLE invoices SET SCHEMA phase_1;
        """
    )
    assert await migrate(connection) == VERSIONS
    assert await public_tables(connection) == {*PUBLIC_TABLES, "sessions"}


async def test_tables_that_were_dropped_by_hand_are_named(connect: Connect) -> None:
    connection = await connect()
    await migrate(connection)
    await connection.execute("DROP TABLE invoice_lines, tenant_skill_events CASCADE")
    with pytest.raises(Misconfigured, match=r"since: tenant_skill_events, invoice_lines\. .*rollback\.sql"):
        await migrate(connection)


async def test_a_table_that_was_replaced_by_another_of_its_name_is_named(connect: Connect) -> None:
    connection = await connect()
    await migrate(connection)
    await connection.execute("DROP TABLE skill_pricing; CREATE TABLE skill_pricing (skill_id text)")
    with pytest.raises(Misconfigured, match=r"dropped or replaced since: skill_pricing\."):
        await migrate(connection)


async def test_the_ledger_dropped_alone_is_refused(connect: Connect) -> None:
    connection = await connect()
    await migrate(connection)
    await connection.execute("DROP SCHEMA ledger CASCADE")
    with pytest.raises(Misconfigured, match="no migration of ours made them: platform_pricing"):
        await migrate(connection)


async def test_after_a_rollback_everything_can_be_made_again(connect: Connect) -> None:
    connection = await connect()
    await connection.execute(ROLLBACK)  # also where there is nothing to undo
    await migrate(connection)
    await connection.execute(ROLLBACK)
    assert await public_tables(connection) == set()
    assert not await connection.fetchval("SELECT to_regnamespace('ledger') IS NOT NULL")
    assert await migrate(connection) == VERSIONS
    await connection.execute("DROP TABLE invoice_lines CASCADE")
    await connection.execute(ROLLBACK)  # as the refusal of a half dropped schema tells people to
    assert await migrate(connection) == VERSIONS


@pytest.fixture
async def role(connect: Connect) -> AsyncIterator[dict[str, str]]:
    """User and password of a role without any right on the database but to connect."""
    admin = await connect()
    user, password = f"sidecar_{secrets.token_hex(6)}", secrets.token_hex(16)
    await admin.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{password}'")
    yield {"user": user, "password": password}
    await admin.execute(f"REASSIGN OWNED BY {user} TO CURRENT_USER; DROP OWNED BY {user}; DROP ROLE {user}")


async def test_owning_the_database_is_enough(connect: Connect, role: dict[str, str]) -> None:
    admin = await connect()
    await admin.execute(f"ALTER DATABASE {await admin.fetchval('SELECT current_database()')} OWNER TO {role['user']}")
    owner = await connect(**role)
    assert not await owner.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = session_user")
    await admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")  # as PostgreSQL 15 and newer have it
    await admin.execute(f"GRANT CREATE ON SCHEMA public TO {role['user']}")  # newer: by owning the database
    assert await migrate(owner) == VERSIONS
    assert await migrate(owner) == []
    await owner.execute(ROLLBACK)
    assert await migrate(owner) == VERSIONS


async def test_a_role_without_the_rights_is_told_which(connect: Connect, role: dict[str, str]) -> None:
    weak = await connect(**role)
    with pytest.raises(Misconfigured, match=r"permission denied for .*GRANT it CREATE on the database"):
        await migrate(weak)
    admin = await connect()
    await migrate(admin)
    with pytest.raises(Misconfigured, match="permission denied for schema ledger"):
        await migrate(weak)


async def until_somebody_waits_for_an_advisory_lock(connection: asyncpg.Connection) -> int:
    """The process id of the backend that waits."""
    waiting = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while (pid := await connection.fetchval(waiting)) is None:
        pass  # the next look is a round trip away
    return pid


async def test_a_migration_that_takes_too_long_elsewhere_is_waited_for_later(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_TIMEOUT_SECONDS", 0.05)
    other = await connect()
    second = await connect()
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock($1)", module._LOCK_KEY)
        with pytest.raises(Unavailable, match="lock timeout"):
            await migrate(second)
    assert await migrate(second) == VERSIONS


async def test_a_connection_that_breaks_is_a_reason_to_try_again(connect: Connect) -> None:
    other = await connect()
    broken = await connect()
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock($1)", module._LOCK_KEY)
        migration = asyncio.create_task(migrate(broken))
        pid = await until_somebody_waits_for_an_advisory_lock(other)
        await other.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(Unavailable):
            await migration
    with pytest.raises(Unavailable, match="closed"):
        await migrate(broken)
    assert await migrate(other) == VERSIONS


@pytest.mark.parametrize("sqlstate", ["58030", "XX000", "26000", "42P05"])
async def test_what_passes_by_itself_is_no_reason_to_end(connect: Connect, folder: Path, sqlstate: str) -> None:
    (folder / "0003_broken.sql").write_text(f"DO $$ BEGIN RAISE SQLSTATE '{sqlstate}'; END $$;")
    with pytest.raises(Unavailable):
        await migrate(await connect(), folder)


async def test_a_standby_is_a_reason_to_try_again(connect: Connect) -> None:
    with pytest.raises(Unavailable, match="read-only"):
        await migrate(await connect(server_settings={"default_transaction_read_only": "on"}))


@pytest.mark.parametrize(
    ("name", "words"),
    [("0003-more.sql", "are named NNNN_name.sql"), ("0001_other.sql", "have the same number")],
)
async def test_a_folder_whose_files_cannot_be_ordered_is_refused(
    connect: Connect, folder: Path, name: str, words: str
) -> None:
    (folder / name).write_text("SELECT 1")
    with pytest.raises(Misconfigured, match=words):
        await migrate(await connect(), folder)


async def test_an_empty_folder_is_refused(connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="installation is incomplete"):
        await migrate(await connect(), tmp_path)


def test_a_source_checkout_uses_the_folder_beside_the_package() -> None:
    assert schema_folder() == REPOSITORY / "schema"


def test_an_installed_package_brings_its_own_folder(tmp_path: Path) -> None:
    # Offline: the build backend is in uv's cache since this project was installed with it.
    subprocess.run(
        [
            REPOSITORY / ".tools/bin/uv",
            "build",
            "--quiet",
            "--offline",
            "--wheel",
            "--out-dir",
            tmp_path,
            REPOSITORY,
        ],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "site-packages"
    zipfile.ZipFile(wheel).extractall(installed)
    answer = subprocess.run(
        [sys.executable, "-c", "from sidecar.migrate import schema_folder; print(schema_folder())"],
        env={"PYTHONPATH": str(installed)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    packaged = Path(answer.stdout.strip())
    assert packaged == installed / "sidecar" / "schema"
    assert {file.name: file.read_bytes() for file in packaged.iterdir()} == {
        file.name: file.read_bytes() for file in (REPOSITORY / "schema").iterdir()
    }
