"""Following every change of the tenants: situations and their transitions (pure), and the loop that obeys them."""

from sidecar.watch.loop import Watch

__all__ = ["Watch"]
