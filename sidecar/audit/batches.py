"""An EventList as it arrives: events out, one by one, without ever holding the whole body (pure).

Only where each event begins and ends is looked at here; what is in one is judged one by one. The API server copies a
patch into its event byte for byte as the client sent it, with numbers of any length and bytes that are no UTF-8, and
such an event must spoil neither its batch nor the process (a parser of the whole body did: it refused the batch for
one, and crashed on the other).
"""

import re

import msgspec

from sidecar.answers import UNDECODABLE
from sidecar.brackets import SLICE, Brackets

EVENT_MOST = 32 * 2**20
"""Bytes of one event; of a larger one nothing is kept. The API server takes 3 MiB of a request, etcd 1.5 of an object,
and each byte of both may have been written as six (`\\u003c`): 27 MiB."""

# Bytes of a body beside its events: kind and metadata have some hundred.
_AROUND_MOST = 64 * 2**10

_REQUEST = re.compile(rb'"requestObject"\s*:\s*\Z')
_ITEMS = re.compile(rb'"items"\s*:\s*\[\Z')


def without_request(event: bytes) -> bytes:
    """The event without its `requestObject`, whatever stands in that; the event itself if it has none.

    Takes up to 0.1 s a MiB (nothing but brackets, measured); no step is long, so a thread can do it beside a loop.
    """
    brackets = Brackets(2)
    request = None
    for start in range(0, len(event), SLICE):
        for found, opens in brackets.of(event[start : start + SLICE]):
            at = start + found
            if opens and brackets.depth == 2 and _REQUEST.search(event, max(0, at - 100), at):
                request = at
            elif brackets.depth == 1 and request is not None:
                return event[:request] + b"null" + event[at + 1 :]
    return event


class Unreadable(ValueError):
    """The body is no EventList: says why. Nothing of it may be believed to be whole."""


class _List(msgspec.Struct):
    kind: str = ""
    items: list[None] | None = None  # the events have been taken out


_list = msgspec.json.Decoder(_List)


class Batch:
    """One body. Feed it slices, then `finish`."""

    def __init__(self) -> None:
        self._brackets = Brackets(3)  # of the list, of its items, of an event
        self._around = bytearray()  # the body without its events
        self._gap: int | None = None  # among the items: from where on `_around` is what stands between two events
        self._event: bytearray | None = None
        self._size = 0  # bytes of this event so far
        self._first = True

    def feed(self, piece: bytes) -> list[bytes]:
        """The events, as JSON, that `piece` completes; b"" for one that is too large. Raises `Unreadable`."""
        found: list[bytes] = []
        start = 0  # of what is not kept yet
        for at, opens in self._brackets.of(piece):
            depth = self._brackets.depth
            if self._event is not None:
                if depth == 2:
                    self._keep(piece[start : at + 1])
                    start = at + 1
                    found.append(bytes(self._event))
                    self._event = None
            elif self._gap is not None:
                self._keep(piece[start:at])
                start = at
                self._among_items(piece[at : at + 1])
            elif opens and depth == 2:
                self._keep(piece[start : at + 1])
                start = at + 1
                if _ITEMS.search(self._around):
                    self._gap = len(self._around)
            elif depth < 0:
                raise Unreadable("this is no JSON: it closes what it has not opened")
        self._keep(piece[start:])
        return found

    def finish(self) -> None:
        """The body has ended. Raises `Unreadable` if it was cut off, or was something else than an EventList."""
        if self._brackets.depth or self._brackets.in_string:
            raise Unreadable("the body is cut off")
        try:
            kind = _list.decode(self._around).kind
        except UNDECODABLE as error:
            raise Unreadable(f"this is no EventList: {error}") from error
        if kind != "EventList":
            raise Unreadable(f"this is no EventList, but of kind {kind[:100]!r}")

    def _among_items(self, mark: bytes) -> None:
        """An event begins, or the items end; between two of them is a comma and nothing else."""
        between = bytes(self._around[self._gap :]).strip(b" \t\r\n")
        if mark == b"]" and not between:
            self._gap = None
        elif mark == b"{" and between == (b"" if self._first else b","):
            del self._around[self._gap :]
            self._event, self._size, self._first = bytearray(), 0, False
        else:
            raise Unreadable("this is no EventList: it has items that are no events")

    def _keep(self, text: bytes) -> None:
        if self._event is None:
            self._around += text
            if len(self._around) > _AROUND_MOST:
                raise Unreadable(f"this is no EventList: {_AROUND_MOST} bytes are no part of an event")
            return
        self._size += len(text)
        if self._size <= EVENT_MOST:
            self._event += text
        else:
            self._event.clear()
