"""The platform's prices and the skills'."""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from sidecar.billing import prices
from sidecar.billing.prices import PlatformPrices, PlatformPricing, SkillPrice
from sidecar.billing.versions import version
from sidecar.web.problems import Problem
from sidecar.web.routing import Call, Parts, Reply, Route

# Text, because a JSON number is a binary fraction to most readers. The places are those of the columns: Postgres
# would round what has more, without a word.
Chf = Annotated[
    str,
    Meta(
        pattern=r"^(0|[1-9][0-9]{0,7})(\.[0-9]{1,2})?$",  # numeric(10,2)
        description="an amount in CHF as text: 0 to 99999999.99, two decimal places at most",
        examples=["49.00"],
    ),
]
UnitChf = Annotated[
    str,
    Meta(
        pattern=r"^(0|[1-9][0-9]{0,4})(\.[0-9]{1,5})?$",  # numeric(10,5)
        description="a price of one unit in CHF as text: 0 to 99999.99999, five decimal places at most",
        examples=["0.00500"],
    ),
]
Percent = Annotated[
    str,
    Meta(
        pattern=r"^(100(\.0{1,2})?|(0|[1-9][0-9]?)(\.[0-9]{1,2})?)$",  # numeric(5,2), at most 100
        description="a rate in per cent as text: 0 to 100, two decimal places at most",
        examples=["8.10"],
    ),
]

_HISTORY = "The versions before and after are kept in ledger.pricing_history, with the caller's name."
_IF_MATCH = "With If-Match it is done only to that version; without, the last write wins."


class NewPlatformPrices(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """All of the platform's prices."""

    tenant_monthly_fee_chf: Chf
    tenant_setup_fee_chf: Chf
    threema_message_chf: UnitChf
    vat_rate_chli: Percent


class NewSkillPrice(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a skill costs a day."""

    daily_price_chf: UnitChf


class SkillPrices(Struct, frozen=True, kw_only=True, rename="camel"):
    """Every skill that has a price."""

    skills: list[SkillPrice]


async def _get_platform(parts: Parts, _: Call) -> Reply:
    found = await prices.platform(parts.database)
    return Reply(found, version(found))


async def _put_platform(parts: Parts, call: Call) -> Reply:
    body: NewPlatformPrices = call.body
    wanted = PlatformPrices(
        tenant_monthly_fee_chf=Decimal(body.tenant_monthly_fee_chf),
        tenant_setup_fee_chf=Decimal(body.tenant_setup_fee_chf),
        threema_message_chf=Decimal(body.threema_message_chf),
        vat_rate_chli=Decimal(body.vat_rate_chli),
    )
    now = await prices.set_platform(parts.database, wanted, call.by, call.expected)
    return Reply(now, version(now))


async def _get_skills(parts: Parts, _: Call) -> Reply:
    return Reply(SkillPrices(skills=await prices.skills(parts.database)))


async def _get_skill(parts: Parts, call: Call) -> Reply:
    found = await prices.skill(parts.database, call.path["skill_id"])
    if found is None:
        raise _unpriced(call)
    return Reply(found, version(found))


async def _put_skill(parts: Parts, call: Call) -> Reply:
    body: NewSkillPrice = call.body
    price = Decimal(body.daily_price_chf)
    now = await prices.set_skill(parts.database, call.path["skill_id"], price, call.by, call.expected)
    return Reply(now, version(now))


async def _delete_skill(parts: Parts, call: Call) -> Reply:
    if not await prices.delete_skill(parts.database, call.path["skill_id"], call.by, call.expected):
        raise _unpriced(call)
    return Reply()


def _unpriced(call: Call) -> Problem:
    return Problem(404, f"{call.path['skill_id']} has no price.")


_PRICING = "/api/admin/billing/pricing"
_SKILLS = "/api/admin/billing/skills"
_SKILL = f"{_SKILLS}/{{skill_id}}/price"
_NO_PRICE = {404: "The skill has no price."}

ROUTES = (
    Route(
        method="GET",
        path=_PRICING,
        name="getPlatformPricing",
        summary="The platform's prices",
        act=_get_platform,
        answers=PlatformPricing,
        versioned=True,
    ),
    Route(
        method="PUT",
        path=_PRICING,
        name="putPlatformPricing",
        summary="Set all of the platform's prices",
        notes=f"{_HISTORY} {_IF_MATCH}",
        act=_put_platform,
        body=NewPlatformPrices,
        answers=PlatformPricing,
        versioned=True,
        conditional=True,
    ),
    Route(
        method="GET",
        path=_SKILLS,
        name="getSkillPrices",
        summary="Every skill that has a price",
        act=_get_skills,
        answers=SkillPrices,
    ),
    Route(
        method="GET",
        path=_SKILL,
        name="getSkillPrice",
        summary="What a skill costs",
        act=_get_skill,
        answers=SkillPrice,
        errors=_NO_PRICE,
        versioned=True,
    ),
    Route(
        method="PUT",
        path=_SKILL,
        name="putSkillPrice",
        summary="Set what a skill costs; it may not have had a price",
        notes=f"{_HISTORY} {_IF_MATCH}",
        act=_put_skill,
        body=NewSkillPrice,
        answers=SkillPrice,
        versioned=True,
        conditional=True,
    ),
    Route(
        method="DELETE",
        path=_SKILL,
        name="deleteSkillPrice",
        summary="Take a skill's price away",
        notes=f"{_HISTORY} {_IF_MATCH}",
        act=_delete_skill,
        media_type="",
        errors=_NO_PRICE,
        conditional=True,
    ),
)
