"""The rules that the database keeps about the eleven billing tables, each tried on a real Postgres."""

import asyncio
import hashlib
import itertools
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from sidecar.migrate import PUBLIC_TABLES

UID = UUID("11111111-1111-4111-8111-111111111111")
OTHER_UID = UUID("22222222-2222-4222-8222-222222222222")
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
INVOICE_ID = 1001  # not what the identity column would draw next
PDF = b"%PDF-1.7"
PDF_SHA256 = hashlib.sha256(PDF).digest()

SKILL_EVENT = {
    "tenant_uid": UID,
    "tenant_name": "acme",
    "skill_id": "threema",
    "event_kind": "enabled",
    "generation": 1,
    "occurred_at": NOON,
    "not_before": NOON - timedelta(seconds=1),
    "time_source": "watch",
    "source": "watch",
}
SUSPENSION_EVENT = {k: v for k, v in SKILL_EVENT.items() if k != "skill_id"} | {"event_kind": "suspended"}
LIFECYCLE = {
    "tenant_uid": UID,
    "tenant_name": "acme",
    "created_at": NOON,
    "deleted_at": NOON + timedelta(days=1),
    "deleted_not_before": NOON,
    "deleted_source": "watch",
    "source": "watch",
}
INVOICE = {
    "id": INVOICE_ID,
    "number_year": 2026,
    "number_seq": 1,
    "invoice_number": "2026-0001",
    "zitadel_org_id": "org-1",
    "billing_kind": "periodic",
    "period_start": date(2026, 10, 1),
    "period_end": date(2026, 11, 1),
    "issue_date": date(2026, 11, 22),
    "issued_at": NOON,
    "due_date": date(2026, 12, 22),
    "supplier": "{}",
    "customer": "{}",
    "vat_treatment": "chli",
    "vat_breakdown": "[]",
    "subtotal_chf": Decimal("100.00"),
    "vat_amount_chf": Decimal("8.10"),
    "rounding_chf": Decimal("0.00"),
    "total_chf": Decimal("108.10"),
    "basis": '{"days": 1.0}',
    "basis_sha256": bytes(32),
    "created_by": "cron",
}
SET_ONCE = {
    "pdf": PDF,
    "pdf_sha256": PDF_SHA256,
    "sent_at": NOON,
    "paid_at": NOON,
    "paid_method": "bank",
    "paid_note": "thanks",
    "stripe_payment_intent_id": "pi_1",
    "cancelled_at": NOON,
}
LINE = {
    "invoice_id": INVOICE_ID,
    "position": 1,
    "line_kind": "skill",
    "description": "Threema",
    "service_start": date(2026, 10, 1),
    "service_end": date(2026, 11, 1),
    "quantity": Decimal(31),
    "unit": "day",
    "unit_price_chf": Decimal("0.10"),
    "amount_chf": Decimal("3.10"),
    "vat_rate": Decimal("8.10"),
}
REMINDER = {
    "invoice_id": INVOICE_ID,
    "level": 1,
    "sent_at": NOON,
    "sent_to": ["billing@acme.example"],
    "channel": "email",
    "language": "de",
    "new_due_date": date(2027, 1, 10),
    "open_amount_chf": Decimal("108.10"),
    "pdf": PDF,
    "pdf_sha256": PDF_SHA256,
    "created_by": "cron",
}
PAYMENT_METHOD = {
    "zitadel_org_id": "org-1",
    "stripe_payment_method_id": "pm_1",
    "method_type": "card",
    "last4": "4242",
    "exp_month": 12,
    "exp_year": 2030,
}
VALID: dict[str, dict[str, Any]] = {
    "platform_pricing": {},
    "skill_pricing": {"skill_id": "threema", "daily_price_chf": Decimal("0.10")},
    "tenant_billing_lifecycle": LIFECYCLE,
    "tenant_skill_events": SKILL_EVENT,
    "tenant_suspension_events": SUSPENSION_EVENT,
    "org_billing_config": {"zitadel_org_id": "org-1"},
    "org_payment_methods": PAYMENT_METHOD,
    "invoice_number_counters": {"year": 2026, "last_number": 1},
    "invoices": INVOICE,
    "invoice_lines": LINE,
    "invoice_reminders": REMINDER,
}
"""A row that each table accepts, in the order of their references. platform_pricing has its one already."""

STEP_7 = """\
UPDATE platform_pricing
SET tenant_monthly_fee_chf = 49.00,
tenant_setup_fee_chf = 99.00,
threema_message_chf = 0.005
WHERE id = 1;

INSERT INTO skill_pricing (skill_id, daily_price_chf)
VALUES ('searxng-local-search', 0.10)
ON CONFLICT (skill_id) DO UPDATE
SET daily_price_chf = EXCLUDED.daily_price_chf;
"""
"""As the acceptance steps of Billing Phase 1 have it, to the letter."""

DRAW_NUMBER = """
INSERT INTO invoice_number_counters AS c VALUES ($1, 1)
ON CONFLICT (year) DO UPDATE SET last_number = c.last_number + 1 RETURNING last_number
"""


