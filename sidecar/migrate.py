"""The numbered SQL files, and bringing a database to the newest of them.

A file `NNNN_name.sql` is applied exactly once, in the order of the numbers, all that are due in one
transaction. What was applied stands in `ledger.migrations`. A database with nothing due is only read: running
DDL again, even IF NOT EXISTS, would queue behind every open writer.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

import asyncpg

from sidecar.errors import Misconfigured, Unavailable
from sidecar.transactions import transaction

LOCK_TIMEOUT_SECONDS = 10.0
"""How long to wait for another boot's migration, or for a writer on a table that a file alters. All files on
an empty database take 0.1 s, so that eight boots in a row fit many times over; and writers that queue behind
our wish for a table's lock stand no longer than this. Who waits longer gives up and tries again."""

PUBLIC_TABLES = (
    "platform_pricing",
    "skill_pricing",
    "tenant_billing_lifecycle",
    "tenant_skill_events",
    "tenant_suspension_events",
    "org_billing_config",
    "org_payment_methods",
    "invoice_number_counters",
    "invoices",
    "invoice_lines",
    "invoice_reminders",
)
"""What the files make in schema `public`, where others have tables too: the only names that can collide."""

_LOCK_KEY = int.from_bytes(b"migrate")  # any bigint, the same for all replicas, that no other lock of ours has

_FILE_NAME = re.compile(r"(?P<version>[0-9]{4})_[a-z0-9_]+\.sql")

_WAIT = (
    OSError,  # the connection broke; TimeoutError too
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, starting up, cancelled by a timeout
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.TransactionRollbackError,  # deadlock
    asyncpg.LockNotAvailableError,  # lock_timeout
    asyncpg.ReadOnlySQLTransactionError,  # a standby, in the middle of a failover
    asyncpg.PostgresSystemError,  # its disk does not answer
    asyncpg.InternalServerError,
    asyncpg.InvalidSQLStatementNameError,  # this and the next: a pooler has given us another server connection
    asyncpg.DuplicatePreparedStatementError,
)


class NewerDatabase(Misconfigured):
    """A newer release has migrated this database; this one must not write by rules it does not know."""


class _Migration(NamedTuple):
    version: int
    name: str
    sql: str
    sha256: bytes


class _State(NamedTuple):
    """What a database says of itself."""

    applied: dict[int, bytes]  # version: sha256 of the file as it was
    taken: frozenset[str]  # names of ours in `public` that something has
    ours: frozenset[str]  # those whose triggers are ours


def schema_folder() -> Traversable:
    """The folder of the SQL files: in the installed package, or beside the package in a source checkout."""
    packaged = files("sidecar") / "schema"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "schema"


async def migrate(connection: asyncpg.Connection, folder: Traversable | None = None) -> list[int]:
    """Bring the database to the newest file of `folder` (default: `schema_folder()`).

    Returns the versions applied now, lowest first; empty if nothing was due. All or nothing: an error leaves
    the database as it was. Any number of callers may do this at once. Nothing outlives the transactions, so a
    pooler in transaction mode may stand between. `connection` is idle and not in a transaction; its role owns
    the database, or has CREATE on it and on schema `public`.

    Raises `Misconfigured` if a person must decide (newer database: `NewerDatabase`; changed file, tables in the way or
    missing, rights, encoding), `Unavailable` if the database is away or busy.
    """
    migrations = _read(folder if folder is not None else schema_folder())
    if (encoding := connection.get_settings().server_encoding) != "UTF8":
        # Seldom an error at once: only of a name, or of a comment, that has a letter which that encoding lacks.
        raise Misconfigured(
            f"The database's encoding is {encoding}, which cannot hold every name of a tenant, a package or a person: "
            "make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and correct DATABASE_URL."
        )
    with _translated(connection, "reading which migrations were applied"):
        # REPEATABLE READ: tables and versions as of one moment, also while another boot commits.
        async with transaction(connection, isolation="repeatable_read", readonly=True):
            state = await _inspect(connection)
    if not _due(migrations, state):
        return []
    with _translated(connection, "applying migrations"):
        # READ COMMITTED, whatever the role's default: what is read after the wait for the lock must be what
        # the one before us committed.
        async with transaction(connection, isolation="read_committed"):
            await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS * 1000:.0f}ms'")
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
            due = _due(migrations, await _inspect(connection))
            for migration in due:
                await _apply(connection, migration)
    return [migration.version for migration in due]


