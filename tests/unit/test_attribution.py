"""Which request led to which commit: the one from the version before it with exactly its content, or nobody's."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sidecar import attribution
from sidecar.attempts import Request
from sidecar.attribution import CLAIMS_MOST, KEPT_MOST, KEPT_SECONDS, Claims
from sidecar.facts import Attribution
from tests.support import captures
from tests.support.reviews import AT, asked, commit, read, stored

OTHER = "7c6bd2f8-2a02-4b0c-8bf0-6f2a7c7b2c11"
BASE = stored(247, 1, "jitsi")
NEXT = stored(249, 2, "jitsi", "nextcloud")
HELD = {"finalizers": ["pieced.ch/cleanup"]}
ENDING = {"deletionTimestamp": "2026-11-22T09:26:58Z", "deletionGracePeriodSeconds": 0}


def remembered(*requests: Request) -> Claims:
    claims = Claims()
    for request in requests:
        claims.remember(request)
    return claims


def names(found: Sequence[Attribution]) -> list[str]:
    return [each.actor for each in found]


def test_each_change_of_the_captured_story_is_claimed_by_who_made_it():
    claims, versions, told = Claims(), dict[str, str](), []
    for review in captures.reviews():
        if isinstance(about := read(review).about, Request):
            claims.remember(about)
    for line in captures.lines("watch-stream.jsonl"):
        event = json.loads(line)
        if event["type"] == "BOOKMARK":
            continue
        change = commit(event["type"], event["object"], versions.get(event["object"]["metadata"]["uid"], "0"))
        versions[change.tenant.uid] = change.tenant.resource_version
        told += [
            (change.tenant.name, each.generation, each.resource_version, each.actor, each.operation)
            for each in claims.committed(change)
        ]
    assert told == [
        ("acme", 1, "247", "alice", "create"),
        ("acme", 2, "249", "bob", "update"),
        ("acme", 3, "251", "alice", "update"),
        ("acme", 4, "252", "alice", "update"),
        ("acme", 5, "254", "bob", "update"),
        ("acme", 6, "258", "carol", "update"),  # alice, impersonating her: the webhook cannot see that
        ("acme", 7, "261", "bob", "delete"),
        ("acme", None, "262", "admin", "update"),  # who took the last finalizer
        ("acme", 1, "263", "bob", "create"),
        ("beta", 1, "264", "bob", "create"),
        ("gamma", 1, "265", "bob", "create"),
        ("acme", None, "266", "bob", "delete"),
        ("beta", None, "267", "bob", "delete"),
        ("gamma", None, "268", "bob", "delete"),
        ("delta", 1, "269", "bob", "create"),
        ("epsilon", 1, "270", "bob", "create"),
        ("delta", None, "271", "bob", "delete"),
        ("epsilon", None, "272", "bob", "delete"),
    ]
    assert len(claims) == 0


def test_a_claim_says_who_asked_from_which_version_and_by_which_call():
    request = asked("UPDATE", "bob", BASE, NEXT)
    (found,) = remembered(request).committed(commit("MODIFIED", NEXT, "247"))
    assert found == Attribution(
        tenant_uid=BASE["metadata"]["uid"],
        resource_version="249",
        generation=2,
        source="admission",
        request_key=request.attempt.review,
        actor="bob",
        actor_groups=("system:authenticated",),
        operation="update",
        how="claimed",
        base_version="247",
        asked_at=AT,
    )


def test_a_creation_is_claimed_by_the_uid_alone():
    created = stored(1, 1, "jitsi")
    claims = remembered(
        asked("CREATE", "alice", None, created), asked("CREATE", "bob", None, stored(1, 1, "jitsi", uid=OTHER))
    )
    assert names(claims.committed(commit("ADDED", {**created, "spec": {"changed": "afterwards"}}, "0"))) == ["alice"]


def test_of_two_requests_from_one_base_the_one_with_the_stored_content_is_named():
    other = stored(249, 2, "threema")
    claims = remembered(asked("UPDATE", "alice", BASE, other), asked("UPDATE", "bob", BASE, NEXT))
    assert names(claims.committed(commit("MODIFIED", NEXT, "247"))) == ["bob"]
    assert claims.counts == {"superseded": 1, "attributed": 1}


def test_a_request_from_an_older_base_is_not_named_though_its_content_is_the_same():
    older = stored(246, 1, "jitsi")
    claims = remembered(asked("UPDATE", "alice", older, NEXT))
    assert claims.committed(commit("MODIFIED", NEXT, "247")) == []
    assert claims.counts == {"superseded": 1}


def test_a_request_from_a_version_that_is_still_to_come_waits_for_its_commit():
    third = stored(251, 3, "threema")
    claims = remembered(asked("UPDATE", "bob", BASE, NEXT), asked("UPDATE", "alice", NEXT, third))
    assert names(claims.committed(commit("MODIFIED", NEXT, "247"))) == ["bob"]
    assert names(claims.committed(commit("MODIFIED", third, "249"))) == ["alice"]


def test_writes_that_were_no_news_may_lie_between_the_known_version_and_the_base():
    assert names(remembered(asked("UPDATE", "bob", BASE, NEXT)).committed(commit("MODIFIED", NEXT, "240"))) == ["bob"]


def test_two_people_who_ask_for_the_very_same_are_both_kept_so_that_neither_is_named():
    claims = remembered(asked("UPDATE", "alice", BASE, NEXT), asked("UPDATE", "bob", BASE, NEXT))
    assert sorted(names(claims.committed(commit("MODIFIED", NEXT, "247")))) == ["alice", "bob"]
    assert claims.counts == {"ambiguous": 1}


def test_one_person_who_asks_twice_is_named():
    claims = remembered(asked("UPDATE", "bob", BASE, NEXT), asked("UPDATE", "bob", BASE, NEXT))
    assert set(names(claims.committed(commit("MODIFIED", NEXT, "247")))) == {"bob"}
    assert claims.counts == {"attributed": 1}


def test_a_call_that_comes_twice_is_one_claim():
    request = asked("UPDATE", "bob", BASE, NEXT)
    assert names(remembered(request, request).committed(commit("MODIFIED", NEXT, "247"))) == ["bob"]


def test_a_commit_is_claimed_once():
    claims = remembered(asked("UPDATE", "bob", BASE, NEXT))
    assert claims.committed(commit("MODIFIED", NEXT, "247"))
    assert claims.committed(commit("MODIFIED", NEXT, "247")) == []


def test_the_second_of_many_people_is_kept_however_often_the_first_asked():
    claims = remembered(
        *[asked("UPDATE", "alice", BASE, NEXT, at=AT) for _ in range(3 * CLAIMS_MOST)],
        asked("UPDATE", "bob", BASE, NEXT, at=AT + timedelta(seconds=1)),
    )
    found = names(claims.committed(commit("MODIFIED", NEXT, "247")))
    assert len(found) == CLAIMS_MOST
    assert set(found) == {"alice", "bob"}


class Counted(str):
    """A review's uid that counts how often one is compared with another."""

    __slots__ = ()
    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)


