"""Who may call the admin API: the holder of the token file's token, or whom the cluster knows and lets."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from sidecar.cluster import Identity
from sidecar.errors import Unavailable
from sidecar.web.problems import Problem
from sidecar.web.tokens import ASK, TokenFile, bearer, is_same

TOKEN_HOLDER = "admin-token"  # noqa: S105 - a name, no password
"""Who calls with the token of SIDECAR_ADMIN_TOKEN_FILE, in logs and histories."""

# Seconds that a yes holds: so long may somebody whose right was taken away still act. A no is asked anew each time,
# so that a right that was just granted counts at once.
_YES_SECONDS = 60.0

# How many yeses are kept. Each is one token with one path and method; 1,000 of them are some 200 KiB.
_YESES = 1_000

# Reviews under way at once, and seconds to wait for a turn: whoever sends us made-up tokens does not get to load the
# API server more than this.
_REVIEWS = 8
_TURN_SECONDS = 5.0

# Every authenticated account of a cluster may `get` all of /api/*: the ClusterRole system:discovery says so (seen on a
# real one). To read here takes a verb more, which only a role for this API can give: list, or one that changes.
_READERS = ("list", "post", "put", "delete")


class Judges(Protocol):
    """What is asked of a cluster. Both raise `Unavailable` when it does not answer."""

    async def identify(self, token: str, audience: str) -> Identity | None:
        """Whose token for this audience it is; None: nobody's."""
        ...

    async def may(self, identity: Identity, path: str, verb: str) -> bool:
        """Whether it may do `verb` (a lower-case HTTP method) to the non-resource `path`."""
        ...


class Callers:
    """Decides on each call."""

    def __init__(
        self,
        token_file: Path | None,
        judges: Judges | None,
        audience: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`judges` None: there is no cluster to ask. `clock`: seconds, for the age of a yes."""
        self._token_file = TokenFile(token_file)
        self._judges = judges
        self._audience = audience
        self._clock = clock
        self._yeses: OrderedDict[bytes, tuple[str, float]] = OrderedDict()  # key: (who, until when)
        self._turns = asyncio.Semaphore(_REVIEWS)

    async def check(self, authorization: Sequence[str], path: str, verb: str) -> str:
        """Who calls, if they may. `authorization`: the request's headers of that name.

        Raises `Problem`: 401 if who it is is not known, 403 if they may not, 503 if nobody could. `Unavailable` if
        the cluster cannot be asked: not knowing is never a yes.
        """
        expected = self._token_file.token()
        if expected is None and self._judges is None:
            raise Problem(
                503,
                "Nobody can be let in: SIDECAR_ADMIN_TOKEN_FILE names no file with a token in it, and there is no "
                "cluster that could review tokens.",
            )
        token = bearer(authorization)
        if expected is not None and is_same(token, expected):
            return TOKEN_HOLDER
        if self._judges is None:
            raise Problem(401, "This is not the token of SIDECAR_ADMIN_TOKEN_FILE.", ASK)
        return await self._reviewed(self._judges, token, path, verb)

    async def _reviewed(self, judges: Judges, token: str, path: str, verb: str) -> str:
        key = hashlib.sha256("\0".join((token, path, verb)).encode(errors="surrogateescape")).digest()
        now = self._clock()
        if (known := self._yeses.get(key)) is not None and now < known[1]:
            self._yeses.move_to_end(key)
            return known[0]
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await self._turns.acquire()
        except TimeoutError as error:
            raise Unavailable("too many tokens are being reviewed at once") from error
        try:
            identity = await self._review(judges, token, path, verb)
        finally:
            self._turns.release()
        self._yeses[key] = (identity.username, now + _YES_SECONDS)
        self._yeses.move_to_end(key)
        if len(self._yeses) > _YESES:
            self._yeses.popitem(last=False)
        return identity.username

    async def _review(self, judges: Judges, token: str, path: str, verb: str) -> Identity:
        identity = await judges.identify(token, self._audience)
        if identity is None:
            raise Problem(
                401,
                f"The cluster knows no such token for the audience {self._audience}: it is expired, made up, or meant "
                f"for somebody else. (kubectl create token NAME --audience {self._audience})",
                ASK,
            )
        if not await _allowed(judges, identity, path, verb):
            needed = "verbs get and list" if verb == "get" else f"verb {verb}"
            raise Problem(
                403,
                f"{identity.username} may not {verb} {path}: a ClusterRole with nonResourceURLs that match it and the "
                f"{needed} must be bound to them.",
            )
        return identity


async def _allowed(judges: Judges, identity: Identity, path: str, verb: str) -> bool:
    if not await judges.may(identity, path, verb):
        return False
    if verb != "get":
        return True
    for other in _READERS:
        if await judges.may(identity, path, other):
            return True
    return False
