"""The recorder: follows every change of the tenants and makes each durable before the position passes it.

The loop does what the situation asks for, and obeys `situations.advance`. How long it waits grows here, and
only a stream that delivered something, or stood for a while, sets it back.
"""

import asyncio
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NoReturn

import structlog

from sidecar.answers import Answered, Tenants
from sidecar.backoff import Backoff
from sidecar.errors import Misconfigured, Unavailable
from sidecar.watch import positions
from sidecar.watch.following import Attribute, Following, probe
from sidecar.watch.happenings import Ended, Expired, Happening, Listed, Lost, Opened, Probed, Refused, Trouble
from sidecar.watch.identity import confirm
from sidecar.watch.listing import Lists
from sidecar.watch.memory import Memory
from sidecar.watch.positions import Position
from sidecar.watch.selfcheck import Timetable
from sidecar.watch.situations import CALM, Listing, Opening, Priming, Probing, Situation
from sidecar.watch.standing import Standing
from sidecar.watch.storing import Append, Storing

_TIMEOUT = (240, 360)  # seconds, at random: the server ends our watches, and no two replicas' at once

_SLICE = 30.0
"""Seconds. A server may ask for a pause of minutes; meanwhile the loop shows that it runs this often, which is as
often as a stream's probes do."""

_log = structlog.stdlib.get_logger(__name__)


class Watch:
    """One stream of one cluster, for ever. `standing` is for health and metrics."""

    def __init__(
        self,
        tenants: Tenants,
        append: Append,
        *,
        cluster_uid: str,
        org_label: str,
        resync_seconds: float,
        start: bytes | None,
        known: Mapping[str, bytes],
        delivered: tuple[str, datetime] | None,
        attribute: Attribute,
    ) -> None:
        """`start`, `known`: the position and the tenants that the spool holds, as `append` was given them.

        `delivered`: for an empty spool, the version that the ledger has, and when a stream said it.
        `attribute` says who asked for a change. Raises `Misconfigured` if `start` belongs to another cluster.
        """
        self.standing = Standing(_begin(start, delivered, cluster_uid))
        self._tenants = tenants
        self._org_label = org_label
        self._memory = Memory(known)
        self._storing = Storing(append, self._memory, self.standing)
        self._lists = Lists(tenants, self._memory, self._storing, self.standing, cluster_uid, org_label)
        self._timetable = Timetable(resync_seconds)
        self._backoff = Backoff()
        self._attribute = attribute

    async def run(self) -> NoReturn:
        """Watches until it is cancelled. An error that it does not know ends it: the process must end too.

        So does `Misconfigured`, alone or in an ExceptionGroup, when another cluster than the first one answers.
        """
        while True:
            await self._settle(await self._act(self.standing.situation))

    async def _act(self, now: Situation) -> Happening:
        """Do what the situation asks for, until something happens."""
        try:
            match now:
                case Listing() | Priming():
                    return await self._list(now)
                case Probing():
                    return await probe(self._tenants, self.standing, now.held)
                case Opening():
                    return await self._follow(now.held)
        except Answered as error:
            if error.status == 410:
                return Expired(str(error))
            return Refused(error.status, str(error), error.retry_after)
        except Unavailable as error:
            return Lost("unreachable", str(error))
        raise RuntimeError(f"nothing is to be done in {now}")

    async def _list(self, now: Listing | Priming) -> Listed:
        self.standing.lists += 1
        if isinstance(now, Priming):
            position = await self._lists.prime(now.held)
            _log.info("watch_primed", version=position.version, tenants=len(self._memory))
        else:
            position = await self._lists.close_gap(now)
            _log.info("watch_listed", reason=now.reason, version=position.version, tenants=len(self._memory))
        self.standing.signal()
        self._timetable.renew()
        return Listed(position)

    async def _follow(self, held: Position) -> Trouble | Probed:
        async with self._tenants.watch(held.version, random.randint(*_TIMEOUT)) as stream:  # noqa: S311 - jitter
            await confirm(self._tenants, held.cluster_uid)
            self.standing.step(Opened(datetime.now(UTC)))
            _log.info("watch_opened", version=held.version)
            opened = time.monotonic()
            following = Following(
                stream,
                self._tenants,
                self._memory,
                self._storing,
                self.standing,
                self._timetable,
                self._org_label,
                self._attribute,
            )
            ending = await following.run()
        if self.standing.watching.held.version != held.version or time.monotonic() - opened >= CALM:
            self._backoff.reset()
        return ending

    async def _settle(self, happening: Happening) -> None:
        """Take the step that follows, and the pause before the next."""
        following = self.standing.step(happening)
        wait = None if following.pause is None else self._backoff.wait(following.pause)
        if isinstance(happening, Trouble):
            reason = happening.how if isinstance(happening, Lost) else type(happening).__name__.lower()
            self.standing.lost[reason] += 1
            level = _log.info if isinstance(happening, Ended) else _log.warning
            detail = getattr(happening, "message", None)
            level("watch_lost", reason=reason, detail=detail, next=type(following.situation).__name__, wait=wait)
        if following.anomaly is not None:
            _log.error("watch_anomaly", kind=following.anomaly.kind, detail=following.anomaly.detail)
            await self._storing.store([following.anomaly], None)
        if wait is not None:
            await self._rest(wait)

    async def _rest(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _SLICE))
            self.standing.turn()


def _begin(start: bytes | None, delivered: tuple[str, datetime] | None, cluster_uid: str) -> Situation:
    if start is not None:
        held = positions.decode(start)
        if held.cluster_uid != cluster_uid:
            raise Misconfigured(
                f"the spool belongs to cluster {held.cluster_uid}, but this is cluster {cluster_uid}: "
                "use its kubeconfig again, or give this cluster a spool and a database of its own"
            )
        return Probing(held)
    if delivered is not None:
        version, at = delivered
        held = Position(
            version=version,
            at=at,
            segment_from_version=version,
            segment_from_at=at,
            cluster_uid=cluster_uid,
            primed=False,
        )
        return Probing(held)
    return Listing(None, "first")
