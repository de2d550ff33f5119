"""Telling one state of a row from the next, for changes that are meant for the state that somebody read."""

import hashlib
from collections.abc import Collection

import msgspec

from sidecar.billing.errors import Changed

ANY = "*"
"""Among the expected versions: whichever, as long as there is a row."""

Expected = Collection[str] | None
"""The versions that a change is meant for; None: whatever is there, or nothing (the last write wins)."""


def version(row: msgspec.Struct) -> str:
    """The row's version: equal for equal rows only. The time of the last change is part of it."""
    # 128 bits: two states of a row never meet by chance.
    return hashlib.sha256(msgspec.msgpack.encode(row)).hexdigest()[:32]


def check(expected: Expected, found: msgspec.Struct | None) -> None:
    """Returns if a change meant for `expected` may be made to `found` (None: there is no row), else `Changed`.

    `found` is locked by the caller's transaction, so that it cannot change between check and change.
    """
    if expected is None or (found is not None and (ANY in expected or version(found) in expected)):
        return
    raise Changed(
        "it is not, or no longer, in the version that you name"
        if found is not None
        else "there is no such row (any more)"
    )
