"""A request for a deletion that was requested before does nothing, and answers in other forms say less."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from sidecar import admission
from sidecar.audit import Left, Told, read
from sidecar.facts import Attribution
from tests.support.captures import RESOURCE, events

UID = "9f4cf403-0000-4000-8000-000000000001"
REVIEW = "9f4cf403-0000-4000-8000-000000000002"
NOTE = {f"record.billing.pieced.ch/u.{REVIEW}": f"{UID} 261 7→8"}
PENDING = {
    "uid": UID,
    "name": "acme",
    "resourceVersion": "261",
    "generation": 7,
    "creationTimestamp": "2026-11-22T09:26:44Z",
    "deletionTimestamp": "2026-11-22T09:26:58Z",
    "finalizers": ["pieced.ch/cleanup"],
}


def _event(verb: str, answer: dict[str, Any], annotations: dict[str, str] | None = None) -> bytes:
    """A captured event of that verb, with another answer."""
    event = next(event for event in events() if event["verb"] == verb and event["responseStatus"]["code"] == 200)
    return msgspec.json.encode(event | {"responseObject": answer, "annotations": annotations or {}})


def test_a_second_request_for_a_deletion_makes_no_generation():
    request = {
        "uid": REVIEW,
        "operation": "DELETE",
        "resource": {"group": RESOURCE.group, "resource": RESOURCE.plural},
        "userInfo": {"username": "bob"},
        "oldObject": {"metadata": PENDING},
    }
    review = admission.read(
        msgspec.json.encode({"request": request}), RESOURCE.group, RESOURCE.plural, datetime.now(UTC)
    )
    assert review.about == admission.Left("no_generation")


def test_a_deletecollection_is_no_author_of_the_removal_of_a_tenant_whose_deletion_waits():
    listed = {"kind": "PiecedTenantList", "apiVersion": "pieced.ch/v1alpha1", "items": [{"metadata": PENDING}]}
    assert read(_event("deletecollection", listed), RESOURCE) == Left("no_object")


def test_of_an_answer_as_a_table_the_webhooks_note_names_the_author():
    table = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "262"}, "rows": []}
    told = read(_event("patch", table, NOTE), RESOURCE)
    assert isinstance(told, Told)
    (fact,) = told.facts
    assert isinstance(fact, Attribution)
    assert (fact.tenant_uid, fact.generation, fact.base_version, fact.how) == (UID, 8, "261", "likely")
    assert read(_event("patch", table), RESOURCE) == Left("no_object")
