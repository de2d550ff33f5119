"""Asking the API server who a token's bearer is, and what they may do.

A TokenReview's answer echoes the token: no body is ever logged or put into an error here.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from sidecar.answers import UNDECODABLE
from sidecar.cluster.requests import Requests
from sidecar.errors import Unavailable

# Bytes of an answer: the token (8 KiB at most, as our server takes headers) and the user with all groups.
_ANSWER_MOST = 2**20

# Seconds: somebody waits for the answer. An API server that is well reviews in milliseconds; one that asks an
# external authenticator gives that 30 s at most, and is away for us before.
_SECONDS = 10.0

T = TypeVar("T", bound=msgspec.Struct)


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who somebody is, as the API server says it."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = {}


class _TokenStatus(msgspec.Struct):
    authenticated: bool = False  # absent when it is not
    user: Identity = Identity()
    audiences: list[str] = []


class _TokenReview(msgspec.Struct):
    status: _TokenStatus


class _AccessStatus(msgspec.Struct):
    allowed: bool = False
    denied: bool = False


class _AccessReview(msgspec.Struct):
    status: _AccessStatus


class Reviews:
    """Made by `connect`. Both questions need the rights of the ClusterRole system:auth-delegator."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    @classmethod
    @asynccontextmanager
    async def connect(cls, kubeconfig: Path | None) -> AsyncIterator[Self]:
        """To the cluster of the kubeconfig (None: the pod's own). Sends nothing yet. Raises `Misconfigured`."""
        async with Requests.opened(kubeconfig) as requests:
            yield cls(requests)

    async def identify(self, token: str, audience: str) -> Identity | None:
        """Whose token for this audience it is; None: nobody's, or one for another audience.

        Raises `Unavailable`: no answer, or not the right to ask.
        """
        status = (
            await self._ask(
                "/apis/authentication.k8s.io/v1/tokenreviews",
                {
                    "apiVersion": "authentication.k8s.io/v1",
                    "kind": "TokenReview",
                    "spec": {"token": token, "audiences": [audience]},
                },
                _TokenReview,
                "review a token",
            )
        ).status
        # An API server that knows no audiences answers without any: that is no yes for ours.
        return status.user if status.authenticated and status.user.username and audience in status.audiences else None

    async def may(self, identity: Identity, path: str, verb: str) -> bool:
        """Whether they may do `verb` (a lower-case HTTP method) to the non-resource `path`. Raises as `identify`."""
        status = (
            await self._ask(
                "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                {
                    "apiVersion": "authorization.k8s.io/v1",
                    "kind": "SubjectAccessReview",
                    "spec": {
                        "user": identity.username,
                        "uid": identity.uid,
                        "groups": identity.groups,
                        "extra": identity.extra,
                        "nonResourceAttributes": {"path": path, "verb": verb},
                    },
                },
                _AccessReview,
                "review an access",
            )
        ).status
        return status.allowed and not status.denied

    async def _ask(self, path: str, review: dict[str, Any], shape: type[T], what: str) -> T:
        body = await self._requests.post(path, msgspec.json.encode(review), what, _ANSWER_MOST, _SECONDS)
        try:
            return msgspec.json.decode(body, type=shape)
        except UNDECODABLE:
            # Not `from` the decoder's error: it may quote the answer.
            raise Unavailable(f"{what}: the answer is not what an API server says") from None
