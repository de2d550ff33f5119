"""JSON that is nested deeper than our decoder goes (pure).

The API server stores what is nested 10,000 levels deep (Go's limit), where the definition of the resource lets it; the
decoder ends where Python's stack does: at about 1,000 in Python 3.11, below 3,000 in 3.12, above 9,900 in 3.13
(measured). What we read of any answer lies at its surface, so what is deeper can be emptied without a loss.
"""

from typing import TypeVar

import msgspec

from sidecar.brackets import SLICE, Brackets

T = TypeVar("T")

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

    Takes 30 ms a MiB of usual JSON and up to 0.3 s of nothing but brackets (measured), in steps of a few ms: work for a
    thread.
    """
    whole, kept = memoryview(body), bytearray()
    brackets, start = Brackets(_KEPT_LEVELS), 0  # where what is not kept yet begins
    for offset in range(0, len(body), SLICE):
        for found, opens in brackets.of(body[offset : offset + SLICE]):
            if opens and brackets.depth == _KEPT_LEVELS:
                kept += whole[start : offset + found + 1]
            elif not opens and brackets.depth == _KEPT_LEVELS - 1:
                start = offset + found
    if brackets.depth < _KEPT_LEVELS:
        kept += whole[start:]
    return bytes(kept)
