"""What our webhook leaves in an audit event: which change a request attempted, from which version (pure).

The API server puts a webhook's `auditAnnotations` into the audit event as `<webhook name>/<key>`, at every audit level.
With a key per call, every attempt of a request that met conflicts is there, and the last one names the version that
it replaced (kubernetes-facts, section 2).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import msgspec

from sidecar.tenant import UID

NAME_MOST = 1_024
"""Bytes of a user name that are kept. Kubernetes sets no limit; one that a person could read has some 100."""

GROUPS_MOST = 8_192
"""Bytes of all groups together; groups beyond it are left out. Of 20 letters each, 78 are kept."""

# Bytes that Python and a tuple need for a text besides its letters. Who can reach our port may send millions of groups
# of no letter at all: counted by letters, 8,192 reviews of 94 KB would have taken 1.3 GiB (measured).
_TEXT = 84

# Bytes of a letter in a text that is not ASCII throughout.
_LETTER_MOST = 4

WEBHOOK = "record.billing.pieced.ch"
"""The name of the webhook in its registration; the manifests must have the same."""

_FAILED_OPEN = "failed-open.validating.webhook.admission.k8s.io/"
"""How the keys begin under which the API server names a webhook that it went without (kubernetes-facts, section 2)."""

_KEY = re.compile(rf"{re.escape(WEBHOOK)}/u\.({UID})")
_VALUE = re.compile(rf"({UID}) (0|[1-9][0-9]{{0,38}}) ([0-9]{{1,18}})→([0-9]{{1,18}})")


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One call of the webhook: what the request would do to the tenant if it were stored as it was then.

    `review`: the call's uid. `base_version`: the version that it would replace, "0" for a creation. `before`: the
    generation of that version, 0 for a creation. `generation`: the one it would make, None for a removal.
    """

    review: str
    tenant_uid: str
    base_version: str
    before: int
    generation: int | None


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What somebody wants to do to a tenant.

    `stored`: digest of the object as it would be stored; of a deletion, as it is. `undeleted`: of a deletion, digest
    of what a finalizer that holds it up leaves unchanged. `asked_at`: our clock when the review arrived.
    """

    attempt: Attempt
    operation: str
    actor: str
    groups: tuple[str, ...]
    stored: bytes | None
    undeleted: bytes | None = None
    asked_at: datetime


def note(attempt: Attempt) -> dict[str, str]:
    """The `auditAnnotations` that say it; the key is the call's own, because of equal keys only the first is kept."""
    after = attempt.generation or 0
    return {f"u.{attempt.review}": f"{attempt.tenant_uid} {attempt.base_version} {attempt.before}→{after}"}


def noted(annotations: Mapping[str, str]) -> Iterator[Attempt]:
    """The attempts that an audit event's annotations name; those of other webhooks are passed over."""
    for key, value in annotations.items():
        named, said = _KEY.fullmatch(key), _VALUE.fullmatch(value)
        if named and said:
            uid, base, before, after = said.groups()
            yield Attempt(named[1], uid, base, int(before), int(after) or None)


def failed_open(annotations: Mapping[str, str]) -> bool:
    """Whether an audit event says that the API server went without our webhook's answer at least once."""
    return any(key.startswith(_FAILED_OPEN) and value == WEBHOOK for key, value in annotations.items())


def name_of(text: str) -> str:
    """A user's name as facts keep it: not longer than `NAME_MOST`, and as Postgres can hold it."""
    kept = text[:NAME_MOST].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return kept if kept.isascii() else kept[: NAME_MOST // _LETTER_MOST]


def groups_of(groups: Iterable[str]) -> tuple[str, ...]:
    """Group names as facts keep them: the first ones, of `GROUPS_MOST` bytes together."""
    kept, left = [], GROUPS_MOST
    for group in groups:
        name = name_of(group)
        left -= _TEXT + len(name) * (1 if name.isascii() else _LETTER_MOST)
        if left < 0:
            break
        kept.append(name)
    return tuple(kept)
