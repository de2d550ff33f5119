"""One ledger, used by several tasks at the same time."""

import asyncio
from datetime import UTC, datetime

import pytest

from sidecar.facts import Seen
from sidecar.ledger import Ledger

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def seen(number: int) -> Seen:
    return Seen(
        tenant_uid=f"00000000-0000-0000-0000-{number:012}",
        generation=1,
        resource_version=str(number),
        tenant_name=f"tenant-{number}",
        packages=("jitsi",),
        created_at=NOW,
        source="watch",
        at=NOW,
        time_source="watch",
    )


@pytest.mark.parametrize("number", range(1, 8))
async def test_a_question_in_the_middle_of_a_delivery_waits_for_its_turn(ledger_database: str, number: int):
    ledger = Ledger(ledger_database)
    await ledger.delivered()  # connected

    async def ask() -> None:
        for _ in range(number):  # so many steps of the loop into the delivery
            await asyncio.sleep(0)
        await ledger.delivered()

    try:
        await asyncio.gather(ledger.deliver([seen(number)]), ask())
    finally:
        await ledger.close()