async def migrated(connection: asyncpg.Connection) -> asyncpg.Connection:
    """A new connection, once its database has this release's schema; terminated if it cannot. Raises as `migrate`."""
    try:
        await migrate(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


def _read(folder: Traversable) -> list[_Migration]:
    """The migrations in a folder, lowest first."""
    found: dict[int, _Migration] = {}
    for file in folder.iterdir():
        if not file.name.endswith(".sql") or file.name == "rollback.sql":
            continue
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            raise Misconfigured(f"{file.name} in {folder} is no migration: they are named NNNN_name.sql.")
        content = file.read_bytes()
        migration = _Migration(int(match["version"]), file.name, content.decode(), hashlib.sha256(content).digest())
        if (other := found.setdefault(migration.version, migration)) is not migration:
            raise Misconfigured(f"{other.name} and {migration.name} have the same number: renumber one.")
    if not found:
        raise Misconfigured(f"There are no migrations in {folder}: the installation is incomplete, install it again.")
    return [found[version] for version in sorted(found)]


async def _inspect(connection: asyncpg.Connection) -> _State:
    """Reads catalogs and `ledger.migrations` only: waits for nobody who alters or locks any other table."""
    # The catalog as a table, not to_regclass(): that one may answer from a cache older than our wait for the
    # lock, and then says that what the boot before us made is not there.
    rows = await connection.fetch(
        """
        SELECT n.nspname::text AS schema, c.relname::text AS name,
               EXISTS (SELECT FROM pg_catalog.pg_trigger t
                       JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
                       JOIN pg_catalog.pg_namespace f ON f.oid = p.pronamespace
                       WHERE t.tgrelid = c.oid AND f.nspname = 'ledger') AS guarded
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relname = ANY ($1::text[])
           OR n.nspname = 'ledger' AND c.relname = 'migrations'
        """,
        PUBLIC_TABLES,
    )
    applied: dict[int, bytes] = {}
    if any(row["schema"] == "ledger" for row in rows):
        migrations = await connection.fetch("SELECT version, sha256 FROM ledger.migrations")
        applied = {migration["version"]: migration["sha256"] for migration in migrations}
    tables = [row for row in rows if row["schema"] == "public"]
    return _State(
        applied,
        taken=frozenset(table["name"] for table in tables),
        ours=frozenset(table["name"] for table in tables if table["guarded"]),
    )


def _due(migrations: Sequence[_Migration], state: _State) -> list[_Migration]:
    """The migrations to apply, lowest first. Raises `Misconfigured` if files and database do not fit."""
    known = {migration.version: migration for migration in migrations}
    newest = migrations[-1]
    if newer := sorted(version for version in state.applied if version > newest.version):
        raise NewerDatabase(
            f"The database is at version {newer[-1]}, this release knows versions up to {newest.version}: "
            "deploy the newer release; an older one must not write by rules it does not know."
        )
    for version, sha256 in sorted(state.applied.items()):
        if version not in known or known[version].sha256 != sha256:
            raise Misconfigured(
                f"Migration {version} was applied to this database in another form than this release has it: "
                "put the file back as it was, and what should change into a file with the next number."
            )
    _check_tables(state)
    return [migration for migration in migrations if migration.version not in state.applied]


def _check_tables(state: _State) -> None:
    """Raises `Misconfigured` if the public tables are not there exactly as long as migrations are."""
    if not state.applied and state.taken:
        raise Misconfigured(
            "Tables of these names are in schema public already, and no migration of ours made them: "
            f"{_listed(state.taken)}. If they are the portal's own billing tables, save their rows, drop "
            "them or move them out of the way (ALTER TABLE … SET SCHEMA …), and start again."
        )
    if state.applied and (lost := frozenset(PUBLIC_TABLES) - state.ours):
        raise Misconfigured(
            f"The migrations were applied, but these tables of schema public were dropped or replaced since: "
            f"{_listed(lost)}. Restore the backup; or, to begin again with an empty history, run "
            "schema/rollback.sql, which drops what is left, and start again."
        )


def _listed(names: frozenset[str]) -> str:
    return ", ".join(name for name in PUBLIC_TABLES if name in names)


async def _apply(connection: asyncpg.Connection, migration: _Migration) -> None:
    with _translated(connection, f"applying {migration.name}"):
        # Nothing to find and nowhere to create without a schema's name: a file means the same for every role.
        await connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO ledger.migrations (version, name, sha256) VALUES ($1, $2, $3)",
            migration.version,
            migration.name,
            migration.sha256,
        )


@contextmanager
def _translated(connection: asyncpg.Connection, doing: str) -> Iterator[None]:
    """The driver's errors as ours: those that pass by waiting, and those that a person must mend."""
    try:
        yield
    except _WAIT as error:
        raise Unavailable(f"Postgres went away or is busy while {doing}: {error}") from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise Misconfigured(
            f"The database role lacks a right for {doing}: {error}. Make it the owner of the database, or "
            "GRANT it CREATE on the database and on schema public, and start again. (A role that only records gets its "
            "rights by manifests/database/writer.sql.)"
        ) from error
    except asyncpg.PostgresError as error:
        raise Misconfigured(f"Postgres refused {doing}: {error}") from error
    except asyncpg.InterfaceError as error:
        if not connection.is_closed():
            raise  # the connection was not idle: the caller's mistake
        raise Unavailable(f"The connection to Postgres was closed while {doing}: {error}") from error
