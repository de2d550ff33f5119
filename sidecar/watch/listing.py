"""A complete list: page by page into facts, and at its end the census that closes a gap, or a memory made anew."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from sidecar.answers import Page, Tenants
from sidecar.facts import Anomaly, AnyFact, Began, Census
from sidecar.tenant import Tenant
from sidecar.watch.identity import confirm
from sidecar.watch.memory import Memory
from sidecar.watch.news import Unusable, read_item
from sidecar.watch.positions import Mark, Position
from sidecar.watch.situations import Listing
from sidecar.watch.standing import Standing
from sidecar.watch.storing import Storing

PAGE = 500  # objects; client-go's page size, and as many facts as one append takes

_READ_ON_LOOP = 2**20  # bytes; read in 2 to 3 ms, more than that would hold up the webhook's answers


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


async def own_pages(
    tenants: Tenants, cluster_uid: str, org_label: str
) -> AsyncIterator[tuple[Page, list[Tenant | Unusable]]]:
    """As `pages`, each page only after it is known that `cluster_uid` answers. Raises `Misconfigured` too."""
    async for page, items in pages(tenants, org_label):
        await confirm(tenants, cluster_uid)
        yield page, items


def _read(page: Page, org_label: str) -> list[Tenant | Unusable]:
    return [read_item(item, org_label) for item in page.items]


@dataclass(frozen=True)
class _Whole:
    """What is left to say when all pages have been stored. `nameless`: objects without a uid."""

    first: Page
    uids: list[str]
    nameless: int


class Lists:
    """The complete lists of one watch.

    If one fails in the middle, what was stored stays (it was seen), the position too, and there is no census.
    """

    def __init__(
        self, tenants: Tenants, memory: Memory, storing: Storing, standing: Standing, cluster_uid: str, org_label: str
    ) -> None:
        self._tenants = tenants
        self._memory = memory
        self._storing = storing
        self._standing = standing
        self._cluster_uid = cluster_uid
        self._org_label = org_label

    async def close_gap(self, now: Listing) -> Position:
        """Stores what is news, then the census, the gap and the new position, which is returned, in one append.

        Raises `Answered`, `Unavailable`, and `Misconfigured` when another cluster answers.
        """
        passed = now.held.passed() if now.held else None
        whole = await self._store_pages(passed)
        first = whole.first
        facts: list[AnyFact] = []
        if not whole.nameless:  # else the list has a tenant that we cannot name: its absence would end it
            facts.append(self._census(whole, passed))
        position = Position(
            version=first.version,
            at=first.answered_at,
            segment_from_version=first.version,
            segment_from_at=first.sent_at,
            marks=(Mark(first.version, first.sent_at),),
            cluster_uid=self._cluster_uid,
        )
        if now.held is not None:
            # Where it had really come: a position that moved without facts is stored only now and then, and
            # the gap would seem to begin there.
            facts.append(now.held.segment())
            detail = {"from_version": now.held.version, "to_version": first.version, "reason": now.reason}
            facts.append(Anomaly(kind="watch_gap", detail={**detail}, from_at=now.held.at, to_at=first.sent_at))
        await self._storing.store([*facts, position.segment()], position)
        return position

    async def prime(self, held: Position) -> Position:
        """Stores what the list shows and learns it, for a memory that was lost; returns `held` as primed.

        The position stays, because all later changes are still to be told, and so there is neither a gap nor
        a census. They are told to a memory that is ahead of them, which claims no `not_before` for them.
        Raises as `close_gap`.
        """
        whole = await self._store_pages(None)
        for uid in self._memory.absent(set(whole.uids)):  # known from a priming that failed; the stream tells its end
            self._memory.forget(uid)
        position = msgspec.structs.replace(held.marked(whole.first.version, whole.first.sent_at), primed=True)
        await self._storing.store([], position)
        return position

    async def _store_pages(self, passed: datetime | None) -> _Whole:
        """`passed`: when the newest LIST was sent that the position held before had passed."""
        first: Page | None = None
        uids: list[str] = []
        nameless = 0
        async for page, items in own_pages(self._tenants, self._cluster_uid, self._org_label):
            facts: list[AnyFact] = []
            if first is None:
                first = page
                facts.append(Began(cluster_uid=self._cluster_uid, at=page.server_date or page.sent_at))
            for item in items:
                if isinstance(item, Unusable):
                    facts.append(item.anomaly())
                else:
                    facts += self._memory.list_item(item, page.answered_at, passed)
                if item.uid is not None:
                    uids.append(item.uid)
                else:
                    nameless += 1
            await self._storing.store(facts, None)
            self._standing.turn()
        if first is None:
            raise AssertionError("a list has at least one page")
        return _Whole(first, uids, nameless)

    def _census(self, whole: _Whole, passed: datetime | None) -> Census:
        gone = self._memory.absent(set(whole.uids))
        for uid in gone:
            self._memory.forget(uid)
        return Census(
            version=whole.first.version,
            sent_at=whole.first.sent_at,
            answered_at=whole.first.answered_at,
            uids=tuple(whole.uids),
            gone=gone,
            not_before=passed,
        )
