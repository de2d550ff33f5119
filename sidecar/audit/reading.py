"""An audit event into facts, or the reason why it says nothing that was committed (pure).

The rules and the exceptions are kubernetes-facts, section 3.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from sidecar.answers import UNDECODABLE
from sidecar.attempts import Attempt, failed_open, groups_of, name_of, noted
from sidecar.audit.batches import without_request
from sidecar.audit.dry_runs import is_dry_run
from sidecar.audit.events import Answer, Event, List
from sidecar.facts import AnyFact, Attribution, Removal, version_key
from sidecar.nesting import decode
from sidecar.observing import facts_of
from sidecar.tenant import Metadata, Nameless, is_generation, is_uid, is_version
from sidecar.tenant import read as read_tenant

_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})

# 202: a deletion with the old option orphanDependents=false that a finalizer holds up.
_DONE = (200, 201, 202)

# What the API server says of a request whose client went away: not that it was done.
_CUT = "Connection closed early"

# Characters; longer ones are cut. Browsers' user agents have some 150. A chain of 16 proxies is more than there is.
_USER_AGENT_MOST = 500
_SOURCE_IPS_MOST = 16

# A patch that meets conflicts is tried 5 times (kube-apiserver), an update's own attempts are few; of more, the last.
_REVIEWS_MOST = 64


class Resource(NamedTuple):
    """Whose events are read, and where their org label is."""

    group: str
    version: str
    plural: str
    org_label: str


class Told(NamedTuple):
    """What the event says. `failed_open`: the API server went without our webhook's answer."""

    facts: list[AnyFact]
    failed_open: bool = False


class Left(NamedTuple):
    """Why the event says nothing: one word, for the count. `failed_open`: as above, also of a failed request."""

    reason: str
    failed_open: bool = False


_event = msgspec.json.Decoder(Event)
_answer = msgspec.json.Decoder(Answer)
_list = msgspec.json.Decoder(List)


def read(body: bytes, resource: Resource) -> Told | Left:
    """What one event (JSON) tells of tenants. Never raises: what it cannot be is a value too."""
    event = _decoded(body)
    if event is None:
        return Left("malformed")
    says = _read(event, resource)
    if event.stage == "ResponseComplete" and failed_open(event.annotations or {}):
        return says._replace(failed_open=True)
    return says


def _read(event: Event, resource: Resource) -> Told | Left:
    for reason, applies in _REASONS:
        if applies(event, resource):
            return Left(reason)
    try:
        return _told(event, resource)
    except (*UNDECODABLE, Nameless, OverflowError):  # OverflowError: in UTC a time falls off the calendar
        return Left("malformed")


def _decoded(body: bytes) -> Event | None:
    try:
        return decode(_event, body)
    except UNDECODABLE:
        pass  # by what a client wrote into its patch, like half a pair? It hides nothing
    try:
        event = decode(_event, without_request(body))
    except UNDECODABLE:
        return None
    return event if event.verb == "patch" else None  # of a deletion it could be a dry run


def _is_other(event: Event, resource: Resource) -> bool:
    ref = event.object_ref
    return ref is None or (ref.api_group, ref.resource) != (resource.group, resource.plural)


_REASONS: tuple[tuple[str, Callable[[Event, Resource], bool]], ...] = (
    ("stage", lambda event, _: event.stage != "ResponseComplete"),
    ("other_resource", _is_other),
    ("other_resource", lambda event, _: event.subresource not in ("", "status")),
    ("read", lambda event, _: event.verb not in _WRITES),
    ("failed", lambda event, _: event.code not in _DONE),
    ("cut", lambda event, _: event.message == _CUT),
    ("malformed", lambda event, _: event.stage_timestamp.tzinfo is None),
    ("dry_run", lambda event, _: is_dry_run(event)),
)
"""Why an event shows no committed change of a tenant, in the order in which it is asked."""


def _told(event: Event, resource: Resource) -> Told | Left:
    answer = decode(_answer, event.response_object) if bytes(event.response_object) != b"null" else None
    if answer is None or not answer.kind:
        return _without_object(event)
    if answer.kind == "Status":
        uid = answer.details.uid if answer.details is not None else ""
        if event.verb != "delete" or not is_uid(uid):
            return Left("no_object")
        return _gone(event, uid)
    if event.verb == "deletecollection":
        return _if_any(list(_of_collection(event)))
    return _of_object(event, answer, resource)


