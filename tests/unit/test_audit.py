"""What an audit event proves, and what only looks as if it did: the captures' traps and the exceptions, one by one."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sidecar.attempts import Attempt
from sidecar.audit import reading
from sidecar.facts import Anomaly, Attribution, Removal, Seen
from tests.support.audit_events import answered, at_level_metadata, facts, left, like, noted, says
from tests.support.nested import HERE, LEVELS, nested

ACME = "14013783-c89e-4f50-b1bb-4bcbcdaed690"
REVIEWS = [f"285e7a5f-63ab-4211-a3c2-fb12e4e5ec{n}" for n in range(10, 99)]


def of(event: Any, kind: type[Any]) -> list[Any]:
    return [fact for fact in facts(event) if isinstance(fact, kind)]


def one(event: Any, kind: type[Any]) -> Any:
    (found,) = of(event, kind)
    return found


def test_a_change_is_an_observation_a_sighting_at_the_microsecond_and_a_name():
    seen, by = facts(like("add"))
    at = datetime(2026, 11, 22, 9, 26, 45, 842982, UTC)
    assert seen == Seen(
        tenant_uid=ACME,
        generation=2,
        resource_version="249",
        tenant_name="acme",
        zitadel_org_id="283746501",
        packages=("nextcloud", "searxng-local-search", "threema"),
        created_at=datetime(2026, 11, 22, 9, 26, 44, tzinfo=UTC),
        source="audit",
        at=at,
        time_source="audit",
    )
    assert by == Attribution(
        tenant_uid=ACME,
        resource_version="249",
        generation=2,
        source="audit",
        request_key=by.request_key,
        actor="bob",
        actor_groups=("system:masters", "system:authenticated"),
        operation="patch",
        how="likely",
        audit_id="d8b021db-6b8c-4fc1-8cf7-1a3f5d2e7db6",
        user_agent="kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07",
        source_ips=("127.0.0.1",),
        asked_at=datetime(2026, 11, 22, 9, 26, 45, 837008, UTC),
        answered_at=at,
    )


def test_an_answer_bounds_no_time_from_below_because_it_may_repeat_an_older_generation():
    assert [seen.not_before for seen in of(like("label"), Seen)] == [None]


# Captures, point 1.


def test_a_dry_run_that_the_address_asks_for_says_nothing():
    assert left(like("dry run")) == "dry_run"


@pytest.mark.parametrize(
    "uri", ["/x?dryRun=All", "/x?a=b&dryRun=All&c", "/x?dry%52un=All", "/x?dryRun=Al%6C", "//[x?dryRun=All"]
)
def test_a_dry_run_is_one_however_the_address_is_written(uri):
    assert left(like("add", requestURI=uri)) == "dry_run"


@pytest.mark.parametrize("uri", ["", "/x?dryRun=", "/x?a=dryRun", "/dryRun=All", "//[x", "//a\u2100b/?", "%%%?%%%=%%"])
def test_other_addresses_are_none(uri):
    assert len(facts(like("add", requestURI=uri))) == 2


@pytest.mark.parametrize("step", ["deletion", "held deletion", "deletecollection"])
def test_a_dry_run_that_the_options_of_a_deletion_ask_for_says_nothing(step):
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"]}
    assert left(like(step, requestObject=options)) == "dry_run"


@pytest.mark.parametrize("query", ["dryRun=All;", "dryRun=All;x", "dryRun=All%zz", "dryRun=%zz", "a;dryRun=All"])
def test_nobody_hides_a_write_behind_an_address_that_the_api_server_reads_otherwise(query):
    assert len(facts(like("add", requestURI=f"/x?{query}"))) == 2
    assert left(like("add", requestURI=f"/x?{query}&dryRun=All")) == "dry_run"


def test_nobody_hides_a_deletion_behind_an_address_that_the_api_server_does_not_read():
    """With options in the body, what the address asks for counts for nothing (kube-apiserver 1.36)."""
    options = {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/__internal"}
    assert len(facts(like("deletion", requestURI="/x?dryRun=All", requestObject=options))) == 2
    assert left(like("deletion", requestURI="/x?dryRun=All", requestObject=None)) == "dry_run"


def test_what_our_webhook_noted_was_no_dry_run():
    attempt = Attempt("285e7a5f-63ab-4211-a3c2-fb12e4e5ec4a", ACME, "260", 6, None)
    event = at_level_metadata(noted(like("deletion", requestURI="/x?dryRun=All"), attempt))
    assert len(facts(event)) == 2


def test_a_field_of_that_name_in_a_patch_is_no_dry_run():
    assert len(facts(like("add", requestObject={"dryRun": ["All"]}))) == 2


# Point 2.


def test_a_no_op_is_a_later_sighting_of_the_version_that_was_there_and_its_sender_no_proven_author():
    label, no_op = like("label"), like("no-op")
    assert one(no_op, Seen).resource_version == one(label, Seen).resource_version
    assert one(no_op, Seen).at > one(label, Seen).at
    assert one(no_op, Attribution).how == "likely"


@pytest.mark.parametrize("code", [422, 409, 403, 404, 500, 0, 304])
def test_a_request_that_failed_says_nothing(code):
    assert left(like("add", responseStatus={"code": code})) == "failed"
    assert left(like("rejected")) == "failed"


# Point 3.


def test_a_json_patch_is_a_list_and_its_answer_is_read():
    assert isinstance(like("json patch")["requestObject"], list)
    assert one(like("json patch"), Seen).packages == ("nextcloud", "searxng-local-search")


# Point 4.


def test_a_deletion_that_a_finalizer_holds_is_an_observation_that_asks_for_it():
    seen, by = facts(like("held deletion"))
    assert (seen.generation, seen.deletion_requested_at) == (7, datetime(2026, 11, 22, 9, 26, 58, tzinfo=UTC))
    assert (by.actor, by.generation, by.operation) == ("bob", 7, "delete")


def test_a_held_deletion_with_the_old_option_for_dependents_is_answered_202_and_counts():
    event = like("held deletion", responseStatus={"code": 202}, requestObject={"orphanDependents": False})
    assert facts(event)[0].generation == 7


def test_taking_the_last_finalizer_is_a_removal_and_no_observation():
    removal, by = facts(like("last finalizer"))
    at = datetime.fromisoformat(like("last finalizer")["stageTimestamp"])
    assert removal == Removal(tenant_uid=ACME, time_source="audit", at=at)
    assert (by.actor, by.generation, by.resource_version, by.how) == ("admin", None, "0", "proven")


def test_what_a_patch_that_takes_the_last_finalizer_says_of_packages_was_never_stored():
    event = answered(like("last finalizer"), generation=8)
    event["responseObject"]["spec"]["packages"] = ["never-stored"]
    assert [type(fact) for fact in facts(event)] == [Removal, Attribution]
    assert one(event, Removal).last_generation is None
    assert "never-stored" not in str(facts(event))


def test_our_annotation_says_which_generation_a_removed_tenant_had_last():
    event = noted(like("last finalizer"), Attempt(REVIEWS[0], ACME, "261", 7, None))
    assert one(event, Removal).last_generation == 7
    assert one(event, Attribution).reviews == (REVIEWS[0],)


# Point 5.


def test_an_immediate_deletion_is_known_by_the_uid_in_its_status():
    removal, by = facts(like("deletion"))
    assert removal.tenant_uid == by.tenant_uid == like("deletion")["responseObject"]["details"]["uid"]
    assert (by.actor, by.generation, by.how, by.operation) == ("bob", None, "proven", "delete")


def test_a_status_without_a_uid_or_of_another_request_says_nothing():
    event = like("deletion")
    del event["responseObject"]["details"]["uid"]
    assert left(event) == "no_object"
    assert left(like("add", responseObject=like("deletion")["responseObject"])) == "no_object"


def test_a_deletecollection_names_who_asked_and_proves_no_removal():
    found = facts(like("deletecollection"))
    assert [type(fact) for fact in found] == [Attribution, Attribution]
    assert {(by.actor, by.generation, by.how) for by in found} == {("bob", None, "likely")}


def test_a_deletecollection_asks_a_tenant_with_finalizers_for_a_generation():
    event = like("deletecollection")
    items = event["responseObject"]["items"]
    items[0]["metadata"]["finalizers"] = ["pieced.ch/cleanup"]
    assert [by.generation for by in facts(event)] == [2, None]


def test_a_deletecollection_may_have_deleted_another_tenant_of_that_name_as_our_annotation_says():
    deleted = "7c6bd2f8-2a02-4b0c-8bf0-6f2a7c7b2c11"
    event = noted(like("deletecollection"), Attempt(REVIEWS[0], deleted, "300", 4, None))
    by = {each.tenant_uid: each for each in facts(event)}
    assert len(by) == 3
    assert (by[deleted].base_version, by[deleted].how) == ("300", "likely")


# Point 6.


def test_the_next_tenant_of_a_name_is_another_one():
    assert one(like("create again"), Seen).tenant_uid != ACME
    assert one(like("create again"), Seen).generation == 1


# Point 7.


def test_under_impersonation_who_acted_is_named_and_who_it_really_was_beside():
    by = one(like("impersonated"), Attribution)
    assert (by.actor, by.impersonated_by) == ("carol", "alice")
    assert by.actor_groups == tuple(like("impersonated")["impersonatedUser"].get("groups") or ())


# Kubernetes-facts, section 3.


@pytest.mark.parametrize("stage", ["RequestReceived", "ResponseStarted", "Panic", ""])
def test_only_an_answer_that_is_complete_counts(stage):
    assert left(like("add", stage=stage)) == "stage"


def test_an_answer_whose_client_went_away_is_no_proof_that_anything_was_done():
    event = like("add", responseStatus={"code": 200, "message": "Connection closed early"})
    assert left(event) == "cut"


@pytest.mark.parametrize("verb", ["get", "list", "watch", "proxy", ""])
def test_reading_changes_nothing(verb):
    assert left(like("add", verb=verb)) == "read"


@pytest.mark.parametrize(
    "ref",
    [
        None,
        {},
        {"resource": "pods", "apiVersion": "v1"},
        {"resource": "piecedtenants"},
        {"resource": "piecedtenants", "apiGroup": "other.ch"},
        {"resource": "piecedtenants", "apiGroup": "pieced.ch", "subresource": "scale"},
        {"resource": "piecedtenants", "apiGroup": "pieced.ch", "subresource": "finalize"},
    ],
)
def test_other_resources_say_nothing(ref):
    assert left(like("add", objectRef=ref)) == "other_resource"


def test_a_creation_is_proven_by_its_answer():
    by = one(like("create"), Attribution)
    assert (by.actor, by.generation, by.how) == ("alice", 1, "proven")


def test_a_server_side_apply_that_creates_is_a_patch_and_as_proven():
    by = one(like("create", verb="patch"), Attribution)
    assert (by.operation, by.how) == ("patch", "proven")


def test_an_answer_of_another_generation_than_the_first_proves_no_author():
    assert one(like("add", responseStatus={"code": 201}), Attribution).how == "likely"
    assert one(answered(like("add"), generation=1), Attribution).how == "likely"


def test_a_creation_by_generate_name_is_named_by_its_answer():
    event = answered(like("create"), name="acme-x7f2k", generateName="acme-")
    del event["objectRef"]["name"]
    assert one(event, Seen).tenant_name == "acme-x7f2k"


def test_a_status_write_shows_the_tenant_and_is_nobodys_authorship():
    assert [type(fact) for fact in facts(like("status"))] == [Seen]


def test_a_status_write_never_removes():
    event = answered(like("status"), deletionTimestamp="2026-11-22T09:26:58Z")
    assert left(event) == "no_object"


@pytest.mark.parametrize("kind", ["Table", "PartialObjectMetadata", "PartialObjectMetadataList"])
def test_an_answer_made_for_a_terminal_or_a_cache_is_no_observation(kind):
    event = like("add")
    event["responseObject"] |= {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
    del event["responseObject"]["spec"]
    assert of(event, Seen) == []
    table = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "249"}, "rows": []}
    assert left(like("add", responseObject=table)) == "no_object"


def test_a_partial_answer_still_names_who_asked():
    event = like("add")
    event["responseObject"] |= {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    assert one(event, Attribution).actor == "bob"


def test_an_answer_in_another_version_of_the_group_is_no_observation_and_names_who_asked():
    event = like("add")
    event["responseObject"] |= {"apiVersion": "pieced.ch/v1", "spec": {"skills": []}}
    assert [type(fact) for fact in facts(event)] == [Attribution]


def test_at_level_metadata_our_annotation_says_all_there_is():
    event = noted(at_level_metadata(like("add")), Attempt(REVIEWS[0], ACME, "247", 1, 2))
    (by,) = facts(event)
    assert (by.tenant_uid, by.generation, by.resource_version, by.base_version) == (ACME, 2, "0", "247")
    assert (by.actor, by.how, by.reviews) == ("bob", "likely", (REVIEWS[0],))


def test_at_level_metadata_a_creation_and_a_removal_are_known_too():
    event = noted(at_level_metadata(like("create")), Attempt(REVIEWS[0], ACME, "0", 0, 1))
    assert one(event, Attribution).how == "proven"
    gone = Attempt(REVIEWS[0], ACME, "266", 1, None)
    assert one(noted(at_level_metadata(like("deletion")), gone), Removal).last_generation == 1
    last = Attempt(REVIEWS[0], ACME, "261", 7, None)
    assert one(noted(at_level_metadata(like("last finalizer")), last), Removal).last_generation == 7


def test_at_level_metadata_a_deletecollection_proves_no_removal():
    gone = Attempt(REVIEWS[0], ACME, "266", 1, None)
    assert [type(fact) for fact in facts(noted(at_level_metadata(like("deletecollection")), gone))] == [Attribution]


def test_at_level_metadata_without_our_annotation_there_is_nothing():
    assert left(at_level_metadata(like("add"))) == "no_object"


def test_of_a_request_that_met_conflicts_the_last_attempt_is_the_one_that_was_stored():
    attempts = [
        Attempt(REVIEWS[0], ACME, "99", 1, 2),
        Attempt(REVIEWS[1], ACME, "101", 2, 3),
        Attempt(REVIEWS[2], ACME, "100", 1, 2),
    ]
    (by,) = facts(noted(at_level_metadata(like("add")), *attempts))
    assert (by.base_version, by.generation) == ("101", 3)


def test_the_attempts_of_other_generations_are_not_this_ones():
    event = noted(like("add"), Attempt(REVIEWS[0], ACME, "240", 4, 5), Attempt(REVIEWS[1], ACME, "247", 1, 2))
    by = one(event, Attribution)
    assert (by.base_version, by.reviews) == ("247", (REVIEWS[1],))


def test_of_very_many_attempts_the_last_are_kept():
    event = noted(like("add"), *[Attempt(uid, ACME, str(100 + n), 1, 2) for n, uid in enumerate(REVIEWS)])
    assert one(event, Attribution).reviews == tuple(REVIEWS[-64:])


def test_the_same_event_again_has_the_same_key():
    assert one(like("add"), Attribution).request_key == one(like("add"), Attribution).request_key


@pytest.mark.parametrize(
    "changes",
    [
        {"verb": "update"},
        {"requestURI": "/other"},
        {"user": {"username": "mallory"}},
        {"impersonatedUser": {"username": "mallory"}},
        {"stageTimestamp": "2026-11-22T09:26:45.842983Z"},
        {"requestReceivedTimestamp": "2026-11-22T09:26:45.837009Z"},
    ],
)
def test_the_same_audit_id_twice_hides_nothing(changes):
    assert one(like("add", **changes), Attribution).request_key != one(like("add"), Attribution).request_key


def test_packages_that_cannot_be_read_are_an_anomaly_and_no_guess():
    event = like("add")
    event["responseObject"]["spec"]["packages"] = "threema"
    seen, anomaly, by = facts(event)
    assert (seen.packages, anomaly.kind, by.generation) == (None, "unreadable", 2)
    assert isinstance(anomaly, Anomaly)


ODD = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "no UTF-8": b'{"stage":"\xff"}',
    "cut": json.dumps(like("add")).encode()[:-1],
    "two": json.dumps(like("add")).encode() * 2,
    "deep": b"[" * 100_000,
    "no verb": {key: value for key, value in like("add").items() if key != "verb"},
    "the user is text": like("add", user="bob"),
    "the status is a number": like("add", responseStatus=200),
    "the annotations are numbers": like("add", annotations={"a": 1}),
    "the answer is a number": like("add", responseObject=5),
    "the metadata is a list": like("add", responseObject={"kind": "PiecedTenant", "metadata": []}),
    "the time has no offset": like("add", stageTimestamp="2026-11-22T09:26:45.842982"),
    "the time is none": like("add", stageTimestamp="yesterday"),
    "the time is before all": like("add", stageTimestamp="0001-01-01T00:00:00+14:00"),
    "the time is after all": like("add", stageTimestamp="9999-12-31T23:59:59-14:00"),
    "it came before all": like("add", requestReceivedTimestamp="0001-01-01T00:00:00+14:00"),
    "the name is too long": answered(like("add"), name="n" * 254),
    "there is no name": answered(like("add"), name=None),
    "there is no creation time": answered(like("add"), creationTimestamp=None),
}


@pytest.mark.parametrize("event", ODD.values(), ids=ODD)
def test_what_no_api_server_writes_is_left_out_and_never_an_error(event):
    assert left(event) == "malformed"


@pytest.mark.parametrize(
    "metadata",
    [
        {"generation": 0},
        {"generation": -1},
        {"generation": 2**63 - 1},
        {"generation": 10**300},
        {"uid": "acme"},
        {"uid": ACME.upper()},
        {"resourceVersion": "0x10"},
        {"resourceVersion": "1" * 40},
        {"resourceVersion": ""},
    ],
)
@pytest.mark.parametrize("version", ["pieced.ch/v1alpha1", "pieced.ch/v1", "meta.k8s.io/v1"])
def test_an_answer_that_cannot_be_identified_is_left_out(version, metadata):
    event = answered(like("add"), **metadata)
    event["responseObject"]["apiVersion"] = version
    assert left(event) == "no_object"


def test_items_of_a_collection_that_cannot_be_identified_are_left_out():
    event = like("deletecollection")
    event["responseObject"]["items"] = [
        {"metadata": {"uid": "acme"}},
        {"metadata": {"uid": ACME, "generation": 2**63 - 1, "finalizers": ["held"]}},
    ]
    assert left(event) == "no_object"


def test_what_people_may_write_is_cut_and_has_no_nul():
    event = like(
        "add",
        auditID="a\0" + "a" * 5_000,
        userAgent="b\0" + "b" * 5_000,
        sourceIPs=["c\0" + "c" * 5_000] * 100,
        user={"username": "d\0" + "d" * 5_000, "groups": ["e\0"] + ["e" * 100] * 1_000},
    )
    by = one(event, Attribution)
    assert "\0" not in str(by)
    assert max(len(by.audit_id), len(by.user_agent), len(by.actor), *map(len, by.source_ips)) <= 1_024
    assert len(by.source_ips) <= 16
    assert sum(map(len, by.actor_groups)) <= 8_192


POISON = {
    "a long number": b'{"n":' + b"1" * 100_000 + b"}",
    "a large exponent": b'{"n":1e99999999999}',
    "bytes that are no UTF-8": b'{"n":"\xff"}',
    "half a pair": b'[{"n":"\\ud800","requestObject":{}}]',
    "nested as deep as Go reads": b"[" * 9_990 + b"]" * 9_990,
}


@pytest.mark.parametrize("patch", POISON.values(), ids=POISON)
def test_what_a_client_wrote_into_its_patch_does_not_hide_what_it_did(patch):
    whole = json.dumps(like("add", requestObject="PATCH")).encode()
    assert facts(whole.replace(b'"PATCH"', patch)) == facts(like("add"))


@pytest.mark.parametrize("levels", [*LEVELS, 100_000])
@pytest.mark.parametrize("place", ["spec", "metadata", "status"])
def test_what_is_nested_too_deep_for_us_hides_neither_its_own_change_nor_who_made_it(place, levels):
    for step in ("create", "add", "held deletion"):
        event = like(step)
        answer = event["responseObject"]
        deep = nested({**event, "responseObject": {**answer, place: {**answer.get(place, {}), "extra": HERE}}}, levels)
        assert facts(deep) == facts(event)
        deep = nested({**event, "requestObject": {"extra": HERE, **(event.get("requestObject") or {})}}, levels)
        assert facts(deep) == facts(event)


@pytest.mark.parametrize("levels", [*LEVELS, 100_000])
def test_a_dry_run_beside_something_deep_is_one_all_the_same(levels):
    event = like("held deletion", requestObject={"extra": HERE, "dryRun": ["All"]})
    assert left(nested(event, levels)) == "dry_run"


def test_the_notes_of_a_deletecollection_are_looked_through_once_and_not_for_each_tenant(monkeypatch):
    """Of 4,000 tenants that took 35 s, and the API server gives up after 30 and sends the same again."""
    looked_at, plain = [], reading.noted
    monkeypatch.setattr(reading, "noted", lambda of: [looked_at.append(each) or each for each in plain(of)])
    many = 300
    uids = [f"7c6bd2f8-2a02-4b0c-8bf0-{n:012}" for n in range(many)]
    gone = [Attempt(uid.replace("7", "8", 1), uid, "9", 1, None) for uid in uids]
    event = noted(like("deletecollection"), *gone)
    for each in (event, at_level_metadata(event)):
        looked_at.clear()
        assert {by.reviews for by in facts(each)} >= {(attempt.review,) for attempt in gone}
        assert len(looked_at) == many


@pytest.mark.parametrize("verb", ["create", "delete", "deletecollection"])
def test_without_readable_options_a_deletion_is_not_believed(verb):
    whole = json.dumps(like("held deletion", verb=verb, requestObject="OPTIONS")).encode()
    assert left(whole.replace(b'"OPTIONS"', POISON["half a pair"])) == "malformed"


def test_times_with_another_offset_are_the_same_moment():
    event = like("add", stageTimestamp="2026-11-22T10:26:45.842982+01:00")
    assert one(event, Seen).at == one(like("add"), Seen).at
    assert one(event, Seen).at.tzinfo is UTC


def test_a_level_with_the_request_and_no_answer_says_nothing_without_our_annotation():
    event = like("add")
    del event["responseObject"]
    assert left(event) == "no_object"
    assert says(noted(event, Attempt(REVIEWS[0], ACME, "247", 1, 2))) == says(
        noted(at_level_metadata(like("add")), Attempt(REVIEWS[0], ACME, "247", 1, 2))
    )


def test_an_event_whose_objects_were_cut_for_their_size_is_known_by_our_annotation_alone():
    cut = at_level_metadata(like("add", annotations={"audit.k8s.io/truncated": "true"}))
    assert left(cut) == "no_object"
    assert one(noted(cut, Attempt(REVIEWS[0], ACME, "247", 1, 2)), Attribution).generation == 2


FAILED_OPEN = "failed-open.validating.webhook.admission.k8s.io/round_0_index_0"


@pytest.mark.parametrize("also", [{}, {"responseStatus": {"code": 409}}])
def test_a_request_that_went_without_our_webhook_is_told_whatever_became_of_it(also):
    event = {**like("add"), **also}
    assert not says(event).failed_open
    assert says({**event, "annotations": {FAILED_OPEN: "record.billing.pieced.ch"}}).failed_open


@pytest.mark.parametrize(
    "other",
    [
        {"annotations": {FAILED_OPEN: "policy.example.org"}},
        {"annotations": {"validating.webhook.admission.k8s.io/round_0_index_0": "record.billing.pieced.ch"}},
        {
            "annotations": {FAILED_OPEN: "record.billing.pieced.ch"},
            "stage": "ResponseStarted",
        },  # its end tells it again
    ],
)
def test_what_went_without_another_webhook_or_is_not_at_its_end_is_not_counted(other):
    assert not says({**like("add"), **other}).failed_open
