"""What the API server tells its webhook and its audit backend of the writes of a simulated world, as JSON.

The reports go through the sidecar's own readers, so a property over them holds for what the endpoints take.
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from sidecar import admission
from sidecar.attempts import WEBHOOK, Request, note
from sidecar.attribution import Claims, Commit
from sidecar.audit import Left, Resource, read
from sidecar.facts import Adopted, AnyFact
from sidecar.tenant import read as read_tenant
from tests.support.history import ACTORS, Gone, Version, World, watched, windows, worlds

Json = dict[str, Any]

RESOURCE = Resource("pieced.ch", "v1alpha1", "piecedtenants", "pieced.ch/zitadel-org-id")
_PLURAL = {"group": "pieced.ch", "version": "v1alpha1", "resource": "piecedtenants"}
_MOMENT = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Call:
    """One request about a write. `rival`: it asked for the very same from the same base, and came too late.

    `again`: it asked for what was there already, which its answer repeats.
    """

    number: int
    actor: str
    rival: bool = False
    again: bool = False

    @property
    def review(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.number} {self.actor} {self.rival} {self.again}"))


@dataclass
class Witnesses:
    """Who saw which request: `heard` by the webhook of which replica, and `logged` by the audit log, at which level."""

    heard: dict[Call, int] = field(default_factory=dict)
    logged: dict[Call, str] = field(default_factory=dict)


def stored(world: World, version: Version, **without: bool) -> Json:
    """The tenant as it is stored. `held`: whether a finalizer holds it."""
    held = any(isinstance(w, Version) and w.uid == version.uid and w.deletion_requested_at for w in world.writes)
    metadata: Json = {
        "uid": version.uid,
        "name": version.name,
        "generation": version.generation,
        "resourceVersion": str(version.version),
        "creationTimestamp": _text(version.created_at),
        "labels": {"pieced.ch/zitadel-org-id": version.org} if version.org else {},
    }
    if held and not without.get("held_no_more"):
        metadata["finalizers"] = ["pieced.ch/hold"]
    if version.deletion_requested_at is not None:
        metadata |= {"deletionTimestamp": _text(version.deletion_requested_at), "deletionGracePeriodSeconds": 0}
    status = {"suspendedAt": _text(version.suspended_at)} if version.suspended and version.suspended_at else {}
    return {
        "apiVersion": "pieced.ch/v1alpha1",
        "kind": "PiecedTenant",
        "metadata": metadata,
        "spec": {
            "packages": list(version.packages),
            "suspend": version.suspended,
            # the request for a deletion changes no spec
            "displayName": version.generation - (version.deletion_requested_at is not None),
        },
        "status": status,
    }


def review(world: World, call: Call) -> bytes:
    """What the webhook is sent before the write; also for one who comes too late."""
    write = world.writes[call.number]
    before = world.before(write)
    old = stored(world, before) if before is not None else None
    if isinstance(write, Version) and not _is_request(world, write):
        operation, new = "UPDATE" if before else "CREATE", stored(world, write)
    elif isinstance(write, Gone) and write.last.deletion_requested_at is not None:
        operation, new = "UPDATE", stored(world, write.last, held_no_more=True)
    else:
        operation, new = "DELETE", None
    if new is not None:
        del new["metadata"]["resourceVersion"]
        if old is not None:
            new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
    request = {
        "uid": call.review,
        "operation": operation,
        "resource": _PLURAL,
        "userInfo": {"username": call.actor},
        "object": new,
        "oldObject": old,
    }
    return json.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}).encode()


def asked(world: World, call: Call) -> Request | None:
    """What the webhook makes of it; None: nothing to remember."""
    about = admission.read(review(world, call), "pieced.ch", "piecedtenants", world.writes[call.number].at).about
    return about if isinstance(about, Request) else None


def event(world: World, call: Call, *, level: str, heard: bool) -> bytes:
    """What the audit backend is sent after it. `heard`: the webhook answered, and so left its note."""
    write = world.writes[call.number]
    after = _MOMENT * (3000 if call.again else 2 if call.rival else 1)
    answer, code, verb = _answer(world, write), 200, "patch"
    if isinstance(write, Version) and world.before(write) is None and not call.again:
        code, verb = 201, "create"
    elif not call.again and ((isinstance(write, Version) and _is_request(world, write)) or answer["kind"] == "Status"):
        verb = "delete"
    request = asked(world, call) if heard and not call.again else None
    said: Json = {
        "auditID": call.review,
        "stage": "ResponseComplete",
        "level": level,
        "verb": verb,
        "requestURI": f"/apis/pieced.ch/v1alpha1/piecedtenants/{call.number}",
        "user": {"username": call.actor},
        "objectRef": {"apiGroup": "pieced.ch", "resource": "piecedtenants"},
        "responseStatus": {"code": code},
        "requestReceivedTimestamp": _text(write.at),
        "stageTimestamp": _text(write.at + after),
        "annotations": {f"{WEBHOOK}/{key}": value for key, value in note(request.attempt).items()} if request else {},
    }
    if level == "RequestResponse":
        said["responseObject"] = answer
    return json.dumps(said).encode()


def _answer(world: World, write: Version | Gone) -> Json:
    if isinstance(write, Version):
        return stored(world, write)
    if write.last.deletion_requested_at is not None:
        return stored(world, write.last, held_no_more=True)
    return {"kind": "Status", "apiVersion": "v1", "status": "Success", "details": {"uid": write.last.uid}}


def _is_request(world: World, write: Version) -> bool:
    before = world.before(write)
    return write.deletion_requested_at is not None and (before is None or before.deletion_requested_at is None)


def is_spec_change(world: World, write: Version | Gone) -> bool:
    """Whether two people can have asked for the same, and one of them come too late without an error."""
    before = world.before(write)
    return (
        isinstance(write, Version)
        and before is not None
        and before.generation < write.generation
        and (write.deletion_requested_at is None)
    )


@st.composite
def witnesses(draw: st.DrawFn, world: World, replicas: int) -> Witnesses:
    """Any part of the requests seen by any of the observers.

    With two limits, of what nobody could know: a webhook hears of all rivals for a write or of none, and the audit log
    has a rival only if it has the one who came first.
    """
    found = Witnesses()
    levels = st.sampled_from(("RequestResponse", "RequestResponse", "Metadata"))
    for number, write in enumerate(world.writes):
        first = Call(number, write.actor)
        calls = [first]
        if is_spec_change(world, write) and draw(st.integers(0, 4)) == 0:
            calls.append(Call(number, draw(st.sampled_from([a for a in ACTORS if a != write.actor])), rival=True))
        if draw(st.booleans()):
            found.heard |= {call: draw(st.integers(0, replicas - 1)) for call in calls}
        if draw(st.booleans()):
            found.logged |= {call: draw(levels) for call in calls}
        if isinstance(write, Version) and draw(st.integers(0, 5)) == 0:
            found.logged[Call(number, draw(st.sampled_from(ACTORS)), again=True)] = "RequestResponse"
    return found


def audited(world: World, seen: Witnesses) -> Iterator[AnyFact]:
    """The facts in the audit events that were logged."""
    for call, level in seen.logged.items():
        told = read(event(world, call, level=level, heard=call in seen.heard), RESOURCE)
        if not isinstance(told, Left):
            yield from told.facts


def claimed(world: World, stretches: list[tuple[int, int]], seen: Witnesses, replica: int) -> Iterator[AnyFact]:
    """The claims that a replica makes of what its webhook heard and its stream showed."""
    for first, last in stretches:
        claims = Claims()
        known = {uid: str(version.version) for uid, version in world.state(first).items()}
        for number, write in enumerate(world.writes):
            if not world.version_at(first) < write.version <= world.version_at(last):
                continue
            for call, hearing in seen.heard.items():
                if call.number == number and hearing == replica and (request := asked(world, call)) is not None:
                    claims.remember(request)
            yield from claims.committed(_commit(world, write, known))


def _commit(world: World, write: Version | Gone, known: dict[str, str]) -> Commit:
    last = write.last if isinstance(write, Gone) else write
    body = stored(world, last)
    body["metadata"]["resourceVersion"] = str(write.version)
    text = json.dumps(body, sort_keys=True).encode()
    new = world.before(write) is None
    kind = "DELETED" if isinstance(write, Gone) else "ADDED" if new else "MODIFIED"
    base = known.get(last.uid, "0")
    known[last.uid] = str(write.version)
    return Commit(kind, read_tenant(text, RESOURCE.org_label), base, text)


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


@dataclass
class Reported:
    """A history, who saw what of it, and the facts that they tell."""

    world: World
    seen: Witnesses
    streams: list[list[tuple[int, int]]]
    facts: list[AnyFact]


@st.composite
def reports(draw: st.DrawFn) -> Reported:
    """A history, and the facts that one or two sidecars and a part of the audit log tell of it."""
    world = draw(worlds())
    streams = draw(st.lists(windows, min_size=1, max_size=2))
    seen = draw(witnesses(world, len(streams)))
    facts: list[AnyFact] = []
    for replica, stretches in enumerate(streams):
        facts += watched(world, stretches, timedelta(milliseconds=5 + replica))
        facts += claimed(world, stretches, seen, replica)
    facts += audited(world, seen)
    if draw(st.booleans()):
        facts.append(Adopted(at=world.time_at(45), by="test"))
    return Reported(world, seen, streams, facts)
