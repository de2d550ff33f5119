"""Validating webhooks: AdmissionReviews in the real server's shape, and what becomes of their answers."""

import asyncio
import logging
import ssl
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import aiohttp
import msgspec

from sidecar.demo.apiserver.resource import Json, Resource
from sidecar.demo.apiserver.statuses import Refusal

_log = logging.getLogger(__name__)
# `timeoutSeconds` of the registration that the sidecar asks for.
_TIMEOUT = aiohttp.ClientTimeout(total=1)


@dataclass(frozen=True)
class User:
    """Who asks, as `userInfo` names them."""

    name: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Webhook:
    """A registration with `failurePolicy: Ignore` for CREATE, UPDATE and DELETE, not for the subresource.

    `ca_file` holds the certificates that an https URL is checked against.
    """

    url: str
    ca_file: Path | None = None


@dataclass(frozen=True)
class Request:
    """One write that is about to be stored. `name` is None for the calls of a deletecollection."""

    operation: Literal["CREATE", "UPDATE", "DELETE"]
    name: str | None
    user: User
    object: Json | None
    old_object: Json | None
    options: Json

    def review(self, resource: Resource) -> Json:
        """The `AdmissionReview` to send, with a request uid of its own."""
        kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        plural = {"group": resource.group, "version": resource.version, "resource": resource.plural}
        return {
            "kind": "AdmissionReview",
            "apiVersion": "admission.k8s.io/v1",
            "request": {
                "uid": str(uuid.uuid4()),
                "kind": kind,
                "resource": plural,
                "requestKind": kind,
                "requestResource": plural,
                **({"name": self.name} if self.name is not None else {}),
                "operation": self.operation,
                "userInfo": {
                    "username": self.user.name,
                    "groups": [*self.user.groups, "system:authenticated"],
                },
                "object": self.object,
                "oldObject": self.old_object,
                "dryRun": bool(self.options.get("dryRun")),
                "options": self.options,
            },
        }


class _Status(msgspec.Struct):
    message: str = "without explanation"
    reason: str = "BadRequest"
    code: int = 400


class _Response(msgspec.Struct):
    uid: str
    allowed: bool
    status: _Status = msgspec.field(default_factory=_Status)


class _Answer(msgspec.Struct, rename="camel"):
    """What the real server insists on; anything else is a failed call."""

    kind: Literal["AdmissionReview"]
    api_version: Literal["admission.k8s.io/v1"]
    response: _Response


class Admission:
    """Asks every registered webhook about every write."""

    def __init__(self, resource: Resource, webhooks: Sequence[Webhook], session: aiohttp.ClientSession) -> None:
        """Reads the webhooks' CA files once. `session` stays the caller's."""
        self._resource = resource
        self._session = session
        self._webhooks = [
            (hook.url, ssl.create_default_context(cafile=hook.ca_file) if hook.ca_file else True) for hook in webhooks
        ]

    async def admit(self, request: Request) -> None:
        """Return when no webhook objects. Raises `Refusal` with a webhook's own words."""
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(self._call(url, tls, request)) for url, tls in self._webhooks]
        for (url, _), call in zip(self._webhooks, calls, strict=True):
            response = call.result()
            if response is not None and not response.allowed:
                status = response.status
                message = f"admission webhook {url} denied the request: {status.message}"
                raise Refusal(max(status.code, 400), status.reason, message)

    async def _call(self, url: str, tls: ssl.SSLContext | bool, request: Request) -> _Response | None:
        """The webhook's response; None if it failed, which `failurePolicy: Ignore` counts as consent."""
        review = request.review(self._resource)
        body = msgspec.json.encode(review)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.post(url, data=body, headers=headers, ssl=tls, timeout=_TIMEOUT) as answer:
                answer.raise_for_status()
                response = msgspec.json.decode(await answer.read(), type=_Answer).response
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            _log.warning("failed calling webhook %s, failing open: %r", url, error)
            return None
        if response.uid != review["request"]["uid"]:
            _log.warning("webhook %s answered for uid %s, failing open", url, response.uid)
            return None
        return response
