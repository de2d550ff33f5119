"""What the demo prints: headings, sentences and tables, at a pace that a person can read."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime

_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


class Terminal:
    """Standard output. Colour only where a person looks at it and has not said NO_COLOR (no-color.org)."""

    def __init__(self, *, pauses: bool) -> None:
        """`pauses`: whether to give a reader time after each part."""
        self._pauses = pauses
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def heading(self, text: str) -> None:
        """A line that stands out."""
        self._line(f"\n{text}", _BOLD)

    def say(self, text: str) -> None:
        """A line of the story."""
        self._line(f"  {text}")

    def show(self, rows: Sequence[Mapping[str, object]]) -> None:
        """A table of rows with the same columns."""
        head, *body = table(rows)
        self._line(f"    {head}", _DIM)
        for line in body:
            self._line(f"    {line}")

    async def pause(self, seconds: float) -> None:
        """Time to read; nothing in the story needs it."""
        if self._pauses:
            await asyncio.sleep(seconds)

    def _line(self, text: str, style: str = "") -> None:
        # Flushed, so that a reader of a pipe sees each step when it happens.
        print(f"{style}{text}{_PLAIN}" if style and self._colour else text, flush=True)


def table(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Lines of equal columns: the names, then each row; times to the millisecond, an absent value as `-`."""
    if not rows:
        return ["(no rows)"]
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%H:%M:%S.%f")[:-3]
    return str(value)
