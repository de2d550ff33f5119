"""An EventList as it arrives: events out, one by one, without ever holding the whole body (pure).

Only where each event begins and ends is looked at here; what is in one is judged one by one. The API server copies a
patch into its event byte for byte as the client sent it, with numbers of any length and bytes that are no UTF-8, and
such an event must spoil neither its batch nor the process (a parser of the whole body did: it refused the batch for
one, and crashed on the other).
"""

import re
from collections.abc import Iterator

import msgspec

from sidecar.answers import UNDECODABLE
from sidecar.nesting import BRACKETS

SLICE = 16 * 2**10
"""Bytes to feed at once: about 0.6 ms of work (25 to 45 MB/s, measured), so a loop that yields between two slices
goes on answering the webhook."""

EVENT_MOST = 32 * 2**20
"""Bytes of one event; of a larger one nothing is kept. The API server takes 3 MiB of a request, etcd 1.5 of an object,
and each byte of both may have been written as six (`\\u003c`): 27 MiB."""

# Bytes of a body beside its events: kind and metadata have some hundred.
_AROUND_MOST = 64 * 2**10

_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_REQUEST = re.compile(rb'"requestObject"\s*:\s*\Z')
_ITEMS = re.compile(rb'"items"\s*:\s*\[\Z')


def without_request(event: bytes) -> bytes:
    """The event without its `requestObject`, whatever stands in that; the event itself if it has none."""
    depth, start = 0, None
    for found in BRACKETS.finditer(event):
        at, mark = found.start(1), found[1]
        if mark in (b"{", b"["):
            depth += 1
            if depth == 2 and _REQUEST.search(event, max(0, at - 100), at):
                start = at
        elif mark in (b"}", b"]"):
            depth -= 1
            if depth == 1 and start is not None:
                return event[:start] + b"null" + event[at + 1 :]
        elif mark:
            break  # no JSON: and to look for brackets within the string would take for ever
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
        self._depth = 0  # open brackets: 1 in the list, 2 among its items, 3 in an event
        self._string = self._escaped = False  # where the last slice ended: within a string, after its backslash
        self._around = bytearray()  # the body without its events
        self._gap: int | None = None  # among the items: from where on `_around` is what stands between two events
        self._event: bytearray | None = None
        self._size = 0  # bytes of this event so far
        self._first = True

    def feed(self, piece: bytes) -> list[bytes]:
        """The events, as JSON, that `piece` completes; b"" for one that is too large. Raises `Unreadable`."""
        found: list[bytes] = []
        start = 0  # of what is not kept yet
        for at, opens in self._brackets(piece):
            self._depth += 1 if opens else -1
            if self._event is not None:
                if self._depth == 2:
                    self._keep(piece[start : at + 1])
                    start = at + 1
                    found.append(bytes(self._event))
                    self._event = None
            elif self._gap is not None:
                self._keep(piece[start:at])
                start = at
                self._among_items(piece[at : at + 1])
            elif opens and self._depth == 2:
                self._keep(piece[start : at + 1])
                start = at + 1
                if _ITEMS.search(self._around):
                    self._gap = len(self._around)
            elif self._depth < 0:
                raise Unreadable("this is no JSON: it closes what it has not opened")
        self._keep(piece[start:])
        return found

    def finish(self) -> None:
        """The body has ended. Raises `Unreadable` if it was cut off, or was something else than an EventList."""
        if self._depth or self._string:
            raise Unreadable("the body is cut off")
        try:
            kind = _list.decode(self._around).kind
        except UNDECODABLE as error:
            raise Unreadable(f"this is no EventList: {error}") from error
        if kind != "EventList":
            raise Unreadable(f"this is no EventList, but of kind {kind[:100]!r}")

    def _brackets(self, piece: bytes) -> Iterator[tuple[int, bool]]:
        """Where the brackets outside of strings are, and whether each of them opens."""
        at = self._after_string(piece, 0) if self._string else 0
        for found in BRACKETS.finditer(piece, at):
            if found[1] == b'"':
                self._string = True
                self._after_string(piece, found.end())
                return
            if found[1]:
                yield found.start(1), found[1] in (b"{", b"[")

    def _after_string(self, piece: bytes, at: int) -> int:
        """Where the string ends that goes on at `at`; the end of `piece` if it does not."""
        if self._escaped and at < len(piece):
            self._escaped = False
            at += 1
        at = next(_STRING.finditer(piece, at)).end()
        if at < len(piece):
            self._string = piece[at : at + 1] != b'"'
            self._escaped = self._string  # else it stopped at a backslash, the last byte
            at += 1
        return at

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
