"""The TLS port, which the API server calls: `POST /admission` and `POST /audit`."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import structlog
from aiohttp import web

from sidecar import admission
from sidecar.admission import NoReview, Review
from sidecar.attempts import Request
from sidecar.attribution import Claims
from sidecar.audit import Resource
from sidecar.durations import Durations
from sidecar.errors import Unavailable
from sidecar.facts import AnyFact
from sidecar.settings import Address
from sidecar.web.auditing import Auditing
from sidecar.web.budget import Budget
from sidecar.web.certificate import ServingCertificate
from sidecar.web.listening import listening
from sidecar.web.problems import Problem, problems_answered
from sidecar.web.tokens import ASK, TokenFile, bearer, is_same

# Bytes of a review: object and oldObject of up to 3 MiB each, managed fields included, and room for options.
_REVIEW_MOST = 16 * 2**20

# Bytes that all reviews under way may take together. A small one is in the connection's buffer anyway.
_REVIEWS_BYTES = 4 * _REVIEW_MOST
_SMALL = 64 * 2**10

# Bytes. A MiB of JSON is read in some 5 ms; a larger review goes to a thread, one at a time, because its values take
# ten times as much memory as its bytes.
_READ_ON_LOOP = 2**20

# Seconds until a review must be there, or has got its turn. The API server has given up after one.
_REVIEW_SECONDS = 10.0
_TURN_SECONDS = 1.0

# Seconds. The API server closes its idle connections after 90: whoever closes first must not be us, or a call in that
# moment fails. Longer by a margin for a stalled loop.
_IDLE_SECONDS = 120.0

# Seconds for requests that run when the server stops: a review takes milliseconds, a batch some seconds.
_LAST_SECONDS = 5.0

# Seconds that a refused batch is still read.
_LINGER_SECONDS = 2.0

# Seconds. A review takes a millisecond; the API server gives up after one second.
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

Append = Callable[[Sequence[AnyFact]], Awaitable[None]]
"""Makes facts durable. Raises `Unavailable` (`SpoolFull`)."""

_log = structlog.get_logger()


class Webhooks:
    """The two endpoints."""

    def __init__(self, resource: Resource, claims: Claims, append: Append, audit_token_file: Path | None) -> None:
        self.auditing = Auditing(resource, append)
        self.left_out: Counter[str] = Counter()
        """Reviews that were answered and not remembered, by reason."""
        self.seconds = Durations(*_BOUNDS)
        """From a review's head to its answer."""
        self._resource = resource
        self._claims = claims
        self._audit_token = TokenFile(audit_token_file)
        self._reviews = Budget(_REVIEWS_BYTES)
        self._one_large = asyncio.Semaphore(1)

    async def admit(self, request: web.Request) -> web.Response:
        """Answers a review: allowed, at once, whatever it says. 400 for what is none."""
        at, started = datetime.now(UTC), time.monotonic()
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            # The API server compresses none, and a few KiB can become 150 MiB of buffers before they are refused.
            raise Problem(415, "A review must not be compressed.")
        size = _REVIEW_MOST if request.content_length is None else request.content_length
        if size > _REVIEW_MOST:
            raise web.HTTPRequestEntityTooLarge(_REVIEW_MOST, size)
        if size <= _SMALL:
            answer = await self._answer(await _read(request), at)
        else:
            try:
                async with self._reviews.taking(size, _TURN_SECONDS):
                    answer = await self._answer(await _read(request), at)
            except TimeoutError as error:
                raise Problem(503, "Too many large reviews are being read at once.", {"Retry-After": "1"}) from error
        self.seconds.took(time.monotonic() - started)
        return web.Response(body=answer, content_type="application/json")

    async def audit(self, request: web.Request) -> web.Response:
        """Takes an EventList; 200 when what it tells is on the disk."""
        try:
            self._check_sender(request)
            await self.auditing.take(request)
        except (Problem, Unavailable) as error:
            self.auditing.refused(str(error))
            raise
        return web.json_response({})

    def _check_sender(self, request: web.Request) -> None:
        expected = self._audit_token.token()
        if expected is None:
            raise Problem(
                503, "Nobody may send audit events: SIDECAR_AUDIT_TOKEN_FILE names no file with a token in it."
            )
        if not is_same(bearer(request.headers.getall("Authorization", [])), expected):
            raise Problem(401, "This is not the token of SIDECAR_AUDIT_TOKEN_FILE.", ASK)

    async def _answer(self, body: bytes, at: datetime) -> bytes:
        review = await self._understood(body, at)
        about = review.about
        if isinstance(about, Request):
            self._claims.remember(about)
            return admission.answer(review.uid, about.attempt)
        self.left_out[about.reason] += 1
        return admission.answer(review.uid, None)

    async def _understood(self, body: bytes, at: datetime) -> Review:
        try:
            if len(body) <= _READ_ON_LOOP:
                return admission.read(body, self._resource.group, self._resource.plural, at)
            async with self._one_large:
                return await asyncio.to_thread(admission.read, body, self._resource.group, self._resource.plural, at)
        except NoReview as error:
            raise Problem(400, str(error)) from error
        except Exception as error:  # noqa: BLE001 - a defect of ours must not stand in a write's way: it is logged whole
            _log.error("review_not_understood", exc_info=error)
            return Review(admission.uid_of(body), admission.Left("defect"))


@asynccontextmanager
async def serving(address: Address, certificate: ServingCertificate, webhooks: Webhooks) -> AsyncIterator[int]:
    """Serves until the block ends; gives the port. Raises `Misconfigured` if the address cannot be had."""
    app = web.Application(client_max_size=_REVIEW_MOST, middlewares=[problems_answered])
    app.router.add_post("/admission", webhooks.admit)
    app.router.add_post("/audit", webhooks.audit)
    async with listening(
        app,
        address,
        "SIDECAR_HTTPS",
        idle_seconds=_IDLE_SECONDS,
        last_seconds=_LAST_SECONDS,
        linger_seconds=_LINGER_SECONDS,
        tls=certificate.context,
    ) as port:
        yield port


async def _read(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(_REVIEW_SECONDS):
            return await request.read()
    except TimeoutError as error:
        detail = f"The review was not there after {_REVIEW_SECONDS:.0f} s."
        raise Problem(408, detail, {"Connection": "close"}) from error
    except (web.RequestPayloadError, ConnectionError) as error:  # ConnectionError: nobody will read the answer either
        raise Problem(400, f"The review cannot be read: {error}") from error
