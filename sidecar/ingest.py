"""Audit logs from files: one event a line as kube-apiserver's log backend writes them, or one EventList a line."""

import asyncio
import gzip
import sys
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from sidecar.answers import UNDECODABLE
from sidecar.audit import Batch, Left, Resource, Unreadable, read
from sidecar.audit.batches import without_request
from sidecar.brackets import SLICE
from sidecar.errors import Misconfigured
from sidecar.facts import AnyFact
from sidecar.nesting import decode

# Bytes of a line. An event has at most as many (see `audit.batches`), an EventList of the webhook backend 400 events,
# but by default 10 MiB together where the API server limits its batches.
_LINE_MOST = 32 * 2**20

# Facts handed over at once: as many as a page of a list makes.
_APPEND_MOST = 500

# Events, of some 20 µs each when they tell nothing. After so many the others get a turn: what is delivered meanwhile
# holds the one lock of all writers (a log of a million lines held it for 30 s, measured).
_TURN_EVENTS = 100

# Lines that could not be read, named in the report; the count says how many there were.
_NAMED = 20

Append = Callable[[Sequence[AnyFact]], Awaitable[None]]
"""Makes facts durable. Raises `Unavailable`."""


class _Head(msgspec.Struct):
    kind: str = ""


_head = msgspec.json.Decoder(_Head)


@dataclass
class Report:
    """What was read: `events`, of them `taken`, and how many were left out for which reason; `unreadable` lines.

    `set_aside`: facts of theirs that Postgres refused, which are in no table but `ledger.anomalies`.
    """

    events: int = 0
    taken: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    set_aside: int = 0
    named: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The report for a person."""
        yield f"{self.events} audit events, {self.taken} of them recorded."
        for reason, count in sorted(self.left_out.items()):
            yield f"left out, {reason}: {count}"
        yield from self.named
        if self.unreadable > len(self.named):
            yield f"… and {self.unreadable - len(self.named)} more lines that could not be read"
        if self.set_aside:
            yield (
                f"{self.set_aside} facts were refused by Postgres and are not recorded (ledger.anomalies, kind "
                "set_aside, says why): run this again when the cause is mended"
            )


class Ingest:
    """One run over some files."""

    def __init__(self, resource: Resource, append: Append) -> None:
        self._resource = resource
        self._append = append
        self._waiting: list[AnyFact] = []
        self.report = Report()

    async def file(self, name: str) -> None:
        """Read a file; `-` is standard input, `.gz` is unpacked. All facts are durable when this returns.

        Raises `Misconfigured` if it cannot be opened, and `Unavailable` as `append` does.
        """
        try:
            with _opened(name) as lines:
                for number, line in enumerate(_lines(lines), 1):
                    await self._line(line, f"{name}, line {number}")
        except (OSError, EOFError, zlib.error) as error:  # the last two: what was packed is damaged
            raise Misconfigured(f"{name} cannot be read: {error}") from error
        finally:
            await self._hand_over()

    async def _line(self, line: bytes | None, where: str) -> None:
        if line is None:
            self._unreadable(f"{where}: longer than {_LINE_MOST} bytes")
        elif line.strip():
            try:
                events = list(_events(line))
            except Unreadable as error:
                self._unreadable(f"{where}: {error}")
                return
            for event in events:
                await self._event(event)

    async def _event(self, event: bytes) -> None:
        self.report.events += 1
        if self.report.events % _TURN_EVENTS == 0:
            await asyncio.sleep(0)
        told = read(event, self._resource)
        if isinstance(told, Left):
            self.report.left_out[told.reason] += 1
            return
        self.report.taken += 1
        self._waiting += told.facts
        if len(self._waiting) >= _APPEND_MOST:
            await self._hand_over()

    async def _hand_over(self) -> None:
        facts, self._waiting = self._waiting, []
        if facts:
            await self._append(facts)

    def _unreadable(self, why: str) -> None:
        self.report.unreadable += 1
        if len(self.report.named) < _NAMED:
            self.report.named.append(f"cannot be read: {why}")


def _opened(name: str) -> nullcontext[BinaryIO] | BinaryIO:
    if name == "-":
        return nullcontext(sys.stdin.buffer)
    path = Path(name)
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """The lines; None for one that is too long, which is skipped without being held."""
    while line := file.readline(_LINE_MOST + 1):
        if len(line) <= _LINE_MOST:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(_LINE_MOST)
        yield None


def _events(line: bytes) -> Iterator[bytes]:
    try:
        kind = decode(_head, line).kind
    except UNDECODABLE as error:
        kind = _kind_of_odd(line, error)
    if kind != "EventList":
        yield line
        return
    batch = Batch()
    for start in range(0, len(line), SLICE):
        yield from batch.feed(line[start : start + SLICE])
    batch.finish()


def _kind_of_odd(line: bytes, error: Exception) -> str:
    """The same of a line with something in it that only what a client sent can have. Raises `Unreadable`."""
    if line.lstrip().startswith(b'{"kind":"EventList"'):
        return "EventList"
    try:
        return decode(_head, without_request(line)).kind
    except UNDECODABLE:
        raise Unreadable(
            f"no JSON object; the last line of a log that is still written is often cut: {error}"
        ) from error
