"""Many at once, and what looks like somebody's change and is not: on a real API server, nobody is named wrongly."""

import asyncio
import json
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.receiver import Receiver
from tests.support.registration import WEBHOOKS, webhook
from tests.support.tenants import MERGE, PATH, Answer, Json, Tenants, tenant
from tests.support.told_stage import ToldStage
from tests.support.waiting import until

USERS = ("alice", "bob", "carol")
EACH = 20


async def _change(user: Tenants, name: str, packages: list[str]) -> int:
    """Patch until it is accepted; the generation that the answer says: each content is a new one, so it is ours."""
    while True:
        answer = await user.call("PATCH", f"{PATH}/{name}", {"spec": {"packages": packages}}, content_type=MERGE)
        if answer.status != 409:  # after some retries of its own the API server gives up
            return answer.ok()["metadata"]["generation"]


async def test_of_sixty_changes_at_once_each_has_the_right_name(told: ToldStage):
    # First without the audit log: what the webhook and the watch can say.
    del told.sidecar.environment["SIDECAR_AUDIT_TOKEN_FILE"]
    await told.start()
    acme = await told.admin.create("acme")
    people = {user: told.as_user(user) for user in USERS}
    wanted = [(user, [user, f"number-{number}"]) for number in range(EACH) for user in USERS]
    made = await asyncio.gather(*(_change(people[user], "acme", packages) for user, packages in wanted))
    truth = {generation: user for generation, (user, _) in zip(made, wanted, strict=True)}
    assert sorted(truth) == list(range(2, 62))
    await told.delivered()

    claimed = await told.authors(acme["metadata"]["uid"])
    assert claimed.pop(1)[0] == "admin"
    assert {how for _, _, how in claimed.values()} <= {"claimed"}
    assert {g: user for g, (user, _, _) in claimed.items() if user != truth[g]} == {}
    # Where the machine was too busy to answer a call within its second, nothing is claimed.
    print(f"{len(claimed)} of 60 claimed, in {_calls(told, 'acme')} calls that answered")
    assert len(claimed) >= _answered_attempts(told, truth)

    await told.ingest()
    authors = await told.authors(acme["metadata"]["uid"])
    assert authors.pop(1) == ("admin", None, "proven")
    assert {g: user for g, (user, _, _) in authors.items()} == truth
    print(f"with the audit log {sum(how == 'proven' for _, _, how in authors.values())} of 60 proven")
    await told.verified()


def _attempts(stage: ToldStage, name: str) -> Iterator[tuple[Json, list[str]]]:
    """Each audit event of that tenant, with what our webhook left in it."""
    for event in stage.events():
        if event["objectRef"].get("name") == name:
            notes = event.get("annotations", {})
            yield event, [value for key, value in notes.items() if key.startswith("record.billing.pieced.ch/u.")]


def _calls(stage: ToldStage, name: str) -> int:
    return sum(len(notes) for _, notes in _attempts(stage, name))


def _answered_attempts(stage: ToldStage, truth: dict[int, str]) -> int:
    """Changes whose last attempt our webhook answered in time."""
    made = 0
    for event, notes in _attempts(stage, "acme"):
        generation = (event.get("responseObject") or {}).get("metadata", {}).get("generation")
        if event["verb"] == "patch" and generation in truth and any(n.endswith(f"→{generation}") for n in notes):
            made += 1
    return made


@contextmanager
def _second_webhook(stage: ToldStage, receiver: Receiver, **other: Any) -> Iterator[None]:
    """While the block runs the API server asks this one too, about each write that it asks the sidecar about."""
    stage.kubernetes.register(webhook(receiver.url, stage.hooks.ca, "second", name="second.example.org", **other))
    try:
        with receiver.serving():
            yield
    finally:
        stage.kubernetes.request("DELETE", f"{WEBHOOKS}/second")


async def _asked_too(stage: ToldStage, receiver: Receiver) -> None:
    async def asked() -> bool:
        await stage.mark()
        return bool(receiver.reviews)

    await until(asked, "the second webhook was never called")