@pytest.fixture
async def connection(ledger_address: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a migrated database, in a transaction that is rolled back after the test."""
    connection = await asyncpg.connect(ledger_address)
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


@pytest.fixture
async def alone(ledger_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a migrated database of the test's own, where others can see what it commits."""
    connection = await asyncpg.connect(ledger_database)
    yield connection
    await connection.close()


async def insert(connection: asyncpg.Connection, table: str, row: dict[str, Any]) -> None:
    columns = ", ".join(row)
    values = ", ".join(f"${position}" for position in range(1, len(row) + 1))
    async with connection.transaction():  # a savepoint: the test goes on after a refusal
        await connection.execute(
            f"INSERT INTO public.{table} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})",
            *row.values(),
        )


async def insert_valid_rows(connection: asyncpg.Connection) -> None:
    for table, row in VALID.items():
        if row:
            await insert(connection, table, row)


async def refusal(
    connection: asyncpg.Connection, error: type[asyncpg.PostgresError], statement: str, *values: object
) -> asyncpg.PostgresError:
    """Asserts that Postgres refuses the statement with this error, and gives the error back."""
    try:
        async with connection.transaction():
            await connection.execute(statement, *values)
    except error as refused:
        return refused
    pytest.fail(f"was not refused: {statement}")


async def columns_of(connection: asyncpg.Connection, *types: str) -> list[tuple[str, str, str]]:
    """(table, column, type) of schema public's columns of these types, or of all if no type is given."""
    rows = await connection.fetch(
        """
        SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns
        WHERE table_schema = 'public' AND ($1::text[] = '{}' OR data_type = ANY ($1))
        ORDER BY table_name, ordinal_position
        """,
        types,
    )
    return [tuple(row) for row in rows]


# The schema as a whole


async def test_public_has_the_eleven_tables_and_nothing_else(connection: asyncpg.Connection) -> None:
    tables = await connection.fetch(
        """
        SELECT relname::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('i', 'S')
        """
    )
    assert len(tables) == 11
    assert {row["relname"] for row in tables} == set(PUBLIC_TABLES) == set(VALID)


async def test_every_guard_works_under_session_replication_role(connection: asyncpg.Connection) -> None:
    guards = await connection.fetch(
        """
        SELECT tgrelid::regclass::text AS on_table, tgname::text, tgenabled = 'A'::"char" AS always
        FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid WHERE p.pronamespace = 'ledger'::regnamespace
        """
    )
    assert {guard["on_table"] for guard in guards} >= set(PUBLIC_TABLES)
    assert [tuple(guard) for guard in guards if not guard["always"]] == []

    await insert(connection, "tenant_skill_events", SKILL_EVENT)
    await connection.execute("SET session_replication_role = replica")
    await refusal(connection, asyncpg.RestrictViolationError, "DELETE FROM tenant_skill_events")


async def test_no_callers_schema_can_shadow_an_operator_in_a_guard(connection: asyncpg.Connection) -> None:
    functions = await connection.fetch(
        """
        SELECT proname::text, proconfig FROM pg_proc
        WHERE pronamespace = 'ledger'::regnamespace AND prorettype = 'trigger'::regtype
        """
    )
    assert len(functions) >= 7
    assert {f["proname"]: f["proconfig"] for f in functions} == {
        f["proname"]: ["search_path=pg_catalog, pg_temp"] for f in functions
    }


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "with a row"])
@pytest.mark.parametrize(
    ("table", "refused"),
    [
        ("public.tenant_skill_events", "UPDATE DELETE TRUNCATE"),
        ("public.tenant_suspension_events", "UPDATE DELETE TRUNCATE"),
        ("public.invoice_lines", "UPDATE DELETE TRUNCATE"),
        ("public.invoice_reminders", "UPDATE DELETE TRUNCATE"),
        ("ledger.pricing_history", "UPDATE DELETE TRUNCATE"),
        ("ledger.migrations", "UPDATE DELETE TRUNCATE"),
        ("public.platform_pricing", "DELETE TRUNCATE"),
        ("public.tenant_billing_lifecycle", "DELETE TRUNCATE"),
        ("public.org_payment_methods", "DELETE TRUNCATE"),
        ("public.invoice_number_counters", "DELETE TRUNCATE"),
        ("public.invoices", "DELETE TRUNCATE"),
        ("public.skill_pricing", "TRUNCATE"),
    ],
)
async def test_what_was_recorded_cannot_be_changed_or_removed(
    connection: asyncpg.Connection, table: str, refused: str, filled: bool
) -> None:
    if filled:
        await insert_valid_rows(connection)
    column = await connection.fetchval(
        """
        SELECT attname::text FROM pg_attribute
        WHERE attrelid = $1::text::regclass ORDER BY attnum DESC LIMIT 1
        """,
        table,
    )
    statements = {
        "UPDATE": f"UPDATE {table} SET {column} = {column} WHERE ",
        "DELETE": f"DELETE FROM {table} WHERE ",
        "TRUNCATE": f"TRUNCATE {table} CASCADE",
    }
    for operation in refused.split():
        # CASCADE takes the tables that refer to this one with it, and any of them may be the first to refuse
        tables = {table} if operation != "TRUNCATE" else {table, "public.invoice_lines", "public.invoice_reminders"}
        for matches in ["false", "true"] if operation != "TRUNCATE" else [""]:
            error = await refusal(connection, asyncpg.RestrictViolationError, statements[operation] + matches)
            assert error.args[0] in {f"{operation} on {name} is refused" for name in tables}
            assert f"{error.schema_name}.{error.table_name}" in tables
            assert error.hint


