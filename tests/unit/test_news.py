"""What is news about a tenant, and which facts follow, with which times."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidecar import digest
from sidecar.facts import Anomaly, Removal, Seen
from sidecar.watch.memory import Memory
from sidecar.watch.news import (
    Bookmark,
    Change,
    Failure,
    Garbled,
    Unusable,
    body_of,
    read_deep_line,
    read_item,
    read_line,
)
from sidecar.watch.positions import Mark, Position
from tests.support.nested import HERE, LEVELS, nested
from tests.support.scripted import LABEL, bookmark, error_line, event, tenant, uid

T0 = datetime(2026, 11, 22, 10, tzinfo=UTC)
NOW = T0 + timedelta(minutes=1)
MARKED = T0 + timedelta(seconds=30)  # when the LIST with version 100 was sent
POSITION = Position(
    version="100",
    at=T0,
    segment_from_version="1",
    segment_from_at=T0,
    marks=(Mark("100", MARKED), Mark("200", NOW)),
    cluster_uid="c",
)


def change(kind, *args, **more):
    news = read_line(event(kind, tenant(*args, **more)), LABEL)
    assert isinstance(news, Change)
    return news


def follow(memory, kind, *args, live=True, **more):
    return memory.follow(change(kind, *args, **more), POSITION, NOW, live=live)


def knowing(*args, **more):
    """A memory that knows one tenant, from a list."""
    memory = Memory({})
    memory.list_item(change("ADDED", *args, **more).tenant, T0, None)
    memory.take()
    return memory


# --- what is news -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"metadata": {"annotations": {"note": "x"}}},
        {"metadata": {"finalizers": ["hold"]}},
        {"metadata": {"labels": {LABEL: "org-1", "other": "x"}}},
        {"status": {"phase": "Ready"}},
        {"packages": ("b", "a", "a")},  # order and repeats mean nothing
    ],
)
def test_a_write_that_changes_nothing_that_bills_is_no_news(more):
    memory = knowing(1, 3, 90, ("a", "b"))
    packages = more.pop("packages", ("a", "b"))
    assert follow(memory, "MODIFIED", 1, 3, 120, packages, **more) == []
    assert memory.take() == {}


@pytest.mark.parametrize("org", ["org-2", None])
def test_an_org_label_that_changed_or_went_is_news_without_a_bound_on_its_generation(org):
    (seen,) = follow(knowing(1, 3, 90, ("a",)), "MODIFIED", 1, 3, 120, ("a",), org=org)
    assert (seen.zitadel_org_id, seen.generation, seen.not_before) == (org, 3, None)


def test_an_org_label_that_was_added_is_news():
    (seen,) = follow(knowing(1, 3, 90, ("a",), org=None), "MODIFIED", 1, 3, 120, ("a",))
    assert seen.zitadel_org_id == "org-1"


def test_other_content_under_an_unchanged_generation_is_news_without_a_bound():
    (seen,) = follow(knowing(1, 3, 90, ("a",)), "MODIFIED", 1, 3, 120, ("a", "default"))
    assert (seen.packages, seen.not_before) == (("a", "default"), None)


def test_a_requested_deletion_is_news():
    memory = knowing(1, 3, 90, ("a",))
    gone = {"metadata": {"deletionTimestamp": "2026-11-22T10:00:05Z", "finalizers": ["hold"]}}
    (seen,) = follow(memory, "MODIFIED", 1, 4, 120, ("a",), **gone)
    assert seen.deletion_requested_at == T0 + timedelta(seconds=5)
    assert seen.not_before == MARKED


def test_the_memory_is_what_its_bytes_say():
    memory = knowing(1, 3, 90, ("a",))
    follow(memory, "MODIFIED", 1, 4, 120, ("a", "b"), suspend=True)
    stored = memory.take()
    again = Memory(stored)
    assert again.get(uid(1)) == memory.get(uid(1))
    assert follow(again, "MODIFIED", 1, 4, 130, ("a", "b"), suspend=True) == []


def test_an_older_change_than_the_known_one_is_told_but_does_not_move_the_memory_back():
    memory = knowing(1, 5, 150, ("a",))
    (seen,) = follow(memory, "MODIFIED", 1, 4, 120, ("b",))
    assert (seen.generation, seen.not_before) == (4, None)
    assert memory.get(uid(1)).generation == 5


# --- times ------------------------------------------------------------------------------------------------


def test_a_change_after_a_known_lower_generation_is_not_before_the_newest_list_below_it():
    (seen,) = follow(knowing(1, 3, 90, ("a",)), "MODIFIED", 1, 4, 120, ("b",))
    assert (seen.source, seen.time_source, seen.at, seen.not_before) == ("watch", "watch", NOW, MARKED)


def test_the_bound_holds_over_several_generations_at_once():
    (seen,) = follow(knowing(1, 3, 90, ("a",)), "MODIFIED", 1, 7, 120, ("b",))
    assert seen.not_before == MARKED


def test_catching_up_has_the_bound_too_but_a_late_time():
    (seen,) = follow(knowing(1, 3, 90, ("a",)), "MODIFIED", 1, 4, 120, ("b",), live=False)
    assert (seen.time_source, seen.not_before) == ("late", MARKED)


def test_a_creation_told_live_is_not_before_the_newest_list_below_it():
    (seen,) = follow(Memory({}), "ADDED", 1, 1, 120, ("a",))
    assert seen.not_before == MARKED


@pytest.mark.parametrize(("kind", "live"), [("MODIFIED", True), ("MODIFIED", False), ("ADDED", False)])
def test_a_tenant_that_was_not_known_has_no_bound(kind, live):
    (seen,) = follow(Memory({}), kind, 1, 4, 120, ("a",), live=live)
    assert seen.not_before is None


def test_after_an_unreadable_generation_there_is_no_bound():
    memory = knowing(1, 3, 90, ("a",))
    unreadable, anomaly = follow(memory, "MODIFIED", 1, 4, 120, {"not": "a list"})
    assert unreadable.packages is None
    assert unreadable.not_before == MARKED  # generation 3 was readable
    assert anomaly.kind == "unreadable"
    (seen,) = follow(memory, "MODIFIED", 1, 5, 130, ("a",))
    assert seen.not_before is None


def test_a_list_item_is_not_before_the_gap_only_if_a_lower_generation_was_known():
    passed = T0 - timedelta(minutes=5)

    def listed(memory, *args):
        return memory.list_item(change("ADDED", *args).tenant, NOW, passed)

    (advanced,) = listed(knowing(1, 3, 90, ("a",)), 1, 5, 120, ("b",))
    assert (advanced.source, advanced.time_source, advanced.not_before) == ("list", "late", passed)
    (unknown,) = listed(Memory({}), 1, 5, 120, ("b",))
    assert unknown.not_before is None
    (other_content,) = listed(knowing(1, 5, 90, ("a",)), 1, 5, 120, ("b",))
    assert other_content.not_before is None
    (restored,) = listed(knowing(1, 7, 90, ("a",)), 1, 5, 120, ("b",))
    assert restored.not_before is None
    assert listed(knowing(1, 5, 90, ("b",)), 1, 5, 120, ("b",)) == []


def test_the_memory_follows_a_list_back_to_a_lower_generation():
    memory = knowing(1, 7, 190, ("a",))
    memory.list_item(change("ADDED", 1, 5, 120, ("b",)).tenant, NOW, None)
    assert memory.get(uid(1)).generation == 5


# --- removals ---------------------------------------------------------------------------------------------


def test_a_deletion_of_what_was_known_is_a_removal_alone():
    memory = knowing(1, 3, 90, ("a",))
    (removal,) = follow(memory, "DELETED", 1, 3, 120, ("a",))
    assert removal == Removal(tenant_uid=uid(1), time_source="watch", at=NOW, not_before=MARKED, last_generation=3)
    assert memory.get(uid(1)) is None
    assert memory.take() == {uid(1): None}


def test_a_deletion_whose_body_was_not_known_says_the_body_first_without_a_bound():
    seen, removal = follow(knowing(1, 3, 90, ("a",)), "DELETED", 1, 4, 120, ("b",), live=False)
    assert (seen.generation, seen.packages, seen.not_before) == (4, ("b",), None)
    assert (removal.last_generation, removal.time_source, removal.not_before) == (4, "late", MARKED)
    assert [type(fact) for fact in follow(Memory({}), "DELETED", 1, 4, 120, ("b",))] == [Seen, Removal]


def test_a_recreated_tenant_is_another_one():
    memory = knowing(1, 3, 90, ("a",), name="acme")
    follow(memory, "DELETED", 1, 3, 120, ("a",), name="acme")
    (seen,) = follow(memory, "ADDED", 2, 1, 121, ("b",), name="acme")
    assert (seen.tenant_uid, seen.tenant_name, seen.generation) == (uid(2), "acme", 1)


# --- lines ------------------------------------------------------------------------------------------------


def test_a_bookmark_has_only_a_version():
    assert read_line(bookmark(272), LABEL) == Bookmark("272")


def test_an_error_line_is_a_status_whose_status_is_text():
    assert read_line(error_line(410, "Expired"), LABEL) == Failure(410, "410 Expired: too old")


def test_an_error_line_without_metadata_is_read_as_well():
    line = event("ERROR", {"kind": "Status", "code": 410, "reason": "Gone", "message": "m", "status": "Failure"})
    assert read_line(line, LABEL) == Failure(410, "410 Gone: m")


@pytest.mark.parametrize(
    "line",
    [
        b"too many requests",
        b'{"type":"ADDED","object":{"metadata"',
        b"\xff\xfe",
        b"[]",
        b'{"type":"SURPRISE","object":{}}',
        b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"abc"}}}',
        b"[" * 100_000,
    ],
)
def test_anything_else_is_garbled(line):
    assert isinstance(read_line(line, LABEL), Garbled)


def test_an_excerpt_is_bounded_and_can_be_stored():
    news = read_line(b"\0" * 10_000, LABEL)
    assert isinstance(news, Garbled)
    assert len(news.excerpt) == 500
    assert "\0" not in news.excerpt


def test_unreadable_packages_keep_the_identity_and_say_why():
    news = change("MODIFIED", 1, 2, 120, "threema")
    assert news.tenant.packages is None
    assert news.tenant.uid == uid(1)
    assert "packages" in news.tenant.unreadable


def test_an_unreadable_tenant_is_one_anomaly_a_generation():
    memory = Memory({})
    first = follow(memory, "ADDED", 1, 1, 120, "threema")
    assert [type(fact) for fact in first] == [Seen, Anomaly]
    assert first[1].detail.keys() == {"generation", "resource_version", "name", "reason"}
    assert follow(memory, "MODIFIED", 1, 1, 121, "threema") == []
    assert [type(fact) for fact in follow(memory, "MODIFIED", 1, 2, 122, "threema")] == [Seen, Anomaly]


@pytest.mark.parametrize(
    ("damage", "known"),
    [({"uid": "x"}, None), ({"generation": 0}, uid(1)), ({"name": ""}, uid(1)), ({"uid": 5}, None)],
)
def test_an_object_without_an_identity_is_an_anomaly_with_what_is_known(damage, known):
    news = read_line(event("ADDED", tenant(1, 1, 120, metadata=damage)), LABEL)
    assert isinstance(news, Unusable)
    anomaly = news.anomaly()
    assert (anomaly.kind, anomaly.tenant_uid) == ("unreadable", known)
    assert anomaly.detail.keys() == {"reason", "excerpt"}


def test_a_list_item_is_read_like_a_line():
    assert isinstance(read_item(json.dumps({"metadata": {}}).encode(), LABEL), Unusable)
    assert read_item(json.dumps(tenant(1, 1, 120, ("a",))).encode(), LABEL).packages == ("a",)


# --- what is nested deeper than our decoder goes ------------------------------------------------------------

EXTRA = {"metadata": {"managedFields": [{"fieldsV1": HERE}]}}


def test_a_line_that_is_too_deep_is_refused_at_once_and_says_so():
    with pytest.raises(RecursionError):
        read_line(nested({"type": "ADDED", "object": tenant(1, 1, 120, **EXTRA)}, 100_000), LABEL)
    with pytest.raises(RecursionError):
        read_line(nested({"type": "ADDED", "object": tenant(1, 1, 120, 5, **EXTRA)}, 100_000), LABEL)


@pytest.mark.parametrize("levels", [*LEVELS, 100_000])
@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED", "DELETED"])
@pytest.mark.parametrize("packages", [("a",), 5, HERE])
def test_a_line_that_is_too_deep_says_what_any_other_does(kind, packages, levels):
    line = nested({"type": kind, "object": tenant(1, 1, 120, packages, **EXTRA)}, levels)
    news = read_deep_line(line, LABEL)
    assert isinstance(news, Change)
    assert (news.kind, news.line) == (kind, line)
    listed = read_item(nested(tenant(1, 1, 120, packages, **EXTRA), levels), LABEL)
    assert news.tenant == listed
    if packages != HERE:
        assert news.tenant == change(kind, 1, 1, 120, packages).tenant


def test_a_line_of_another_kind_is_the_same_however_deep():
    for line in (bookmark(272), error_line(410, "Expired"), b"\0" * 10_000):
        assert read_deep_line(line, LABEL) == read_line(line, LABEL)
    for deep in (b"[" * 100_000, nested(HERE, 100_000), nested({"type": "ODD", "object": HERE}, 100_000)):
        assert isinstance(read_deep_line(deep, LABEL), Garbled)
    assert isinstance(read_deep_line(nested({"type": "ADDED", "object": HERE}, 100_000), LABEL), Unusable)
    named = nested({"type": "ADDED", "object": {"metadata": {"uid": uid(1)}, "x": HERE}}, 100_000)
    assert read_deep_line(named, LABEL).uid == uid(1)


def test_a_write_that_is_too_deep_and_changes_nothing_that_bills_is_no_news():
    memory = knowing(1, 3, 90, ("a",))
    deep = read_deep_line(nested({"type": "MODIFIED", "object": tenant(1, 3, 120, ("a",), **EXTRA)}, 9_900), LABEL)
    assert memory.follow(deep, POSITION, NOW, live=True) == []
    assert memory.list_item(deep.tenant, NOW, None) == []


def test_nobody_is_claimed_to_have_written_what_is_too_deep_to_be_compared():
    line = nested({"type": "MODIFIED", "object": tenant(1, 3, 120, ("a",), **EXTRA)}, 100_000)
    assert digest.stored(body_of(line)) is None
    assert digest.stored(body_of(event("MODIFIED", tenant(1, 3, 120)))) is not None


# --- a recording of a real API server ---------------------------------------------------------------------


def test_the_recorded_stream_gives_each_generation_once_and_each_removal():
    memory = Memory({})
    told = []
    for line in (Path(__file__).parent.parent / "data/watch-stream.jsonl").read_bytes().splitlines():
        news = read_line(line, LABEL)
        if isinstance(news, Change):
            told += memory.follow(news, POSITION, NOW, live=True)
        else:
            assert isinstance(news, Bookmark)
    seen = [(fact.tenant_name, fact.generation) for fact in told if isinstance(fact, Seen)]
    assert seen == [
        *(("acme", generation) for generation in range(1, 8)),
        *((name, 1) for name in ("acme", "beta", "gamma", "delta", "epsilon")),
    ]
    acme = [fact for fact in told if isinstance(fact, Seen) and fact.tenant_uid == told[0].tenant_uid]
    assert [fact.packages for fact in acme] == [
        ("searxng-local-search", "threema"),
        ("nextcloud", "searxng-local-search", "threema"),
        ("nextcloud", "searxng-local-search"),
        ("nextcloud", "searxng-local-search"),
        ("nextcloud", "searxng-local-search"),
        ("jitsi", "searxng-local-search"),
        ("jitsi", "searxng-local-search"),
    ]
    assert [fact.suspended for fact in acme].count(True) == 1
    assert sum(isinstance(fact, Removal) for fact in told) == 6
    assert len(memory) == 0
