"""Splitting a stream's chunks into lines (pure). A line that is too long is skipped, and said so."""

from sidecar.answers import TooLong

LINE_MOST = 8 * 2**20
"""Bytes. etcd takes requests of 1.5 MiB by default, larger ones by setting; a watch event holds one object
and a few bytes. 8 MiB is five times the default and still bounds what a broken server can make us hold."""

BEGINNING = 500  # bytes of a skipped line that are kept: enough to name the object, little enough to record


class Lines:
    """Feed it chunks as they come; it gives back the lines that they complete."""

    def __init__(self, most: int = LINE_MOST) -> None:
        """`most`: the longest line to keep, in bytes."""
        self._most = most
        self._parts: list[bytes] = []  # of the line that is not yet complete; joined once, when it is
        self._length = 0

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        """The lines completed by this chunk, without their ends, in order; empty ones are left out."""
        first, *rest = chunk.split(b"\n")
        self._add(first)
        if not rest:
            return []
        *whole, last = rest
        lines = [self._complete(), *(self._judge(line) for line in whole)]
        self._add(last)
        return [line for line in lines if line]

    @property
    def unfinished(self) -> bool:
        """Whether a line has begun and not ended: a stream that ends here was cut."""
        return self._length > 0

    def _add(self, part: bytes) -> None:
        if not part:
            return
        self._length += len(part)
        if self._length <= self._most:
            self._parts.append(part)
        elif [len(part) for part in self._parts] != [BEGINNING]:
            # From here on only its beginning and its length are of use: let go of the rest.
            self._parts = [b"".join([*self._parts, part])[:BEGINNING]]

    def _complete(self) -> bytes | TooLong:
        length, line = self._length, b"".join(self._parts)
        self._parts, self._length = [], 0
        return line if length <= self._most else TooLong(length, line)

    def _judge(self, line: bytes) -> bytes | TooLong:
        return line if len(line) <= self._most else TooLong(len(line), line[:BEGINNING])