async def test_no_amount_may_be_nan_or_infinite(connection: asyncpg.Connection) -> None:
    numerics = await columns_of(connection, "numeric")
    assert len(numerics) == 4 + 1 + 4 + 4 + 2  # platform, skills, invoices, lines, reminders
    for table, column, _ in numerics:
        for value, error in [
            (Decimal("NaN"), asyncpg.CheckViolationError),
            (Decimal("Infinity"), asyncpg.NumericValueOutOfRangeError),
        ]:
            with pytest.raises(error):
                await insert(connection, table, VALID[table] | {column: value})


async def test_times_and_dates_from_outside_are_finite(connection: asyncpg.Connection) -> None:
    infinite = {  # the driver's words for infinity and -infinity
        "timestamp with time zone": [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)],
        "date": [date.max, date.min],
    }
    for kind, values in infinite.items():
        for value, meant in zip(values, ["infinity", "-infinity"], strict=True):
            assert await connection.fetchval(f"SELECT $1::{kind} = '{meant}'", value)
    set_by_the_database = {
        (table, "recorded_at")
        for table in ("tenant_billing_lifecycle", "tenant_skill_events", "tenant_suspension_events")
    } | {("org_billing_config", "created_at"), ("org_payment_methods", "created_at")}
    tried = 0
    for table, column, kind in await columns_of(connection, *infinite):
        if (table, column) not in set_by_the_database:
            for value in infinite[kind]:
                with pytest.raises(asyncpg.CheckViolationError):
                    await insert(connection, table, VALID[table] | {column: value})
            tried += 1
    assert tried >= 21


# Prices


async def test_the_platforms_prices_start_at_zero_and_vat_at_8_10(connection: asyncpg.Connection) -> None:
    row = await connection.fetchrow("SELECT * FROM platform_pricing")
    printed = {column: str(value) for column, value in row.items() if not column.startswith("updated_")}
    assert printed == {
        "id": "1",
        "tenant_monthly_fee_chf": "0.00",
        "tenant_setup_fee_chf": "0.00",
        "threema_message_chf": "0.00000",
        "vat_rate_chli": "8.10",
    }


async def test_the_platform_has_exactly_one_row_of_prices(connection: asyncpg.Connection) -> None:
    await refusal(connection, asyncpg.CheckViolationError, "INSERT INTO platform_pricing (id) VALUES (2)")
    await refusal(connection, asyncpg.UniqueViolationError, "INSERT INTO platform_pricing DEFAULT VALUES")
    await refusal(connection, asyncpg.CheckViolationError, "UPDATE platform_pricing SET id = 2")
    await refusal(connection, asyncpg.RestrictViolationError, "DELETE FROM platform_pricing")
    assert await connection.fetchval("SELECT count(*) FROM platform_pricing") == 1


async def test_prices_are_not_negative_and_vat_is_at_most_all_of_it(connection: asyncpg.Connection) -> None:
    for _, column, _ in [c for c in await columns_of(connection, "numeric") if c[0] == "platform_pricing"]:
        await refusal(
            connection,
            asyncpg.CheckViolationError,
            f"UPDATE platform_pricing SET {column} = -0.01",
        )
    await refusal(connection, asyncpg.CheckViolationError, "UPDATE platform_pricing SET vat_rate_chli = 100.01")
    await refusal(connection, asyncpg.CheckViolationError, "INSERT INTO skill_pricing VALUES ('threema', -0.00001)")


async def test_a_finer_amount_than_its_column_is_rounded_silently_so_writers_check_the_scale_before(
    connection: asyncpg.Connection,
) -> None:
    row = await connection.fetchrow(
        "UPDATE platform_pricing SET tenant_setup_fee_chf = 0.005, threema_message_chf = 0.005 RETURNING *"
    )
    assert (str(row["tenant_setup_fee_chf"]), str(row["threema_message_chf"])) == ("0.01", "0.00500")


