"""The tenants as last known: what is news about them, and which facts follow from it (pure).

No news is a write or a list item that changes neither the generation nor what bills (org, packages,
suspended, or why it cannot be read) nor whether a deletion is requested. It costs nothing downstream.
"""

import sys
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from sidecar.facts import AnyFact, Removal, TimeSource, version_key
from sidecar.observing import facts_of
from sidecar.tenant import Tenant
from sidecar.watch.news import Change
from sidecar.watch.positions import Position


class Known(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, array_like=True):
    """A tenant as last recorded. `version`: of the last write that was seen; in the spool, of the last record, since
    writes that are no news move it in memory alone.

    No pointers to garbage-collected values, and shared texts: 100,000 of these are about 50 MB.
    """

    generation: int
    version: str
    packages: tuple[str, ...] | None
    org: str | None = None
    suspended: bool = False
    deletion_requested: bool = False
    unreadable: str | None = None

    def tells(self, tenant: Tenant) -> bool:
        """Whether this is all that bills about `tenant`: it is no news."""
        return (
            self.generation == tenant.generation
            and self.packages == tenant.packages
            and self.suspended == tenant.suspended
            and self.org == tenant.org
            and self.deletion_requested == (tenant.deletion_requested_at is not None)
            and self.unreadable == tenant.unreadable
        )


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Known)


class Memory:
    """What one stream knows; its changes since the last `take` are what to store along with the facts."""

    def __init__(self, stored: Mapping[str, bytes]) -> None:
        """`stored`: uid → what `take` gave for it. Raises `msgspec.DecodeError` for other bytes."""
        self._known = {uid: _shared(_decoder.decode(body)) for uid, body in stored.items()}
        self._changed: dict[str, bytes | None] = {}
        self.removed: set[str] = set()  # uids that the stream saw go; the self-check empties it when it begins

    def __len__(self) -> int:
        return len(self._known)

    def get(self, uid: str) -> Known | None:
        """The tenant as last known."""
        return self._known.get(uid)

    def version_of(self, uid: str) -> str:
        """The newest version of the tenant that was seen; "0" if none was."""
        known = self._known.get(uid)
        return "0" if known is None else known.version

    def items(self) -> Iterator[tuple[str, Known]]:
        """All tenants as last known."""
        return iter(self._known.items())

    def take(self) -> dict[str, bytes | None]:
        """What changed since the last time: uid → encoded tenant, or None if it is gone."""
        changed, self._changed = self._changed, {}
        return changed

    def follow(self, change: Change, position: Position, at: datetime, *, live: bool) -> list[AnyFact]:
        """The facts in a change that the stream told at `at`, standing at `position`; empty: no news.

        `live`: told as it happened, rather than caught up with.
        """
        tenant = change.tenant
        known = self._known.get(tenant.uid)
        time_source: TimeSource = "watch" if live else "late"
        if change.kind == "DELETED":
            return self._follow_deletion(tenant, known, position, at, time_source)
        newer = known is None or version_key(known.version) <= version_key(tenant.resource_version)
        if known is not None and newer and known.tells(tenant):
            self._move(tenant, known)
            return []  # an older one that looks the same is news: it had these contents, or this org, before
        not_before = None
        if known is None:
            # A creation, told as it happens: the tenant did not exist before. (A tenant that is unknown
            # because the memory was lost is MODIFIED, or was listed.)
            if live and change.kind == "ADDED":
                not_before = position.not_before(tenant.resource_version)
        elif known.generation < tenant.generation and known.packages is not None:
            not_before = position.not_before(tenant.resource_version)
        if newer:
            self._remember(tenant)
        return facts_of(tenant, "watch", at, not_before, time_source)

    def list_item(self, tenant: Tenant, at: datetime, passed: datetime | None) -> list[AnyFact]:
        """The facts in an item of a list answered at `at`; the memory follows the list; empty: no news.

        `passed`: when the newest LIST was sent that the position held before the gap had passed.
        """
        known = self._known.get(tenant.uid)
        if known is not None and known.tells(tenant):
            self._move(tenant, known)
            return []
        advanced = known is not None and known.generation < tenant.generation and known.packages is not None
        self._remember(tenant)
        return facts_of(tenant, "list", at, passed if advanced else None, "late")

    def absent(self, uids: set[str]) -> tuple[str, ...]:
        """The known uids that are not among these."""
        return tuple(uid for uid in self._known if uid not in uids)

    def forget(self, uid: str) -> None:
        """The tenant is gone."""
        if self._known.pop(uid, None) is not None:
            self._changed[uid] = None

    def _follow_deletion(
        self, tenant: Tenant, known: Known | None, position: Position, at: datetime, time_source: TimeSource
    ) -> list[AnyFact]:
        facts: list[AnyFact] = []
        if known is None or not known.tells(tenant):
            # The body is the last stored one, so we missed when it came to be: no bound on its time.
            facts += facts_of(tenant, "watch", at, None, time_source)
        facts.append(
            Removal(
                tenant_uid=tenant.uid,
                time_source=time_source,
                at=at,
                not_before=position.not_before(tenant.resource_version),
                last_generation=tenant.generation,
            )
        )
        self.forget(tenant.uid)
        self.removed.add(tenant.uid)
        return facts

    def _move(self, tenant: Tenant, known: Known) -> None:
        """A write that was no news. In memory alone: on the disk it would cost as much as news."""
        self._known[tenant.uid] = msgspec.structs.replace(known, version=tenant.resource_version)

    def _remember(self, tenant: Tenant) -> None:
        known = Known(
            generation=tenant.generation,
            version=tenant.resource_version,
            packages=tenant.packages,
            org=tenant.org,
            suspended=tenant.suspended,
            deletion_requested=tenant.deletion_requested_at is not None,
            unreadable=tenant.unreadable,
        )
        self._known[tenant.uid] = _shared(known)
        self._changed[tenant.uid] = _encoder.encode(known)


def _shared(known: Known) -> Known:
    """The same with texts that many tenants have in common kept once."""
    if not known.packages and not known.org:
        return known
    return msgspec.structs.replace(
        known,
        packages=known.packages and tuple(map(sys.intern, known.packages)),
        org=known.org and sys.intern(known.org),
    )
