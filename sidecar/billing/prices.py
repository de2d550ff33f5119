"""What the platform and its skills cost. Every version of every price stays in `ledger.pricing_history`.

Who made a change is `updated_by` of the row, given by the caller, and so part of the history's `row_after` (of a
deletion: of `row_before`, because the row is signed before it is deleted). The history's own `changed_by` is the
database role, which for all changes made here is the sidecar's.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from sidecar.billing import statements
from sidecar.billing.database import Database
from sidecar.billing.versions import Expected, check

Moment = Annotated[datetime, Meta(tz=True)]


class PlatformPrices(Struct, frozen=True, kw_only=True, rename="camel"):
    """The platform's prices: CHF with two decimal places (a Threema message: five), VAT in per cent."""

    tenant_monthly_fee_chf: Decimal
    tenant_setup_fee_chf: Decimal
    threema_message_chf: Decimal
    vat_rate_chli: Decimal


class PlatformPricing(PlatformPrices, frozen=True, kw_only=True, rename="camel"):
    """The platform's prices as they are now, since when, and who set them."""

    updated_at: Moment
    updated_by: str


class SkillPrice(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a skill costs a day: CHF with five decimal places."""

    skill_id: str
    daily_price_chf: Decimal
    updated_at: Moment
    updated_by: str


async def platform(database: Database) -> PlatformPricing:
    """The platform's prices now."""
    async with database.snapshot() as transaction:
        return await transaction.the_row(PlatformPricing, statements.SELECT_PLATFORM_PRICING)


async def set_platform(database: Database, prices: PlatformPrices, by: str, expected: Expected) -> PlatformPricing:
    """Sets all of the platform's prices; returns them as they are then. Raises `Changed`.

    Places beyond those of the columns would be rounded by Postgres: the caller has checked them.
    """
    async with database.transaction() as transaction:
        check(expected, await transaction.row(PlatformPricing, _locked(statements.SELECT_PLATFORM_PRICING)))
        return await transaction.the_row(
            PlatformPricing,
            statements.UPDATE_PLATFORM_PRICING,
            prices.tenant_monthly_fee_chf,
            prices.tenant_setup_fee_chf,
            prices.threema_message_chf,
            prices.vat_rate_chli,
            by,
        )


async def skills(database: Database) -> list[SkillPrice]:
    """The price of every skill that has one, by skill."""
    async with database.snapshot() as transaction:
        return await transaction.rows(SkillPrice, statements.SELECT_SKILL_PRICES)


async def skill(database: Database, skill_id: str) -> SkillPrice | None:
    """The price of one skill; None: it has none."""
    async with database.snapshot() as transaction:
        return await transaction.row(SkillPrice, statements.SELECT_SKILL_PRICE, skill_id)


async def set_skill(database: Database, skill_id: str, price: Decimal, by: str, expected: Expected) -> SkillPrice:
    """Sets the price of a skill, which may not have had one. Raises `Changed`; on rounding as `set_platform`."""
    async with database.transaction() as transaction:
        check(expected, await transaction.row(SkillPrice, _locked(statements.SELECT_SKILL_PRICE), skill_id))
        return await transaction.the_row(SkillPrice, statements.SET_SKILL_PRICE, skill_id, price, by)


async def delete_skill(database: Database, skill_id: str, by: str, expected: Expected) -> bool:
    """Takes the price of a skill away; False: it had none. Raises `Changed`."""
    async with database.transaction() as transaction:
        found = await transaction.row(SkillPrice, _locked(statements.SELECT_SKILL_PRICE), skill_id)
        check(expected, found)
        if found is None:
            return False
        await transaction.execute(statements.SIGN_SKILL_PRICE, skill_id, by)
        await transaction.execute(statements.DELETE_SKILL_PRICE, skill_id)
    return True


def _locked(select: str) -> str:
    """The same row, which nobody else changes until this transaction ends."""
    return f"{select} FOR UPDATE"