@pytest.fixture
async def portal(ledger_database: str, alone: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """A connection of a role that may use the tables of schema public, and nothing else."""
    role, password = f"portal_{secrets.token_hex(6)}", secrets.token_hex(16)
    await alone.execute(
        f"""
        CREATE ROLE {role} LOGIN PASSWORD '{password}';
        GRANT USAGE ON SCHEMA public TO {role};
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
        """
    )
    portal = await asyncpg.connect(ledger_database, user=role, password=password)
    yield portal
    await portal.close()
    await alone.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_step_7_works_for_a_role_that_may_use_only_public_and_its_prices_are_recorded(
    alone: asyncpg.Connection, portal: asyncpg.Connection
) -> None:
    role = await portal.fetchval("SELECT session_user::text")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await portal.fetch("SELECT * FROM ledger.pricing_history")

    await portal.execute(STEP_7)
    await portal.execute(STEP_7)

    assert [str(price) for price in (await portal.fetchrow("SELECT * FROM platform_pricing"))[1:4]] == [
        "49.00",
        "99.00",
        "0.00500",
    ]
    assert str(await portal.fetchval("SELECT daily_price_chf FROM skill_pricing")) == "0.10000"
    history = await alone.fetch(
        """
        SELECT table_name, operation, changed_by FROM ledger.pricing_history
        WHERE changed_by = $1 ORDER BY id
        """,
        role,
    )
    assert [tuple(row) for row in history] == [
        ("platform_pricing", "UPDATE", role),
        ("skill_pricing", "INSERT", role),
        ("platform_pricing", "UPDATE", role),
        ("skill_pricing", "UPDATE", role),
    ]


async def test_a_role_without_rights_on_the_ledger_cannot_write_price_history_by_other_means(
    alone: asyncpg.Connection, portal: asyncpg.Connection
) -> None:
    await alone.execute("CREATE SCHEMA own; GRANT ALL ON SCHEMA own TO PUBLIC; GRANT USAGE ON SCHEMA ledger TO PUBLIC")
    await portal.execute("CREATE TABLE own.prices (id int)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await portal.execute(
            "CREATE TRIGGER t AFTER INSERT ON own.prices FOR EACH ROW EXECUTE FUNCTION ledger.record_price()"
        )


async def test_every_version_of_every_price_stays_known(connection: asyncpg.Connection) -> None:
    await connection.execute("INSERT INTO skill_pricing (skill_id, daily_price_chf) VALUES ('threema', 0.10)")
    await connection.execute("UPDATE skill_pricing SET daily_price_chf = 0.20")
    await connection.execute("DELETE FROM skill_pricing")
    history = await connection.fetch(
        """
        SELECT operation, row_before ->> 'daily_price_chf', row_after ->> 'daily_price_chf', changed_by
        FROM ledger.pricing_history ORDER BY id
        """
    )
    me = await connection.fetchval("SELECT session_user::text")
    assert [tuple(row) for row in history] == [
        ("INSERT", None, None, me),  # the platform's row
        ("INSERT", None, "0.10000", me),
        ("UPDATE", "0.10000", "0.20000", me),
        ("DELETE", "0.20000", None, me),
    ]


async def test_a_price_names_who_set_it_and_never_who_set_the_one_before(
    connection: asyncpg.Connection,
) -> None:
    me = await connection.fetchval("SELECT session_user::text")
    by_alice = "UPDATE platform_pricing SET threema_message_chf = $1, updated_at = $2, updated_by = 'alice'"
    newest = "SELECT updated_by, updated_at > $1 FROM platform_pricing"
    before = await connection.fetchval("SELECT updated_at FROM platform_pricing")

    await connection.execute(by_alice, Decimal("0.01"), before + timedelta(seconds=1))
    assert tuple(await connection.fetchrow(newest, before)) == ("alice", True)
    await connection.execute(by_alice, Decimal("0.02"), before - timedelta(seconds=1))
    assert tuple(await connection.fetchrow(newest, before)) == ("alice", False)
    await connection.execute("UPDATE platform_pricing SET threema_message_chf = 0.03")
    assert tuple(await connection.fetchrow(newest, before)) == (me, True)


# Tenants


async def test_a_name_has_one_living_tenant(connection: asyncpg.Connection) -> None:
    alive = {"deleted_at": None, "deleted_not_before": None, "deleted_source": None}
    await insert(connection, "tenant_billing_lifecycle", LIFECYCLE)
    await insert(connection, "tenant_billing_lifecycle", LIFECYCLE | alive | {"tenant_uid": OTHER_UID})
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(connection, "tenant_billing_lifecycle", LIFECYCLE | alive | {"tenant_uid": UUID(int=3)})


async def test_an_end_moves_earlier_only(connection: asyncpg.Connection) -> None:
    end = LIFECYCLE["deleted_at"]
    await insert(connection, "tenant_billing_lifecycle", LIFECYCLE)
    set_end = "UPDATE tenant_billing_lifecycle SET deleted_at = $1"
    await refusal(connection, asyncpg.RestrictViolationError, set_end, end + timedelta(microseconds=1))
    await refusal(
        connection,
        asyncpg.RestrictViolationError,
        """
        UPDATE tenant_billing_lifecycle
        SET deleted_at = NULL, deleted_not_before = NULL, deleted_source = NULL
        """,
    )
    await connection.execute(set_end, end)
    await connection.execute("UPDATE tenant_billing_lifecycle SET deleted_source = 'audit'")  # same end, better known
    await connection.execute(set_end, end - timedelta(hours=1))
    assert await connection.fetchval("SELECT deleted_at FROM tenant_billing_lifecycle") == end - timedelta(hours=1)


async def test_a_tenant_does_not_end_before_it_began(connection: asyncpg.Connection) -> None:
    before = {"deleted_at": NOON - timedelta(microseconds=1), "deleted_not_before": None}
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(connection, "tenant_billing_lifecycle", LIFECYCLE | before)
    await insert(connection, "tenant_billing_lifecycle", LIFECYCLE | before | {"deleted_at": NOON})


@pytest.mark.parametrize(
    "wrong",
    [
        {"deleted_source": None},
        {"deleted_source": "guess"},
        {"deleted_at": None, "deleted_source": None},  # leaves deleted_not_before
        {"deleted_not_before": LIFECYCLE["deleted_at"] + timedelta(seconds=1)},
        {"source": "portal"},
    ],
)
async def test_an_end_comes_with_how_it_is_known(connection: asyncpg.Connection, wrong: dict[str, Any]) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(connection, "tenant_billing_lifecycle", LIFECYCLE | wrong)


@pytest.mark.parametrize(
    "change",
    ["tenant_uid = gen_random_uuid()", "tenant_name = 'b'", "created_at = created_at - interval '1 s'"],
)
async def test_who_a_tenant_is_never_changes(connection: asyncpg.Connection, change: str) -> None:
    await insert(connection, "tenant_billing_lifecycle", LIFECYCLE)
    await refusal(
        connection,
        asyncpg.RestrictViolationError,
        f"UPDATE tenant_billing_lifecycle SET {change}",
    )
    await connection.execute("UPDATE tenant_billing_lifecycle SET zitadel_org_id = 'org-2'")


async def test_a_skill_has_one_state_in_a_generation(connection: asyncpg.Connection) -> None:
    await insert(connection, "tenant_skill_events", SKILL_EVENT)
    for other in [{"skill_id": "searxng"}, {"generation": 2}, {"tenant_uid": OTHER_UID}]:
        await insert(connection, "tenant_skill_events", SKILL_EVENT | other)
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(connection, "tenant_skill_events", SKILL_EVENT | {"event_kind": "disabled"})


async def test_a_tenant_is_suspended_or_resumed_once_in_a_generation(connection: asyncpg.Connection) -> None:
    await insert(connection, "tenant_suspension_events", SUSPENSION_EVENT)
    await insert(connection, "tenant_suspension_events", SUSPENSION_EVENT | {"generation": 2})
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(connection, "tenant_suspension_events", SUSPENSION_EVENT | {"event_kind": "resumed"})


@pytest.mark.parametrize("table", ["tenant_skill_events", "tenant_suspension_events"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"event_kind": "deleted"},
        {"generation": 0},
        {"not_before": NOON + timedelta(microseconds=1)},
        {"time_source": "guess"},
        {"source": "portal"},
    ],
)
async def test_an_event_that_cannot_be_is_refused(
    connection: asyncpg.Connection, table: str, wrong: dict[str, Any]
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(connection, table, VALID[table] | wrong)


@pytest.mark.parametrize("table", ["tenant_skill_events", "tenant_suspension_events"])
async def test_the_newest_events_of_a_name_come_from_an_index(connection: asyncpg.Connection, table: str) -> None:
    columns = ", ".join(VALID[table])
    values = ", ".join(f"${position}" for position in range(1, len(VALID[table]) + 1))
    rows = [
        VALID[table] | {"tenant_name": f"t{tenant}", "tenant_uid": UUID(int=tenant), "generation": generation}
        for tenant, generation in itertools.product(range(300), range(1, 11))
    ]
    await connection.executemany(
        f"INSERT INTO {table} ({columns}) VALUES ({values})",
        [tuple(row.values()) for row in rows],
    )
    await connection.execute(f"ANALYZE {table}")
    plan = await connection.fetch(f"EXPLAIN SELECT * FROM {table} WHERE tenant_name = 't7' ORDER BY id DESC LIMIT 3")
    steps = [line["QUERY PLAN"] for line in plan]
    assert any(f"Index Scan using {table}_name" in step for step in steps), steps
    assert not any("Sort" in step for step in steps), steps


# Customers


async def test_an_organisation_known_by_its_id_alone_has_the_defaults(connection: asyncpg.Connection) -> None:
    await insert(connection, "org_billing_config", VALID["org_billing_config"])
    row = dict(await connection.fetchrow("SELECT * FROM org_billing_config"))
    assert {column: value for column, value in row.items() if value is not None and not column.endswith("_at")} == {
        "zitadel_org_id": "org-1",
        "pay_by_invoice": False,
        "auto_invoice_enabled": False,
        "auto_reminders_enabled": False,
        "payment_terms_days": 30,
        "country": "CH",
        "language": "de",
        "vat_treatment": "chli",
    }


@pytest.mark.parametrize(
    "wrong", ["vat_treatment = 'none'", "country = 'Schweiz'", "language = 'DE'", "payment_terms_days = -1"]
)
async def test_a_billing_config_that_cannot_be_is_refused(connection: asyncpg.Connection, wrong: str) -> None:
    await insert(connection, "org_billing_config", VALID["org_billing_config"])
    await refusal(
        connection,
        asyncpg.CheckViolationError,
        f"UPDATE org_billing_config SET {wrong}",
    )


async def test_a_changed_billing_config_says_when(connection: asyncpg.Connection) -> None:
    await insert(connection, "org_billing_config", VALID["org_billing_config"])
    await connection.execute("UPDATE org_billing_config SET pay_by_invoice = true")
    assert await connection.fetchval("SELECT updated_at > created_at FROM org_billing_config")


async def test_one_statement_can_swap_the_default_payment_method_and_there_are_never_two(
    connection: asyncpg.Connection,
) -> None:
    await insert(connection, "org_billing_config", VALID["org_billing_config"])
    await insert(connection, "org_billing_config", {"zitadel_org_id": "org-2"})
    for name, other in {"pm_1": {}, "pm_2": {}, "pm_3": {"zitadel_org_id": "org-2"}}.items():
        await insert(
            connection,
            "org_payment_methods",
            PAYMENT_METHOD | {"stripe_payment_method_id": name, "is_default": name != "pm_2"} | other,
        )
    for default in ["pm_2", "pm_1"]:
        await connection.execute(
            """
            UPDATE org_payment_methods SET is_default = stripe_payment_method_id = $1
            WHERE zitadel_org_id = 'org-1'
            """,
            default,
        )
        defaults = await connection.fetch(
            """
            SELECT stripe_payment_method_id FROM org_payment_methods
            WHERE is_default AND zitadel_org_id = 'org-1'
            """
        )
        assert [row[0] for row in defaults] == [default]
    await refusal(connection, asyncpg.ExclusionViolationError, "UPDATE org_payment_methods SET is_default = true")


async def test_a_detached_payment_method_is_no_default(connection: asyncpg.Connection) -> None:
    await insert(connection, "org_billing_config", VALID["org_billing_config"])
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(connection, "org_payment_methods", PAYMENT_METHOD | {"is_default": True, "detached_at": NOON})


# Invoices


async def test_invoice_numbers_of_a_year_count_from_one_by_one(connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.RestrictViolationError):
        await insert(connection, "invoice_number_counters", {"year": 2026, "last_number": 2})
    assert [await connection.fetchval(DRAW_NUMBER, year) for year in (2026, 2026, 2027)] == [1, 2, 1]
    for change in ["last_number = 4", "last_number = 1", "last_number = 2", "last_number = 3, year = 2028"]:
        await refusal(
            connection,
            asyncpg.RestrictViolationError,
            f"UPDATE invoice_number_counters SET {change} WHERE year = 2026",
        )


async def issue(connection: asyncpg.Connection) -> int:
    """Issues an invoice under the next number, in the transaction that is open."""
    number = await connection.fetchval(DRAW_NUMBER, 2026)
    await insert(
        connection,
        "invoices",
        INVOICE | {"id": number, "number_seq": number, "invoice_number": f"2026-{number:04}"},
    )
    return number


async def test_a_number_that_was_rolled_back_is_drawn_again(connection: asyncpg.Connection) -> None:
    transaction = connection.transaction()
    await transaction.start()
    assert await issue(connection) == 1
    await transaction.rollback()
    assert await issue(connection) == 1
    assert await issue(connection) == 2


async def test_numbers_have_no_gaps_when_several_issue_at_once_and_some_fail(
    ledger_database: str, alone: asyncpg.Connection
) -> None:
    issuers, each = 6, 12

    async def issue_many() -> None:
        own = await asyncpg.connect(ledger_database)
        for turn in range(each):
            transaction = own.transaction()
            await transaction.start()
            await issue(own)
            await (transaction.rollback() if turn % 3 == 0 else transaction.commit())
        await own.close()

    await asyncio.gather(*(issue_many() for _ in range(issuers)))

    issued = issuers * each * 2 // 3
    numbers = await alone.fetch("SELECT number_seq FROM invoices ORDER BY number_seq")
    assert [row["number_seq"] for row in numbers] == list(range(1, issued + 1))
    assert await alone.fetchval("SELECT last_number FROM invoice_number_counters") == issued


async def test_date_and_year_of_an_invoice_are_those_of_zurich(connection: asyncpg.Connection) -> None:
    new_year_in_zurich = {
        "issued_at": datetime(2026, 12, 31, 23, 0, tzinfo=UTC),
        "due_date": date(2027, 1, 31),
    }
    for wrong in [
        {"issue_date": date(2026, 12, 31), "number_year": 2026},
        {"issue_date": date(2027, 1, 1), "number_year": 2026},
        {"issue_date": date(2026, 12, 31), "number_year": 2027},
    ]:
        with pytest.raises(asyncpg.CheckViolationError):
            await insert(connection, "invoices", INVOICE | new_year_in_zurich | wrong)
    await insert(
        connection,
        "invoices",
        INVOICE | new_year_in_zurich | {"issue_date": date(2027, 1, 1), "number_year": 2027},
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"total_chf": Decimal("108.11")},
        {"vat_amount_chf": Decimal("-8.10"), "total_chf": Decimal("91.90")},
        {"rounding_chf": Decimal("0.03"), "total_chf": Decimal("108.13")},
        {"due_date": date(2026, 11, 21)},
        {"period_end": date(2026, 10, 1)},
        {"period_end": None},
        {"period_start": None, "period_end": None},
        {"currency": "EUR"},
        {"document_kind": "receipt"},
        {"document_kind": "credit_note"},  # of nothing
        {"billing_kind": "weekly"},
        {"status": "draft"},
        {"status": "paid"},  # without paid_at
        {"status": "cancelled"},  # without cancelled_at
        {"paid_at": NOON},
        {"cancelled_at": NOON},
        {"paid_method": "bank"},
        {"vat_treatment": "none"},
        {"number_seq": 0},
        {"supplier": '"Muster AG"'},
        {"vat_breakdown": "{}"},
        {"basis_sha256": b"short"},
        {"pdf": PDF},
        {"pdf": PDF, "pdf_sha256": bytes(32)},
    ],
    ids=str,
)
async def test_an_invoice_that_cannot_be_is_refused(connection: asyncpg.Connection, wrong: dict[str, Any]) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(connection, "invoices", INVOICE | wrong)


