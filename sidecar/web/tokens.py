"""Bearer tokens: the one that a request shows, and the one that a file holds."""

import hmac
from collections.abc import Sequence
from pathlib import Path

import structlog

from sidecar.web.problems import Problem

ASK = {"WWW-Authenticate": "Bearer"}
"""The header of a 401."""

_log = structlog.get_logger()


class TokenFile:
    """A token that a person has put into a file. Read each time, so that a new one counts at once."""

    def __init__(self, path: Path | None) -> None:
        """`path` None: there is none."""
        self._path = path

    def token(self) -> bytes | None:
        """The token; None if there is none now. An empty file lets nobody in."""
        if self._path is None:
            return None
        try:
            token = self._path.read_bytes().strip()
        except OSError as error:
            _log.warning("token_unreadable", file=str(self._path), reason=str(error))
            return None
        return token or None


def bearer(authorization: Sequence[str]) -> str:
    """The token in a request's Authorization headers. Raises `Problem` (401) unless there is just one."""
    if len(authorization) == 1:
        scheme, _, token = authorization[0].partition(" ")
        if scheme.lower() == "bearer" and token.strip() and token.isascii():
            return token.strip()
    raise Problem(401, "Show who you are: Authorization: Bearer TOKEN, once.", ASK)


def is_same(shown: str, expected: bytes) -> bool:
    """Whether they are equal, in a time that does not tell how far they are."""
    return hmac.compare_digest(shown.encode(errors="surrogateescape"), expected)
