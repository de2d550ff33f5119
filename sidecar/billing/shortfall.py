"""What the ledger lacks, as numbers: `completeness` without its lists."""

from msgspec import Struct

from sidecar.billing import statements
from sidecar.billing.database import Database


class Lacking(Struct, frozen=True, kw_only=True):
    """How many generations, ends and stretches of versions are not known, and lists that wait for a person."""

    missing_generations: int
    open_ends: int
    gaps: int
    held_censuses: int


class Shortfall(Struct, frozen=True, kw_only=True):
    """`anomalies`: all that were ever recorded, by kind."""

    lacking: Lacking
    anomalies: dict[str, int]


async def shortfall(database: Database) -> Shortfall:
    """All of it as of one moment. Raises as `Database.snapshot`."""
    async with database.snapshot() as transaction:
        lacking = await transaction.the_row(Lacking, statements.COUNT_SHORTFALL)
        kinds = await transaction.records(statements.COUNT_ANOMALIES_BY_KIND)
    return Shortfall(lacking=lacking, anomalies={row["kind"]: row["count"] for row in kinds})
