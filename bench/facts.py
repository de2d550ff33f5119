"""The facts that the sidecar makes of the scripted stream."""

from datetime import UTC, datetime, timedelta

from bench.stream import BASE_VERSION, ORG_LABEL, lines
from sidecar.facts import AnyFact
from sidecar.watch.memory import Memory
from sidecar.watch.news import Change, read_line
from sidecar.watch.positions import Mark, Position

CLUSTER = "c1c1c1c1-0000-4000-8000-00000000c1c1"
BEGAN = datetime(2026, 11, 19, 10, tzinfo=UTC)
"""When the scripted cluster's history began, a day before its tenants."""


def stream_facts(changes: int) -> list[AnyFact]:
    """One fact a change, as a live watch makes them, a millisecond apart."""
    began = datetime.now(UTC)
    version = str(BASE_VERSION)
    position = Position(
        version=version,
        at=began,
        segment_from_version=version,
        segment_from_at=began,
        marks=(Mark(version, began),),
        cluster_uid=CLUSTER,
    )
    memory = Memory({})
    facts: list[AnyFact] = []
    for number, line in enumerate(lines(changes)):
        news = read_line(line, ORG_LABEL)
        if not isinstance(news, Change):
            raise TypeError(f"the scripted stream has a line that is no change: {news}")
        facts += memory.follow(news, position, began + timedelta(milliseconds=number), live=True)
    return facts
