"""Prometheus' text format, from plain numbers that other parts keep: the one module that knows prometheus_client.

Nothing here counts. A measure says how a number is called and how it is read; it is read when somebody scrapes, so
what it measures pays for no more than a counter of its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from sidecar.durations import Durations

CONTENT_TYPE = CONTENT_TYPE_LATEST
"""Of what `exposition` makes."""

P = TypeVar("P")

Number = float | Mapping[tuple[str, ...], float] | Durations | None
"""A number; or one for each set of labels; or durations; None: it is not known, and there is no sample."""


@dataclass(frozen=True)
class Measure(Generic[P]):
    """One family. Names, units and kinds follow Prometheus' conventions; no label names a tenant.

    `says`: the help text. `read`: the number as of now. `labels`: their names, if it has any.
    """

    kind: Literal["gauge", "counter", "histogram"]
    name: str
    says: str
    read: Callable[[P], Number]
    labels: tuple[str, ...] = ()


def exposition(measures: Iterable[Measure[P]], of: P) -> bytes:
    """What a scrape gets: all measures of this process as of now, and nothing that it did not measure."""
    return generate_latest(_Snapshot([_family(measure, measure.read(of)) for measure in measures]))


class _Snapshot:
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        return self._families


def _family(measure: Measure[P], number: Number) -> Metric:
    if measure.kind == "histogram":
        histogram = HistogramMetricFamily(measure.name, measure.says, labels=measure.labels)
        if isinstance(number, Durations):
            bounds = [*map(str, number.bounds), "+Inf"]
            buckets = list(zip(bounds, map(float, number.cumulative()), strict=True))
            histogram.add_metric((), buckets, number.seconds)
        return histogram
    kind = CounterMetricFamily if measure.kind == "counter" else GaugeMetricFamily
    family = kind(measure.name, measure.says, labels=measure.labels)
    if isinstance(number, Mapping):
        for labels, value in sorted(number.items()):
            family.add_metric(labels, value)
    elif isinstance(number, (int, float)):
        family.add_metric((), number)
    return family
