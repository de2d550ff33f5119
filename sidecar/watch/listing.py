"""A complete list: page by page into facts, and at its end the census that closes a gap."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime

from sidecar.answers import Page, Tenants
from sidecar.facts import Anomaly, AnyFact, Began, Census
from sidecar.tenant import Tenant
from sidecar.watch.memory import Memory
from sidecar.watch.news import Unusable, read_item
from sidecar.watch.positions import Mark, Position
from sidecar.watch.situations import Listing

PAGE = 500  # objects; client-go's page size, and as many facts as one append takes

_READ_ON_LOOP = 2**20  # bytes; read in 2 to 3 ms, more than that would hold up the webhook's answers

Store = Callable[[Sequence[AnyFact], Position | None], Awaitable[None]]
"""Makes facts, and what changed in the memory, durable. None: the position stays."""


async def pages(tenants: Tenants, org_label: str) -> AsyncIterator[tuple[Page, list[Tenant | Unusable]]]:
    """All pages of one list with what their items say. Raises `Answered`, `Unavailable` in the middle."""
    token = ""
    while True:
        page = await tenants.list_page(PAGE, token)
        if page.size > _READ_ON_LOOP:
            items = await asyncio.to_thread(_read, page, org_label)
        else:
            items = _read(page, org_label)
        yield page, items
        token = page.continue_token
        if not token:
            return


def _read(page: Page, org_label: str) -> list[Tenant | Unusable]:
    return [read_item(item, org_label) for item in page.items]


async def store_list(
    tenants: Tenants, memory: Memory, now: Listing, cluster_uid: str, org_label: str, store: Store
) -> Position:
    """Lists everything and stores what is news, then the census, the gap and the new position in one append.

    If it fails in the middle, what was stored stays (it was seen), the position too, and there is no census.
    Returns the new position. Raises `Answered`, `Unavailable`.
    """
    passed = now.held.passed() if now.held else None
    first: Page | None = None
    uids: list[str] = []
    nameless = 0
    async for page, items in pages(tenants, org_label):
        facts: list[AnyFact] = []
        if first is None:
            first = page
            facts.append(Began(cluster_uid=cluster_uid, at=page.server_date or page.sent_at))
        for item in items:
            if isinstance(item, Unusable):
                facts.append(item.anomaly())
            else:
                facts += memory.list_item(item, page.answered_at, passed)
            if item.uid is not None:
                uids.append(item.uid)
            else:
                nameless += 1
        await store(facts, None)
    if first is None:
        raise AssertionError("a list has at least one page")
    return await _close(first, uids, nameless, memory, now, cluster_uid, passed, store)


async def _close(
    first: Page,
    uids: list[str],
    nameless: int,
    memory: Memory,
    now: Listing,
    cluster_uid: str,
    passed: datetime | None,
    store: Store,
) -> Position:
    facts: list[AnyFact] = []
    if not nameless:  # else the list has a tenant that we cannot name: its absence from a census would end it
        gone = memory.absent(set(uids))
        facts.append(
            Census(
                version=first.version,
                sent_at=first.sent_at,
                answered_at=first.answered_at,
                uids=tuple(uids),
                gone=gone,
                not_before=passed,
            )
        )
        for uid in gone:
            memory.forget(uid)
    position = Position(
        version=first.version,
        at=first.answered_at,
        segment_from_version=first.version,
        segment_from_at=first.sent_at,
        marks=(Mark(first.version, first.sent_at),),
        cluster_uid=cluster_uid,
    )
    facts.append(position.segment())
    if now.held is not None:
        detail = {"from_version": now.held.version, "to_version": first.version, "reason": now.reason}
        facts.append(Anomaly(kind="watch_gap", detail={**detail}, from_at=now.held.at, to_at=first.sent_at))
    await store(facts, position)
    return position
