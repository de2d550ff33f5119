"""What docs/data-protection.md tells the owner of the database to do about people's data."""

import re
from pathlib import Path

import asyncpg
import pytest

from sidecar.verify import verify
from tests.support import upgrade

DOCUMENT = Path(__file__).parents[2] / "docs/data-protection.md"
STRIP, ASKED = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


async def test_addresses_can_be_taken_away_and_everything_else_holds(database):
    await upgrade.restore("0.1.0", database)
    connection = await asyncpg.connect(database)
    try:
        held = "SELECT count(*) FROM ledger.attributions WHERE source_ips <> '{}' OR user_agent IS NOT NULL"
        authors = "SELECT * FROM ledger.authors ORDER BY tenant_uid, generation"
        named = await connection.fetch(authors)
        assert await connection.fetchval(held) > 0
        assert await connection.fetch(ASKED.replace("alice@example.org", "alice"))
        await connection.execute(STRIP.replace("1 year", "0"))
        assert await connection.fetchval(held) == 0
        assert await connection.fetch(authors) == named
        assert not (await verify(connection)).differences
        with pytest.raises(asyncpg.RestrictViolationError, match="is refused"):
            await connection.execute("DELETE FROM ledger.attributions")
    finally:
        await connection.close()
