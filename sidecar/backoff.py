"""How long to wait before trying again."""

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Waits that double from `first` to `most` seconds, each shortened by up to half at random.

    The jitter keeps replicas that lost the same server from returning in step. 0.8 s and 30 s are
    client-go's reflector's values (k8s.io/client-go, tools/cache/reflector.go); call `reset` on success.
    """

    first: float = 0.8
    most: float = 30.0
    _next: float = field(default=0.0, init=False)

    def wait(self, at_least: float = 0.0) -> float:
        """The seconds to wait now: jittered, and never less than `at_least` (a server's Retry-After)."""
        self._next = min(max(self._next * 2, self.first), self.most)
        return max(self._next * random.uniform(0.5, 1.0), at_least)  # noqa: S311 - jitter, not a secret

    def reset(self) -> None:
        """The last try went well: begin again at `first`."""
        self._next = 0.0
