"""The recordings of one story on a real API server: its watch and its audit log, in any order, are one ledger."""

import asyncio
import os
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.audit import Told, read
from sidecar.facts import AnyFact, Began, Removal, Seen
from sidecar.ledger.filing import file
from sidecar.verify import check
from sidecar.watch.memory import Memory
from sidecar.watch.news import Change, read_line
from sidecar.watch.positions import Position
from tests.support.captures import LABEL, RESOURCE, events, lines

CLUSTER = "6c1ff3a6-0000-4000-8000-000000000001"
FIRST_LIST = datetime(2026, 11, 22, 9, 26, 30, tzinfo=UTC)
# The recording of the watch has no times: as the stream tells them on one machine, this much after the answer.
WATCH_LAG = timedelta(milliseconds=10)


def at(second: str) -> datetime:
    """A moment of the story, which began at 9:26."""
    minute, _, rest = second.partition(":")
    return datetime(2026, 11, 22, 9, tzinfo=UTC) + timedelta(minutes=int(minute), seconds=float(rest))


ACME = "283746501"  # the orgs of the two tenants of that name
SECOND = "999000111"
CREATED = {
    ("acme", ACME): at("26:44"),
    ("acme", SECOND): at("27:00"),
    ("beta", "555"): at("27:01"),
    ("gamma", "555"): at("27:01"),
    ("delta", "555"): at("27:03"),
    ("epsilon", "555"): at("27:03"),
}
# A deletecollection's answer does not say whom it removed: that is the watch's to say.
COLLECTED = at("27:04.592868") + WATCH_LAG
ENDED = {
    ("acme", ACME): (at("26:58"), "deletion"),
    ("acme", SECOND): (at("27:02.417187"), "audit"),
    ("beta", "555"): (at("27:02.422602"), "audit"),
    ("gamma", "555"): (at("27:02.427357"), "audit"),
    ("delta", "555"): (COLLECTED, "watch"),
    ("epsilon", "555"): (COLLECTED, "watch"),
}
# name, org, generation, what, at, how that is known, who, who really, how that is known
TIMELINE = [
    ("acme", ACME, None, "created", at("26:44"), "creation", "alice", None, "proven"),
    ("acme", ACME, 1, "enabled searxng-local-search", at("26:44"), "creation", "alice", None, "proven"),
    ("acme", ACME, 1, "enabled threema", at("26:44"), "creation", "alice", None, "proven"),
    ("acme", ACME, 2, "enabled nextcloud", at("26:45.842982"), "audit", "bob", None, "likely"),
    ("acme", ACME, 3, "disabled threema", at("26:47.123912"), "audit", "alice", None, "likely"),
    ("acme", ACME, 4, "suspended", at("26:48.398640"), "audit", "alice", None, "likely"),
    ("acme", ACME, 5, "resumed", at("26:50.942002"), "audit", "bob", None, "likely"),
    ("acme", ACME, 6, "disabled nextcloud", at("26:56.495007"), "audit", "carol", "alice", "likely"),
    ("acme", ACME, 6, "enabled jitsi", at("26:56.495007"), "audit", "carol", "alice", "likely"),
    ("acme", ACME, 7, "deletion requested", at("26:58"), "deletion", "bob", None, "likely"),
    ("acme", ACME, None, "removed", at("26:59.422520"), "audit", "admin", None, "proven"),
    ("acme", SECOND, None, "created", at("27:00"), "creation", "bob", None, "proven"),
    ("acme", SECOND, 1, "enabled jitsi", at("27:00"), "creation", "bob", None, "proven"),
    ("acme", SECOND, None, "removed", at("27:02.417187"), "audit", "bob", None, "proven"),
    ("beta", "555", None, "created", at("27:01"), "creation", "bob", None, "proven"),
    ("beta", "555", 1, "enabled jitsi", at("27:01"), "creation", "bob", None, "proven"),
    ("beta", "555", 1, "enabled nextcloud", at("27:01"), "creation", "bob", None, "proven"),
    ("beta", "555", None, "removed", at("27:02.422602"), "audit", "bob", None, "proven"),
    ("gamma", "555", None, "created", at("27:01"), "creation", "bob", None, "proven"),
    ("gamma", "555", None, "removed", at("27:02.427357"), "audit", "bob", None, "proven"),
    ("delta", "555", None, "created", at("27:03"), "creation", "bob", None, "proven"),
    ("delta", "555", 1, "enabled jitsi", at("27:03"), "creation", "bob", None, "proven"),
    ("delta", "555", 1, "enabled nextcloud", at("27:03"), "creation", "bob", None, "proven"),
    ("delta", "555", None, "removed", COLLECTED, "watch", "bob", None, "likely"),
    ("epsilon", "555", None, "created", at("27:03"), "creation", "bob", None, "proven"),
    ("epsilon", "555", None, "removed", COLLECTED, "watch", "bob", None, "likely"),
]
INTERVALS = [
    ("acme", ACME, "jitsi", at("26:56.495007"), at("26:58")),
    ("acme", ACME, "nextcloud", at("26:45.842982"), at("26:48.398640")),
    ("acme", ACME, "nextcloud", at("26:50.942002"), at("26:56.495007")),
    ("acme", ACME, "searxng-local-search", at("26:44"), at("26:48.398640")),
    ("acme", ACME, "searxng-local-search", at("26:50.942002"), at("26:58")),
    ("acme", ACME, "threema", at("26:44"), at("26:47.123912")),
    ("acme", SECOND, "jitsi", at("27:00"), at("27:02.417187")),
    ("beta", "555", "jitsi", at("27:01"), at("27:02.422602")),
    ("beta", "555", "nextcloud", at("27:01"), at("27:02.422602")),
    ("delta", "555", "jitsi", at("27:03"), COLLECTED),
    ("delta", "555", "nextcloud", at("27:03"), COLLECTED),
]

