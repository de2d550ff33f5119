"""Following every change of the tenants: situations and their transitions (pure), and the loop that obeys them."""

from sidecar.watch.loop import Watch
from sidecar.watch.news import Change, body_of
from sidecar.watch.standing import Standing

__all__ = ["Change", "Standing", "Watch", "body_of"]
