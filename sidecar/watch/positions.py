"""How far a stream has come, and what each LIST beside it proves about time (pure values).

A LIST without a resourceVersion is a quorum read: all that was committed before it was *sent* is in it.
So if it was sent at T and answered with version V, a change with a version above V was committed after T.
Such a pair is a mark, and the newest mark below a change is its `not_before`. (The last sign of life of a
stream is no such bound: the stream may lag behind the commits.)
"""

from datetime import datetime

import msgspec

from sidecar.facts import Segment, version_key

MARKS_MOST = 64
"""There is a LIST every 30 s, and a bookmark about every 60 s makes all but the newest mark at or below it
superfluous: two or three are usual. 64 last half an hour without any bookmark. What is dropped only makes a
`not_before` older."""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A LIST sent at `sent_at` (our clock) had `version`."""

    version: str
    sent_at: datetime


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Every change up to `version` has been stored, without a gap since `segment_from_version`.

    `at`: when the stream said `version`. `marks`: ascending, in version and in time. `primed`: whether the
    memory beside it knows the tenants; not so for a position that came from the ledger, to an empty spool.
    """

    version: str
    at: datetime
    segment_from_version: str
    segment_from_at: datetime
    marks: tuple[Mark, ...] = ()
    cluster_uid: str
    primed: bool = True

    def moved(self, version: str, at: datetime) -> "Position":
        """The same after the stream said `version`; it never moves back."""
        if version_key(version) < version_key(self.version):
            return self
        return msgspec.structs.replace(self, version=version, at=at, marks=_pruned(self.marks, version))

    def marked(self, version: str, sent_at: datetime) -> "Position":
        """The same with what one more LIST proves; it replaces marks sent earlier that are no lower."""
        key = version_key(version)
        if any(version_key(m.version) <= key and m.sent_at >= sent_at for m in self.marks):
            return self
        below = [m for m in self.marks if version_key(m.version) < key and m.sent_at < sent_at]
        above = [m for m in self.marks if version_key(m.version) > key and m.sent_at > sent_at]
        marks = _pruned((*below, Mark(version, sent_at), *above), self.version)
        return msgspec.structs.replace(self, marks=marks)

    def not_before(self, version: str) -> datetime | None:
        """When the newest LIST was sent whose version is below `version`: that change was committed later."""
        key = version_key(version)
        for mark in reversed(self.marks):
            if version_key(mark.version) < key:
                return mark.sent_at
        return None

    def passed(self) -> datetime | None:
        """When the newest LIST was sent whose version is at most this position: all it showed is stored."""
        key = version_key(self.version)
        for mark in reversed(self.marks):
            if version_key(mark.version) <= key:
                return mark.sent_at
        return None

    def segment(self) -> Segment:
        """What has been watched without a gap, as a fact."""
        return Segment(
            from_version=self.segment_from_version,
            from_at=self.segment_from_at,
            to_version=self.version,
            to_at=self.at,
        )


def _pruned(marks: tuple[Mark, ...], version: str) -> tuple[Mark, ...]:
    """Of the marks at or below `version` the newest, and the newest of those above it."""
    key = version_key(version)
    passed = 0
    while passed < len(marks) and version_key(marks[passed].version) <= key:
        passed += 1
    base, above = marks[max(passed - 1, 0) : passed], marks[passed:]
    return (*base, *above[-(MARKS_MOST - 1) :])


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Position)


def encode(position: Position) -> bytes:
    """The position as it is kept on disk."""
    return _encoder.encode(position)


def decode(body: bytes) -> Position:
    """The position back from `encode`. Raises `msgspec.DecodeError` for other bytes."""
    return _decoder.decode(body)
