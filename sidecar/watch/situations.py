"""The situations of a watch, what can happen in them, and what follows (pure).

    Listing ──listed──► Opening ──opened──► Watching
       ▲                  ▲  │                 │
       │                probed │ trouble       │ trouble, end
       └──410, ahead───── Probing ◄────────────┘        (410, unreadable, missed: from each to Listing)

A position is kept through everything but what makes it worthless: it is too old (410, as an HTTP status or as
a line of the stream), the stream said something that cannot be understood, the server's present version is
below it (etcd was restored; resuming there would be silence for ever), or the self-check found that the
stream had hidden something. How long to wait grows outside of this; here it is only said whether.
The idea, and the names' form, are kube-runtime's (watcher.rs).
"""

from datetime import datetime
from typing import Literal

import msgspec

from sidecar.facts import Anomaly, version_key
from sidecar.watch.positions import Position

Reason = Literal["first", "expired", "ahead", "unreadable", "missed"]
"""Why a complete list is needed."""


class Situation(msgspec.Struct, frozen=True):
    """The root of all situations. `held` is the position that a resume would start from, or did."""

    held: Position | None


class Listing(Situation, frozen=True):
    """The next thing is a complete list. `held`: what the gap that it closes began with."""

    reason: Reason


class Probing(Situation, frozen=True):
    """Before resuming at `held`, the server's present version must be known."""

    held: Position


class Opening(Situation, frozen=True):
    """The next thing is to open a stream at `held`."""

    held: Position


class Watching(Situation, frozen=True):
    """A stream is open. Changes above `live_above` are told as they happen; the others are catching up.

    `live_above` is the version of a LIST sent after `since`, the moment when the stream was opened or when
    our own loop came back from a stall; None until that LIST is answered.
    """

    held: Position
    since: datetime
    live_above: str | None = None

    def live(self, version: str) -> bool:
        """Whether a change with this version is told as it happens."""
        return self.live_above is not None and version_key(version) > version_key(self.live_above)

    @property
    def caught_up(self) -> bool:
        """Whether the stream has told all that was committed before it was opened, or before the stall ended."""
        return self.live_above is not None and version_key(self.held.version) >= version_key(self.live_above)


class Listed(msgspec.Struct, frozen=True):
    """A complete list was stored; it ends at `position`."""

    position: Position


class Probed(msgspec.Struct, frozen=True):
    """A LIST sent at `sent_at`, when the stream stood at `stood_at`, had `version`."""

    version: str
    sent_at: datetime
    stood_at: str


class Opened(msgspec.Struct, frozen=True):
    """The server accepted the watch."""

    at: datetime


class Delivered(msgspec.Struct, frozen=True):
    """All changes up to `version` are stored, read from the stream at `at`."""

    version: str
    at: datetime


class Stalled(msgspec.Struct, frozen=True):
    """Our own loop was away until `at`: what came meanwhile was read late."""

    at: datetime


class Expired(msgspec.Struct, frozen=True):
    """410, as a status or as a line: the server no longer knows what came after the version, or the list."""

    message: str


class Unreadable(msgspec.Struct, frozen=True):
    """The stream said something else than changes, bookmarks or 410: an unknown ERROR, or no JSON at all."""

    kind: Literal["error_line", "bad_line"]
    excerpt: str


class Missed(msgspec.Struct, frozen=True):
    """The self-check found tenants that the stream should have told us of, and did not."""

    differences: tuple[str, ...]
    count: int


class Refused(msgspec.Struct, frozen=True):
    """A status other than 200 and 410. `retry_after`: seconds, if the server said how long."""

    status: int
    message: str
    retry_after: float | None = None


class Lost(msgspec.Struct, frozen=True):
    """No answer, or a connection that broke (`cut`) or said nothing for too long (`silent`)."""

    how: Literal["unreachable", "cut", "silent"]
    message: str


class Ended(msgspec.Struct, frozen=True):
    """The server ended the stream in order, `after` seconds."""

    after: float


