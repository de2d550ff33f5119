"""PiecedTenants by raw HTTP, as a client without any library sees them."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

Json = dict[str, Any]

GROUP = "/apis/pieced.ch/v1alpha1"
PATH = f"{GROUP}/piecedtenants"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
# How long an event or an answer may take that is certain to come: kube-apiserver on busy cores.
_DEADLINE_SECONDS = 20.0


def tenant(name: str, *packages: str, **metadata: Any) -> Json:
    """A PiecedTenant to be created; an empty name is left out (for `generateName`)."""
    return {
        "apiVersion": "pieced.ch/v1alpha1",
        "kind": "PiecedTenant",
        "metadata": {**({"name": name} if name else {}), **metadata},
        "spec": {"packages": list(packages)},
    }


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers, and the body as JSON (None if it was none)."""

    status: int
    headers: Mapping[str, str]
    body: Any

    def ok(self) -> Json:
        """The body of a success. Raises AssertionError for a refusal."""
        assert self.status in (200, 201), (self.status, self.body)
        return self.body

    def refused(self) -> tuple[int, str]:
        """Code and reason of a refusal, from a well-formed Status that agrees with the HTTP status."""
        assert self.body["kind"] == "Status", self.body
        assert self.body["apiVersion"] == "v1"
        assert self.body["status"] == "Failure"
        assert self.body["code"] == self.status
        return self.status, self.body["reason"]


@dataclass
class Watch:
    """An open watch: `next` gives its events one by one."""

    _response: aiohttp.ClientResponse

    async def next(self) -> Json | None:
        """The next event; None at the clean end of the stream. Raises TimeoutError if neither comes."""
        async with asyncio.timeout(_DEADLINE_SECONDS):
            line = await self._response.content.readline()
        return json.loads(line) if line else None

    async def types_and_names(self, count: int) -> list[tuple[str, str]]:
        """Type and object name of the next `count` events."""
        events = [await self.next() for _ in range(count)]
        return [(event["type"], event["object"]["metadata"]["name"]) for event in events if event]


@dataclass(frozen=True)
class Tenants:
    """One user's view of the API server at `url`; `tls` None for plain HTTP."""

    session: aiohttp.ClientSession
    url: str
    token: str
    tls: ssl.SSLContext | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    async def call(
        self,
        method: str,
        path: str = PATH,
        body: Any = None,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        **query: str,
    ) -> Answer:
        """One request, whatever is answered."""
        async with self.session.request(
            method,
            self.url + path,
            params=query,
            data=None if body is None else json.dumps(body),
            headers={**self._headers(), "Content-Type": content_type, **(headers or {})},
            ssl=self.tls or True,
            timeout=aiohttp.ClientTimeout(total=_DEADLINE_SECONDS * 2),
        ) as response:
            text = await response.read()
            parsed = json.loads(text) if response.content_type == "application/json" else None
            return Answer(response.status, response.headers, parsed)

    async def create(self, name: str, *packages: str, **metadata: Any) -> Json:
        """Create a tenant and return it as stored."""
        return (await self.call("POST", body=tenant(name, *packages, **metadata))).ok()

    async def get(self, name: str) -> Json:
        """The tenant as stored now."""
        return (await self.call("GET", f"{PATH}/{name}")).ok()

    async def list(self, **query: str) -> Json:
        """The PiecedTenantList, or one page of it."""
        return (await self.call("GET", **query)).ok()

    async def version(self) -> str:
        """The present version, as a LIST says it."""
        return (await self.list(limit="1"))["metadata"]["resourceVersion"]

    async def merge(self, name: str, patch: Json, **query: str) -> Json:
        """Apply a merge patch and return the answer's object."""
        return (await self.call("PATCH", f"{PATH}/{name}", patch, content_type=MERGE, **query)).ok()

    async def delete(self, name: str) -> Json:
        """Delete, and return the answer: a Status, or the object that a finalizer holds."""
        return (await self.call("DELETE", f"{PATH}/{name}")).ok()

    @asynccontextmanager
    async def watch(self, *, accept: str = "application/json", **query: str) -> AsyncIterator[Watch]:
        """An open watch, from the version that `resourceVersion` says. Raises AssertionError if refused."""
        async with self.session.get(
            self.url + PATH,
            params={"watch": "true", **query},
            headers={**self._headers(), "Accept": accept},
            ssl=self.tls or True,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as response:
            assert response.status == 200, (response.status, await response.text())
            yield Watch(response)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", **self.headers}
