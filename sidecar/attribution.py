"""Which remembered request led to which commit (pure, bounded memory).

At most one write commits per tenant and base version, so the request of a commit is one that started from the version
before it and would store exactly what was stored. Two people who ask for the very same from the same base cannot be
told apart here; both are claims then, and the ledger names neither until the audit log does (kubernetes-facts,
section 2).
"""

from collections import Counter, OrderedDict
from datetime import datetime, timedelta

import msgspec

from sidecar import digest
from sidecar.attempts import Request
from sidecar.facts import Attribution, version_key
from sidecar.tenant import Tenant

KEPT_MOST = 8_192
"""Requests remembered at once. 60 concurrent patches of one object made 1,449 calls (measured): five such storms
within the two minutes. A request takes about 1 KiB, with its name and groups at their limits 11: 8 to 88 MiB."""

KEPT_SECONDS = 120.0
"""A request that has led to nothing by then will not any more: the API server ends each after 34 s, and the watch
shows a commit milliseconds later."""

CLAIMS_MOST = 16
"""Claims recorded for one commit. Two are enough to know that nobody can be named."""


class Commit(msgspec.Struct, frozen=True, gc=False):
    """A write that the watch has shown.

    `base_version`: the newest version of the tenant that was known before it, "0" if none was; the true one, or an
    older one where writes that were no news came between. `body`: the object's bytes.
    """

    kind: str
    tenant: Tenant
    base_version: str
    body: bytes | msgspec.Raw


class Claims:
    """The requests that wait for their commit."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, Request] = OrderedDict()  # by the review's uid, oldest first
        self._of: dict[str, set[str]] = {}  # reviews by the tenant's uid
        self.counts: Counter[str] = Counter()
        """attributed, ambiguous: commits. superseded, expired, dropped: requests that led to nothing that we saw."""

    def __len__(self) -> int:
        return len(self._waiting)

    def remember(self, request: Request) -> None:
        """Keep the request until its commit is seen, or it is too old. A call that came twice counts once."""
        self._expire(request.asked_at)
        review = request.attempt.review
        if review in self._waiting:
            return
        if len(self._waiting) >= KEPT_MOST:
            self._forget(next(iter(self._waiting)), "dropped")
        self._waiting[review] = request
        self._of.setdefault(request.attempt.tenant_uid, set()).add(review)

    def awaits(self, tenant_uid: str) -> bool:
        """Whether any request about this tenant waits."""
        return tenant_uid in self._of

    def committed(self, commit: Commit) -> list[Attribution]:
        """Who is claimed to have made this commit. Requests about the tenant that it has overtaken are forgotten."""
        waiting = [self._waiting[review] for review in self._of.get(commit.tenant.uid, ())]
        version = version_key(commit.tenant.resource_version)
        overtaken = [r for r in waiting if version_key(r.attempt.base_version) < version]
        claims = _matching(commit, overtaken)
        named = {r.attempt.review for r in claims}
        for review in [r.attempt.review for r in overtaken]:
            self._forget(review, None if review in named else "superseded")
        if claims:
            self.counts["attributed" if len({r.actor for r in claims}) == 1 else "ambiguous"] += 1
        return [_attribution(commit, request) for request in _few(claims)]

    def _expire(self, now: datetime) -> None:
        before = now - timedelta(seconds=KEPT_SECONDS)
        while self._waiting:
            review, request = next(iter(self._waiting.items()))
            if request.asked_at > before:
                return
            self._forget(review, "expired")

    def _forget(self, review: str, why: str | None) -> None:
        request = self._waiting.pop(review)
        others = self._of[request.attempt.tenant_uid]
        others.discard(review)
        if not others:
            del self._of[request.attempt.tenant_uid]
        if why is not None:
            self.counts[why] += 1


def _matching(commit: Commit, requests: list[Request]) -> list[Request]:
    """Those that may have made it: from the version before it, with exactly that content."""
    base = version_key(commit.base_version)
    possible = [r for r in requests if version_key(r.attempt.base_version) >= base]
    if commit.kind == "ADDED":
        return [r for r in possible if r.operation == "CREATE"]
    changes = [r for r in possible if r.operation != "CREATE"]
    if not changes:
        return []
    stored = digest.stored(commit.body)
    if stored is None:
        return []
    if commit.kind == "DELETED":
        # If a deletion was pending, the tenant went when the last finalizer did.
        pending = commit.tenant.deletion_requested_at is not None
        return [r for r in changes if r.stored == stored and _removes(r, pending=pending)]
    # Only a commit that asks for the deletion has what a request for it left unchanged.
    undeleted = digest.undeleted(commit.body) if commit.tenant.deletion_requested_at is not None else None
    return [
        r
        for r in changes
        if r.attempt.before + 1 == commit.tenant.generation
        and (r.stored == stored if r.operation == "UPDATE" else r.undeleted is not None and r.undeleted == undeleted)
    ]


def _removes(request: Request, *, pending: bool) -> bool:
    if pending:
        return request.operation == "UPDATE" and request.attempt.generation is None
    return request.operation == "DELETE"


def _few(claims: list[Request]) -> list[Request]:
    """At most `CLAIMS_MOST` of them, and of several people not only one's."""
    claims = sorted(claims, key=lambda r: (r.asked_at, r.attempt.review))
    first = {r.actor: r for r in reversed(claims)}
    taken = {r.attempt.review for r in first.values()}
    rest = [r for r in claims if r.attempt.review not in taken]
    return [*first.values(), *rest][:CLAIMS_MOST]


def _attribution(commit: Commit, request: Request) -> Attribution:
    return Attribution(
        tenant_uid=commit.tenant.uid,
        resource_version=commit.tenant.resource_version,
        generation=None if commit.kind == "DELETED" else commit.tenant.generation,
        source="admission",
        request_key=request.attempt.review,
        actor=request.actor,
        actor_groups=request.groups,
        operation=request.operation.lower(),
        how="claimed",
        base_version=request.attempt.base_version,
        asked_at=request.asked_at,
    )