Trouble = Expired | Unreadable | Missed | Refused | Lost | Ended
"""What ends a try, or a stream."""

Happening = Listed | Probed | Opened | Delivered | Stalled | Trouble


class Next(msgspec.Struct, frozen=True):
    """What follows: the situation, a pause before it (None: no; else at least so many seconds), a record."""

    situation: Situation
    pause: float | None = None
    anomaly: Anomaly | None = None


CALM = 30.0
"""Seconds. A stream that stood this long and then ended in order is followed by the next one at once: the
server ends each after `timeoutSeconds`, minutes. One that ends sooner might do so again, for ever."""


def advance(now: Situation, happening: Happening) -> Next:
    """The situation after `happening`. Raises `ValueError` for what cannot happen in this one."""
    if isinstance(happening, Trouble):
        return _troubled(now, happening)
    match now, happening:
        case Listing(), Listed(position=position):
            return Next(Opening(position))
        case ((Probing() | Watching()), Probed()):
            return _probed(now, happening)
        case Opening(held=held), Opened(at=at):
            return Next(Watching(held, at))
        case Watching(), Delivered(version=version, at=at):
            return Next(msgspec.structs.replace(now, held=now.held.moved(version, at)))
        case Watching(), Stalled(at=at):
            return Next(Watching(now.held, at))
    raise _impossible(now, happening)


def _probed(now: Probing | Watching, probed: Probed) -> Next:
    if version_key(probed.version) < version_key(probed.stood_at):
        anomaly = Anomaly(
            kind="version_ahead", detail={"held_version": probed.stood_at, "present_version": probed.version}
        )
        return Next(Listing(_unproven(now.held), "ahead"), pause=0.0, anomaly=anomaly)
    held = now.held.marked(probed.version, probed.sent_at)
    if isinstance(now, Probing):
        return Next(Opening(held))
    live_above = now.live_above
    if live_above is None and probed.sent_at > now.since:
        live_above = probed.version
    return Next(Watching(held, now.since, live_above))


def _troubled(now: Situation, trouble: Trouble) -> Next:
    match trouble:
        case Expired():
            return _expired(now)
        case Unreadable(kind=kind, excerpt=excerpt) if isinstance(now, Watching):
            anomaly = Anomaly(kind=kind, detail={"excerpt": excerpt, "version": now.held.version})
            return Next(Listing(now.held, "unreadable"), pause=0.0, anomaly=anomaly)
        case Missed(differences=differences, count=count) if isinstance(now, Watching):
            anomaly = Anomaly(
                kind="watch_missed",
                detail={"version": now.held.version, "count": count, "differences": list(differences)},
            )
            return Next(Listing(_unproven(now.held), "missed"), pause=0.0, anomaly=anomaly)
        case Refused(retry_after=retry_after):
            return Next(_again(now), pause=retry_after or 0.0)
        case Lost():
            return Next(_again(now), pause=0.0)
        case Ended(after=after) if isinstance(now, Watching):
            return Next(_again(now), pause=None if after >= CALM else 0.0)
    raise _impossible(now, trouble)


def _expired(now: Situation) -> Next:
    if isinstance(now, Listing):
        return Next(now, pause=0.0)
    # A position that has moved was good: list at once, for the gap grows until then. One that was refused
    # right after its list may be refused after the next one too.
    moved = now.held is not None and now.held.version != now.held.segment_from_version
    return Next(Listing(now.held, "expired"), pause=None if moved else 0.0)


def _again(now: Situation) -> Situation:
    """A list begins anew; a stream resumes, after a look at the server's version: etcd may be another one."""
    return now if isinstance(now, Listing) or now.held is None else Probing(now.held)


def _unproven(held: Position) -> Position:
    """Without its marks: what was hidden, or undone, lies below the position, and no LIST bounds its time."""
    return msgspec.structs.replace(held, marks=())


def _impossible(now: Situation, happening: Happening) -> ValueError:
    return ValueError(f"{type(happening).__name__} cannot happen in {type(now).__name__}")
