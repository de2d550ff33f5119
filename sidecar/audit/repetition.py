"""Which facts of the audit log repeat what it told before (pure, bounded memory).

A controller that applies the same every minute makes an audit event every minute; its answer has the version that was
there already. A later sighting of a known version says nothing, and its sender is not the author: the earliest is.
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sidecar.facts import AnyFact, Attribution, Seen

_KEPT_MOST = 40_000
"""Two for each tenant, some 300 bytes each. Of those forgotten, repetitions are recorded again: rows, no harm."""


_Key = tuple[str, str]


class _Told(NamedTuple):
    version: str
    at: datetime
    request: str = ""  # which of those answered at one moment: the ledger takes the least


class Repetition:
    """The version of each tenant that was recorded last, and when it was seen and answered first."""

    def __init__(self) -> None:
        self._told: OrderedDict[_Key, _Told] = OrderedDict()

    def without(self, facts: Sequence[AnyFact]) -> list[AnyFact]:
        """These facts but for those that repeat at a later time what was `kept` before."""
        return [fact for fact in facts if not self._repeats(fact)]

    def kept(self, facts: Sequence[AnyFact]) -> None:
        """These facts are on the disk."""
        for fact in facts:
            if (about := _about(fact)) is None:
                continue
            key, told = about
            known = self._told.get(key)
            if known is None or known.version != told.version or _first(told) < _first(known):
                self._told[key] = told
            self._told.move_to_end(key)
            if len(self._told) > _KEPT_MOST:
                self._told.popitem(last=False)

    def _repeats(self, fact: AnyFact) -> bool:
        if (about := _about(fact)) is None:
            return False
        key, told = about
        known = self._told.get(key)
        return known is not None and known.version == told.version and _first(known) <= _first(told)


def _first(told: _Told) -> tuple[datetime, str]:
    return told.at, told.request


def _about(fact: AnyFact) -> tuple[_Key, _Told] | None:
    """The version that the fact speaks of; None for one that is always recorded."""
    if isinstance(fact, Seen):
        return ("seen", fact.tenant_uid), _Told(fact.resource_version, fact.at)
    # One that our webhook saw from its base on says that somebody else asked for the same.
    if (
        isinstance(fact, Attribution)
        and fact.resource_version != "0"
        and fact.base_version is None
        and fact.answered_at
    ):
        return ("attribution", fact.tenant_uid), _Told(fact.resource_version, fact.answered_at, fact.request_key)
    return None
