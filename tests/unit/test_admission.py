"""AdmissionReviews: answered whatever they say; remembered only if they may become a change with an author."""

import json
from typing import Any

import pytest

from sidecar import admission
from sidecar.admission import Left, NoReview
from sidecar.attempts import GROUPS_MOST, NAME_MOST, Request
from tests.support import captures
from tests.support.reviews import UID, asked, read, review, stored

BASE = stored(247, 1, "jitsi")
NEXT = stored(248, 2, "jitsi", "nextcloud")
HELD = {"finalizers": ["pieced.ch/cleanup"]}
ENDING = {"deletionTimestamp": "2026-11-22T09:26:58Z", "deletionGracePeriodSeconds": 0}


def left(body: Any) -> str:
    about = read(body).about
    assert isinstance(about, Left), about
    return about.reason


def test_the_captured_reviews_are_requests_but_for_those_that_make_no_generation():
    found = [
        (r["request"]["operation"], r["request"]["userInfo"]["username"], read(r).about) for r in captures.reviews()
    ]
    assert [
        (operation, user, about.reason if isinstance(about, Left) else about.attempt.generation)
        for operation, user, about in found
    ] == [
        ("CREATE", "alice", 1),
        ("UPDATE", "bob", 2),
        ("UPDATE", "alice", 3),
        ("UPDATE", "alice", 4),
        ("UPDATE", "admin", "other_resource"),  # the status
        ("UPDATE", "bob", 5),
        ("UPDATE", "admin", "no_generation"),  # a label
        ("UPDATE", "admin", "no_generation"),  # a no-op
        ("UPDATE", "alice", "dry_run"),
        ("UPDATE", "alice", "no_generation"),  # an apply that only takes ownership
        ("UPDATE", "carol", 6),
        ("UPDATE", "admin", "no_generation"),  # a finalizer
        ("DELETE", "bob", 7),
        ("UPDATE", "admin", None),  # the last finalizer
        *[("CREATE", "bob", 1)] * 3,
        *[("DELETE", "bob", None)] * 3,
        *[("CREATE", "bob", 1)] * 2,
        *[("DELETE", "bob", None)] * 2,  # by deletecollection
    ]


def test_a_creation_makes_generation_1_from_nothing():
    request = asked("CREATE", "alice", None, stored(1, 1, "jitsi"), name="")  # generateName: the object has the name
    assert (request.attempt.tenant_uid, request.attempt.base_version) == (UID, "0")
    assert (request.attempt.before, request.attempt.generation) == (0, 1)


def test_an_update_makes_the_next_generation_from_the_version_that_it_would_replace():
    request = asked("UPDATE", "bob", BASE, NEXT)
    assert (request.attempt.base_version, request.attempt.before, request.attempt.generation) == ("247", 1, 2)
    assert (request.actor, request.groups, request.operation) == ("bob", ("system:authenticated",), "UPDATE")


def test_a_deletion_that_nothing_holds_is_a_removal():
    assert asked("DELETE", "bob", BASE, None).attempt.generation is None


def test_a_deletion_that_a_finalizer_holds_makes_a_generation():
    assert asked("DELETE", "bob", stored(247, 1, **HELD), None).attempt.generation == 2


@pytest.mark.parametrize(
    "options", [{"propagationPolicy": "Foreground"}, {"propagationPolicy": "Orphan"}, {"orphanDependents": True}]
)
def test_a_deletion_that_waits_for_dependents_makes_a_generation(options):
    assert asked("DELETE", "bob", BASE, None, options=options).attempt.generation == 2


@pytest.mark.parametrize("options", [{"propagationPolicy": "Background"}, {"orphanDependents": False}, {}, None])
def test_a_deletion_that_does_not_wait_for_them_is_a_removal(options):
    assert asked("DELETE", "bob", BASE, None, options=options).attempt.generation is None


def test_an_update_that_takes_the_last_finalizer_of_a_deletion_is_a_removal():
    held, free = stored(261, 7, **HELD, **ENDING), stored(262, 7, **ENDING)
    assert asked("UPDATE", "admin", held, free).attempt.generation is None


def test_an_update_that_takes_one_of_two_finalizers_of_a_deletion_makes_nothing():
    two = stored(261, 7, **ENDING, finalizers=["a", "b"])
    assert left(review("UPDATE", "admin", two, stored(262, 7, **ENDING, finalizers=["b"]))) == "no_generation"


def test_a_second_deletion_while_the_first_is_pending_makes_nothing():
    assert left(review("DELETE", "bob", stored(261, 7, **HELD, **ENDING), None)) == "no_generation"


