"""How organisations are billed: one row each, made with the defaults by whoever asks for it first."""

from typing import Annotated, Literal

import asyncpg
import msgspec
from msgspec import Meta, Struct

from sidecar.billing import statements
from sidecar.billing.database import Database
from sidecar.billing.errors import Taken
from sidecar.billing.prices import Moment
from sidecar.billing.versions import Expected, check

# 200 characters hold any name or line of an address; the Swiss QR-bill has room for 70.
Line = Annotated[
    str,
    Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", description="one line of 1 to 200 characters"),
]
Email = Annotated[
    str,
    Meta(
        max_length=254,  # RFC 5321, section 4.5.3.1.3: a path of 256 octets with its angle brackets
        pattern=r"^[^@\x00-\x20\x7f]+@[^@\x00-\x20\x7f]+$",
        description="an e-mail address",
    ),
]
Country = Annotated[str, Meta(pattern="^[A-Z]{2}$", description="an ISO 3166-1 code of two capital letters")]
Language = Annotated[str, Meta(pattern="^[a-z]{2}$", description="an ISO 639-1 code of two small letters")]
Days = Annotated[int, Meta(ge=0, le=365, description="a number of days from 0 to 365")]


class OrgConfig(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How an organisation is billed; all that a person may set."""

    pay_by_invoice: bool
    auto_invoice_enabled: bool
    auto_reminders_enabled: bool
    stripe_customer_id: Line | None
    payment_terms_days: Days
    legal_name: Line | None
    contact_name: Line | None
    billing_email: Email | None
    street: Line | None
    house_number: Line | None
    postal_code: Line | None
    town: Line | None
    country: Country
    language: Language
    vat_number: Line | None
    vat_treatment: Literal["chli", "export", "exempt"]
    customer_reference: Line | None


class StoredOrgConfig(Struct, frozen=True, kw_only=True, rename="camel"):
    """How an organisation is billed, as it is stored: SQL may have set texts that the API would not take."""

    zitadel_org_id: str
    pay_by_invoice: bool
    auto_invoice_enabled: bool
    auto_reminders_enabled: bool
    stripe_customer_id: str | None
    payment_terms_days: int
    legal_name: str | None
    contact_name: str | None
    billing_email: str | None
    street: str | None
    house_number: str | None
    postal_code: str | None
    town: str | None
    country: str
    language: str
    vat_number: str | None
    vat_treatment: str
    customer_reference: str | None
    created_at: Moment
    updated_at: Moment


async def config(database: Database, org_id: str) -> StoredOrgConfig:
    """The organisation's configuration; the defaults, stored from now on, if it had none."""
    async with database.transaction() as transaction:
        found = await transaction.row(StoredOrgConfig, statements.SELECT_ORG_CONFIG, org_id)
        if found is None:
            await transaction.execute(statements.CREATE_ORG_CONFIG, org_id)
            found = await transaction.the_row(StoredOrgConfig, statements.SELECT_ORG_CONFIG, org_id)
    return found


async def set_config(database: Database, org_id: str, wanted: OrgConfig, expected: Expected) -> StoredOrgConfig:
    """Replaces the whole configuration. Raises `Changed`; `Taken` if another organisation has that Stripe customer."""
    async with database.transaction() as transaction:
        found = await transaction.row(StoredOrgConfig, f"{statements.SELECT_ORG_CONFIG} FOR UPDATE", org_id)
        check(expected, found)
        if found is None:
            await transaction.execute(statements.CREATE_ORG_CONFIG, org_id)
        try:
            return await transaction.the_row(
                StoredOrgConfig, statements.UPDATE_ORG_CONFIG, org_id, *msgspec.structs.astuple(wanted)
            )
        except asyncpg.UniqueViolationError as error:
            raise Taken(f"another organisation has the Stripe customer {wanted.stripe_customer_id}") from error
