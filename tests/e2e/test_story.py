"""One story, told by kubectl and raw HTTP to a real API server: what is billed, and what leaves no trace."""

import asyncio
from datetime import datetime, timedelta

from tests.support.stage import Stage
from tests.support.story import INTERVALS, Story
from tests.support.truth import Asked
from tests.support.waiting import until_a_later_second

# A live stream tells a change milliseconds after its commit; this allows for busy cores.
LIVE = timedelta(seconds=20)


async def test_the_whole_story_is_billed_as_it_happened_and_nothing_else(stage: Stage):
    story = Story(stage.kubernetes)
    stage.sidecar.start()
    await stage.sidecar.logged("watch_opened")
    await stage.delivered()
    await asyncio.to_thread(story.begin)
    await asyncio.to_thread(story.go_on)
    await stage.delivered()
    await until_a_later_second()
    await asyncio.to_thread(story.delete)
    await asyncio.to_thread(story.collect)
    await stage.delivered()

    await _events_are_right(stage)
    await _intervals_are_right(stage, story.steps)
    await _lifecycle_is_right(stage, story.steps)
    await _nothing_else_left_a_trace(stage)
    assert "complete: nothing is missing" in await stage.verified()


async def _events_are_right(stage: Stage) -> None:
    events = await stage.ledger.rows(
        "SELECT tenant_name, zitadel_org_id, generation, skill_id, event_kind FROM ledger.skill_events "
        "ORDER BY tenant_name, zitadel_org_id, generation, skill_id"
    )
    assert [tuple(row.values()) for row in events] == [
        ("acme", "283746501", 1, "searxng-local-search", "enabled"),
        ("acme", "283746501", 1, "threema", "enabled"),
        ("acme", "283746501", 2, "nextcloud", "enabled"),
        ("acme", "283746501", 3, "threema", "disabled"),
        ("acme", "283746501", 6, "jitsi", "enabled"),
        ("acme", "283746501", 6, "nextcloud", "disabled"),
        ("acme", "999000111", 1, "jitsi", "enabled"),
        ("beta", "555", 1, "jitsi", "enabled"),
        ("beta", "555", 1, "nextcloud", "enabled"),
        ("delta", "555", 1, "jitsi", "enabled"),
        ("delta", "555", 1, "nextcloud", "enabled"),
    ]
    suspensions = await stage.ledger.rows(
        "SELECT tenant_name, generation, event_kind, time_source FROM ledger.suspension_events ORDER BY generation"
    )
    assert [(*list(row.values())[:3], _expected(stage, row["time_source"])) for row in suspensions] == [
        ("acme", 4, "suspended", "watch"),
        ("acme", 5, "resumed", "watch"),
    ]


async def _intervals_are_right(stage: Stage, steps: dict[str, Asked]) -> None:
    rows = await stage.ledger.rows(
        "SELECT tenant_name, zitadel_org_id, skill_id, started_at, ended_at FROM ledger.skill_intervals "
        "ORDER BY tenant_name, zitadel_org_id, skill_id, started_at"
    )
    assert [tuple(row.values())[:3] for row in rows] == [each[:3] for each in INTERVALS]
    for row, (*_, since, until) in zip(rows, INTERVALS, strict=True):
        assert _is_within(row["started_at"], steps[since]), (row, since, steps[since])
        assert _is_within(row["ended_at"], steps[until]), (row, until, steps[until])


async def _lifecycle_is_right(stage: Stage, steps: dict[str, Asked]) -> None:
    rows = await stage.ledger.rows(
        "SELECT tenant_name, zitadel_org_id, deleted_source, created_at, deleted_at "
        "FROM public.tenant_billing_lifecycle WHERE tenant_name <> 'zz-mark' ORDER BY tenant_name, created_at"
    )
    # The first acme's billing ended when its deletion was asked for, not when the finalizer let it go.
    expected = [
        ("acme", "283746501", "deletion", "alice creates acme", "bob deletes acme"),
        ("acme", "999000111", "watch", "bob creates another acme", "bob deletes all"),
        ("beta", "555", "watch", "bob creates beta and gamma", "bob deletes all"),
        ("delta", "555", "watch", "bob creates delta and epsilon", "bob deletes the collection"),
        ("epsilon", "555", "watch", "bob creates delta and epsilon", "bob deletes the collection"),
        ("gamma", "555", "watch", "bob creates beta and gamma", "bob deletes all"),
    ]
    found = [(row["tenant_name"], row["zitadel_org_id"], _expected(stage, row["deleted_source"])) for row in rows]
    assert found == [each[:3] for each in expected]
    for row, (_, _, _, created, deleted) in zip(rows, expected, strict=True):
        assert _is_within(row["created_at"], steps[created]), (row, created, steps[created])
        assert _is_within(row["deleted_at"], steps[deleted]), (row, deleted, steps[deleted])


async def _nothing_else_left_a_trace(stage: Stage) -> None:
    """Dry run, no-op, refusal, labels and status made no generation; nothing but what was stored is kept."""
    observed = await stage.ledger.rows(
        "SELECT generation, packages, suspended FROM ledger.observations "
        "WHERE tenant_name = 'acme' ORDER BY created_at, generation"
    )
    assert [(row["generation"], row["packages"], row["suspended"]) for row in observed] == [
        (1, ["searxng-local-search", "threema"], False),
        (2, ["nextcloud", "searxng-local-search", "threema"], False),
        (3, ["nextcloud", "searxng-local-search"], False),
        (4, ["nextcloud", "searxng-local-search"], True),
        (5, ["nextcloud", "searxng-local-search"], False),
        (6, ["jitsi", "searxng-local-search"], False),
        (7, ["jitsi", "searxng-local-search"], False),
        (1, ["jitsi"], False),
    ]
    assert await stage.ledger.rows("SELECT * FROM ledger.anomalies") == []


def _expected(stage: Stage, source: str) -> str:
    """`watch` also for `late`, if the sidecar says that its loop was away: the machine was busy."""
    return "watch" if source == "late" and stage.sidecar.events("watch_stalled") else source


def _is_within(at: datetime, step: Asked) -> bool:
    """Creation and deletion are stamped in whole seconds, the rest is seen a moment later."""
    return step.sent_second <= at <= step.answered_at + LIVE
