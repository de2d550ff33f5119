"""A tenant's time line for people: what changed, when, who did it, and how each is known."""

import json
from collections.abc import AsyncIterator
from datetime import datetime

from sidecar.billing import Database
from sidecar.billing.tenants import Change, timeline

# Changes read at once; a tenant that is changed every hour has more in two months.
_PAGE = 1_000

_TIMES = {
    "audit": "by the audit log",
    "watch": "as it happened",
    "late": "found later",
    "creation": "the tenant's own stamp",
    "deletion": "the tenant's own stamp",
    "suspended_at": "its status says so",
    "assumed": "assumed",
    "inferred": "the next of that name came",
}


async def told(database_url: str, name: str) -> AsyncIterator[str]:
    """The lines of all tenants that have had this name, the oldest first; none if there was none.

    Raises `Unavailable` when Postgres does not answer.
    """
    async with Database.opened(database_url) as database:
        tenant, offset = "", 0
        while changes := await timeline(database, name, offset=offset, limit=_PAGE):
            for change in changes:
                if change.tenant_uid != tenant:
                    tenant = change.tenant_uid
                    yield f"{name} ({tenant})"
                yield _line(change)
            offset += len(changes)


def _line(change: Change) -> str:
    what = change.change if change.skill_id is None else f"{change.change} {_shown(change.skill_id)}"
    number = "" if change.generation is None else f"#{change.generation}"
    known = _TIMES.get(change.time_source, change.time_source)
    if change.time_source == "late" and change.not_before is not None:
        known = f"{known}; not before {_moment(change.not_before)}"
    return f"  {_moment(change.occurred_at)}  {number:>5}  {what:<36}  {_who(change):<40}  ({known})".rstrip()


def _who(change: Change) -> str:
    if change.actor is None:
        return "by nobody we know"
    impersonated = f" (really {_shown(change.impersonated_by)})" if change.impersonated_by is not None else ""
    return f"by {_shown(change.actor)}{impersonated}, {change.how}"


def _shown(name: str) -> str:
    """A name that somebody chose, in quotation marks and with escapes where it could pass for more of the line.

    (With a line break or a terminal's control characters in it, a package could write whole changes of its own.)
    """
    return name if name.isprintable() and not set(name) & set(' "') else json.dumps(name)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S.%f}"[:-3] + "Z"