def test_the_work_for_a_commit_grows_with_its_requests_and_not_with_their_square():
    claims, many = Claims(), 2_000
    one = asked("DELETE", "alice", BASE, None)
    for n in range(many):  # as anybody may send them who reaches the port
        attempt = msgspec.structs.replace(one.attempt, review=Counted(f"review {n:04}"))
        claims.remember(msgspec.structs.replace(one, actor=f"user {n}", attempt=attempt))
    gone = {**BASE, "metadata": {**BASE["metadata"], "resourceVersion": "250"}}
    Counted.compared = 0
    assert len(claims.committed(commit("DELETED", gone, "247"))) == CLAIMS_MOST
    assert Counted.compared < 30 * many  # sorting takes log2(2,000) = 11 for each


def test_who_changed_a_label_is_not_named_for_the_generation_that_was_there():
    labelled = stored(250, 2, "jitsi", "nextcloud", labels={"other": "label"})
    claims = remembered(asked("UPDATE", "alice", BASE, NEXT))
    assert claims.committed(commit("MODIFIED", labelled, "249")) == []


def test_a_deletion_that_a_finalizer_holds_is_claimed_for_the_generation_that_asks_for_it():
    held = stored(260, 6, "jitsi", **HELD)
    pending = stored(261, 7, "jitsi", **HELD, **ENDING)
    (found,) = remembered(asked("DELETE", "bob", held, None)).committed(commit("MODIFIED", pending, "260"))
    assert (found.actor, found.generation, found.operation) == ("bob", 7, "delete")


def test_a_deletion_in_the_foreground_is_claimed_though_it_adds_a_finalizer():
    before = stored(260, 6, "jitsi")
    pending = stored(261, 7, "jitsi", **ENDING, finalizers=["foregroundDeletion"])
    request = asked("DELETE", "bob", before, None, options={"propagationPolicy": "Foreground"})
    assert names(remembered(request).committed(commit("MODIFIED", pending, "260"))) == ["bob"]


def test_who_only_asked_for_a_deletion_is_not_named_for_a_change_from_the_same_base():
    held, changed = stored(260, 6, "jitsi", **HELD), stored(261, 7, "threema", **HELD)
    claims = remembered(asked("DELETE", "bob", held, None), asked("UPDATE", "alice", held, changed))
    assert names(claims.committed(commit("MODIFIED", changed, "260"))) == ["alice"]


def test_a_removal_is_claimed_by_who_took_the_last_finalizer():
    pending = stored(261, 7, "jitsi", **HELD, **ENDING)
    claims = remembered(asked("UPDATE", "controller", pending, stored(261, 7, "jitsi", **ENDING)))
    gone = stored(262, 7, "jitsi", **HELD, **ENDING)  # the body is the old object
    (found,) = claims.committed(commit("DELETED", gone, "261"))
    assert (found.actor, found.generation, found.resource_version) == ("controller", None, "262")


def test_who_asked_for_a_deletion_that_was_held_is_not_named_for_the_removal():
    held = stored(260, 6, "jitsi", **HELD)
    gone = stored(262, 7, "jitsi", **HELD, **ENDING)
    assert remembered(asked("DELETE", "bob", held, None)).committed(commit("DELETED", gone, "260")) == []


