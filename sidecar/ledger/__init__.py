"""The ledger: what is delivered. Postgres, through asyncpg; knows neither spool nor retries.

`Ledger` keeps one connection for delivering, makes it when it is needed, and translates the driver's errors into
what the caller can do: wait (`Unavailable`), or split the batch (`Refused`).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import msgspec

from sidecar.errors import Misconfigured, Refused, Unavailable
from sidecar.facts import AnyFact
from sidecar.ledger import statements
from sidecar.ledger.filing import Filed, Filing, file
from sidecar.migrate import NewerDatabase, migrated
from sidecar.transactions import transaction

__all__ = ["BackfillRun", "Delivered", "Filed", "Ledger", "connect", "connected"]

# Seconds. A connection that cannot be made in 10 s is refused or blackholed; a statement has 30 s in the server
# (begin.sql), so an answer that takes 45 s will not come.
_CONNECT_SECONDS = 10
_COMMAND_SECONDS = 45

# SQLSTATE classes (PostgreSQL manual, appendix A) that speak of the data we sent, not of the server's state:
# 21 cardinality, 22 data exception, 23 integrity constraint, 54 program limit, P0 raised by a trigger.
_REFUSED_CLASSES = ("21", "22", "23", "54", "P0")


# A prepared statement is not there, or is already: a pooler has given us another server connection.
_STATEMENT_LOST = ("26000", "42P05")


@dataclass(frozen=True)
class Delivered:
    """Where delivery stands: the version, and when the stream that delivered it was there."""

    version: str
    at: datetime


@dataclass(frozen=True)
class BackfillRun:
    """What one run of the backfill has really inserted; `finished` once all its facts are delivered."""

    finished: bool
    tenants_examined: int
    lifecycle_inserted: int
    events_inserted: int
    suspension_events_inserted: int
    problems: list[str]


class Ledger:
    """Delivers batches of facts, one transaction each."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._cluster_uid: str | None = None
        self._connection: asyncpg.Connection | None = None
        self._was_ours = False  # whether there has been a connection: then this release could write to the database
        # The connection is for one transaction at a time: a second one begun within it would be a savepoint of
        # the first, and "committed" before that is.
        self._turn = asyncio.Lock()

    async def deliver(self, facts: Sequence[AnyFact]) -> Filed:
        """Files the facts and what follows from them, all or nothing; committed when this returns.

        Raises `Unavailable` (nothing is wrong with the batch: wait and deliver it again, also when the answer to
        the COMMIT was lost), `Refused` (Postgres will never take it as it is), `Misconfigured` (stop).
        """
        async with self._transaction() as connection:
            return await file(connection, facts)

    async def accept_removals(self, accepted_by: str) -> int:
        """Ends the tenants that held censuses lack; returns how many. Raises as `deliver` does."""
        async with self._transaction() as connection:
            return await Filing(connection).accept_removals(accepted_by)

    async def begin_backfill(self, asked_by: str) -> int:
        """Opens a run; returns its number. Raises as `deliver` does."""
        async with self._transaction() as connection:
            run: int = await connection.fetchval(statements.BEGIN_BACKFILL, asked_by)
        return run

    async def backfill(self, run: int) -> BackfillRun:
        """How far a run has come. Raises as `deliver` does."""
        async with self._transaction() as connection:
            (row,) = await connection.fetch(statements.SELECT_BACKFILL, run)
        return BackfillRun(
            finished=row["finished"],
            tenants_examined=row["tenants_examined"],
            lifecycle_inserted=row["lifecycle_inserted"],
            events_inserted=row["events_inserted"],
            suspension_events_inserted=row["suspension_events_inserted"],
            problems=msgspec.json.decode(row["problems"], type=list[str]),
        )

    async def adopted(self) -> bool:
        """Whether the tenants older than our history were adopted. Raises as `deliver` does."""
        async with self._transaction() as connection:
            done: bool = await connection.fetchval("SELECT adopted_at IS NOT NULL FROM ledger.history")
        return done

    async def delivered(self) -> Delivered | None:
        """Where delivery stands; None in a new ledger. Raises as `deliver` does."""
        async with self._transaction() as connection:
            row = await connection.fetchrow(statements.SELECT_DELIVERED)
        return Delivered(row["version"], row["at"]) if row is not None else None

    def of_cluster(self, cluster_uid: str) -> None:
        """From now on, a ledger of another cluster is refused (`Misconfigured`): checked when a connection is made."""
        if cluster_uid == self._cluster_uid:
            return
        self._cluster_uid = cluster_uid
        if self._connection is not None:
            self._connection.terminate()  # it was made without that check

    async def close(self) -> None:
        """Ends the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._turn:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._connect()
                # READ COMMITTED: a snapshot older than the wait for the writers' lock loses events.
                async with transaction(self._connection, isolation="read_committed"):
                    yield self._connection
            except asyncpg.PostgresError as error:
                if error.sqlstate in _STATEMENT_LOST:
                    await self.close()
                raise translated(error) from error
            except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                await self.close()  # an answer may be outstanding: this connection's state is not known any more
                raise Unavailable(f"Postgres does not answer: {error!r}") from error
            except asyncio.CancelledError:
                await self.close()  # for the same reason
                raise

    async def _connect(self) -> asyncpg.Connection:
        try:
            connection = await connect(self._database_url)
        except NewerDatabase as error:
            if not self._was_ours:
                raise
            # In the middle of a rolling update. What is recorded waits in the spool; to end would change nothing, and
            # take the pod that this may be a part of out of service before its successor is there.
            raise Unavailable(f"{error} This process records and waits to be replaced.") from error
        try:
            await self._check_cluster(connection)
        except BaseException:
            connection.terminate()
            raise
        self._was_ours = True
        return connection

    async def _check_cluster(self, connection: asyncpg.Connection) -> None:
        theirs = await connection.fetchval("SELECT cluster_uid FROM ledger.history")
        if self._cluster_uid is not None and theirs not in {None, self._cluster_uid}:
            raise Misconfigured(
                f"DATABASE_URL is the ledger of the cluster whose kube-system namespace has uid {theirs}, but this "
                f"sidecar watches {self._cluster_uid}: one ledger records one cluster; correct DATABASE_URL or "
                "KUBECONFIG"
            )


@asynccontextmanager
async def connected(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of one's own for as long as the block lasts. Raises as `Ledger.deliver` does."""
    try:
        connection = await connect(database_url)
    except asyncpg.PostgresError as error:
        raise translated(error) from error
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"Postgres does not answer: {error!r}") from error
    try:
        yield connection
    finally:
        connection.terminate()


