"""The situations of a watch, what can happen in them, and what follows (pure).

    Listing ──listed──► Opening ──opened──► Watching
       ▲                  ▲  │                 │
       │                probed │ trouble       │ trouble, end
       └──410, ahead───── Probing ◄────────────┘        (410, unreadable, missed: from each to Listing)
                          │    ▲
                   probed ▼    │ trouble                (only to a position whose memory was lost)
                          Priming ──listed──► Opening

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
from sidecar.watch.happenings import (
    Delivered,
    Ended,
    Expired,
    Happening,
    Listed,
    Lost,
    Missed,
    Opened,
    Probed,
    Refused,
    Stalled,
    Trouble,
    Unreadable,
)
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


class Priming(Situation, frozen=True):
    """Before resuming at `held`, which came without a memory, the tenants must be learnt from a complete list.

    No gap: the stream tells again all that happened since `held`. But a self-check by an empty memory would
    take each tenant for one that the stream had hidden.
    """

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
        case ((Listing() | Priming()), Listed(position=position)):
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
        # At once, for the gap grows until then. A Probing has waited already; of a stream, only one that told
        # something: where two clusters answer in turns, each would seem to be restored, for ever.
        pause = None if isinstance(now, Probing) or _has_moved(now.held) else 0.0
        return Next(Listing(_unproven(now.held), "ahead"), pause=pause, anomaly=anomaly)
    held = now.held.marked(probed.version, probed.sent_at)
    if isinstance(now, Probing):
        return Next(Opening(held) if held.primed else Priming(held))
    live_above = now.live_above
    if live_above is None and probed.sent_at > now.since:
        live_above = probed.version
    return Next(Watching(held, now.since, live_above))


def _troubled(now: Situation, trouble: Trouble) -> Next:
    match trouble:
        case Expired():
            return _expired(now)
        case Unreadable() if isinstance(now, Watching):
            return Next(Listing(now.held, "unreadable"), pause=0.0, anomaly=_unreadable(now.held, trouble))
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
    if isinstance(now, (Listing, Priming)):
        return Next(now, pause=0.0)  # a page's token was too old, which says nothing of a position
    # A position that has moved was good: list at once, for the gap grows until then. One that was refused
    # right after its list may be refused after the next one too.
    moved = now.held is not None and _has_moved(now.held)
    return Next(Listing(now.held, "expired"), pause=None if moved else 0.0)


def _has_moved(held: Position) -> bool:
    """Whether the stream told anything since its segment began."""
    return held.version != held.segment_from_version


def _unreadable(held: Position, line: Unreadable) -> Anomaly:
    length = {} if line.length is None else {"bytes": line.length}
    return Anomaly(kind=line.kind, detail={"excerpt": line.excerpt, "version": held.version, **length})


def _again(now: Situation) -> Situation:
    """A list begins anew; a stream resumes, after a look at the server's version: etcd may be another one."""
    return now if isinstance(now, Listing) or now.held is None else Probing(now.held)


def _unproven(held: Position) -> Position:
    """Without its marks: what was hidden, or undone, lies below the position, and no LIST bounds its time."""
    return msgspec.structs.replace(held, marks=())


def _impossible(now: Situation, happening: Happening) -> ValueError:
    return ValueError(f"{type(happening).__name__} cannot happen in {type(now).__name__}")
