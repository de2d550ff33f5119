"""Following one open stream: its lines into facts, and beside it the LISTs that prove times and check it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from sidecar.answers import Silent, Stream, Tenants, TooLong
from sidecar.errors import Unavailable
from sidecar.facts import AnyFact, version_key
from sidecar.watch.happenings import Delivered, Ended, Expired, Lost, Missed, Probed, Stalled, Trouble, Unreadable
from sidecar.watch.identity import confirm
from sidecar.watch.listing import own_pages
from sidecar.watch.memory import Memory
from sidecar.watch.news import Bookmark, Change, Failure, Garbled, Unusable, excerpt, read_deep_line, read_line
from sidecar.watch.positions import Position
from sidecar.watch.pulse import STALL, Pulse
from sidecar.watch.selfcheck import SelfCheck, Timetable
from sidecar.watch.situations import Watching, advance
from sidecar.watch.standing import Standing
from sidecar.watch.storing import Storing

_APPEND_MOST = 500  # lines an append: some 200 KB of facts, a few ms; what a kill can make us read again
_PROBE = 30.0  # seconds between two LISTs with limit=1: the finest that a `not_before` can be
_QUIET = 10.0  # seconds; a position that moved without any fact is stored at most this often
_SUSPECT = 120.0  # seconds; two bookmarks (about one a minute) should have moved the position by then
_NAMED = 20  # uids of differences that an anomaly names; the count says how many there were

Attribute = Callable[[Change, str], Sequence[AnyFact]]
"""Says who asked for a change, as far as that is known; given with the newest version known before it ("0": none)."""

_log = structlog.stdlib.get_logger(__name__)


async def probe(tenants: Tenants, standing: Standing, held: Position) -> Probed:
    """The server's present version. Raises `Answered`, `Unavailable`; `Misconfigured` if it is another cluster's."""
    page = await tenants.list_page(1)
    standing.signal()
    await confirm(tenants, held.cluster_uid)
    return Probed(page.version, page.sent_at, held.version)


class Following:
    """One stream, from its opening to its end. `standing` must be Watching; it is moved along.

    The reader is never cancelled, because it may be in the middle of an append: whoever beside it finds that
    the stream is worth nothing leaves a verdict and closes the stream.
    """

    def __init__(
        self,
        stream: Stream,
        tenants: Tenants,
        memory: Memory,
        storing: Storing,
        standing: Standing,
        timetable: Timetable,
        org_label: str,
        attribute: Attribute,
    ) -> None:
        self._stream = stream
        self._tenants = tenants
        self._memory = memory
        self._storing = storing
        self._standing = standing
        self._timetable = timetable
        self._org_label = org_label
        self._attribute = attribute
        self._pulse = Pulse(self._stalled)
        self._probe_wanted = asyncio.Event()
        self._moved = asyncio.Event()
        self._verdict: Probed | Missed | None = None
        self._announced = False  # that it has caught up, since the opening or the last stall

    async def run(self) -> Trouble | Probed:
        """Follows the stream until it ends, and says how. (A `Probed` with a version below the position.)

        Raises an ExceptionGroup with `Misconfigured` when another cluster answers the LISTs beside it.
        """
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(self._pulse.beat()),
                group.create_task(self._keep_probing()),
                group.create_task(self._keep_checking()),
            ]
            trouble = await self._read()
            for task in beside:
                task.cancel()
        return self._verdict or trouble

    async def _read(self) -> Trouble:
        opened = time.monotonic()
        try:
            async for batch in self._stream:
                self._pulse.look()
                if trouble := await self._take(batch):
                    return trouble
        except Silent as error:
            return Lost("silent", str(error))
        except Unavailable as error:
            return Lost("cut", str(error))
        return Ended(time.monotonic() - opened)

    async def _take(self, batch: list[bytes | TooLong]) -> Trouble | None:
        """Record what these lines say; returns what ends the stream, if one of them does."""
        began, at = time.monotonic(), datetime.now(UTC)
        self._standing.signal()
        trouble = None
        for start in range(0, len(batch), _APPEND_MOST):
            trouble = await self._record(batch[start : start + _APPEND_MOST], at)
            if trouble is not None:
                break
        if time.monotonic() - began > STALL:
            self._stalled()  # what has come meanwhile waited for us
        return trouble

    async def _record(self, lines: list[bytes | TooLong], at: datetime) -> Trouble | None:
        now = self._standing.watching
        version, facts = "", list[AnyFact]()  # "": the stream has told no version here
        trouble: Trouble | None = None
        for line in lines:
            if isinstance(line, TooLong):
                trouble = Unreadable("line_too_long", excerpt(line.beginning), line.length)
                break
            try:
                news = read_line(line, self._org_label)
            except RecursionError:  # rare, and too much work for the loop
                news = await asyncio.to_thread(read_deep_line, line, self._org_label)
                now = self._standing.watching
            if isinstance(news, Change):
                told = news.tenant.resource_version
                facts += self._attribute(news, self._memory.version_of(news.tenant.uid))
                facts += self._memory.follow(news, now.held, at, live=now.live(told))
            elif isinstance(news, Bookmark):
                told = news.version
            elif isinstance(news, Unusable):
                facts.append(news.anomaly())
                continue
            else:
                trouble = _ended_by(news)
                break
            version = max(version, told, key=version_key)
        await self._deliver(facts, version, at)
        return trouble

    async def _deliver(self, facts: list[AnyFact], version: str, at: datetime) -> None:
        if not version:
            await self._storing.store(facts, None)
            return
        held = self._standing.watching.held.moved(version, at)
        if facts or self._storing.quiet_for() >= _QUIET:
            await self._storing.store([*facts, held.segment()], held)
        self._standing.step(Delivered(version, at))
        self._announce()
        self._moved.set()

    def _stalled(self) -> None:
        _log.warning("watch_stalled", version=self._standing.watching.held.version)
        self._standing.step(Stalled(datetime.now(UTC)))
        self._announced = False
        self._probe_wanted.set()

    def _announce(self) -> None:
        if not self._announced and self._standing.watching.caught_up:
            self._announced = True
            _log.info("watch_caught_up", version=self._standing.watching.held.version)

    async def _keep_probing(self) -> None:
        while True:
            self._probe_wanted.clear()
            self._standing.turn()
            try:
                self._hear(await probe(self._tenants, self._standing, self._standing.watching.held))
            except Unavailable as error:  # the stream may be well all the same, and ends by itself if not
                _log.warning("watch_probe_failed", detail=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(_PROBE):
                    await self._probe_wanted.wait()

    def _hear(self, probed: Probed) -> None:
        following = advance(self._standing.situation, probed).situation
        if isinstance(following, Watching):
            self._standing.situation = following
            self._announce()
        else:
            self._close(probed)

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(self._timetable.due_at - time.monotonic())
            try:
                uids = await self._check()
            except Unavailable as error:
                _log.warning("watch_check_failed", detail=str(error))
            else:
                if uids is None:
                    _log.info("watch_check_put_off")
                else:
                    self._checked(uids)
            self._timetable.renew()

    def _checked(self, uids: tuple[str, ...]) -> None:
        self._standing.checks += 1
        _log.info("watch_checked", tenants=len(self._memory), differences=len(uids))
        if uids:
            self._close(Missed(uids[:_NAMED], len(uids)))

    async def _check(self) -> tuple[str, ...] | None:
        """The uids of what the stream has hidden; None: cannot be told now, for what it tells has to wait for us."""
        if self._standing.paused:
            return None
        check = SelfCheck(self._memory)
        held, since, version = self._standing.watching.held, self._standing.watching.since, ""
        async for page, items in own_pages(self._tenants, held.cluster_uid, self._org_label):
            self._standing.turn()
            if not version:
                version = page.version
                self._hear(Probed(version, page.sent_at, held.version))
            check.page(items)
        reached = not check.listed(version) or await self._reaches(version)
        # Behind by its own fault only if it was read all the time. (A pause that has ended is a stall as well.)
        if not reached and (self._standing.paused or self._standing.watching.since != since):
            return None
        return check.differences()

    async def _reaches(self, version: str) -> bool:
        """Whether the stream comes as far as that in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SUSPECT):
                while version_key(self._standing.watching.held.version) < version_key(version):
                    self._moved.clear()
                    await self._moved.wait()
                return True
        return False

    def _close(self, verdict: Probed | Missed) -> None:
        if self._verdict is None:
            self._verdict = verdict
            self._stream.close()


def _ended_by(news: Failure | Garbled) -> Trouble:
    if isinstance(news, Garbled):
        return Unreadable("bad_line", news.excerpt)
    return Expired(news.message) if news.code == 410 else Unreadable("error_line", news.message)
