"""Whatever is sent to the two endpoints, or stands in a log: an answer in order, no crash, no growth, and only facts
that a ledger takes. `make fuzz` does this for longer.
"""

import asyncio
import os
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sidecar import admission, attribution
from sidecar.attempts import Attempt
from sidecar.audit import Left, read
from sidecar.facts import AnyFact, Began, decode, encode
from sidecar.ingest import Ingest
from sidecar.ledger.filing import Filing, file
from sidecar.verify import check
from tests.support import captures
from tests.support.audit_events import noted
from tests.support.hooks import Hooks, hooks
from tests.support.mutations import mutated

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))

# Each example is made of one number: what is made of it is too large to be shown.
SEEDS = st.integers(0, 2**64)

thorough = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# The captured events, and the same with the note that our webhook leaves.
EVENTS = captures.events() + [
    noted(event, Attempt("285e7a5f-63ab-4211-a3c2-fb12e4e5ec4a", "14013783-c89e-4f50-b1bb-4bcbcdaed690", "247", 1, 2))
    for event in captures.events()[:5]
]
LISTS = [{"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": EVENTS[at : at + 3]} for at in range(27)]

BEGAN = datetime(2026, 11, 22, 9, 26, tzinfo=UTC)  # before the story

WHY = {"stage", "other_resource", "read", "failed", "cut", "malformed", "dry_run", "no_object"}
WHY_NOT_REMEMBERED = {"malformed", "other_resource", "dry_run", "no_generation", "other_operation"}


def drawn(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - what hypothesis draws, it can draw again


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def served(runner: asyncio.Runner, tmp_path: Path, logged: list[Any]) -> Iterator[Hooks]:  # noqa: ARG001 - it is quiet
    server = hooks(tmp_path)
    yield runner.run(server.__aenter__())
    runner.run(server.__aexit__(None, None, None))


async def filed(address: str, facts: Sequence[AnyFact]) -> None:
    """A real ledger takes the facts, all of its views can be read afterwards, and `verify` finds no difference.

    Leaves nothing behind.
    """
    connection = await asyncpg.connect(address)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await file(connection, [Began(cluster_uid="c", at=BEGAN), *facts])
        await Filing(connection).accept_removals("test")
        for view in ("skill_events", "suspension_events", "skill_intervals", "authors", "timeline", "open_ends"):
            await connection.fetch(f"SELECT * FROM ledger.{view}")
        assert (await check(connection)).differences == []
    finally:
        await transaction.rollback()
        await connection.close()


def durable(facts: Sequence[AnyFact]) -> bool:
    """Whether they come back from the spool as they went in."""
    return [decode(encode(fact)) for fact in facts] == list(facts)


def test_whatever_an_audit_event_says_it_is_told_or_left_out_and_a_ledger_takes_it(runner, ledger_address):
    @thorough
    @given(SEEDS)
    def fuzz(seed: int) -> None:
        chance, facts = drawn(seed), list[AnyFact]()
        for _ in range(chance.randrange(1, 60)):
            told = read(mutated(EVENTS, chance), captures.RESOURCE)
            if isinstance(told, Left):
                assert told.reason in WHY
            else:
                assert told.facts
                facts += told.facts
        assert durable(facts)
        if facts:
            runner.run(filed(ledger_address, facts))

    fuzz()


def test_whatever_is_sent_to_audit_is_answered_in_order_and_a_ledger_takes_it(runner, served, logged, ledger_address):
    async def send(body: bytes) -> None:
        answer = await served.audit(body)
        assert answer.status in {200, 400}, (answer.status, body)
        rows = await served.disk.spool.take(10_000)
        await served.disk.spool.confirm([number for number, _ in rows])
        if rows:
            await filed(ledger_address, [decode(body) for _, body in rows])

    @thorough
    @given(SEEDS)
    def fuzz(seed: int) -> None:
        runner.run(send(mutated(LISTS, drawn(seed))))

    fuzz()
    assert set(served.webhooks.auditing.left_out) <= WHY
    assert [line for line in logged if line["log_level"] in {"error", "critical"}] == []


def test_whatever_is_sent_to_admission_is_allowed_or_no_review(runner, served, logged, monkeypatch):
    monkeypatch.setattr(attribution, "KEPT_MOST", 20)
    reviews = captures.reviews()

    async def send(body: bytes) -> None:
        answer = await served.admit(body)
        assert answer.status in {200, 400}, (answer.status, body)
        assert len(served.claims) <= 20
        if answer.status == 200:
            assert answer.body["response"]["allowed"] is True
            assert admission.uid_of(body) == answer.body["response"]["uid"]
            assert len(str(answer.body)) < 1_000 + len(answer.body["response"]["uid"])

    @settings(thorough, max_examples=EXAMPLES * 3)
    @given(SEEDS)
    def fuzz(seed: int) -> None:
        runner.run(send(mutated(reviews, drawn(seed))))

    fuzz()
    assert set(served.webhooks.left_out) <= WHY_NOT_REMEMBERED
    assert [line for line in logged if line["log_level"] in {"error", "critical"}] == []


def test_whatever_stands_in_a_log_is_read_or_named_and_a_ledger_takes_it(runner, tmp_path, ledger_address):
    log, facts = tmp_path / "audit.log", list[AnyFact]()

    async def append(some: Sequence[AnyFact]) -> None:
        facts.extend(some)

    @thorough
    @given(SEEDS)
    def fuzz(seed: int) -> None:
        chance = drawn(seed)
        facts.clear()
        log.write_bytes(b"\n".join(mutated(EVENTS + LISTS, chance) for _ in range(chance.randrange(20))))
        run = Ingest(captures.RESOURCE, append)
        runner.run(run.file(str(log)))
        report = run.report
        assert report.taken + report.left_out.total() == report.events
        assert set(report.left_out) <= WHY
        assert len(report.named) <= 20
        if facts:
            runner.run(filed(ledger_address, facts))

    fuzz()


def test_the_fuzzing_is_not_in_vain(runner, ledger_address):
    """Captures that are changed little still tell something; else all of this would show nothing."""
    told, facts = 0, list[AnyFact]()

    for seed in range(100):
        says = read(mutated(EVENTS, drawn(seed)), captures.RESOURCE)
        if not isinstance(says, Left):
            told += 1
            facts.extend(says.facts)
    assert told >= 20
    runner.run(filed(ledger_address, facts))