_TIMELINE = """
    SELECT tenant_name, zitadel_org_id, t.generation, concat_ws(' ', change, skill_id), occurred_at, time_source,
           actor, impersonated_by, how
    FROM ledger.timeline t JOIN public.tenant_billing_lifecycle USING (tenant_uid, tenant_name)
"""
_LIFECYCLE = """
    SELECT tenant_name, zitadel_org_id, created_at, deleted_at, deleted_source FROM public.tenant_billing_lifecycle
"""
_INTERVALS = """
    SELECT tenant_name, zitadel_org_id, skill_id, started_at, ended_at FROM ledger.skill_intervals ORDER BY 1, 2, 3, 4
"""


def audit_facts(bodies: list[bytes]) -> list[AnyFact]:
    """What these audit events tell, in their order."""
    told = [read(body, RESOURCE) for body in bodies]
    return [fact for each in told if isinstance(each, Told) for fact in each.facts]


def batches() -> list[AnyFact]:
    """What the audit webhook backend sent."""
    return audit_facts([msgspec.json.encode(event) for event in events()])


def watch_facts() -> list[AnyFact]:
    """What a live stream told, each change a moment after its request was answered."""
    answered: dict[tuple[str, str], datetime] = {}
    removed: dict[str, datetime] = {}
    for fact in batches():
        if isinstance(fact, Seen):
            key = (fact.tenant_uid, fact.resource_version)
            answered[key] = min(fact.at, answered.get(key, fact.at))
        elif isinstance(fact, Removal):
            removed[fact.tenant_uid] = fact.at
    position = Position(
        version="246", at=FIRST_LIST, segment_from_version="246", segment_from_at=FIRST_LIST, cluster_uid=CLUSTER
    )
    memory, facts = Memory({}), list[AnyFact]()
    for line in lines("watch-stream.jsonl"):
        news = read_line(line, LABEL)
        if isinstance(news, Change):
            tenant = news.tenant
            if news.kind == "DELETED":
                happened = removed.get(tenant.uid, COLLECTED - WATCH_LAG)
            else:
                happened = answered[tenant.uid, tenant.resource_version]
            facts += memory.follow(news, position, happened + WATCH_LAG, live=True)
            position = position.moved(tenant.resource_version, happened + WATCH_LAG)
    return [Began(cluster_uid=CLUSTER, at=FIRST_LIST), *facts, position.segment()]


AUDIT = batches()
WATCH = watch_facts()

thorough = settings(
    max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "20")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


async def _filed(address: str, parts: list[list[AnyFact]]) -> None:
    """The ledger of these batches must be the story; leaves nothing behind."""
    connection = await asyncpg.connect(address)
    transaction = connection.transaction()
    await transaction.start()
    try:
        for part in parts:
            await file(connection, part)
        found = [tuple(row) for row in await connection.fetch(_TIMELINE)]
        assert sorted(found, key=str) == sorted(TIMELINE, key=str)
        assert [tuple(row) for row in await connection.fetch(_INTERVALS)] == INTERVALS
        lives = {(name, org): rest for name, org, *rest in await connection.fetch(_LIFECYCLE)}
        assert lives == {key: [CREATED[key], *ENDED[key]] for key in CREATED}
        for nothing in ("missing_generations", "open_ends", "gaps", "anomalies"):
            assert await connection.fetch(f"SELECT * FROM ledger.{nothing}") == []
        assert (await check(connection)).differences == []
    finally:
        await transaction.rollback()
        await connection.close()


@thorough
@given(
    facts=st.permutations(WATCH + AUDIT),
    again=st.lists(st.sampled_from(WATCH + AUDIT), max_size=10),
    size=st.integers(1, 30),
)
def test_watch_and_audit_log_in_any_order_are_one_ledger(
    ledger_address: str, facts: list[AnyFact], again: list[AnyFact], size: int
) -> None:
    facts = facts + again
    asyncio.run(_filed(ledger_address, [facts[start : start + size] for start in range(0, len(facts), size)]))


def test_the_log_file_tells_what_the_batches_told() -> None:
    assert {repr(fact) for fact in AUDIT} <= {repr(fact) for fact in audit_facts(lines("audit.log"))}
