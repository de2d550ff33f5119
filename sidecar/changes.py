"""What follows from what was observed. Pure: no clock, no driver.

The ledger derives the same in SQL, where the facts are; `verify` derives it here a second time and reports any
difference. The rules are the design's, "From observations to events".
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise


@dataclass(frozen=True)
class Observed:
    """One generation's content. `packages` None: it could not be read, so it is compared with nothing."""

    generation: int
    packages: frozenset[str] | None
    suspended: bool
    deletion_requested_at: datetime | None = None


@dataclass(frozen=True)
class Event:
    """`kind` is enabled or disabled with a skill, suspended or resumed without one."""

    generation: int
    skill_id: str | None
    kind: str


def between(before: Observed | None, after: Observed) -> Iterator[Event]:
    """The events at `after`, compared with its lower neighbour (None: a baseline, compared with nothing)."""
    if after.packages is None or after.deletion_requested_at is not None:
        return  # billing ends with the request for deletion
    had = (before.packages if before is not None else None) or frozenset()
    for skill in sorted(after.packages - had):
        yield Event(after.generation, skill, "enabled")
    for skill in sorted(had - after.packages):
        yield Event(after.generation, skill, "disabled")
    if after.suspended != (before is not None and before.suspended):
        yield Event(after.generation, None, "suspended" if after.suspended else "resumed")


def of_history(observed: Sequence[Observed], *, baseline_counts: bool) -> Iterator[Event]:
    """All events of one tenant, from its known generations in ascending order.

    `baseline_counts`: the lowest one writes too (the tenant is not inherited, or was adopted).
    """
    readable = [o for o in observed if o.packages is not None]
    if readable and baseline_counts:
        yield from between(None, readable[0])
    for lower, upper in pairwise(readable):
        yield from between(lower, upper)


def state_of(observed: Observed, skill_id: str | None) -> str:
    """What an event row at this generation must say, whatever its neighbours were when it was written."""
    if skill_id is None:
        return "suspended" if observed.suspended else "resumed"
    return "enabled" if observed.packages is not None and skill_id in observed.packages else "disabled"


def end(created_at: datetime, ends: Iterable[datetime | None]) -> datetime | None:
    """When the tenant ended: the least of its deletionTimestamp, removals and successor's creation.

    Never before its own creation: deletionTimestamp and creationTimestamp have whole seconds.
    """
    known = [at for at in ends if at is not None]
    return max(created_at, min(known)) if known else None