def test_a_deletion_by_deletecollection_has_no_name_and_is_one_all_the_same():
    body = review("DELETE", "bob", BASE, None)
    del body["request"]["name"]
    assert isinstance(read(body).about, Request)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dryRun": True}, "dry_run"),
        ({"subResource": "status"}, "other_resource"),
        ({"subResource": "scale"}, "other_resource"),
        ({"resource": {"group": "", "version": "v1", "resource": "pods"}}, "other_resource"),
        ({"resource": {"group": "other.ch", "version": "v1", "resource": "piecedtenants"}}, "other_resource"),
        ({"operation": "CONNECT"}, "other_operation"),
        ({"object": BASE}, "no_generation"),
        ({"object": stored(247, 1, "jitsi", labels={"other": "label"})}, "no_generation"),
    ],
)
def test_what_cannot_make_a_change_of_a_tenant_is_answered_and_not_remembered(changes, reason):
    body = review("UPDATE", "bob", BASE, NEXT, **changes)
    assert read(body) == (body["request"]["uid"], Left(reason))


def test_another_version_of_the_group_counts_too():
    other = {"group": "pieced.ch", "version": "v1", "resource": "piecedtenants"}
    assert isinstance(read(review("UPDATE", "bob", BASE, NEXT, resource=other)).about, Request)


WRONG = {
    "the user is a number": {"userInfo": 5},
    "there is no user": {"userInfo": None},
    "the groups are numbers": {"userInfo": {"username": "bob", "groups": [1]}},
    "the object is a list": {"object": []},
    "the object is missing": {"object": None},
    "the old object is missing": {"oldObject": None},
    "the metadata is text": {"object": {"metadata": "text"}},
    "the generation is text": {"object": stored(248, "two")},
    "the generation is no int64": {"object": stored(248, 2**63), "oldObject": stored(247, 2**63 - 1)},
    "the old generation is below any": {"oldObject": stored(247, -1)},
    "the uid is no uid": {"oldObject": stored(247, 1, uid="acme")},
    "the version is no number": {"oldObject": stored("latest", 1)},
    "the operation is a number": {"operation": 5},
    "the dry run is text": {"dryRun": "All"},
    "the options are a list, of a deletion": {"operation": "DELETE", "options": []},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_a_review_of_a_wrong_shape_is_answered_with_its_uid(changes):
    body = review("UPDATE", "bob", BASE, NEXT, **changes)
    assert read(body) == (body["request"]["uid"], Left("malformed"))


def test_a_review_whose_uid_is_none_of_an_api_server_is_answered_and_not_remembered():
    assert read(review("UPDATE", "bob", BASE, NEXT, uid="mine")) == ("mine", Left("malformed"))


@pytest.mark.parametrize("depth", [1_500, 9_999])
def test_a_review_that_is_nested_too_deep_for_us_is_answered_with_its_uid(depth):
    body = review("UPDATE", "bob", BASE, {**NEXT, "spec": "SPEC"})
    deep = json.dumps(body).encode().replace(b'"SPEC"', b"[" * depth + b"]" * depth)
    assert read(deep) == (body["request"]["uid"], Left("malformed"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"request":null}',
        b'{"request":{}}',
        b'{"request":{"uid":5}}',
        b'{"request":{"uid":"285e7a5f-63ab-4211-a3c2-fb12e4e5ec4a"}',
        b'{"request":{"uid":"285e7a5f-63ab-4211-a3c2-fb12e4e5ec4a"}} {}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_review_is_not_answered_as_one(body):
    with pytest.raises(NoReview):
        read(body)


def test_names_and_groups_are_kept_as_far_as_a_ledger_can_hold_them():
    groups = ["g" * 5_000, *["h"] * GROUPS_MOST]
    user = {"username": "b\0b" + "x" * 5_000, "groups": groups}
    request = asked("UPDATE", "bob", BASE, NEXT, userInfo=user)
    assert request.actor.startswith("b\N{REPLACEMENT CHARACTER}bx")
    assert len(request.actor) <= NAME_MOST
    assert request.groups[:2] == ("g" * NAME_MOST, "h")
    assert len(request.groups) < 100


def test_the_answer_allows_with_the_uid_and_no_warnings_or_patch():
    assert json.loads(admission.answer("some-uid", None)) == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": "some-uid", "allowed": True},
    }


def test_the_answer_leaves_in_the_audit_event_what_the_request_attempted():
    request = asked("UPDATE", "bob", BASE, NEXT)
    annotations = json.loads(admission.answer("some-uid", request.attempt))["response"]["auditAnnotations"]
    assert annotations == {f"u.{request.attempt.review}": f"{UID} 247 1→2"}
