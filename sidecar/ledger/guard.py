"""The mass guard: how many tenants a list may end without a person's word (pure).

A wrong kubeconfig or a half-restored cluster would otherwise end everyone's billing (design, "Sources").
"""

_AT_MOST = 10
_SHARE = 0.2
_ALL_OF = 3


def too_many_vanished(vanished: int, live: int) -> bool:
    """Whether a list that lacks `vanished` of `live` tenants needs a person's word before any of them ends."""
    return vanished > max(_AT_MOST, _SHARE * live) or vanished == live >= _ALL_OF
