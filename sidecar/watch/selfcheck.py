"""Checks the watch by a complete list: what the stream should have told us, and has not (pure).

Losses below the client exist (etcd#18089, kubernetes#123072). What a list shows and the memory lacks is a
suspect only: the stream may merely be a moment behind. It is held until the stream has reached the list's
version, and what then still differs is a difference.
"""

import random
import time
from collections.abc import Iterable

from sidecar.facts import version_key
from sidecar.tenant import Tenant
from sidecar.watch.memory import Memory
from sidecar.watch.news import Unusable

SUSPECTS_MOST = 1000
"""Held at once. One that stays leads to a complete list, which needs no others; if all of these were only a
moment ahead of the stream, the next check looks again."""


class Timetable:
    """When the next check is due; it outlasts the streams, which end more often than that."""

    def __init__(self, resync_seconds: float) -> None:
        """`resync_seconds`: the mean time between two complete lists."""
        self._resync_seconds = resync_seconds
        self.due_at = 0.0  # monotonic seconds
        self.renew()

    def renew(self) -> None:
        """A complete list was made, or tried: from half to one and a half times that long until the next.

        By default that is 10 to 30 minutes; at random, so that replicas do not list together.
        """
        jitter = random.uniform(0.5, 1.5)  # noqa: S311 - not a secret
        self.due_at = time.monotonic() + self._resync_seconds * jitter


class SelfCheck:
    """One check. Feed it the list's pages, then ask, once the stream has come that far."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._uids: set[str] = set()
        self._changed: dict[str, Tenant] = {}
        self._absent: dict[str, str] = {}  # uid → the version it was known at
        memory.removed.clear()

    def page(self, items: Iterable[Tenant | Unusable]) -> None:
        """Compare one page. An object without an identity is only counted: the watch has reported it."""
        for item in items:
            if isinstance(item, Unusable):
                if item.uid is not None:
                    self._uids.add(item.uid)
                continue
            self._uids.add(item.uid)
            if self._differs(item) and len(self._changed) < SUSPECTS_MOST:
                self._changed[item.uid] = item

    def listed(self, version: str) -> bool:
        """The list is complete, at `version`. Whether there is any suspect."""
        key = version_key(version)
        for uid, known in self._memory.items():
            if uid not in self._uids and version_key(known.version) <= key and len(self._absent) < SUSPECTS_MOST:
                self._absent[uid] = known.version
        self._uids.clear()
        return bool(self._changed or self._absent)

    def differences(self) -> tuple[str, ...]:
        """The uids of the suspects that the stream has not explained by now."""
        changed = [uid for uid, tenant in self._changed.items() if self._differs(tenant)]
        absent = []
        for uid, version in self._absent.items():
            known = self._memory.get(uid)
            if known is not None and known.version == version:
                absent.append(uid)
        return (*changed, *absent)

    def _differs(self, tenant: Tenant) -> bool:
        if tenant.uid in self._memory.removed:
            return False
        known = self._memory.get(tenant.uid)
        if known is None:
            return True
        if version_key(known.version) > version_key(tenant.resource_version):
            return False  # the stream is ahead of the list
        return not known.tells(tenant)
