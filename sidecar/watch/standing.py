"""Where a watch stands, and its vital signs for health and metrics."""

import time
from collections import Counter
from dataclasses import dataclass, field

from sidecar.watch.happenings import Happening
from sidecar.watch.situations import Next, Situation, Watching, advance


@dataclass
class Standing:
    """Shared by the parts of one watch; read from outside.

    `paused`: the spool takes nothing, and so nothing is read. `last_signal_at`: when the last line or answer
    arrived, monotonic seconds. `lost`: what ended a try, by reason, how often. `lists`: complete ones
    begun to go on from; `checks`: those that were completed to compare. `turned_at`: when one of its loops last did
    something, if only waiting for an answer, monotonic seconds.
    """

    situation: Situation
    paused: bool = False
    last_signal_at: float = field(default_factory=time.monotonic)
    lost: Counter[str] = field(default_factory=Counter)
    lists: int = 0
    checks: int = 0
    turned_at: float = field(default_factory=time.monotonic)

    def step(self, happening: Happening) -> Next:
        """Take the step that follows from what happened."""
        following = advance(self.situation, happening)
        self.situation = following.situation
        self.turn()
        return following

    def turn(self) -> None:
        """The loops that belong to this watch are running."""
        self.turned_at = time.monotonic()

    def signal(self) -> None:
        """The API server has said something."""
        self.last_signal_at = time.monotonic()

    @property
    def connected(self) -> bool:
        """Whether a stream is open."""
        return isinstance(self.situation, Watching)

    @property
    def watching(self) -> Watching:
        """The situation of the one who reads the stream that is open."""
        if not isinstance(self.situation, Watching):
            raise RuntimeError(f"no stream is open: {self.situation}")  # noqa: TRY004 - a wrong moment, no wrong type
        return self.situation