async def test_who_claims_anothers_change_takes_the_name_away_only_until_the_audit_log_says(told: ToldStage):
    del told.sidecar.environment["SIDECAR_AUDIT_TOKEN_FILE"]
    tls = told.hooks.tls()

    def forge(review: Json) -> None:
        """The same review in another name, before the write can be committed: its first answer waits for this."""
        user = {"username": "mallory", "groups": ["system:masters"]}
        forged = review["request"] | {"uid": str(uuid.uuid4()), "userInfo": user}
        body = json.dumps(review | {"request": forged}).encode()
        asked = urllib.request.Request(told.hooks.webhook_url, body, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(asked, context=tls, timeout=10) as answer:  # noqa: S310 - https, on loopback
            assert json.loads(answer.read())["response"]["allowed"] is True

    receiver = Receiver(told.hooks.certificate, told.hooks.key, first=forge)
    await told.start()
    alice, bob = told.as_user("alice"), told.as_user("bob")
    with _second_webhook(told, receiver, timeoutSeconds=10):
        await _asked_too(told, receiver)
        acme = await alice.create("acme")
        await bob.merge("acme", {"spec": {"packages": ["jitsi"]}})
        await alice.delete("acme")
    await told.delivered()
    uid = acme["metadata"]["uid"]
    claimants = (
        "SELECT generation, array_agg(actor ORDER BY actor) AS actors FROM ledger.attributions "
        "WHERE tenant_uid = $1 GROUP BY generation"
    )
    claims = {row["generation"]: row["actors"] for row in await told.ledger.rows(claimants, uid)}
    assert claims == {1: ["alice", "mallory"], 2: ["bob", "mallory"], None: ["alice", "mallory"]}
    assert await told.authors(uid) == {}

    await told.ingest()
    assert await told.authors(uid) == {
        1: ("alice", None, "proven"),
        2: ("bob", None, "likely"),  # two are known to have asked for this from there
        None: ("alice", None, "proven"),
    }


async def test_of_twenty_deletions_at_once_exactly_one_did_it(told: ToldStage):
    await told.start()
    people = [told.as_user(USERS[number % 3]) for number in range(20)]
    acme = (await told.admin.create("acme", "jitsi"))["metadata"]["uid"]
    held = (await told.admin.create("held", finalizers=["pieced.ch/cleanup"]))["metadata"]["uid"]
    answers = await asyncio.gather(*(user.call("DELETE", f"{PATH}/acme") for user in people))
    (removal,) = (answer for answer in answers if answer.status == 200)
    assert removal.body["details"]["uid"] == acme
    assert {answer.status for answer in answers} == {200, 404}
    await _is_by(told, acme, None, (USERS[answers.index(removal) % 3], None, "proven"))

    # Where a finalizer holds it up, each of them is answered with the same object: one of those who tried in
    # time made it so, and if they were several people, nothing says which.
    answers = await asyncio.gather(*(user.call("DELETE", f"{PATH}/held") for user in people))
    versions = {answer.ok()["metadata"]["resourceVersion"] for answer in answers}
    assert len(versions) == 1
    done = {"metadata": {"finalizers": None}}
    answers = await asyncio.gather(*(user.call("PATCH", f"{PATH}/held", done, content_type=MERGE) for user in people))
    # So is each who read it before it was gone and takes the last finalizer.
    removers = {USERS[number % 3] for number, answer in enumerate(answers) if answer.status == 200}
    assert {answer.status for answer in answers} <= {200, 404, 409}

    async def told_of_all() -> bool:
        count = "SELECT count(*) FROM ledger.attributions WHERE tenant_uid = $1 AND source = 'audit' AND generation = 2"
        return await told.ledger.value(count, held) == len(people)

    await until(told_of_all, "the audit log never told of all deletions")
    tried = {event["user"]["username"] for event, notes in _attempts(told, "held") if any("1→2" in n for n in notes)}
    removed = "SELECT count(DISTINCT actor) FROM ledger.attributions WHERE tenant_uid = $1 AND how = 'proven'"
    confirmed = f"{removed} AND generation IS NULL"

    async def told_of_removers() -> bool:
        return await told.ledger.value(confirmed, held) == len(removers)

    await until(told_of_removers, f"the audit log never told of all removers, {removers}")
    author, _, how = (await told.authors(held))[None]
    print(f"{[answer.status for answer in answers].count(200)} of 20 took the last finalizer")
    assert author in removers
    assert how == ("proven" if len(removers) == 1 else "likely")
    author, _, how = (await told.authors(held))[2]
    assert author in tried
    assert how == "likely" or len(tried) == 1


async def _is_by(stage: ToldStage, uid: str, generation: int | None, expected: tuple[str, str | None, str]) -> None:
    """Wait until that is known."""

    async def known() -> bool:
        return (await stage.authors(uid)).get(generation) == expected

    await until(known, f"never known of generation {generation} that it was {expected}")


@pytest.mark.parametrize("kind", ["PartialObjectMetadata", "Table"])
async def test_an_answer_in_another_form_names_its_author_and_is_no_observation(told: ToldStage, kind: str):
    await told.start()
    acme = await told.admin.create("acme", "jitsi")
    uid, bob = acme["metadata"]["uid"], told.as_user("bob")
    accept = {"Accept": f"application/json;as={kind};g=meta.k8s.io;v=v1"}

    async def patched(*packages: str) -> None:
        body = {"spec": {"packages": list(packages)}}
        answer = await bob.call("PATCH", f"{PATH}/acme", body, content_type=MERGE, headers=accept)
        assert answer.ok()["kind"] == kind
        (*_, event) = (event for event in told.events() if event["user"]["username"] == "bob")
        assert event["responseObject"]["kind"] == kind  # the audit log has what was answered

    await patched("jitsi", "wiki")
    await _is_by(told, uid, 2, ("bob", None, "proven"))
    await told.delivered()
    await told.sidecar.kill()
    await patched("wiki")
    await told.ingest()
    known = "SELECT generation, packages FROM ledger.observations WHERE tenant_uid = $1 ORDER BY generation"
    assert [tuple(row.values()) for row in await told.ledger.rows(known, uid)] == [
        (1, ["jitsi"]),
        (2, ["jitsi", "wiki"]),
    ]


async def test_what_was_not_stored_leaves_no_trace(told: ToldStage):
    """Refusals, a dry run, no-op, and what changes nothing that bills, all by bob; alice's changes are hers alone."""
    deny = Receiver(
        told.hooks.certificate,
        told.hooks.key,
        allowed=lambda review: review["request"]["userInfo"]["username"] != "bob",
    )
    await told.start()
    alice, bob = told.as_user("alice"), told.as_user("bob")
    acme = await alice.create("acme", "jitsi")
    await alice.merge("acme", {"spec": {"packages": ["jitsi", "wiki"]}})

    def spec(*packages: str) -> Json:
        return {"spec": {"packages": list(packages)}}

    async def patch(body: Json, path: str = "", **query: str) -> Answer:
        return await bob.call("PATCH", f"{PATH}/acme{path}", body, content_type=MERGE, **query)

    assert (await patch(spec("jitsi", "wiki"))).ok()["metadata"]["generation"] == 2  # no-op
    assert (await patch(spec("dry"), dryRun="All")).ok()["metadata"]["generation"] == 3
    assert (await patch(spec("twice", "twice"))).status == 422
    assert (await patch({"metadata": {"labels": {"team": "blue"}}})).status == 200
    assert (await patch({"status": {"phase": "Ready"}}, "/status")).status == 200
    assert (await bob.call("POST", body=tenant("acme", "threema"))).refused() == (409, "AlreadyExists")
    assert (await bob.call("PUT", f"{PATH}/acme", acme | spec("threema"))).refused() == (409, "Conflict")
    stale = {"preconditions": {"resourceVersion": acme["metadata"]["resourceVersion"]}}
    assert (await bob.call("DELETE", f"{PATH}/acme", stale)).refused() == (409, "Conflict")
    assert (await bob.call("DELETE", f"{PATH}/acme", dryRun="All")).status == 200
    with _second_webhook(told, deny):
        await _asked_too(told, deny)
        for refused in (await patch(spec("refused")), await bob.call("DELETE", f"{PATH}/acme")):
            assert "denied the request" in refused.body["message"]
    await alice.merge("acme", {"spec": {"suspend": True}})
    uid = acme["metadata"]["uid"]
    await _is_by(told, uid, 3, ("alice", None, "proven"))
    await _is_by(told, uid, 2, ("alice", None, "proven"))

    rows = await told.ledger.rows("SELECT change, actor FROM ledger.timeline WHERE tenant_uid = $1", uid)
    assert {row["actor"] for row in rows} == {"alice"}
    assert {row["change"] for row in rows} == {"created", "enabled", "suspended"}
    known = "SELECT generation, packages FROM ledger.observations WHERE tenant_uid = $1 ORDER BY generation"
    assert [tuple(row.values()) for row in await told.ledger.rows(known, uid)] == [
        (1, ["jitsi"]),
        (2, ["jitsi", "wiki"]),
        (3, ["jitsi", "wiki"]),
    ]
    claimed = "SELECT * FROM ledger.attributions WHERE source = 'admission' AND actor = 'bob'"
    assert await told.ledger.rows(claimed) == []
    others = "SELECT * FROM ledger.observations WHERE packages && ARRAY['threema', 'dry', 'twice', 'refused']"
    assert await told.ledger.rows(others) == []