async def test_a_credit_note_mirrors_an_invoice(connection: asyncpg.Connection) -> None:
    await insert(connection, "invoices", INVOICE)
    credit = INVOICE | {
        "id": INVOICE_ID + 1,
        "number_seq": 2,
        "invoice_number": "2026-0002",
        "document_kind": "credit_note",
        "corrects_invoice_id": INVOICE_ID,
    }
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(connection, "invoices", credit)
    await insert(
        connection,
        "invoices",
        credit | {c: -INVOICE[c] for c in ("subtotal_chf", "vat_amount_chf", "rounding_chf", "total_chf")},
    )


OTHER_VALUE = {
    "bigint": "coalesce({0}, 0) + 1",
    "integer": "coalesce({0}, 0) + 1",
    "smallint": "coalesce({0}, 0) + 1",
    "numeric": "coalesce({0}, 0) + 0.01",
    "text": "coalesce({0}, '') || 'x'",
    "date": "coalesce({0}, '2026-01-01') + 1",
    "timestamp with time zone": "coalesce({0}, '2026-01-01') + interval '1 day'",
    "jsonb": """'{{"other": true}}'""",
    "bytea": "coalesce({0}, '') || '\\x00'",
}
"""By column type: an expression that differs from what the column has."""


async def test_every_column_of_an_issued_invoice_is_frozen_unless_it_is_listed(
    connection: asyncpg.Connection,
) -> None:
    await insert(connection, "invoices", INVOICE)
    await connection.execute("ALTER TABLE invoices ADD COLUMN added_by_a_later_migration text")
    columns = {c: kind for table, c, kind in await columns_of(connection) if table == "invoices"}
    frozen = columns.keys() - SET_ONCE.keys() - {"status"}
    assert len(frozen) == len(columns) - 9
    for column in sorted(frozen):
        # an identity column cannot be given a value, but DEFAULT draws the next
        value = "DEFAULT" if column == "id" else OTHER_VALUE[columns[column]].format(column)
        error = await refusal(
            connection,
            asyncpg.RestrictViolationError,
            f"UPDATE invoices SET {column} = {value}",
        )
        assert error.args[0] == f"invoice 2026-0001 is issued, these are frozen: {column}"


