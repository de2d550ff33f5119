"""AdmissionReview v1: what is asked, what is answered, and what to remember of it (pure).

A validating webhook runs before the write is stored, and the write may still come to nothing: what a review says is
a claim, which counts only when the watch shows exactly that content committed (kubernetes-facts, section 2).
"""

import re
from datetime import datetime
from typing import NamedTuple

import msgspec

from sidecar import digest
from sidecar.answers import UNDECODABLE
from sidecar.attempts import Attempt, Request, groups_of, name_of, note
from sidecar.tenant import Metadata, is_generation, is_uid, is_version

_DELETIONS_THAT_WAIT = ("Foreground", "Orphan")  # propagation policies that add a finalizer of their own


# How the API server begins a review: with the uid, before any object.
_BEGINNING = re.compile(rb'\s*\{[^{}]*"request"\s*:\s*\{\s*"uid"\s*:\s*"([\w-]{1,100})"', re.ASCII)


class NoReview(ValueError):
    """The bytes are no AdmissionReview that could be answered: not JSON, or without a request's uid."""


class Left(NamedTuple):
    """Nothing to remember, and why: one word, for the count."""

    reason: str


class Review(NamedTuple):
    """A review that must be answered with its `uid`. `about`: what to remember."""

    uid: str
    about: Request | Left


class _User(msgspec.Struct):
    username: str = ""
    groups: list[str] | None = None


class _Resource(msgspec.Struct):
    group: str = ""
    resource: str = ""


class _Options(msgspec.Struct, rename="camel"):
    propagation_policy: str | None = None
    orphan_dependents: bool | None = None


class _Head(msgspec.Struct):
    uid: str


class _Envelope(msgspec.Struct):
    request: _Head


class _Asked(msgspec.Struct, rename="camel"):
    uid: str
    operation: str
    resource: _Resource
    user_info: _User
    sub_resource: str = ""
    dry_run: bool | None = None
    object: msgspec.Raw = msgspec.Raw(b"null")
    old_object: msgspec.Raw = msgspec.Raw(b"null")
    options: msgspec.Raw = msgspec.Raw(b"null")


class _AskedEnvelope(msgspec.Struct):
    request: _Asked


class _Object(msgspec.Struct):
    metadata: Metadata


_envelope = msgspec.json.Decoder(_Envelope)
_asked = msgspec.json.Decoder(_AskedEnvelope)
_object = msgspec.json.Decoder(_Object)
_options = msgspec.json.Decoder(_Options | None)


def read(body: bytes, group: str, plural: str, at: datetime) -> Review:
    """What a review of `plural` in `group` asks, arrived at `at`. Raises `NoReview`."""
    try:
        asked = _asked.decode(body).request
    except UNDECODABLE:
        return Review(uid_of(body), Left("malformed"))
    if (asked.resource.group, asked.resource.resource) != (group, plural) or asked.sub_resource:
        return Review(asked.uid, Left("other_resource"))
    if asked.dry_run:
        return Review(asked.uid, Left("dry_run"))
    try:
        return Review(asked.uid, _about(asked, at))
    except UNDECODABLE:
        return Review(asked.uid, Left("malformed"))


def answer(uid: str, attempt: Attempt | None) -> bytes:
    """The answer to the review `uid`: allowed, whatever it was. `attempt`: what to leave in the audit event."""
    response: dict[str, object] = {"uid": uid, "allowed": True}
    if attempt is not None:
        response["auditAnnotations"] = note(attempt)
    return msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})


def uid_of(body: bytes) -> str:
    """The uid of the review, whatever else it says: what an answer needs. Raises `NoReview`."""
    try:
        return _envelope.decode(body).request.uid
    except UNDECODABLE as error:
        # An object may be nested deeper than our decoder goes. It is not emptied and read, as it is elsewhere (see
        # `nesting`): hundreds of calls of one request must stay cheap, and its content could not be compared.
        if isinstance(error, RecursionError) and (begins := _BEGINNING.match(body)):
            return begins[1].decode()
        raise NoReview(f"this is no AdmissionReview: {error}") from error


def _about(asked: _Asked, at: datetime) -> Request | Left:
    attempt = _attempt(asked)
    if isinstance(attempt, Left):
        return attempt
    kept, undeleted = asked.object, None
    if asked.operation == "DELETE":
        kept, undeleted = asked.old_object, digest.undeleted(asked.old_object)
    elif attempt.generation is None:
        kept = asked.old_object  # what the watch will show as deleted
    return Request(
        attempt=attempt,
        operation=asked.operation,
        actor=name_of(asked.user_info.username),
        groups=groups_of(asked.user_info.groups or ()),
        # Of a creation the uid is enough: nobody else's object has it.
        stored=None if asked.operation == "CREATE" else digest.stored(kept),
        undeleted=undeleted,
        asked_at=at,
    )


def _attempt(asked: _Asked) -> Attempt | Left:
    """What the request would do, if it is something that can have an author: a generation or a removal."""
    if asked.operation == "CREATE":
        uid = _object.decode(asked.object).metadata.uid
        attempt = Attempt(asked.uid, uid, "0", 0, 1)
    elif asked.operation in ("UPDATE", "DELETE"):
        old = _object.decode(asked.old_object).metadata
        after = _after_deletion(asked, old) if asked.operation == "DELETE" else _after_update(asked)
        if after == old.generation:
            return Left("no_generation")
        if not is_generation(old.generation) or (after is not None and not is_generation(after)):
            return Left("malformed")
        attempt = Attempt(asked.uid, old.uid, old.resource_version, old.generation, after)
    else:
        return Left("other_operation")
    known = is_uid(attempt.review) and is_uid(attempt.tenant_uid) and is_version(attempt.base_version)
    return attempt if known else Left("malformed")


def _after_update(asked: _Asked) -> int | None:
    """The generation that an update makes; None: it takes the last finalizer of a tenant that is being deleted."""
    new = _object.decode(asked.object).metadata
    return None if new.deletion_timestamp is not None and not new.finalizers else new.generation


def _after_deletion(asked: _Asked, old: Metadata) -> int | None:
    """The generation that a deletion makes when a finalizer holds it up; None: the tenant is gone at once."""
    if old.deletion_timestamp is not None:
        return old.generation  # asked for before: nothing changes
    options = _options.decode(asked.options)
    waits = options is not None and (
        options.propagation_policy in _DELETIONS_THAT_WAIT or bool(options.orphan_dependents)
    )
    return old.generation + 1 if old.finalizers or waits else None
