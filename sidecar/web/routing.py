"""What a route is: from one table come the server's routes and the OpenAPI document."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

from sidecar.billing import Database
from sidecar.ledger import BackfillRun
from sidecar.spool import Depth


class Backfills(Protocol):
    """Who runs a backfill."""

    async def run(self, asked_by: str) -> BackfillRun:
        """Runs one for `asked_by`, until all of it is in the ledger.

        Raises `AlreadyRunning`, or `Unavailable`, which says what is waiting.
        """
        ...


class Vitals(Protocol):
    """How the process is."""

    async def ailments(self) -> list[str]:
        """Why it is not healthy and must be restarted; empty if it is."""
        ...

    async def obstacles(self) -> list[str]:
        """Why it is not ready to take facts; empty if it is."""
        ...

    async def exposition(self) -> bytes:
        """Its metrics as of now, in Prometheus' text format."""
        ...


@dataclass(frozen=True)
class Parts:
    """What the routes act on. `accept_removals`: ends the tenants that held censuses lack, in somebody's name."""

    database: Database
    backfills: Backfills
    accept_removals: Callable[[str], Awaitable[int]]
    depth: Callable[[], Awaitable[Depth]]
    vitals: Vitals


@dataclass(frozen=True)
class Call:
    """One request, read and checked. `by`: who calls; "" where anybody may."""

    by: str
    path: Mapping[str, str]
    query: Any
    body: Any
    expected: Collection[str] | None
    """The versions in If-Match; None without that header."""


@dataclass(frozen=True)
class Reply:
    """What is answered. `content`: a struct that becomes JSON, or the bytes of another media type; None: nothing."""

    content: msgspec.Struct | bytes | None = None
    version: str | None = None
    """Becomes the ETag."""


class NoQuery(msgspec.Struct, frozen=True):
    """No parameters."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One method of one path. `path`: with its parameters in braces. `summary`, `notes`: for the document.

    `body` None: it takes none. `answers`: the struct of a JSON answer. `media_type` "": the answer is 204, without
    content. `errors`: those that only this route has, with their reasons. `versioned`: the answer has an ETag.
    `conditional`: If-Match is heeded.
    """

    method: Literal["GET", "PUT", "POST", "DELETE"]
    path: str
    name: str
    summary: str
    act: Callable[[Parts, Call], Awaitable[Reply]]
    notes: str = ""
    query: type[msgspec.Struct] = NoQuery
    body: type[msgspec.Struct] | None = None
    answers: type[msgspec.Struct] | None = None
    media_type: str = "application/json"
    errors: Mapping[int, str] = field(default_factory=dict)
    versioned: bool = False
    conditional: bool = False

    @property
    def status(self) -> int:
        """Of its success."""
        return 200 if self.media_type else 204

    @property
    def needs_caller(self) -> bool:
        """Whether only somebody who may is answered."""
        return self.path.startswith(ADMIN)


ADMIN = "/api/admin/"
"""Below it, everybody must show who they are, also for what does not exist."""
