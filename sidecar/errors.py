"""Errors, sorted by what the one who meets them can do.

Each is raised at the edge that met it (one module a driver), with the driver's own error as its cause,
and says in its message what happened, to what, and what to do.
"""


class SidecarError(Exception):
    """The root of all errors that this package raises on purpose."""


class Misconfigured(SidecarError):
    """Stop: a person must change something first. The process ends with exit code 2 and this sentence."""


class Unavailable(SidecarError):
    """Wait and try again: the other side is away, full or busy; nothing is wrong with what was asked."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """`retry_after`: seconds the other side asked us to wait, if it said so."""
        super().__init__(message)
        self.retry_after = retry_after


class AlreadyRunning(SidecarError):
    """What was asked for runs already, for somebody else: wait for it."""


class SpoolFull(Unavailable):
    """The spool has reached its size limit, or its disk is full: nothing was stored, ask again later."""


class Refused(SidecarError):
    """Postgres will never accept this batch as it is: split it, and set the one bad fact aside."""
