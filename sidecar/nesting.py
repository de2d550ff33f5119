"""JSON that is nested deeper than our decoder goes (pure).

The API server stores what is nested 10,000 levels deep (Go's limit), where the definition of the resource lets it; the
decoder ends where Python's stack does: at about 1,000 in Python 3.11, below 3,000 in 3.12, above 9,900 in 3.13
(measured). What we read of any answer lies at its surface, so what is deeper can be emptied without a loss.
"""

import re
from typing import TypeVar

import msgspec

T = TypeVar("T")

BRACKETS = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+(["{}\[\]]?)', re.DOTALL)
"""Each match ends with the next bracket outside of strings, or with the quotation mark of a string that has no end."""

# A line of the audit log may be an EventList: the labels of a tenant in the answer to a deletecollection are at the
# 8th level of it, and nothing that we read is deeper anywhere.
_KEPT_LEVELS = 32


def decode(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T:
    """As `decoder.decode`, however deep `body` is nested; what that costs, only one that is too deep pays."""
    try:
        return decoder.decode(body)
    except RecursionError:
        return decoder.decode(shallow(bytes(body)))


def shallow(body: bytes) -> bytes:
    """The same JSON with each list and object at the 32nd level empty; other bytes come back cut, or as they are.

    Takes 50 ms a MiB of usual JSON and up to 0.3 s of nothing but brackets (measured), so it is no work for the loop.
    """
    whole, kept = memoryview(body), bytearray()
    depth, start = 0, 0  # where what is not kept yet begins
    for found in BRACKETS.finditer(body):
        mark = found[1]
        if mark in (b"{", b"["):
            depth += 1
            if depth == _KEPT_LEVELS:
                kept += whole[start : found.end()]
        elif mark in (b"}", b"]"):
            if depth == _KEPT_LEVELS:
                start = found.start(1)
            depth -= 1
        elif mark:
            break  # no JSON: and to look for brackets within the string would take for ever
    if depth < _KEPT_LEVELS:
        kept += whole[start:]
    return bytes(kept)
