"""The eight steps by which a person accepts the billing sidecar, with real curl and psql."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.seed import ORG, Stage

TABLES = {
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
}
BEFORE = {
    "acme": ("jitsi", "nextcloud", "threema"),
    "beta": ("jitsi", "nextcloud", "searxng-local-search", "threema", "vault"),
    "gamma": ("jitsi", "threema", "vault", "wiki"),
    "delta": (),
}
"""The tenants that were there before the sidecar: 4, with 12 packages."""

_LATEST = "SELECT * FROM {table} WHERE tenant_name = '{name}' ORDER BY id DESC LIMIT 3;"


class SeedSteps:
    """The steps, in the order in which they are given; `stage` runs a sidecar on tenants that were there before."""

    def test_step_1_the_migration_ran_and_the_pricing_row_is_there(self, stage: Stage):
        listed = [line.split("|") for line in stage.psql.said("-At", "-c", r"\dt").splitlines()]
        assert {(row[0], row[1], row[2]) for row in listed} == {("public", table, "table") for table in TABLES}
        (row,) = stage.psql("SELECT * FROM platform_pricing;")
        assert row["vat_rate_chli"] == "8.10"
        fees = ("tenant_monthly_fee_chf", "tenant_setup_fee_chf", "threema_message_chf")
        assert {float(row[fee]) for fee in fees} == {0.0}

    def test_step_2_the_backfill_counts_what_was_there_and_the_second_time_nothing(
        self, backfills: tuple[dict[str, Any], dict[str, Any]]
    ):
        first, second = backfills
        assert list(first.items()) == [
            ("message", "Backfill complete."),
            ("tenantsExamined", 4),
            ("lifecycleInserted", 4),
            ("eventsInserted", 12),
            ("suspensionEventsInserted", 0),
        ]
        assert list(second.items()) == [
            ("message", "Backfill complete."),
            ("tenantsExamined", 4),
            ("lifecycleInserted", 0),
            ("eventsInserted", 0),
            ("suspensionEventsInserted", 0),
        ]

    def test_step_3_the_rows_match_the_tenants_that_live(self, stage: Stage, backfills: object):  # noqa: ARG002
        rows = stage.psql(
            "SELECT tenant_name, zitadel_org_id, created_at, deleted_at "
            "FROM tenant_billing_lifecycle ORDER BY created_at;"
        )
        assert {row["tenant_name"] for row in rows} == set(BEFORE)
        assert {(row["zitadel_org_id"], row["deleted_at"]) for row in rows} == {(ORG, "")}
        events = stage.psql(
            "SELECT tenant_name, skill_id, event_kind, occurred_at FROM tenant_skill_events "
            "ORDER BY tenant_name, occurred_at;"
        )
        assert {row["event_kind"] for row in events} == {"enabled"}
        enabled = {(row["tenant_name"], row["skill_id"]) for row in events}
        living = stage.tenants.packages()
        assert enabled == {(name, package) for name, packages in living.items() for package in packages}
        assert len(events) == 12

    def test_step_4_a_toggled_skill_lands_on_top_with_its_time(self, stage: Stage):
        stage.tenants.create("toggled", "jitsi")
        before = datetime.now(UTC)
        stage.tenants.patch("toggled", {"packages": ["jitsi", "searxng-local-search"]})
        after = datetime.now(UTC)
        row = _top(stage, "tenant_skill_events", "toggled", "enabled", skill_id="searxng-local-search")
        assert before <= _time(row["occurred_at"]) <= _later(after)
        stage.tenants.patch("toggled", {"packages": ["jitsi"]})
        row = _top(stage, "tenant_skill_events", "toggled", "disabled", skill_id="searxng-local-search")
        assert _time(row["occurred_at"]) >= after

    def test_step_5_a_suspended_tenant_and_its_resumption_land(self, stage: Stage):
        stage.tenants.create("paused", "jitsi")
        stage.tenants.patch("paused", {"suspend": True})
        _top(stage, "tenant_suspension_events", "paused", "suspended")
        stage.tenants.patch("paused", {"suspend": False})
        _top(stage, "tenant_suspension_events", "paused", "resumed")

    def test_step_6_a_deleted_tenant_is_stamped_with_roughly_now(self, stage: Stage):
        stage.tenants.create("ended", "jitsi")
        query = "SELECT tenant_name, created_at, deleted_at FROM tenant_billing_lifecycle WHERE tenant_name = 'ended';"
        assert stage.until(lambda: stage.psql(query))[0]["deleted_at"] == ""
        before = datetime.now(UTC)
        stage.tenants.delete("ended")
        after = datetime.now(UTC)
        (row,) = stage.until(lambda: [row for row in stage.psql(query) if row["deleted_at"]])
        # A deletionTimestamp has whole seconds.
        assert before.replace(microsecond=0) <= _time(row["deleted_at"]) <= _later(after)

    def test_step_7_prices_set_by_sql_land_and_survive_a_restart(self, stage: Stage):
        stage.psql(
            """
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
        )
        stage.stop()
        stage.start()
        (row,) = stage.psql("SELECT * FROM platform_pricing;")
        prices = (row["tenant_monthly_fee_chf"], row["tenant_setup_fee_chf"], row["threema_message_chf"])
        assert prices == ("49.00", "99.00", "0.00500")
        (row,) = stage.psql("SELECT skill_id, daily_price_chf FROM skill_pricing;")
        assert row == {"skill_id": "searxng-local-search", "daily_price_chf": "0.10000"}
        assert stage.curl("GET", "/pricing")["tenantMonthlyFeeChf"] == "49.00"
        assert [price["dailyPriceChf"] for price in stage.curl("GET", "/skills")["skills"]] == ["0.10000"]

    def test_step_8_an_organisations_configuration_is_created_by_the_first_read(self, stage: Stage):
        query = (
            "SELECT zitadel_org_id, pay_by_invoice, auto_invoice_enabled, auto_reminders_enabled "
            "FROM org_billing_config;"
        )
        assert stage.psql(query) == []
        assert stage.curl("GET", f"/orgs/{ORG}/config")["payByInvoice"] is False
        assert stage.psql(query) == [
            {
                "zitadel_org_id": ORG,
                "pay_by_invoice": "f",
                "auto_invoice_enabled": "f",
                "auto_reminders_enabled": "f",
            }
        ]


def _top(stage: Stage, table: str, name: str, kind: str, **expected: str) -> dict[str, str]:
    """The newest row of the tenant, once it is of that kind and as expected."""

    def newest() -> dict[str, str] | None:
        rows = stage.psql(_LATEST.format(table=table, name=name))
        as_expected = rows and {"event_kind": kind, **expected}.items() <= rows[0].items()
        return rows[0] if as_expected else None

    return stage.until(newest)


def _time(text: str) -> datetime:
    """A timestamptz as psql writes it."""
    return datetime.fromisoformat(text)


def _later(moment: datetime) -> datetime:
    """Until when a live stream on a busy machine has surely delivered what was committed at `moment`."""
    return moment + timedelta(seconds=20)
