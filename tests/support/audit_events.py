"""Audit events as kube-apiserver makes them: captured ones, changed where a test needs it."""

import copy
import json
from typing import Any

from sidecar.attempts import Attempt, note
from sidecar.audit import Left, Told, read
from sidecar.facts import AnyFact
from tests.support import captures

Json = dict[str, Any]


def like(step: str, **changes: Any) -> Json:
    """A copy of the captured event of a step of the story, with other values in some fields."""
    return copy.deepcopy(_STORY[step]) | changes


def answered(event: Json, **metadata: Any) -> Json:
    """The event with other metadata in its answer; None takes a field away."""
    found = event["responseObject"]["metadata"] | metadata
    event["responseObject"]["metadata"] = {key: value for key, value in found.items() if value is not None}
    return event


def at_level_metadata(event: Json) -> Json:
    """The event as a policy of level Metadata has it: without any object."""
    return {key: value for key, value in event.items() if key not in ("requestObject", "responseObject")}


def noted(event: Json, *attempts: Attempt) -> Json:
    """The event with what our webhook leaves in it."""
    kept = {f"record.billing.pieced.ch/{key}": value for each in attempts for key, value in note(each).items()}
    return event | {"annotations": event["annotations"] | kept}


def says(event: Json | bytes) -> Told | Left:
    """What the sidecar reads in it."""
    return read(event if isinstance(event, bytes) else json.dumps(event).encode(), captures.RESOURCE)


def facts(event: Json | bytes) -> list[AnyFact]:
    """The facts in it, of which there must be some."""
    told = says(event)
    assert isinstance(told, Told), told
    return told.facts


def left(event: Json | bytes) -> str:
    """Why nothing is read in it."""
    told = says(event)
    assert isinstance(told, Left), told
    return told.reason


_STEPS = (
    "create",  # alice: generation 1, version 247
    "add",  # bob, merge patch: 2, 249
    "json patch",  # alice: 3, 251
    "suspend",  # alice: 4, 252
    "status",  # admin: 4, 253
    "resume",  # bob: 5, 254
    "label",  # admin: 5, 255
    "no-op",  # admin: 5, 255
    "dry run",  # alice: 6, which was never stored
    "rejected",  # alice: 422
    "apply",  # alice: 5, 256
    "impersonated",  # alice as carol: 6, 258
    "finalizer",  # admin: 6, 260
    "held deletion",  # bob: 7, 261
    "last finalizer",  # admin: the old 7, 261
    "create again",  # bob: another uid, 1, 263
    "create beta",
    "create gamma",
    "deletion",  # bob, of acme
    "delete beta",
    "delete gamma",
    "create delta",
    "create epsilon",
    "deletecollection",  # bob, of delta and epsilon
)
_STORY = dict(zip(_STEPS, captures.events(), strict=True))
