"""An EventList as it arrives: events out, one by one, without ever holding the whole body (pure)."""

import ijson
import msgspec
from ijson import sendable_list

SLICE = 16 * 2**10
"""Bytes to feed at once: about 0.6 ms of work (25 MB/s, measured), so a loop that yields between two slices goes on
answering the webhook."""

EVENT_MOST = 8 * 2**20
"""Bytes of one event. An object has at most some 3 MiB on its way in (etcd takes 1.5), and an event has the request's
and the answer's."""

_HEAD_MOST = 64 * 2**10  # bytes of a body without any event that are looked at to say what it is instead


class Unreadable(ValueError):
    """The body is no EventList: says why. Nothing of it may be believed to be whole."""


class _Head(msgspec.Struct):
    kind: str = ""


class Batch:
    """One body. Feed it slices, then `finish`."""

    def __init__(self) -> None:
        self._events: list[object] = sendable_list()
        self._parser = ijson.items_coro(self._events, "items.item")
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._head = bytearray()
        self._count = 0
        self._since = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The events, as JSON, that `piece` (at most `SLICE` bytes) completes. Raises `Unreadable`."""
        if not self._count and len(self._head) < _HEAD_MOST:
            self._head += piece
        self._since += len(piece)
        try:
            self._parser.send(piece)
        except (ijson.JSONError, ValueError) as error:
            raise Unreadable(f"this is no JSON: {_first_line(error)}") from error
        if self._events:
            self._since = 0
        elif self._since > EVENT_MOST:
            raise Unreadable(f"an event is larger than {EVENT_MOST} bytes, or this is no EventList")
        found = [self._encoded(event) for event in self._events]
        self._events.clear()
        self._count += len(found)
        return found

    def finish(self) -> None:
        """The body has ended. Raises `Unreadable` if it was cut off, or was something else than an EventList."""
        try:
            self._parser.close()
        except (ijson.JSONError, ValueError) as error:
            raise Unreadable(f"the body is cut off: {_first_line(error)}") from error
        if not self._count and not self._is_list():
            raise Unreadable("this is no EventList: it has no events")

    def _is_list(self) -> bool:
        try:
            return msgspec.json.decode(self._head, type=_Head).kind == "EventList"
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False

    def _encoded(self, event: object) -> bytes:
        try:
            return self._encoder.encode(event)
        except (TypeError, ValueError, RecursionError):
            return b""  # nested deeper than anything Kubernetes stores: read as malformed


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
