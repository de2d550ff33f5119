"""What we owe: a durable queue of facts on one SQLite file, with what a start needs to go on.

It stores bytes. It knows neither what a fact means nor where facts go.
"""

from sidecar.spool.database import SpoolCorrupt
from sidecar.spool.queue import Depth, Kept, Spool

__all__ = ["Depth", "Kept", "Spool", "SpoolCorrupt"]