async def connect(database_url: str) -> asyncpg.Connection:
    """A connection to a database that has our schema: applies the migrations that are due.

    Raises the driver's errors, those of `migrate`, and `Misconfigured` for an address that is none.
    """
    try:
        connection = await asyncpg.connect(
            database_url,
            timeout=_CONNECT_SECONDS,
            command_timeout=_COMMAND_SECONDS,
            server_settings={"application_name": "billing-sidecar"},
        )
    except ValueError as error:  # the driver's own words may quote a part of the password
        raise Misconfigured(
            "DATABASE_URL is no address of a Postgres: postgresql://user:password@host:port/name, where "
            "characters like / # @ in the password are written as %2F %23 %40"
        ) from error
    return await migrated(connection)


def translated(error: asyncpg.PostgresError) -> Unavailable | Refused:
    """What the caller can do about a driver's error: wait, or split the batch and set the bad fact aside."""
    state = error.sqlstate or "client"
    if error.sqlstate is None or error.sqlstate[:2] in _REFUSED_CLASSES:
        # Without the DETAIL, which quotes the row with its new number and time: a fact that is refused again would
        # look like another anomaly. The fact is kept whole beside this.
        return Refused(f"Postgres refuses the batch: {state} {error.args[0]}")
    return Unavailable(f"Postgres cannot take the batch now: {state} {error}")
