"""How long something takes, counted as it happens: a histogram that costs half a microsecond and needs no driver."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate


class Durations:
    """Counts durations by upper bounds. Read at a scrape, by `metrics`."""

    def __init__(self, *bounds: float) -> None:
        """`bounds`: seconds, ascending; whatever is longer than the last is counted too."""
        self.bounds = bounds
        self.seconds = 0.0
        """Of all together."""
        self._counts = [0] * (len(bounds) + 1)

    def took(self, seconds: float) -> None:
        """It happened once more, and took so long."""
        self._counts[bisect_left(self.bounds, seconds)] += 1
        self.seconds += seconds

    def cumulative(self) -> Iterator[int]:
        """How many took at most each of the bounds, and last: how many there were."""
        return accumulate(self._counts)
