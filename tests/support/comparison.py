"""The ledger held against the truth: what it says that is not so, and what is so and it neither says nor lists."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.support.ledger_reader import LedgerReader
from tests.support.truth import Asked, Event, Generation, Life, Truth, events, intervals, joined

Row = dict[str, Any]
Away = tuple[datetime, datetime]
"""From when until when there was no sidecar with an open stream."""

# A change that the stream told "as it happened" is told milliseconds later; this allows for busy cores, and
# is still far from what a sidecar that was away would be late by.
_LIVE = timedelta(seconds=20)

_QUERIES = {
    "observations": "SELECT * FROM ledger.observations",
    "versions": "SELECT tenant_uid, resource_version FROM ledger.orgs",
    "removals": "SELECT tenant_uid, last_generation FROM ledger.removals",
    "missing": "SELECT * FROM ledger.missing_generations",
    "open_ends": "SELECT * FROM ledger.open_ends",
    "skill_events": "SELECT * FROM ledger.skill_events",
    "suspension_events": "SELECT NULL AS skill_id, * FROM ledger.suspension_events",
    "intervals": "SELECT * FROM ledger.skill_intervals",
    "lifecycle": "SELECT * FROM public.tenant_billing_lifecycle",
}


class Compared:
    """One comparison. `differences` must be empty; `missed` are the generations that nobody told us of."""

    def __init__(self, truth: Truth, tables: dict[str, list[Row]], gaps: list[Row], away: Sequence[Away]) -> None:
        self.gaps = gaps
        self._away = away
        self.missed: list[Generation] = []
        self.unknown: list[Life] = []
        self._truth = truth
        self._tables = tables
        self.differences = list(self._invented())
        for life in truth.lives.values():
            self.differences += [f"{life.name} ({life.uid}): {what}" for what in self._of(life)]

    def _rows(self, table: str, uid: str) -> list[Row]:
        return [row for row in self._tables[table] if str(row["tenant_uid"]) == uid]

    def _invented(self) -> Iterator[str]:
        for table, rows in self._tables.items():
            for uid in {str(row["tenant_uid"]) for row in rows} - set(self._truth.lives):
                yield f"{uid}: it never lived, but has rows in {table}"

    def _of(self, life: Life) -> Iterator[str]:
        known = {row["generation"]: row for row in self._rows("observations", life.uid)}
        if not known:
            self.unknown.append(life)
            if life.removed is None or not self._in_gap(life.versions[0]) or not self._in_gap(life.versions[-1]):
                yield "nothing is known about it, and no gap says why"
            return
        yield from _contents(life, known)
        yield from self._accounts(life, set(known))
        told = [life.generations[number] for number in sorted(known) if number in life.generations]
        yield from self._events(life, told)
        yield from self._lifecycle(life)

    def _accounts(self, life: Life, known: set[int]) -> Iterator[str]:
        """Whatever was missed is listed, and nothing else is."""
        missed = set(life.generations) - known
        self.missed += [life.generations[number] for number in sorted(missed)]
        listed = {
            number
            for row in self._rows("missing", life.uid)
            for number in range(row["generation_from"], row["generation_to"] + 1)
        }
        if listed - missed:
            yield f"generations {sorted(listed - missed)} are listed as missing"
        open_end = self._rows("open_ends", life.uid)
        # After a deletion was requested nothing bills any more: the request's generation closes the end.
        ended = open_end or any(life.generations[number].deletion_requested for number in known)
        unlisted = {number for number in missed - listed if not (ended and number > max(known))}
        if unlisted:
            removals, open_ends = self._rows("removals", life.uid), self._rows("open_ends", life.uid)
            yield (
                f"generations {sorted(unlisted)} are missing and not listed: known are {sorted(known)}, removed "
                f"{life.removed}, deletion {life.deletion}, removals {removals}, open ends {open_ends}"
            )
        for number in sorted(missed):
            if not self._in_gap(life.generations[number].version):
                yield f"generation {number} was missed, but not in a gap"
        if open_end and (life.removed is None or not self._around(life.removed)):
            yield "its end is said to be open, but was no part of a gap"

    def _events(self, life: Life, told: list[Generation]) -> Iterator[str]:
        """Each change between what is known, once, at the right time, and the intervals that follow."""
        rows = {
            (row["generation"], row["skill_id"], row["event_kind"]): row
            for table in ("skill_events", "suspension_events")
            for row in self._rows(table, life.uid)
        }
        expected = events(told)
        for event in sorted(set(expected) ^ set(rows), key=str):
            yield f"{event} is " + ("missing" if event in expected else "superfluous")
        for event in expected:
            if event in rows:
                yield from self._time(life, told, event, rows[event])
                yield from self._org_then(life, rows[event])
        # A suspension may have a time of its own; where skills changed too, theirs is the generation's.
        at = {event[0]: rows[event]["occurred_at"] for event in sorted(rows, key=lambda each: each[1] is not None)}
        ended = [row["deleted_at"] for row in self._rows("lifecycle", life.uid)]
        found = [(row["skill_id"], row["started_at"], row["ended_at"]) for row in self._rows("intervals", life.uid)]
        if set(expected) == set(rows) and ended:
            due = intervals(expected, at, ended[0])
            if due != joined(found):
                yield f"paid intervals are {joined(found)}, and should be {due}"

    def _time(self, life: Life, told: list[Generation], event: Event, row: Row) -> Iterator[str]:
        """not_before ≤ the true time ≤ occurred_at; a change between known ones may be of any that was missed."""
        numbers = [generation.number for generation in told]
        place = numbers.index(event[0])
        earliest = life.generations[numbers[place - 1] + 1 if place else min(life.generations)].asked
        asked, source = life.generations[event[0]].asked, row["time_source"]
        if source == "suspended_at":
            if row["occurred_at"] < life.created_at:
                yield f"{event}: suspended before it was created"
            return
        least = asked.sent_second if source in ("creation", "deletion", "inferred") else asked.sent_at
        if row["occurred_at"] < least:
            yield f"{event}: occurred_at {row['occurred_at']} ({source}) was before it was asked for, {asked}"
        if source == "creation" and row["occurred_at"] != life.created_at:
            yield f"{event}: occurred_at {row['occurred_at']} is not the creation, {life.created_at}"
        if source == "watch" and self._was_away(asked):
            yield f"{event}: told live at {row['occurred_at']}, but nobody was there, {asked}"
        if source == "watch" and row["occurred_at"] > asked.answered_at + _LIVE:
            yield f"{event}: told live at {row['occurred_at']}, long after {asked.answered_at}"
        if row["not_before"] is not None and row["not_before"] > earliest.answered_at:
            yield f"{event}: not_before {row['not_before']} ({source}) is after it happened, {earliest}"

    def _org_then(self, life: Life, row: Row) -> Iterator[str]:
        generation = life.generations[row["generation"]]
        # If its first version was not told, any label that it carried later may be the first known.
        seen = generation.version in self._versions(life)
        due = {life.orgs[generation.version]} if seen else set(life.orgs.values())
        if row["zitadel_org_id"] not in due:
            yield f"generation {generation.number} is of org {row['zitadel_org_id']}, and was of {due}"

    def _lifecycle(self, life: Life) -> Iterator[str]:
        rows = self._rows("lifecycle", life.uid)
        if len(rows) != 1:
            yield f"{len(rows)} lifecycle rows"
            return
        (row,) = rows
        if row["created_at"] != life.created_at:
            yield f"created_at is {row['created_at']}, and was {life.created_at}"
        if (row["deleted_at"] is None) != (life.end is None):
            yield f"deleted_at is {row['deleted_at']}, and it ended {life.end}"
        elif life.end is not None:
            yield from self._end(life, life.end, row)
        # What was stored last is told by a list, and by the removal, unless it was removed in a gap.
        removed_unseen = life.removed is not None and not any(
            removal["last_generation"] is not None for removal in self._rows("removals", life.uid)
        )
        due = set(life.orgs.values()) if removed_unseen else {life.orgs[life.versions[-1]]}
        if row["zitadel_org_id"] not in due:
            yield f"its org is {row['zitadel_org_id']}, and was {due}"

    def _end(self, life: Life, asked: Asked, row: Row) -> Iterator[str]:
        source, at = row["deleted_source"], row["deleted_at"]
        stamped = source in ("deletion", "inferred") or at == life.created_at
        if at < (asked.sent_second if stamped else asked.sent_at):
            yield f"deleted_at {at} ({source}) was before it was asked for, {asked}"
        if source == "watch" and self._was_away(asked):
            yield f"deleted_at {at}: told live, but nobody was there, {asked}"
        if source == "watch" and at > asked.answered_at + _LIVE:
            yield f"deleted_at {at}: told live, long after {asked.answered_at}"
        if source == "deletion" and at > asked.answered_at:
            yield f"deleted_at {at} is after the request, {asked}"
        if row["deleted_not_before"] is not None and row["deleted_not_before"] > asked.answered_at:
            yield f"deleted_not_before {row['deleted_not_before']} is after the end, {asked}"
        known = [each for each in self._truth.successors(life) if self._rows("observations", each.uid)]
        if known and at > known[0].created_at:
            yield f"deleted_at {at} is after the next {life.name} was created, {known[0].created_at}"

    def _versions(self, life: Life) -> set[int]:
        return {int(row["resource_version"]) for row in self._rows("versions", life.uid)}

    def _in_gap(self, version: int) -> bool:
        return any(gap["from_version"] < version <= gap["to_version"] for gap in self.gaps)

    def _was_away(self, asked: Asked) -> bool:
        return any(since < asked.sent_at and asked.answered_at < until for since, until in self._away)

    def _around(self, asked: Asked) -> bool:
        return any(gap["from_at"] <= asked.answered_at and asked.sent_at <= gap["to_at"] for gap in self.gaps)


def _contents(life: Life, known: dict[int, Row]) -> Iterator[str]:
    for number, row in known.items():
        truth = life.generations.get(number)
        if truth is None:
            yield f"generation {number} never was"
            continue
        said = (frozenset(row["packages"]), row["suspended"], row["deletion_requested_at"] is not None)
        was = (truth.packages, truth.suspended, truth.deletion_requested)
        if said != was:
            yield f"generation {number} is {said}, and was {was}"


async def compared(ledger: LedgerReader, truth: Truth, away: Sequence[Away]) -> Compared:
    """All that the ledger says, held against the truth. `away`: when nothing can have been told live."""
    tables = {table: await ledger.rows(query) for table, query in _QUERIES.items()}
    return Compared(truth, tables, await ledger.rows("SELECT * FROM ledger.gaps"), away)


async def misnamed(ledger: LedgerReader, truth: Truth) -> tuple[list[str], list[str]]:
    """Generations and removals that the ledger names somebody else for, and those that it names nobody for."""
    rows = await ledger.rows("SELECT tenant_uid, generation, actor, how FROM ledger.authors")
    named = {(str(row["tenant_uid"]), row["generation"]): (row["actor"], row["how"]) for row in rows}
    wrong, nobody = [], []
    for life in truth.lives.values():
        actors: dict[int | None, set[str]] = {number: {made.actor} for number, made in life.generations.items()}
        if life.removers:
            actors[None] = life.removers
        for generation, possible in actors.items():
            what = f"{life.name} ({life.uid}) generation {generation} by {possible}"
            if (life.uid, generation) not in named:
                nobody.append(what)
                continue
            actor, how = named[life.uid, generation]
            if actor not in possible or (how == "proven" and len(possible) > 1):
                wrong.append(f"{what}, and is said to be by {actor}, {how}")
    return wrong, nobody
