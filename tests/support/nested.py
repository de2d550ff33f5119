"""JSON as deep as an API server stores it. No client library writes that, so it takes a placeholder's place."""

import json
from typing import Any

HERE = "DEEP"
"""Where it is to stand."""

LEVELS = [1_100, 9_900]
"""Above what the decoder takes on Python 3.11, and just below what the API server does (Go: 10,000)."""


def nested(value: Any, levels: int) -> bytes:
    """`value` as JSON, with objects and lists of that many levels, in turns, in place of HERE."""
    return deepened(json.dumps(value).encode(), levels)


def deepened(written: bytes, levels: int) -> bytes:
    """The same of what is JSON already."""
    pairs = levels // 2
    return written.replace(b'"DEEP"', b'{"f:a":[' * pairs + b"]}" * pairs)
