"""The admin API on a real server and a real Postgres."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from sidecar.billing import statements
from sidecar.errors import AlreadyRunning, Misconfigured, Unavailable
from sidecar.facts import Adopted, Anomaly, AnyFact, Attribution, Began, Census, Removal, Seen, Segment, encode
from sidecar.ledger import Ledger
from sidecar.web import server
from tests.support.admin import NOTHING_NEW, TOKEN, AdminApi, admin_api
from tests.support.ports import free_ports

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PRICES = {
    "tenantMonthlyFeeChf": "49.00",
    "tenantSetupFeeChf": "99",
    "threemaMessageChf": "0.005",
    "vatRateChli": "8.1",
}
CONFIG: dict[str, Any] = {
    "payByInvoice": True,
    "autoInvoiceEnabled": False,
    "autoRemindersEnabled": False,
    "stripeCustomerId": None,
    "paymentTermsDays": 10,
    "legalName": "Müller & Söhne AG",
    "contactName": None,
    "billingEmail": "rechnung@example.ch",
    "street": "Langstrasse",
    "houseNumber": "12a",
    "postalCode": "8004",
    "town": "Zürich",
    "country": "CH",
    "language": "de",
    "vatNumber": "CHE-123.456.789 MWST",
    "vatTreatment": "chli",
    "customerReference": None,
}


NO_PRICES = (
    "0.0000001", "NaN", "Infinity", "1e3", "-1", "+1", "", " 1", "1 ", "1.", ".5", "01", "1,5", "1'000", "1_0",
    "100000000", "1.00\n", "\N{ARABIC-INDIC DIGIT THREE}", 1, 1.5, True, None, ["1"],
)  # fmt: skip


def uid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def seen(number: int, generation: int, *packages: str, **more: Any) -> Seen:
    return Seen(
        **{
            "tenant_uid": uid(number),
            "generation": generation,
            "resource_version": str(100 * number + generation),
            "tenant_name": f"tenant-{number}",
            "zitadel_org_id": "org-1",
            "packages": packages,
            "created_at": NOON + timedelta(minutes=number),
            "source": "watch",
            "at": NOON + timedelta(minutes=number, seconds=generation),
            "time_source": "watch",
            **more,
        }
    )


@pytest.fixture
async def api(ledger_database: str, tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(ledger_database, tmp_path) as api:
        yield api


@pytest.fixture
async def sql(ledger_database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(ledger_database)
    yield connection
    await connection.close()


async def deliver(database: str, *facts: AnyFact) -> None:
    ledger = Ledger(database)
    await ledger.deliver([Began(cluster_uid="cluster", at=NOON), *facts])
    await ledger.close()


async def history(sql: asyncpg.Connection) -> list[tuple[Any, ...]]:
    """Operation, who before and after, of every change of a price but the seeding."""
    rows = await sql.fetch(
        "SELECT operation, row_before->>'updated_by', row_after->>'updated_by' FROM ledger.pricing_history ORDER BY id"
    )
    return [tuple(row) for row in rows][1:]


class TestPlatformPrices:
    """GET and PUT of the one row."""

    async def test_the_seeded_prices_are_read_as_text(self, api: AdminApi):
        body = (await api.call("GET", "/pricing")).ok()
        assert {name: body[name] for name in PRICES} == {
            "tenantMonthlyFeeChf": "0.00",
            "tenantSetupFeeChf": "0.00",
            "threemaMessageChf": "0.00000",
            "vatRateChli": "8.10",
        }
        assert set(body) == {*PRICES, "updatedAt", "updatedBy"}

    async def test_prices_that_were_set_stand_in_the_table_and_are_read_back(
        self, api: AdminApi, sql: asyncpg.Connection
    ):
        put = await api.call("PUT", "/pricing", PRICES)
        read = await api.call("GET", "/pricing")
        assert put.ok() == read.ok()
        assert put.etag == read.etag
        row = await sql.fetchrow("SELECT * FROM platform_pricing")
        assert row["tenant_monthly_fee_chf"] == Decimal("49.00")
        assert row["threema_message_chf"] == Decimal("0.00500")
        assert row["updated_by"] == put.body["updatedBy"] == "admin-token"

    async def test_the_history_names_the_caller_also_when_the_same_one_sets_a_price_twice(
        self, api: AdminApi, sql: asyncpg.Connection
    ):
        await sql.execute("UPDATE platform_pricing SET vat_rate_chli = 7.7, updated_by = 'somebody'")
        (await api.call("PUT", "/pricing", PRICES)).ok()
        (await api.call("PUT", "/pricing", {**PRICES, "vatRateChli": "8.2"})).ok()
        assert (await history(sql))[1:] == [
            ("UPDATE", "somebody", "admin-token"),
            ("UPDATE", "admin-token", "admin-token"),
        ]

    async def test_a_price_that_the_column_would_change_or_refuse_is_refused(
        self, api: AdminApi, sql: asyncpg.Connection
    ):
        before = await sql.fetchrow("SELECT * FROM platform_pricing")
        for field in PRICES:
            for value in NO_PRICES:
                status, error, detail = (await api.call("PUT", "/pricing", {**PRICES, field: value})).error()
                assert (status, error) == (422, "invalid"), (field, value)
                assert detail.startswith(f"{field}: ")
        assert await sql.fetchrow("SELECT * FROM platform_pricing") == before

    async def test_one_place_or_one_step_beyond_the_column_is_refused(self, api: AdminApi):
        beyond = {
            "tenantMonthlyFeeChf": ("0.001", "100000000"),
            "tenantSetupFeeChf": ("0.001", "100000000"),
            "threemaMessageChf": ("0.000001", "100000"),
            "vatRateChli": ("8.105", "100.01"),
        }
        for field, values in beyond.items():
            for value in values:
                assert (await api.call("PUT", "/pricing", {**PRICES, field: value})).error()[0] == 422, (field, value)
        for value in beyond["threemaMessageChf"]:
            assert (await api.call("PUT", "/skills/a/price", {"dailyPriceChf": value})).error()[0] == 422, value

    @pytest.mark.parametrize(
        "given",
        [
            {"tenantMonthlyFeeChf": "99999999.99", "threemaMessageChf": "99999.99999", "vatRateChli": "100.00"},
            {"tenantMonthlyFeeChf": "0", "threemaMessageChf": "0.00001", "vatRateChli": "0.01"},
        ],
    )
    async def test_the_limits_themselves_are_accepted_and_stored_exactly(self, api: AdminApi, given: dict[str, str]):
        body = (await api.call("PUT", "/pricing", {**PRICES, **given})).ok()
        assert {name: Decimal(body[name]) for name in given} == {name: Decimal(text) for name, text in given.items()}

    async def test_every_problem_is_named_at_once(self, api: AdminApi):
        given = {"tenantMonthlyFeeChf": 49, "threemaMessageChf": "0.005", "vatRateChli": "101", "vat": "8.1"}
        status, _, detail = (await api.call("PUT", "/pricing", given)).error()
        assert status == 422
        problems = {problem.split(":")[0] for problem in detail.split("; ")}
        assert problems == {"tenantMonthlyFeeChf", "tenantSetupFeeChf", "vatRateChli", "vat"}
        assert "0 to 100, two decimal places at most" in detail

    async def test_of_those_who_change_the_version_that_they_all_read_one_wins(
        self, api: AdminApi, sql: asyncpg.Connection
    ):
        etag = (await api.call("GET", "/pricing")).etag
        answers = await asyncio.gather(
            *(
                api.call("PUT", "/pricing", {**PRICES, "tenantSetupFeeChf": str(fee)}, headers={"If-Match": etag})
                for fee in range(10)
            )
        )
        assert sorted(answer.status for answer in answers) == [200] + [412] * 9
        (winner,) = (answer for answer in answers if answer.status == 200)
        assert (await api.call("GET", "/pricing")).ok() == winner.body
        assert len(await history(sql)) == 1

    async def test_a_version_is_compared_with_what_is_committed_when_its_turn_comes(
        self, api: AdminApi, sql: asyncpg.Connection, ledger_database: str
    ):
        etag = (await api.call("GET", "/pricing")).etag
        observer = await asyncpg.connect(ledger_database)
        try:
            async with sql.transaction():
                await sql.execute("UPDATE platform_pricing SET tenant_monthly_fee_chf = 7")
                put = asyncio.create_task(api.call("PUT", "/pricing", PRICES, headers={"If-Match": etag}))
                waits = (
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                async with asyncio.timeout(20):
                    while not await observer.fetchval(waits):  # noqa: ASYNC110 - what Postgres does raises no Event
                        await asyncio.sleep(0.01)
            assert (await put).error()[0] == 412
        finally:
            await observer.close()
        assert (await api.call("GET", "/pricing")).ok()["tenantMonthlyFeeChf"] == "7.00"

    async def test_without_if_match_the_last_write_wins_and_the_history_has_all(
        self, api: AdminApi, sql: asyncpg.Connection
    ):
        fees = [f"{fee}.00" for fee in range(10)]
        answers = await asyncio.gather(
            *(api.call("PUT", "/pricing", {**PRICES, "tenantSetupFeeChf": fee}) for fee in fees)
        )
        assert [answer.ok()["tenantSetupFeeChf"] for answer in answers] == fees
        kept = await sql.fetch("SELECT row_after->>'tenant_setup_fee_chf' FROM ledger.pricing_history ORDER BY id")
        assert sorted(row[0] for row in kept[1:]) == sorted(fees)
        assert (await api.call("GET", "/pricing")).ok()["tenantSetupFeeChf"] == kept[-1][0]

    async def test_a_change_in_sql_makes_the_version_that_was_read_a_stale_one(
        self, api: AdminApi, sql: asyncpg.Connection
    ):
        etag = (await api.call("GET", "/pricing")).etag
        await sql.execute("UPDATE platform_pricing SET tenant_monthly_fee_chf = 1")
        assert (await api.call("PUT", "/pricing", PRICES, headers={"If-Match": etag})).error()[0] == 412
        assert (await api.call("GET", "/pricing")).ok()["tenantMonthlyFeeChf"] == "1.00"

    async def test_if_match_takes_a_list_a_star_and_a_tag_that_a_proxy_has_weakened(self, api: AdminApi):
        for made in ('"other", {}', "*", "W/{}"):
            etag = (await api.call("GET", "/pricing")).etag
            (await api.call("PUT", "/pricing", PRICES, headers={"If-Match": made.format(etag)})).ok()

    async def test_an_if_match_that_is_no_tag_matches_nothing_rather_than_being_left_out(self, api: AdminApi):
        for given in ("yesterday", '"', "", "**"):
            answer = await api.call("PUT", "/pricing", PRICES, headers={"If-Match": given})
            assert answer.error()[:2] == (412, "precondition_failed"), given


class TestSkillPrices:
    """What each skill costs."""

    async def test_a_skill_has_the_price_that_was_set_until_it_is_deleted(self, api: AdminApi):
        assert (await api.call("GET", "/skills")).ok() == {"skills": []}
        price = (await api.call("PUT", "/skills/searxng-local-search/price", {"dailyPriceChf": "0.10"})).ok()
        assert (price["skillId"], price["dailyPriceChf"]) == ("searxng-local-search", "0.10000")
        assert (await api.call("GET", "/skills")).ok() == {"skills": [price]}
        assert (await api.call("GET", "/skills/searxng-local-search/price")).ok() == price
        assert (await api.call("DELETE", "/skills/searxng-local-search/price")).status == 204
        assert (await api.call("GET", "/skills")).ok() == {"skills": []}
        for method in ("GET", "DELETE"):
            assert (await api.call(method, "/skills/searxng-local-search/price")).error()[:2] == (404, "not_found")

    async def test_who_set_changed_and_deleted_a_price_is_in_the_history(self, api: AdminApi, sql: asyncpg.Connection):
        await sql.execute("INSERT INTO skill_pricing (skill_id, daily_price_chf, updated_by) VALUES ('a', 1, 'sql')")
        (await api.call("DELETE", "/skills/a/price")).ok()
        (await api.call("PUT", "/skills/a/price", {"dailyPriceChf": "2"})).ok()
        rows = await history(sql)
        assert rows == [
            ("INSERT", None, "sql"),
            ("UPDATE", "sql", "admin-token"),  # signed by whoever deletes it, as nothing else could say
            ("DELETE", "admin-token", None),
            ("INSERT", None, "admin-token"),
        ]

    async def test_a_condition_on_a_price_that_is_not_there_fails(self, api: AdminApi):
        for method, body in (("PUT", {"dailyPriceChf": "1"}), ("DELETE", None)):
            answer = await api.call(method, "/skills/a/price", body, headers={"If-Match": "*"})
            assert answer.error()[:2] == (412, "precondition_failed")
        assert (await api.call("GET", "/skills")).ok() == {"skills": []}

    async def test_a_price_is_deleted_only_in_the_version_that_was_read(self, api: AdminApi):
        first = await api.call("PUT", "/skills/a/price", {"dailyPriceChf": "1"})
        second = await api.call("PUT", "/skills/a/price", {"dailyPriceChf": "1"})
        stale, fresh = ({"If-Match": answer.etag} for answer in (first, second))
        assert (await api.call("DELETE", "/skills/a/price", headers=stale)).error()[0] == 412
        assert (await api.call("DELETE", "/skills/a/price", headers=fresh)).status == 204

    async def test_a_skill_that_no_package_can_be_called_is_refused(self, api: AdminApi):
        for skill in ("a%00", "%20", "a%0A", "-a", "a%2Fb", "ä", "a" * 254):
            status, _, detail = (await api.call("PUT", f"/skills/{skill}/price", {"dailyPriceChf": "1"})).error()
            assert status == 422, skill
            assert detail.startswith("skill_id: ")


class TestOrgConfig:
    """How organisations are billed."""

    async def test_the_configuration_is_created_with_the_defaults_on_the_first_read(
        self, api: AdminApi, sql: asyncpg.Connection
    ):
        assert await sql.fetch("SELECT zitadel_org_id FROM org_billing_config") == []
        first = (await api.call("GET", "/orgs/246813579/config")).ok()
        assert first["zitadelOrgId"] == "246813579"
        flags = ("payByInvoice", "autoInvoiceEnabled", "autoRemindersEnabled")
        assert [first[name] for name in flags] == [False] * 3
        assert (first["country"], first["language"], first["paymentTermsDays"]) == ("CH", "de", 30)
        assert (await api.call("GET", "/orgs/246813579/config")).ok() == first
        assert await sql.fetchval("SELECT count(*) FROM org_billing_config") == 1

    async def test_many_who_read_it_first_at_once_all_get_the_same_row(self, api: AdminApi, sql: asyncpg.Connection):
        answers = await asyncio.gather(*(api.call("GET", "/orgs/1/config") for _ in range(20)))
        assert len({answer.text for answer in answers if answer.ok()}) == 1
        assert await sql.fetchval("SELECT count(*) FROM org_billing_config") == 1

    async def test_a_put_replaces_the_whole_configuration(self, api: AdminApi, sql: asyncpg.Connection):
        (await api.call("PUT", "/orgs/1/config", {**CONFIG, "contactName": "Vreni", "stripeCustomerId": "cus_1"})).ok()
        put = await api.call("PUT", "/orgs/1/config", CONFIG)
        assert {name: put.ok()[name] for name in CONFIG} == CONFIG
        assert set(put.body) == {*CONFIG, "zitadelOrgId", "createdAt", "updatedAt"}
        assert (await api.call("GET", "/orgs/1/config")).etag == put.etag
        row = await sql.fetchrow("SELECT legal_name, contact_name, stripe_customer_id FROM org_billing_config")
        assert tuple(row) == ("Müller & Söhne AG", None, None)

    async def test_a_field_that_is_forgotten_is_named_and_changes_nothing(self, api: AdminApi):
        before = (await api.call("PUT", "/orgs/1/config", CONFIG)).ok()
        given = {name: value for name, value in CONFIG.items() if name not in ("town", "country")}
        status, _, detail = (await api.call("PUT", "/orgs/1/config", given)).error()
        assert status == 422
        assert [problem.split(":")[0] for problem in detail.split("; ")] == ["town", "country"]
        assert (await api.call("GET", "/orgs/1/config")).ok() == before

    async def test_a_value_that_cannot_be_is_refused(self, api: AdminApi):
        for field, value in (
            ("payByInvoice", "true"), ("payByInvoice", 1), ("paymentTermsDays", 366), ("paymentTermsDays", -1),
            ("paymentTermsDays", 1.5), ("legalName", ""), ("legalName", "a\nb"), ("legalName", "a\0"),
            ("legalName", "a" * 201), ("legalName", "a\n"), ("billingEmail", "nobody"), ("billingEmail", "a b@c.ch"),
            ("country", "Schweiz"), ("country", "ch"), ("country", "CH\n"), ("country", None), ("language", "DE"),
            ("vatTreatment", "none"), ("town", 8004),
        ):  # fmt: skip
            status, _, detail = (await api.call("PUT", "/orgs/1/config", {**CONFIG, field: value})).error()
            assert status == 422, (field, value)
            assert detail.startswith(f"{field}: ")
            assert ";" not in detail

    async def test_a_whole_number_may_be_written_with_a_point(self, api: AdminApi):
        assert (await api.call("PUT", "/orgs/1/config", {**CONFIG, "paymentTermsDays": 45.0})).ok()[
            "paymentTermsDays"
        ] == 45

    async def test_two_organisations_cannot_have_the_same_stripe_customer(self, api: AdminApi):
        (await api.call("PUT", "/orgs/1/config", {**CONFIG, "stripeCustomerId": "cus_1"})).ok()
        status, error, detail = (
            await api.call("PUT", "/orgs/2/config", {**CONFIG, "stripeCustomerId": "cus_1"})
        ).error()
        assert (status, error) == (409, "conflict")
        assert "cus_1" in detail

    async def test_a_stale_version_is_refused(self, api: AdminApi):
        stale = (await api.call("GET", "/orgs/1/config")).etag
        (await api.call("PUT", "/orgs/1/config", CONFIG, headers={"If-Match": stale})).ok()
        answer = await api.call("PUT", "/orgs/1/config", {**CONFIG, "town": "Bern"}, headers={"If-Match": stale})
        assert answer.error()[0] == 412
        assert (await api.call("GET", "/orgs/1/config")).ok()["town"] == "Zürich"

    async def test_an_id_that_no_label_can_hold_is_refused(self, api: AdminApi):
        assert (await api.call("GET", f"/orgs/{'1' * 64}/config")).error()[0] == 422


class TestTenants:
    """Who there is, and what happened to them."""

    async def test_pages_show_every_tenant_once(self, api: AdminApi, ledger_database: str):
        await deliver(ledger_database, *(seen(number, 1) for number in range(1, 8)))
        shown, query = [], {"limit": "3"}
        for _ in range(3):
            page = (await api.call("GET", "/tenants", query=query)).ok()
            shown += [tenant["tenantUid"] for tenant in page["tenants"]]
            query["after"] = page["next"] or ""
        assert page["next"] is None
        assert shown == [uid(number) for number in range(1, 8)]

    async def test_they_are_found_by_name_and_by_whether_they_live(self, api: AdminApi, ledger_database: str):
        gone = Removal(tenant_uid=uid(1), time_source="watch", at=NOON + timedelta(hours=1), last_generation=1)
        await deliver(
            ledger_database, seen(1, 1), gone, seen(2, 1), seen(3, 1, tenant_name="tenant-1", zitadel_org_id=None)
        )

        async def uids(**query: str) -> list[str]:
            page = (await api.call("GET", "/tenants", query=query)).ok()
            return [tenant["tenantUid"] for tenant in page["tenants"]]

        assert await uids(name="tenant-1") == [uid(1), uid(3)]
        assert await uids(live="true") == [uid(2), uid(3)]
        assert await uids(live="false") == [uid(1)]
        assert await uids(name="tenant-1", live="true") == [uid(3)]
        assert await uids(name="nobody") == []

    async def test_a_tenant_is_shown_with_its_life(self, api: AdminApi, ledger_database: str):
        gone = Removal(tenant_uid=uid(1), time_source="watch", at=NOON + timedelta(hours=1), last_generation=1)
        await deliver(ledger_database, seen(1, 1), gone)
        (tenant,) = (await api.call("GET", "/tenants")).ok()["tenants"]
        del tenant["recordedAt"]
        assert tenant == {
            "tenantUid": uid(1),
            "tenantName": "tenant-1",
            "zitadelOrgId": "org-1",
            "createdAt": "2026-11-22T12:01:00Z",
            "deletedAt": "2026-11-22T13:00:00Z",
            "deletedNotBefore": None,
            "deletedSource": "watch",
            "source": "watch",
        }

    async def test_a_query_that_cannot_be_is_refused(self, api: AdminApi):
        for query in (
            "limit=0",
            "limit=1001",
            "limit=many",
            "live=yes",
            "after=1",
            "name=A",
            "page=2",
            "limit=1&limit=2",
        ):
            assert (await api.call("GET", f"/tenants?{query}")).error()[:2] == (422, "invalid"), query

    async def test_the_timeline_tells_all_lives_of_a_name_with_who_and_how_the_time_is_known(
        self, api: AdminApi, ledger_database: str
    ):
        older, newer = {"tenant_name": "acme"}, {"tenant_name": "acme", "created_at": NOON + timedelta(hours=2)}
        await deliver(
            ledger_database,
            # Delivered newest first, by uids in the opposite order of the lives: neither is the order of telling.
            seen(1, 1, "jitsi", **newer, at=NOON + timedelta(hours=2)),
            Removal(tenant_uid=uid(2), time_source="watch", at=NOON + timedelta(hours=1), last_generation=2),
            seen(2, 2, "jitsi", "threema", **older),
            seen(2, 1, "jitsi", **older),
            seen(3, 1, "jitsi"),
            Attribution(
                tenant_uid=uid(2),
                resource_version="202",
                generation=2,
                source="audit",
                request_key="k",
                actor="vreni",
                operation="patch",
                how="proven",
            ),
        )
        told = (await api.call("GET", "/tenants/acme/timeline")).ok()
        assert (told["name"], told["next"]) == ("acme", None)
        shown = [(c["tenantUid"], c["generation"], c["change"], c["skillId"], c["actor"]) for c in told["changes"]]
        assert shown == [
            (uid(2), None, "created", None, None),
            (uid(2), 1, "enabled", "jitsi", None),
            (uid(2), 2, "enabled", "threema", "vreni"),
            (uid(2), None, "removed", None, None),
            (uid(1), None, "created", None, None),
            (uid(1), 1, "enabled", "jitsi", None),
        ]
        threema = told["changes"][2]
        assert (threema["occurredAt"], threema["timeSource"], threema["how"]) == (
            "2026-11-22T12:02:02Z",
            "watch",
            "proven",
        )

    async def test_a_long_timeline_is_told_in_parts(self, api: AdminApi, ledger_database: str):
        await deliver(ledger_database, seen(1, 1, *"abcdefg"))
        whole = (await api.call("GET", "/tenants/tenant-1/timeline")).ok()["changes"]
        parts: list[Any] = []
        following = 0
        while following is not None:
            query = {"limit": "3", "offset": str(following)}
            told = (await api.call("GET", "/tenants/tenant-1/timeline", query=query)).ok()
            parts.append(told["changes"])
            following = told["next"]
        assert [len(each) for each in parts] == [3, 3, 2]
        assert [change for part in parts for change in part] == whole

    async def test_a_name_that_nobody_has_had_has_no_timeline(self, api: AdminApi):
        assert (await api.call("GET", "/tenants/nobody/timeline")).error()[:2] == (404, "not_found")


class TestCompleteness:
    """What is missing."""

    async def test_an_empty_ledger_is_complete_and_owes_nothing(self, api: AdminApi):
        body = (await api.call("GET", "/completeness")).ok()
        assert body["ledger"]["complete"] is True
        assert body["spool"]["facts"] == 0
        assert (body["spool"]["lagSeconds"], body["spool"]["oldestAt"]) == (0.0, None)

    async def test_what_is_missing_is_listed_and_makes_it_incomplete(self, api: AdminApi, ledger_database: str):
        def at(minute: int) -> datetime:
            return NOON + timedelta(minutes=minute)

        await deliver(
            ledger_database,
            seen(1, 1),
            seen(1, 4),
            seen(2, 1),
            Removal(tenant_uid=uid(2), time_source="late", at=at(30)),
            Segment(from_version="100", from_at=at(0), to_version="200", to_at=at(10)),
            Segment(from_version="250", from_at=at(20), to_version="401", to_at=at(30)),
            Anomaly(kind="diverged", tenant_uid=uid(1), detail={"generation": 4}),
            Anomaly(kind="clock_skew", detail={"seconds": 3}),
            Adopted(at=at(1), by="vreni"),
        )
        ledger = (await api.call("GET", "/completeness")).ok()["ledger"]
        assert ledger["complete"] is False
        (missing,) = ledger["missingGenerations"]
        assert (missing["tenantName"], missing["generationFrom"], missing["generationTo"]) == ("tenant-1", 2, 3)
        assert [end["tenantName"] for end in ledger["openEnds"]] == ["tenant-2"]
        assert [(gap["fromVersion"], gap["toVersion"]) for gap in ledger["gaps"]] == [("200", "250")]
        assert ledger["counts"] == {"missingGenerations": 1, "openEnds": 1, "gaps": 1, "heldCensuses": 0}
        assert ledger["unsettled"] == {"diverged": 1}
        assert [(anomaly["kind"], anomaly["detail"]) for anomaly in ledger["anomalies"]] == [
            ("clock_skew", {"seconds": 3}),
            ("diverged", {"generation": 4}),
        ]
        standing = ledger["standing"]
        assert (standing["clusterUid"], standing["adoptedBy"]) == ("cluster", "vreni")
        assert (standing["deliveredVersion"], standing["deliveredAt"]) == ("401", "2026-11-22T12:30:00Z")

    async def test_the_newest_hundred_anomalies_are_shown(self, api: AdminApi, ledger_database: str):
        await deliver(ledger_database, *(Anomaly(kind="clock_skew", detail={"n": n}) for n in range(103)))
        ledger = (await api.call("GET", "/completeness")).ok()["ledger"]
        assert [anomaly["detail"]["n"] for anomaly in ledger["anomalies"]] == list(range(102, 2, -1))
        assert ledger["complete"] is True

    async def test_what_waits_in_the_spool_is_counted_with_how_long_it_has_waited(self, api: AdminApi):
        await api.spool.append([encode(seen(1, 1)), encode(seen(2, 1))], {}, None)
        spool = (await api.call("GET", "/completeness")).ok()["spool"]
        assert (spool["facts"], spool["setAside"]) == (2, 0)
        assert 0 <= spool["lagSeconds"] < 60
        assert spool["oldestAt"] is not None


class TestAcceptRemovals:
    """A person says that the missing are gone."""

    @pytest.fixture
    async def held(self, ledger_database: str) -> None:
        everybody_gone = Census(
            version="900", sent_at=NOON + timedelta(days=1), answered_at=NOON + timedelta(days=1), uids=()
        )
        await deliver(ledger_database, *(seen(number, 1) for number in (1, 2, 3)))
        await deliver(ledger_database, everybody_gone)

    @pytest.mark.usefixtures("held")
    async def test_it_ends_the_tenants_that_held_censuses_lack_and_records_who_said_so(
        self, api: AdminApi, sql: asyncpg.Connection
    ):
        held = (await api.call("GET", "/completeness")).ok()["ledger"]["heldCensuses"]
        assert [census["version"] for census in held] == ["900"]
        assert (await api.call("POST", "/accept-removals", {"confirm": True})).ok() == {"tenantsEnded": 3}
        assert await sql.fetchval("SELECT accepted_by FROM ledger.censuses") == "admin-token"
        assert (await api.call("GET", "/tenants", query={"live": "true"})).ok()["tenants"] == []

    @pytest.mark.usefixtures("held")
    async def test_it_does_nothing_that_was_not_confirmed(self, api: AdminApi):
        bodies: list[dict[str, Any]] = [{}, {"confirm": False}, {"confirm": "true"}, {"confirm": True, "force": True}]
        for body in bodies:
            assert (await api.call("POST", "/accept-removals", body)).error()[0] == 422, body
        assert len((await api.call("GET", "/tenants", query={"live": "true"})).ok()["tenants"]) == 3


class TestBackfill:
    """The door to the backfill; what it does is tested with it."""

    async def test_the_answer_has_exactly_the_five_fields_in_their_order(self, api: AdminApi):
        answer = await api.call("POST", "/backfill")
        assert answer.text == (
            '{"message":"Backfill complete.","tenantsExamined":4,"lifecycleInserted":0,"eventsInserted":0,'
            '"suspensionEventsInserted":0}'
        )
        assert api.backfills.asked_by == ["admin-token"]

    async def test_problems_are_in_the_answer_only_when_there_are_any(self, api: AdminApi):
        api.backfills.answer = replace(NOTHING_NEW, problems=["acme: spec.packages is no list"])
        body = (await api.call("POST", "/backfill")).ok()
        assert list(body)[-1] == "problems"
        assert body["problems"] == ["acme: spec.packages is no list"]

    async def test_while_one_runs_a_second_is_a_conflict(self, api: AdminApi):
        api.backfills.answer = AlreadyRunning("one that vreni asked for at 12:00 is running")
        status, error, detail = (await api.call("POST", "/backfill")).error()
        assert (status, error, detail) == (409, "conflict", "one that vreni asked for at 12:00 is running")

    async def test_what_is_waiting_is_said_with_when_to_ask_again(self, api: AdminApi):
        api.backfills.answer = Unavailable("4 facts wait for Postgres", retry_after=2.5)
        answer = await api.call("POST", "/backfill")
        assert answer.error() == (503, "unavailable", "4 facts wait for Postgres")
        assert answer.headers["Retry-After"] == "3"

    async def test_wishes_that_nobody_would_heed_are_refused(self, api: AdminApi):
        assert (await api.call("POST", "/backfill", {"dryRun": True})).error()[0] == 422
        assert (await api.call("POST", "/backfill", query={"dryRun": "true"})).error()[0] == 422
        assert api.backfills.asked_by == []


class TestHealth:
    """What kubelet and Prometheus ask."""

    async def test_a_well_process_is_healthy_and_ready_to_everybody(self, api: AdminApi):
        for path in ("//healthz", "//readyz", "//healthz?verbose"):
            assert (await api.call("GET", path, bearer=None)).ok() == {"status": "ok"}

    async def test_what_is_wrong_is_said(self, api: AdminApi):
        api.vitals.ailing = ["the watch has been silent for 400 s", "the flush has not turned for 90 s"]
        status, _, detail = (await api.call("GET", "//healthz", bearer=None)).error()
        assert status == 503
        assert detail == "; ".join(api.vitals.ailing)
        assert (await api.call("GET", "//readyz", bearer=None)).status == 200
        api.vitals.obstructed = ["the spool is full"]
        assert (await api.call("GET", "//readyz", bearer=None)).error()[2] == "the spool is full"

    async def test_metrics_are_prometheus_text_of_what_was_measured(self, api: AdminApi):
        api.vitals.metrics = b"sidecar_spool_facts 7.0\n"
        answer = await api.call("GET", "//metrics", bearer=None)
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert answer.text == "sidecar_spool_facts 7.0\n"


class TestServer:
    """What holds for every request."""

    async def test_what_does_not_exist_is_answered_in_json(self, api: AdminApi):
        for path in ("/nothing", "//nothing", "//api/openapi.json/"):
            assert (await api.call("GET", path)).error()[:2] == (404, "not_found")

    async def test_a_method_that_is_not_taken_is_told_which_are(self, api: AdminApi):
        for method, path, allowed in (("PATCH", "/pricing", "GET, PUT"), ("POST", "//healthz", "GET")):
            answer = await api.call(method, path)
            assert answer.error()[:2] == (405, "method_not_allowed")
            assert answer.headers["Allow"] == allowed

    async def test_a_body_above_64_kib_is_refused(self, api: AdminApi):
        answer = await api.call("PUT", "/orgs/1/config", {**CONFIG, "town": "a" * 2**16})
        assert answer.error()[:2] == (413, "too_large")

    async def test_a_body_of_another_media_type_is_refused(self, api: AdminApi):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"):
            answer = await api.call("PUT", "/pricing", PRICES, headers={"Content-Type": kind})
            assert answer.error()[:2] == (415, "unsupported_media_type"), kind

    async def test_a_body_that_is_no_json_is_a_bad_request(self, api: AdminApi):
        for data in (b"", b"{", b"{}{}", b"nil", b'{"a": NaN}', b'{"a": "\xff"}', b"[" * 60_000, b'{"a": "\\ud800"}'):
            assert (await api.call("PUT", "/pricing", data=data)).error()[:2] == (400, "bad_request"), data[:20]

    async def test_json_that_is_no_object_is_refused(self, api: AdminApi):
        for data in (b"[]", b"null", b'"text"', b"1"):
            assert (await api.call("PUT", "/pricing", data=data)).error()[0] == 422, data

    async def test_a_field_given_twice_is_refused(self, api: AdminApi, sql: asyncpg.Connection):
        data = json.dumps(PRICES)[:-1] + ', "vatRateChli": "2.60"}'
        status, _, detail = (await api.call("PUT", "/pricing", data=data)).error()
        assert (status, detail) == (422, "vatRateChli: given twice")
        assert await sql.fetchval("SELECT vat_rate_chli FROM platform_pricing") == Decimal("8.10")

    async def test_no_answer_says_what_software_serves(self, api: AdminApi):
        for path in ("//healthz", "//nothing", "/pricing"):
            assert "Server" not in (await api.call("GET", path)).headers

    async def test_a_defect_is_logged_whole_and_answered_without_a_word_of_it(
        self, api: AdminApi, capsys: pytest.CaptureFixture[str]
    ):
        api.backfills.answer = ValueError("the innards")
        status, error, detail = (await api.call("POST", "/backfill")).error()
        assert (status, error) == (500, "internal")
        assert "innards" not in detail
        logged = capsys.readouterr().out
        assert "request_failed" in logged
        assert "ValueError: the innards" in logged

    async def test_a_body_that_does_not_come_is_not_waited_for(self, api: AdminApi, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(server, "_BODY_SECONDS", 0.2)
        head = f"PUT /api/admin/billing/pricing HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        head += "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        answer = await _raw(api.port, head.encode())
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'{"error":"timeout"' in answer

    async def test_headers_that_do_not_end_are_not_waited_for(
        self, ledger_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(server, "_IDLE_SECONDS", 0.2)
        async with admin_api(ledger_database, tmp_path) as api:
            assert await _raw(api.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n") == b""

    async def test_an_address_that_is_taken_stops_the_start_with_its_name(
        self, api: AdminApi, ledger_database: str, tmp_path: Path
    ):
        (tmp_path / "second").mkdir()
        with pytest.raises(Misconfigured, match=f"SIDECAR_HTTP: cannot listen on 127.0.0.1:{api.port}"):
            async with admin_api(ledger_database, tmp_path / "second", port=api.port):
                pass


class TestPostgresAway:
    """What is answered when Postgres does not."""

    async def test_without_postgres_the_answer_is_503_and_health_is_well(self, tmp_path: Path):
        (port,) = free_ports(1)
        async with admin_api(f"postgresql://nobody:hunter2@127.0.0.1:{port}/none", tmp_path) as api:
            for method, path, body in (
                ("GET", "/pricing", None),
                ("PUT", "/pricing", PRICES),
                ("GET", "/completeness", None),
                ("GET", "/tenants", None),
            ):
                answer = await api.call(method, path, body)
                status, error, detail = answer.error()
                assert (status, error) == (503, "unavailable")
                assert "Postgres does not answer" in detail
                assert "hunter2" not in detail
                assert int(answer.headers["Retry-After"]) > 0
            assert (await api.call("GET", "//healthz", bearer=None)).status == 200

    async def test_connections_that_postgres_has_closed_are_replaced(self, api: AdminApi, sql: asyncpg.Connection):
        (await api.call("GET", "/pricing")).ok()
        ended = await sql.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'billing-sidecar-api' "
            "AND datname = current_database()"
        )
        assert len(ended) == 1
        answers = [await api.call("GET", "/pricing") for _ in range(3)]
        assert answers[-1].status == 200

    async def test_a_row_that_somebody_keeps_locked_is_waited_for_only_so_long(
        self, api: AdminApi, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(statements, "BEGIN", statements.BEGIN.replace("'5s'", "'50ms'"))
        async with sql.transaction():
            await sql.execute("SELECT FROM platform_pricing FOR UPDATE")
            assert (await api.call("PUT", "/pricing", PRICES)).error()[:2] == (503, "unavailable")
            assert (await api.call("GET", "/pricing")).status == 200
        assert (await api.call("PUT", "/pricing", PRICES)).status == 200

    async def test_no_more_than_four_connections_are_made(self, api: AdminApi, sql: asyncpg.Connection):
        for answer in await asyncio.gather(*(api.call("GET", "/pricing") for _ in range(40))):
            answer.ok()
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'billing-sidecar-api' AND datname = $1"
        assert 1 <= await sql.fetchval(count, await sql.fetchval("SELECT current_database()")) <= 4


async def _raw(port: int, sent: bytes) -> bytes:
    """All that the server says to these bytes, until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()