async def test_a_frozen_column_stays_so_beside_an_allowed_one(connection: asyncpg.Connection) -> None:
    await insert(connection, "invoices", INVOICE)
    await refusal(
        connection,
        asyncpg.RestrictViolationError,
        "UPDATE invoices SET status = 'paid', paid_at = now(), subtotal_chf = 1, total_chf = 9.10",
    )


async def test_even_the_digits_of_a_frozen_basis_stay(connection: asyncpg.Connection) -> None:
    await insert(connection, "invoices", INVOICE)
    assert await connection.fetchval("""SELECT basis = '{"days": 1.00}' FROM invoices""")  # jsonb's own opinion
    await refusal(connection, asyncpg.RestrictViolationError, """UPDATE invoices SET basis = '{"days": 1.00}'""")


@pytest.mark.parametrize("columns", [["pdf", "pdf_sha256"], ["sent_at"], ["stripe_payment_intent_id"]], ids=str)
async def test_what_comes_after_issue_is_set_once(connection: asyncpg.Connection, columns: list[str]) -> None:
    await insert(connection, "invoices", INVOICE)
    kinds = {c: kind for table, c, kind in await columns_of(connection) if table == "invoices"}
    assignments = ", ".join(f"{column} = ${position}" for position, column in enumerate(columns, 1))
    await connection.execute(f"UPDATE invoices SET {assignments}", *(SET_ONCE[c] for c in columns))
    for column in columns:
        for value in ("NULL", OTHER_VALUE[kinds[column]].format(column)):
            await refusal(
                connection,
                asyncpg.RestrictViolationError,
                f"UPDATE invoices SET {column} = {value}",
            )


