"""What can happen to a watch, as values: what each means for it is said in `situations`."""

from datetime import datetime
from typing import Literal

import msgspec

from sidecar.watch.positions import Position


class Listed(msgspec.Struct, frozen=True):
    """A complete list was stored; the stream goes on at `position`."""

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
    """The stream said something else than changes, bookmarks or 410: an unknown ERROR, no JSON, or too much.

    Whatever it was stands after the position, so only a complete list can tell what it would have changed.
    `length`: bytes of a line that was too long to be read.
    """

    kind: Literal["error_line", "bad_line", "line_too_long"]
    excerpt: str
    length: int | None = None


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
