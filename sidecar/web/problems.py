"""Everything that can go wrong with a request, as one JSON answer: {"error": …, "detail": …}."""

import math
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import structlog
from aiohttp import web

from sidecar.billing.errors import Changed, Taken
from sidecar.errors import AlreadyRunning, Misconfigured, Unavailable

ERRORS: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "conflict",
    412: "precondition_failed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    500: "internal",
    503: "unavailable",
}
"""What `error` says for each status that we answer."""

# Seconds until one who was told 503 asks again, if the one we wait for did not say. A Postgres that fails over or a
# restarting API server needs some ten; a person presses the key again sooner.
_RETRY_AFTER = 5

_log = structlog.get_logger()


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong: `error` for programs, `detail` for people."""

    error: str
    detail: str


class Problem(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        """`status`: a key of `ERRORS`. `detail`: a sentence that the caller may read."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def answer(problem: Problem) -> web.Response:
    """The answer that says it."""
    body = msgspec.json.encode(ErrorAnswer(error=ERRORS[problem.status], detail=problem.detail))
    return web.Response(status=problem.status, body=body, content_type="application/json", headers=problem.headers)


@web.middleware
async def problems_answered(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The outermost middleware: whatever is raised, also by aiohttp's router, is answered in our form."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return answer(_of_aiohttp(error, request))
    except Exception as error:  # noqa: BLE001 - the edge: what nobody foresaw is logged whole, and says nothing outside
        return answer(_of(error, request))


def _of(error: Exception, request: web.Request) -> Problem:
    match error:
        case Problem():
            return error
        case Unavailable():
            wait = math.ceil(error.retry_after or _RETRY_AFTER)
            return Problem(503, str(error), {"Retry-After": str(wait)})
        case Misconfigured():  # a person must act; whoever asks again later may find that done
            return Problem(503, str(error), {"Retry-After": str(_RETRY_AFTER)})
        case AlreadyRunning() | Taken():
            return Problem(409, str(error))
        case Changed():
            return Problem(412, str(error))
    _log.error("request_failed", method=request.method, path=request.path, exc_info=error)
    return Problem(500, "This is a defect of the sidecar; its log says more.")


def _of_aiohttp(error: web.HTTPException, request: web.Request) -> Problem:
    match error:
        case web.HTTPNotFound():
            return Problem(404, f"There is nothing at {request.path}.")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return Problem(405, f"{request.path} takes {allowed}.", {"Allow": allowed})
        case web.HTTPRequestEntityTooLarge():
            return Problem(413, f"A body has at most {request.client_max_size} bytes here.")
    if error.status in ERRORS:
        return Problem(error.status, error.reason)
    raise error