PAY = "UPDATE invoices SET status = 'paid', paid_at = clock_timestamp(), paid_method = 'bank'"
CANCEL = "UPDATE invoices SET status = 'cancelled', cancelled_at = clock_timestamp()"


@pytest.mark.parametrize("first", [PAY, CANCEL], ids=["paid", "cancelled"])
@pytest.mark.parametrize(
    "second",
    [
        PAY,
        CANCEL,
        "UPDATE invoices SET status = 'issued', paid_at = NULL, paid_method = NULL, cancelled_at = NULL",
    ],
    ids=["paid", "cancelled", "issued"],
)
async def test_paid_and_cancelled_are_final(connection: asyncpg.Connection, first: str, second: str) -> None:
    await insert(connection, "invoices", INVOICE)
    await connection.execute(first)
    await refusal(connection, asyncpg.RestrictViolationError, second)


async def test_a_note_on_a_payment_can_follow_it_once(connection: asyncpg.Connection) -> None:
    await insert(connection, "invoices", INVOICE)
    await connection.execute(PAY)
    await connection.execute("UPDATE invoices SET paid_note = 'thanks'")
    await refusal(connection, asyncpg.RestrictViolationError, "UPDATE invoices SET paid_note = 'no thanks'")


async def test_a_line_amounts_to_quantity_times_price_times_proration_rounded_half_up(
    connection: asyncpg.Connection,
) -> None:
    await insert(connection, "invoices", INVOICE)
    exact = Context(prec=60, rounding=ROUND_HALF_UP)  # away from zero, in decimal's words
    quantities = [Decimal(q) for q in ("1", "-1", "0.5", "-0.5", "3.3333", "31", "99999.9999", "-99999.9999")]
    prices = [Decimal(p) for p in ("0.005", "0.015", "0.10", "0.00001", "49.00", "33.33333", "998.99999")]
    prorations = [(1, 1), (0, 30), (1, 30), (15, 31), (1, 3), (29, 366), (365, 366)]
    factors = [
        *itertools.product(quantities, prices, prorations),
        # CHF 50000000.074999999997…: as near to half a Rappen as a line can come without being on it.
        (Decimal("87339241.6379"), Decimal("209.52781"), (1, 366)),
    ]
    for position, (quantity, price, (days, of)) in enumerate(factors, 1):
        product = exact.multiply(exact.multiply(quantity, price), Decimal(days))
        amount = exact.quantize(exact.divide(product, Decimal(of)), Decimal("0.01"))
        line = LINE | {
            "position": position,
            "quantity": quantity,
            "unit_price_chf": price,
            "proration_days": days,
            "proration_of": of,
        }
        await insert(connection, "invoice_lines", line | {"amount_chf": amount})
        if position % 7 == 0:
            with pytest.raises(asyncpg.CheckViolationError):
                await insert(connection, "invoice_lines", line | {"amount_chf": amount + Decimal("0.01")})
    assert await connection.fetchval("SELECT count(*) FROM invoice_lines") == 8 * 7 * 7 + 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"service_end": LINE["service_start"]},
        {"proration_days": 32, "proration_of": 31},
        {"proration_days": -1},
        {"proration_of": 0},
        {"proration_of": 367},
        {"position": 0},
        {"unit_price_chf": Decimal("-0.10"), "amount_chf": Decimal("-3.10")},
        {"vat_rate": Decimal("-0.01")},
    ],
    ids=str,
)
async def test_a_line_that_cannot_be_is_refused(connection: asyncpg.Connection, wrong: dict[str, Any]) -> None:
    await insert(connection, "invoices", INVOICE)
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(connection, "invoice_lines", LINE | wrong)


async def test_positions_and_levels_of_an_invoice_are_taken_once(connection: asyncpg.Connection) -> None:
    await insert(connection, "invoices", INVOICE)
    for table in ("invoice_lines", "invoice_reminders"):
        await insert(connection, table, VALID[table])
        with pytest.raises(asyncpg.UniqueViolationError):
            await insert(connection, table, VALID[table])
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await insert(connection, table, VALID[table] | {"invoice_id": INVOICE_ID + 1})


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": 0},
        {"level": 4},
        {"sent_to": []},
        {"pdf_sha256": bytes(32)},
        {"open_amount_chf": Decimal("-0.01")},
        {"fee_chf": Decimal("-0.01")},
    ],
    ids=str,
)
async def test_a_reminder_that_cannot_be_is_refused(connection: asyncpg.Connection, wrong: dict[str, Any]) -> None:
    await insert(connection, "invoices", INVOICE)
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(connection, "invoice_reminders", REMINDER | wrong)
