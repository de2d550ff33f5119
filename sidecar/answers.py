"""What the API server answers, as values: what `cluster` hands out and `watch` decides on."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec

from sidecar.errors import Unavailable

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not as they should be: not JSON or of another shape, not UTF-8,
nested deeper than the stack of Python allows."""


@dataclass(frozen=True)
class Page:
    """One page of a list. `version` is the whole list's and the same on each of its pages.

    `sent_at`: our clock just before the request was sent, so all that the list shows was committed by then
    or later, and all that was committed before `sent_at` has at most `version`. `answered_at`: our clock when
    the answer had arrived. `server_date`: its Date header. `size`: bytes of the body.
    """

    version: str
    sent_at: datetime
    answered_at: datetime
    server_date: datetime | None
    items: list[msgspec.Raw]
    continue_token: str  # "": this was the last page
    size: int
    remaining: int | None = None
    """How many more objects the pages after this one have, if the server says so."""


@dataclass(frozen=True)
class TooLong:
    """A line of the stream that was skipped because of its length (bytes); `beginning` is how it began."""

    length: int
    beginning: bytes


class Answered(Unavailable):
    """The API server answered, but not with what was asked: its status says why."""

    def __init__(self, message: str, *, status: int, reason: str = "", retry_after: float | None = None) -> None:
        """`status`: HTTP. `reason`: the Kubernetes Status' own, if there was one. `retry_after`: seconds."""
        super().__init__(message, retry_after)
        self.status = status
        self.reason = reason


class Silent(Unavailable):
    """Nothing arrived for longer than the API server would have kept a living connection open."""


class Stream(Protocol):
    """An open watch: batches of complete lines, as they arrive. Ends when the server ends it in order."""

    def __aiter__(self) -> AsyncIterator[list[bytes | TooLong]]:
        """The batches. Raises `Silent`, or `Unavailable` when the connection breaks."""
        ...

    def close(self) -> None:
        """Break it off: whoever reads it gets `Unavailable`."""
        ...


class Tenants(Protocol):
    """The part of a cluster that a recorder of tenants needs."""

    async def uid(self) -> str:
        """Which cluster answers now: the uid of its namespace kube-system. Raises as `list_page`."""
        ...

    async def list_page(self, limit: int, continue_token: str = "") -> Page:
        """Up to `limit` objects, as of now (quorum). Raises `Answered`, `Unavailable`."""
        ...

    def watch(self, version: str, timeout_seconds: int) -> AbstractAsyncContextManager[Stream]:
        """The changes after `version`; the server ends it after `timeout_seconds`. Raises as above."""
        ...
