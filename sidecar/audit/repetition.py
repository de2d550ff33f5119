"""Which facts of the audit log repeat what it told before (pure, bounded memory).

A controller that applies the same every minute makes an audit event every minute; its answer has the version that was
there already. A later sighting of a known version says nothing. Nor does it say anything new that somebody was answered
with that version who was so before, by a request that was sent before, too. (Somebody else may be the author, although
others were answered sooner: whoever reads slowly is answered late.)
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sidecar.facts import AnyFact, Attribution, Seen

_KEPT_MOST = 40_000
"""One for each tenant and one for each who writes it, some 300 bytes each. Of those forgotten, repetitions are recorded
again: rows, no harm."""


_Key = tuple[str, ...]

_NEVER = datetime.min.replace(tzinfo=UTC)


class _Told(NamedTuple):
    version: str
    at: datetime
    request: str = ""  # which of those answered at one moment: the ledger takes the least
    asked: datetime = _NEVER


class Repetition:
    """The version of each tenant that was recorded last, when it was seen first, and when by each who was answered."""

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
        return (
            known is not None
            and known.version == told.version
            and _first(known) <= _first(told)
            and known.asked <= told.asked
        )


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
        key = ("attribution", fact.tenant_uid, fact.actor, fact.impersonated_by or "")
        return key, _Told(fact.resource_version, fact.answered_at, fact.request_key, fact.asked_at or _NEVER)
    return None