def _of_object(event: Event, answer: Answer, resource: Resource) -> Told | Left:
    found = answer.metadata
    if not is_uid(found.uid) or not is_version(found.resource_version) or not is_generation(found.generation):
        return _without_object(event)  # a Table: what was answered is made for a terminal
    if found.deletion_timestamp is not None and not found.finalizers:
        if event.subresource:
            return Left("no_object")  # which takes no finalizers
        # The last finalizer is gone, and the object with it: what else this answer shows was never stored.
        return _gone(event, found.uid)
    if event.verb == "delete" and found.deletion_timestamp is None:
        return Left("no_object")
    facts: list[AnyFact] = []
    # In another version the content may have another form; a PartialObjectMetadata has none.
    if answer.api_version == f"{resource.group}/{resource.version}":
        tenant = read_tenant(event.response_object, resource.org_label)
        facts += facts_of(tenant, "audit", _utc(event.stage_timestamp), None, "audit")
    if not event.subresource:  # whose writers are never authors of what the spec says
        created = event.code == 201 and found.generation == 1
        how = "proven" if created else "likely"
        own = _attempts(event).get(found.uid, [])
        facts.append(_attribution(event, found.uid, found.generation, found.resource_version, own, how=how))
    return _if_any(facts)


def _if_any(facts: list[AnyFact]) -> Told | Left:
    return Told(facts) if facts else Left("no_object")


def _of_collection(event: Event) -> Iterator[AnyFact]:
    """Who asked for the removals; that they happened is not proven by this: the watch and a census tell.

    The answer has the tenants as they were listed, and deletes by name: it can have the uid of one that was gone by
    then, while the next of that name was deleted.
    """
    items = {item.metadata.uid: item for item in decode(_list, event.response_object).items or ()}
    attempts = _attempts(event)
    for uid in dict.fromkeys((*items, *attempts)):
        own = attempts.get(uid, [])
        if not own and items[uid].metadata.deletion_timestamp is not None:
            continue  # its deletion was requested before: this request did nothing to it
        generation = own[-1].generation if own else _pending(items[uid].metadata)
        if is_uid(uid) and (generation is None or is_generation(generation)):
            yield _attribution(event, uid, generation, "0", own, how="likely")


def _pending(found: Metadata) -> int | None:
    """The generation of a deletion that the tenant's finalizers hold up; None: nothing holds it."""
    return found.generation + 1 if found.finalizers else None


def _without_object(event: Event) -> Told | Left:
    """Level Metadata, or an answer without an object: what our own webhook left in the event is all there is."""
    facts: list[AnyFact] = []
    for uid, own in _attempts(event).items():
        last = own[-1]
        how = "proven" if event.code == 201 and last.before == 0 else "likely"
        if event.verb != "deletecollection" and last.generation is None:
            facts.append(_removal(event, uid, own))
        facts.append(_attribution(event, uid, last.generation, "0", own, how=how))
    return _if_any(facts)


def _attempts(event: Event) -> dict[str, list[Attempt]]:
    """What the request tried to do to each tenant, from the lowest base version to the highest.

    To be looked through once: a deletecollection has a note of each tenant.
    """
    found: dict[str, list[Attempt]] = {}
    for attempt in sorted(noted(event.annotations or {}), key=lambda a: version_key(a.base_version)):
        found.setdefault(attempt.tenant_uid, []).append(attempt)
    return found


def _gone(event: Event, uid: str) -> Told:
    """The request is answered as one that removed this tenant."""
    own = _attempts(event).get(uid, [])
    return Told([_removal(event, uid, own), _attribution(event, uid, None, "0", own, how="proven")])


def _removal(event: Event, uid: str, own: list[Attempt]) -> Removal:
    last = own[-1] if own else None
    return Removal(
        tenant_uid=uid,
        time_source="audit",
        at=_utc(event.stage_timestamp),
        last_generation=last.before if last is not None and last.generation is None else None,
    )


def _attribution(
    event: Event, uid: str, generation: int | None, version: str, own: list[Attempt], *, how: str
) -> Attribution:
    """`own`: the attempts to change this tenant."""
    acting = event.impersonated_user or event.user
    own = [a for a in own if a.generation == generation]
    agent = (event.user_agent or "")[:_USER_AGENT_MOST]
    received = event.request_received_timestamp
    return Attribution(
        tenant_uid=uid,
        resource_version=version,
        generation=generation,
        source="audit",
        request_key=event.key(),
        actor=name_of(acting.username),
        actor_groups=groups_of(acting.groups or ()),
        impersonated_by=name_of(event.user.username) if event.impersonated_user is not None else None,
        operation=event.verb,
        how="proven" if how == "proven" else "likely",
        base_version=own[-1].base_version if own else None,
        reviews=tuple(a.review for a in own[-_REVIEWS_MOST:]),
        audit_id=name_of(event.audit_id),
        user_agent=name_of(agent) or None,
        source_ips=tuple(map(name_of, (event.source_ips or ())[:_SOURCE_IPS_MOST])),
        asked_at=_utc(received) if received is not None and received.tzinfo is not None else None,
        answered_at=_utc(event.stage_timestamp),
    )


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)
