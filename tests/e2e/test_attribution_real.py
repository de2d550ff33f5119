"""Who did what when, told by a real API server: live, and by its audit log after we were away."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from tests.support.story import INTERVALS, TIMELINE, Story, Told
from tests.support.told_stage import ToldStage
from tests.support.truth import Asked
from tests.support.waiting import until, until_a_later_second

# An answer's stamp is taken when it has been sent, so its reader may have read it a moment before.
AFTER = timedelta(seconds=1)
STAMPS = ("creation", "deletion")  # whole seconds, from the object itself
NAMES = sorted({told.name for told in TIMELINE})
PROVEN = dict.fromkeys(TIMELINE, "proven")

Row = tuple[Told, datetime, str, str | None]
"""What is told, when it happened and how that is known, how it is known who did it."""


async def _timeline(stage: ToldStage, story: Story) -> list[Row]:
    rows = await stage.ledger.rows(
        "SELECT * FROM ledger.timeline JOIN public.tenant_billing_lifecycle l USING (tenant_uid, tenant_name) "
        "WHERE tenant_name = ANY ($1) AND l.created_at >= $2",
        NAMES,
        story.steps["alice creates acme"].sent_second,
    )
    return [_row(row) for row in rows]


def _row(row: dict) -> Row:
    told = Told(
        row["tenant_name"],
        row["zitadel_org_id"],
        row["generation"],
        row["change"],
        row["skill_id"],
        row["actor"],
        row["impersonated_by"],
        "",
    )
    return told, row["occurred_at"], row["time_source"], row["how"]


def _differences(rows: list[Row], how: dict[Told, str], steps: dict[str, Asked]) -> list[str]:
    """What of the story is not told, or otherwise than it was."""
    due = {told._replace(step=""): told for told in TIMELINE}
    found = [f"superfluous: {row}" for row in rows if row[0] not in due]
    told = {row[0]: row[1:] for row in rows}
    for key, expected in due.items():
        if key not in told:
            found.append(f"missing: {expected}")
            continue
        at, time_source, known = told[key]
        if known != how[expected]:
            found.append(f"{known} instead of {how[expected]}: {expected}")
        step = steps[expected.step]
        least = step.sent_second if time_source in STAMPS else step.sent_at
        if not least <= at <= step.answered_at + AFTER:
            found.append(f"{at} ({time_source}) is not in {step}: {expected}")
    return found


async def _is_told(stage: ToldStage, story: Story, how: dict[Told, str]) -> None:
    """Wait until the time line is the story's, and see that what must be paid is too."""
    found: list[str] = []

    async def complete() -> bool:
        found[:] = _differences(await _timeline(stage, story), how, story.steps)
        return not found

    await until(complete, lambda: "\n".join(["not told as it was:", *found]))
    rows = await stage.ledger.rows(
        "SELECT tenant_name, i.zitadel_org_id, skill_id, started_at, ended_at FROM ledger.skill_intervals i "
        "JOIN public.tenant_billing_lifecycle l USING (tenant_uid, tenant_name) "
        "WHERE tenant_name = ANY ($1) AND l.created_at >= $2 "
        "ORDER BY tenant_name, i.zitadel_org_id, skill_id, started_at",
        NAMES,
        story.steps["alice creates acme"].sent_second,
    )
    assert [tuple(row.values())[:3] for row in rows] == [each[:3] for each in INTERVALS]
    for row, (*_, since, end) in zip(rows, INTERVALS, strict=True):
        assert story.steps[since].sent_second <= row["started_at"] <= story.steps[since].answered_at + AFTER
        assert story.steps[end].sent_second <= row["ended_at"] <= story.steps[end].answered_at + AFTER


async def test_every_change_of_the_story_is_named_and_timed(told: ToldStage):
    await told.start()
    story = Story(told.kubernetes)
    await asyncio.to_thread(story.begin)
    await asyncio.to_thread(story.go_on)
    await told.delivered()
    await until_a_later_second()
    await asyncio.to_thread(story.delete)
    await asyncio.to_thread(story.collect)
    await _is_told(told, story, PROVEN)

    sources = {row[2] for row in await _timeline(told, story)}
    stalled = {"late"} if told.sidecar.events("watch_stalled") else set()  # by a busy machine
    assert sources <= {"audit", "watch", *STAMPS} | stalled
    printed = await told.sidecar.command("timeline", "acme")
    assert "by carol (really alice), proven" in printed.output
    assert await _listed(told, story, "missing_generations") == await _listed(told, story, "open_ends") == []
    await told.verified()


async def _listed(stage: ToldStage, story: Story, view: str) -> list[str]:
    """The tenants of the story that this view of what is missing has."""
    rows = await stage.ledger.rows(
        f"SELECT v.tenant_name FROM ledger.{view} v JOIN public.tenant_billing_lifecycle l USING (tenant_uid) "
        "WHERE l.tenant_name = ANY ($1) AND l.created_at >= $2 ORDER BY 1",
        NAMES,
        story.steps["alice creates acme"].sent_second,
    )
    return [row["tenant_name"] for row in rows]


async def _by_ingest(stage: ToldStage) -> None:
    await stage.ingest()


async def _by_batches(stage: ToldStage) -> None:
    """In other batches and another order than the API server's, and all twice, as after an answer that was lost."""
    events = stage.events()[::-1]
    for start in (*range(0, len(events), 7), *range(0, len(events), 5)):
        await stage.send(events[start : start + 7])


@pytest.mark.parametrize("deliver", [_by_ingest, _by_batches])
async def test_half_a_story_that_nobody_watched_is_told_by_the_audit_log_afterwards(
    told: ToldStage, deliver: Callable[[ToldStage], Awaitable[None]]
):
    await told.start()
    story = Story(told.kubernetes)
    await asyncio.to_thread(story.begin)
    await told.delivered()
    await told.sidecar.kill()
    await asyncio.to_thread(story.go_on)
    await until_a_later_second()
    await asyncio.to_thread(story.delete)
    await told.restart_kubernetes()  # it forgets; of those who were created and deleted meanwhile no list knows
    await told.start()
    await asyncio.to_thread(story.collect)
    await told.delivered()
    await deliver(told)

    # Without our webhook an answer alone does not prove who made a change; a creation and a removal are their answer.
    unwatched = {row: "likely" for row in TIMELINE if row.generation in (4, 5, 6, 7)}
    await _is_told(told, story, PROVEN | unwatched)
    exact = {row[2] for row in await _timeline(told, story) if row[0].generation in (4, 5, 6)}
    assert exact == {"audit"}
    assert await _listed(told, story, "missing_generations") == []
    # The answer to a deletion does not say which generation was the last: that one more is unknown is not excluded.
    assert await _listed(told, story, "open_ends") == ["acme", "beta", "gamma"]
    await told.verified()
