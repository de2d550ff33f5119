"""Where the brackets of a JSON text are that comes in slices, whatever it may be worth as JSON (pure)."""

import re
from collections.abc import Iterator
from itertools import accumulate

SLICE = 16 * 2**10
"""Bytes to take at once: 0.3 to 1 ms of work (17 to 50 MB/s, measured), 6 for nothing but brackets, so a loop that
yields between two slices goes on answering the webhook."""

# Up to and with the next bracket outside of strings, or the quotation mark of a string that the slice does not end.
_NEXT = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+(["{}\[\]]?)', re.DOTALL)
_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
# All of the slice but for a string that it does not end, which begins there; and the strings in that.
_WHOLE = re.compile(rb'(?:[^"]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)

_OPENING = (b"{", b"[")
_STEPS = {ord(mark): step for mark, step in (("{", 1), ("[", 1), ("}", -1), ("]", -1))}
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in _STEPS)


class Brackets:
    """The brackets of the outer levels. `depth`: how many are open; `in_string`: the last slice ended within a text."""

    def __init__(self, levels: int) -> None:
        """`levels`: 1, the outermost brackets alone; 2, those within them as well; and so on."""
        self.depth = 0
        self.in_string = self._escaped = False  # where the last slice ended: within a string, after its backslash
        self._levels = levels
        self._deep = False  # nothing in the last slice lay so far out

    def of(self, piece: bytes) -> Iterator[tuple[int, bool]]:
        """Where they are in the next slice, and whether each opens; `depth` is as just behind it."""
        at = self._after_string(piece, 0) if self.in_string else 0
        if self._deep and self._passes(piece, at):
            return
        self._deep = True
        for found in _NEXT.finditer(piece, at):
            mark = found[1]
            if mark == b'"':
                self.in_string = True
                self._after_string(piece, found.end())
                return
            if not mark:
                return
            opens = mark in _OPENING
            level = self.depth + opens
            self.depth += 1 if opens else -1
            if level <= self._levels:
                self._deep = False
                yield found.start(1), opens

    def _passes(self, piece: bytes, at: int) -> bool:
        """Pass over the slice if none of it lies so far out: without a step for each bracket, seven times as fast."""
        end = next(_WHOLE.finditer(piece, at)).end()
        brackets = _STRINGS.sub(b"", piece[at:end]).translate(None, _NO_BRACKETS)
        depths = list(accumulate(map(_STEPS.__getitem__, brackets), initial=self.depth))
        if min(depths) < self._levels:
            return False
        self.depth = depths[-1]
        if end < len(piece):
            self.in_string = True
            self._after_string(piece, end + 1)
        return True

    def _after_string(self, piece: bytes, at: int) -> int:
        """Where the string ends that goes on at `at`; the end of `piece` if it does not."""
        if self._escaped and at < len(piece):
            self._escaped = False
            at += 1
        at = next(_STRING.finditer(piece, at)).end()
        if at < len(piece):
            self.in_string = piece[at : at + 1] != b'"'
            self._escaped = self.in_string  # else it stopped at a backslash, the last byte
            at += 1
        return at
