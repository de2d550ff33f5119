"""One resource type of one Kubernetes cluster: list, watch, and what is asked once at the start.

It decides nothing: what a 410 means is the watch's to know.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from sidecar.answers import UNDECODABLE, Answered, Page
from sidecar.cluster.requests import BODY_MOST, OpenStream, Oversized, Requests
from sidecar.errors import Misconfigured, Unavailable
from sidecar.nesting import decode
from sidecar.tenant import is_version

T = TypeVar("T")

_DECODE_ON_LOOP = 2**20  # bytes; a MiB decodes in 2 to 3 ms, more than that would hold up the webhook's answers
_WATCH_SLACK = 15.0
"""Seconds after `timeoutSeconds` until a stream that says nothing is given up. The server closes a living one
at `timeoutSeconds`; that close not arriving is the proof that the connection is dead. Missing bookmarks prove
nothing: they come about every minute but are not promised. A peer that has vanished is found sooner, by TCP
keepalive, and whatever the reason, nothing is lost: the next stream resumes at the same version."""


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str | None = msgspec.field(name="continue", default=None)
    remaining_item_count: int | None = None


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Resource(msgspec.Struct):
    name: str
    namespaced: bool


class _Resources(msgspec.Struct):
    resources: list[_Resource]


class _Uid(msgspec.Struct):
    uid: str


class _Namespace(msgspec.Struct):
    metadata: _Uid


_list = msgspec.json.Decoder(_List)


class Cluster:
    """Made by `connect`; everything here is a GET."""

    def __init__(self, requests: Requests, group: str, version: str, plural: str) -> None:
        self._requests = requests
        self._group_path = f"/apis/{group}/{version}"
        self._path = f"{self._group_path}/{plural}"
        self._plural = plural
        self._resource = f"{plural}.{group}"

    @classmethod
    @asynccontextmanager
    async def connect(cls, kubeconfig: Path | None, group: str, version: str, plural: str) -> AsyncIterator[Self]:
        """A cluster as the kubeconfig (None: the pod's ServiceAccount) says. Sends nothing yet.

        Raises `Misconfigured` when there is no configuration to go by.
        """
        async with Requests.opened(kubeconfig) as requests:
            yield cls(requests, group, version, plural)

    async def uid(self) -> str:
        """Which cluster this is: the uid of its namespace kube-system. Raises `Unavailable`."""
        what = "get namespace kube-system"
        body, _ = await self._requests.get("/api/v1/namespaces/kube-system", {}, what)
        return _decode(body, _Namespace, what).metadata.uid

    async def check_scope(self) -> None:
        """Returns if the resource exists and is cluster-scoped.

        Raises `Misconfigured` if it is namespaced: names would not be unique, and the lists' paths differ.
        Raises `Unavailable` if it does not exist (its CRD may be installed later) or there is no answer.
        """
        what = f"discover {self._resource}"
        missing = f"the API server has no {self._resource} in {self._group_path}: is its CRD installed?"
        try:
            body, _ = await self._requests.get(self._group_path, {}, what)
        except Answered as error:
            if error.status == 404:
                raise Unavailable(missing) from error
            raise
        found = [r for r in _decode(body, _Resources, what).resources if r.name == self._plural]
        if not found:
            raise Unavailable(missing)
        if found[0].namespaced:
            raise Misconfigured(
                f"{self._resource} is namespaced, but tenants are billed by their name in the whole cluster: "
                "its CRD must have `scope: Cluster`"
            )

    async def list_page(self, limit: int, continue_token: str = "") -> Page:
        """Up to `limit` objects as of now (no resourceVersion: a quorum read), or the page of the token.

        A page above 64 MiB is asked for again with half the limit. Raises `Answered` for any status but 200,
        `Unavailable` when there is no answer or none that can be read.
        """
        what = f"list {self._resource}"
        while True:
            query = {"limit": str(limit)} | ({"continue": continue_token} if continue_token else {})
            sent_at = datetime.now(UTC)
            try:
                body, headers = await self._requests.get(self._path, query, what)
            except Oversized as error:
                if limit == 1:
                    raise Unavailable(f"{what}: one object alone is above {BODY_MOST} bytes") from error
                limit //= 2
            else:
                # A clock that is set back meanwhile must not say that the answer came before the question.
                answered_at = max(sent_at, datetime.now(UTC))
                return await _page(body, sent_at, answered_at, headers.get("Date"), what)

    def watch(self, version: str, timeout_seconds: int) -> AbstractAsyncContextManager[OpenStream]:
        """The stream of changes after `version`, once the API server has said 200 to it.

        The server ends it after `timeout_seconds`. Raises `Answered` for another status, else `Unavailable`.
        """
        query = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(timeout_seconds),
        }
        return self._requests.stream(self._path, query, f"watch {self._resource}", timeout_seconds + _WATCH_SLACK)


async def _page(body: bytes, sent_at: datetime, answered_at: datetime, date: str | None, what: str) -> Page:
    listed = await _listed(body, what)
    version = listed.metadata.resource_version
    if not is_version(version):
        raise Unavailable(f"{what}: the answer's resourceVersion {version!r} is no version")
    return Page(
        version=version,
        sent_at=sent_at,
        answered_at=answered_at,
        server_date=_moment(date) if date else None,
        items=listed.items or [],
        continue_token=listed.metadata.continue_ or "",
        size=len(body),
        remaining=listed.metadata.remaining_item_count,
    )


async def _listed(body: bytes, what: str) -> _List:
    with _understood(what):
        if len(body) <= _DECODE_ON_LOOP:
            with suppress(RecursionError):
                return _list.decode(body)
        return await asyncio.to_thread(decode, _list, body)


def _moment(date: str) -> datetime | None:
    """A Date header; None for one that is no date (a proxy may have written it): our own clock is there too."""
    try:
        said = parsedate_to_datetime(date)
        # "-0000" is read as a time without a zone; HTTP's dates are in UTC (RFC 9110, 5.6.7).
        return said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
    except (ValueError, OverflowError):  # OverflowError: off either end of the calendar
        return None


def _decode(body: bytes, shape: type[T], what: str) -> T:
    with _understood(what):
        return msgspec.json.decode(body, type=shape)


@contextmanager
def _understood(what: str) -> Iterator[None]:
    try:
        yield
    except UNDECODABLE as error:
        raise Unavailable(f"{what}: the answer is not what an API server says: {error}") from error
