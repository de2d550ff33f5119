"""What docs/data-protection.md tells the owner of the database to do about people's data."""

import re
from pathlib import Path

import asyncpg
import pytest

from sidecar.verify import verify
from tests.support import upgrade

DOCUMENT = Path(__file__).parents[2] / "docs/data-protection.md"
STRIP, ASKED = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


async def test_all_that_names_a_person_is_found(database):
    await upgrade.restore("0.1.0", database)
    connection = await asyncpg.connect(database)
    try:
        for statement in (
            "INSERT INTO ledger.backfills (asked_by) VALUES ('alice')",
            "UPDATE ledger.history SET adopted_at = now(), adopted_by = 'alice'",
            "INSERT INTO ledger.censuses (version, sent_at, answered_at, uids, gone, accepted_at, accepted_by)"
            " VALUES (1, now(), now(), '{}', '{}', now(), 'alice')",
            "UPDATE platform_pricing SET tenant_setup_fee_chf = 1, updated_at = now(), updated_by = 'alice'",
            "INSERT INTO skill_pricing (skill_id, daily_price_chf, updated_by) VALUES ('wiki', 1, 'alice')",
            "INSERT INTO ledger.anomalies (kind, detail) VALUES ('set_aside', '{\"fact\": \"[…alice…]\"}')",
        ):
            await connection.execute(statement)
        found = await connection.fetch(ASKED.replace("alice@example.org", "alice"))
        assert all("alice" in row["stored"] for row in found)
        assert {row["place"] for row in found} == {
            *("attributions", "backfills", "history", "censuses"),
            *("platform_pricing", "skill_pricing", "pricing_history", "anomalies"),
        }
    finally:
        await connection.close()


async def test_every_column_that_says_who_did_something_is_looked_at(ledger_database):
    connection = await asyncpg.connect(ledger_database)
    columns = await connection.fetch("""
        SELECT c.table_schema || '.' || c.table_name AS where, c.column_name
        FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE table_schema IN ('public', 'ledger') AND table_type = 'BASE TABLE'
          AND (column_name LIKE '%\\_by' OR column_name = 'actor')""")
    assert await connection.fetch(ASKED) == []  # it runs, and in an empty ledger nobody is named
    await connection.close()
    assert len(columns) > 8
    looked_at = dict(re.findall(r"FROM ((?:ledger|public)\.\w+) \w+, person\s+WHERE ([^;]*?)(?=UNION|;)", ASKED))
    assert [row for row in columns if row["column_name"] not in looked_at.get(row["where"], "")] == []


async def test_addresses_can_be_taken_away_and_everything_else_holds(database):
    await upgrade.restore("0.1.0", database)
    connection = await asyncpg.connect(database)
    try:
        held = "SELECT count(*) FROM ledger.attributions WHERE source_ips <> '{}' OR user_agent IS NOT NULL"
        authors = "SELECT * FROM ledger.authors ORDER BY tenant_uid, generation"
        named = await connection.fetch(authors)
        assert await connection.fetchval(held) > 0
        await connection.execute(STRIP.replace("1 year", "0"))
        assert await connection.fetchval(held) == 0
        assert await connection.fetch(authors) == named
        assert not (await verify(connection)).differences
        with pytest.raises(asyncpg.RestrictViolationError, match="is refused"):
            await connection.execute("DELETE FROM ledger.attributions")
    finally:
        await connection.close()
