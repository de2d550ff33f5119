"""Real parts for all tests: a Postgres server for the session, an empty or migrated database for each test."""

import asyncio
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import hypothesis
import pytest

from sidecar.demo.postgres import embedded_postgres
from sidecar.migrate import migrate

Databases = Callable[[], AbstractAsyncContextManager[str]]

# A property fails by what it finds, never because the machine was busy: by default an example may take 200 ms, and
# making them a second.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")


def _database(server: str, name: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


@asynccontextmanager
async def _created(server: str, like: str = "template1") -> AsyncIterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(server)
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"')
        try:
            yield _database(server, name)
        finally:
            await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a Postgres server where databases can be created: DATABASE_URL, or the embedded one."""
    if given := os.environ.get("DATABASE_URL"):
        yield given
        return
    with (
        tempfile.TemporaryDirectory(prefix="sidecar-postgres-") as folder,
        embedded_postgres(Path(folder)) as address,
    ):
        yield address


@pytest.fixture
async def database(postgres_server: str) -> AsyncIterator[str]:
    """The address of an empty database, dropped after the test."""
    async with _created(postgres_server) as address:
        yield address


@pytest.fixture(scope="session")
def ledgers(postgres_server: str) -> Iterator[Databases]:
    """Makes migrated, empty databases, as copies of one template; each lasts for an `async with`."""

    async def migrated(name: str) -> None:
        admin = await asyncpg.connect(postgres_server)
        await admin.execute(f'CREATE DATABASE "{name}"')
        await admin.close()
        connection = await asyncpg.connect(_database(postgres_server, name))
        await migrate(connection)
        await connection.close()

    async def dropped(name: str) -> None:
        admin = await asyncpg.connect(postgres_server)
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()

    template = f"template_{secrets.token_hex(6)}"
    asyncio.run(migrated(template))
    yield lambda: _created(postgres_server, template)
    asyncio.run(dropped(template))


@pytest.fixture(scope="session")
def ledger_address(ledgers: Databases) -> Iterator[str]:
    """The address of one migrated, empty database for tests that roll back what they do."""
    with asyncio.Runner() as runner:
        database = ledgers()
        yield runner.run(database.__aenter__())
        runner.run(database.__aexit__(None, None, None))


@pytest.fixture
async def ledger_database(ledgers: Databases) -> AsyncIterator[str]:
    """The address of a migrated, empty database, dropped after the test."""
    async with ledgers() as address:
        yield address