def test_a_removal_without_a_pending_deletion_is_claimed_by_who_deleted():
    changed = stored(248, 2, "threema")
    claims = remembered(asked("UPDATE", "alice", BASE, changed), asked("DELETE", "bob", BASE, None))
    assert names(
        claims.committed(commit("DELETED", {**BASE, "metadata": {**BASE["metadata"], "resourceVersion": "250"}}, "247"))
    ) == ["bob"]


def test_a_deletion_of_what_was_changed_meanwhile_is_not_claimed():
    claims = remembered(asked("DELETE", "bob", BASE, None))
    gone = stored(250, 2, "threema")
    assert claims.committed(commit("DELETED", gone, "249")) == []


def test_requests_about_other_tenants_are_left_alone():
    other, changed = stored(100, 1, uid=OTHER), stored(250, 2, uid=OTHER)
    claims = remembered(asked("UPDATE", "alice", other, changed), asked("UPDATE", "bob", BASE, NEXT))
    assert names(claims.committed(commit("MODIFIED", NEXT, "247"))) == ["bob"]
    assert claims.awaits(OTHER)
    assert not claims.awaits(BASE["metadata"]["uid"])


def test_versions_are_compared_as_numbers_of_any_length():
    long = "9" * 38
    base, changed = stored(int(long), 1), stored(int(long) + 1, 2)
    assert names(remembered(asked("UPDATE", "bob", base, changed)).committed(commit("MODIFIED", changed, long))) == [
        "bob"
    ]
    ten, after = stored(9, 1), stored(10, 2)
    assert names(remembered(asked("UPDATE", "bob", ten, after)).committed(commit("MODIFIED", after, "9"))) == ["bob"]


def test_a_request_that_led_to_nothing_is_forgotten_after_two_minutes():
    claims = remembered(asked("UPDATE", "alice", BASE, NEXT, at=AT))
    later = stored(300, 1, uid=OTHER)
    claims.remember(asked("DELETE", "bob", later, None, at=AT + timedelta(seconds=KEPT_SECONDS - 1)))
    assert len(claims) == 2
    claims.remember(asked("DELETE", "bob", later, None, at=AT + timedelta(seconds=KEPT_SECONDS)))
    assert (len(claims), claims.counts) == (2, {"expired": 1})
    assert claims.committed(commit("MODIFIED", NEXT, "247")) == []


def test_memory_is_bounded_and_what_is_dropped_is_counted(monkeypatch):
    monkeypatch.setattr(attribution, "KEPT_MOST", 10)
    claims = remembered(*[asked("UPDATE", f"user {n}", BASE, NEXT) for n in range(25)])
    assert (len(claims), claims.counts) == (10, {"dropped": 15})
    assert set(names(claims.committed(commit("MODIFIED", NEXT, "247")))) == {f"user {n}" for n in range(15, 25)}
    assert KEPT_MOST >= 1_449  # one storm, measured


def test_nothing_is_left_behind_of_requests_that_are_done_or_expired():
    claims = remembered(asked("UPDATE", "alice", BASE, NEXT), asked("UPDATE", "bob", BASE, stored(249, 2)))
    claims.committed(commit("MODIFIED", NEXT, "247"))
    assert (len(claims), claims._of) == (0, {})


# A tenant under contention: who writes what from which version, and when the watch shows what was committed.
PEOPLE = ["alice", "bob", "carol"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE),
        st.sampled_from(["jitsi", "threema"]),
        st.integers(0, 2),  # how many commits ago this writer read
        st.booleans(),  # whether a write from the present version is refused after our webhook saw it
        st.integers(0, 3),  # how many commits the watch shows before the next step
    ),
    max_size=25,
)


@given(STEPS)
def test_under_contention_nobody_is_named_for_another_ones_commit(steps):
    history: list[tuple[dict[str, Any], str]] = [(stored(100, 1), "creator")]
    asked_for: dict[tuple[str, str], set[str]] = {}  # base and content → who asked for just that
    claims, shown = Claims(), 1
    for person, package, ago, refused, shows in steps:
        base = history[max(0, len(history) - 1 - ago)][0]
        at = base["metadata"]
        new = stored(100 + len(history), at["generation"] + 1, package)
        request = asked("UPDATE", person, base, new)
        claims.remember(request)
        asked_for.setdefault((at["resourceVersion"], package), set()).add(person)
        if base is history[-1][0] and not refused:
            history.append((new, person))
        for obj, author in history[shown : shown + shows]:
            _check(claims, obj, author, asked_for)
            shown += 1
    for obj, author in history[shown:]:
        _check(claims, obj, author, asked_for)


def _check(
    claims: Claims,
    obj: dict[str, Any],
    author: str,
    asked_for: dict[tuple[str, str], set[str]],
) -> None:
    base = str(int(obj["metadata"]["resourceVersion"]) - 1)
    found = set(names(claims.committed(commit("MODIFIED", obj, base))))
    assert author in found  # within the memory nobody's claim is lost
    assert found <= asked_for[base, obj["spec"]["packages"][0]]
