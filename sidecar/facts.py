"""Facts: what a source learnt, as values that know their own key.

Every source makes these and nothing else; the spool keeps them as bytes; the ledger files them. A fact's
identity comes from the object it speaks of (uid, generation, version), never from a clock or a random
source, so the same fact from any source, any number of times, is one fact (design, promise 3).

Times are timezone-aware UTC datetimes. Versions (`resourceVersion`) are decimal text of up to 39 digits,
because they may have 128 bits (Kubernetes KEP-5504).
"""

from datetime import UTC, datetime
from typing import Literal

import msgspec

Source = Literal["watch", "list", "audit", "backfill"]
"""Who told us: the live stream, a list, the audit log, a backfill."""

TimeSource = Literal["audit", "watch", "late"]
"""How a sighting knows its time, best first (design, "Time")."""


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="fact", gc=False):
    """The root of all facts. `backfill`: the run that learnt it, if one did; what follows counts as its work."""

    backfill: int | None = None


class Seen(Fact, frozen=True, kw_only=True, tag="seen"):
    """A tenant as one source saw it once: an observation, its sighting, and its org, in one value.

    Observation (content, no time): at `generation` the tenant had this name, packages and suspend flag, and
    deletion was requested or not. Sighting: that generation began after `not_before` and by `at`, as
    `time_source` knows it. Org: at `resource_version` it carried this org label.
    """

    tenant_uid: str
    generation: int
    resource_version: str
    tenant_name: str
    zitadel_org_id: str | None = None
    packages: tuple[str, ...] | None  # sorted, no repeats; None: could not be read, `unreadable` says why
    suspended: bool = False
    suspended_at: datetime | None = None
    created_at: datetime
    deletion_requested_at: datetime | None = None
    unreadable: str | None = None
    source: Source
    at: datetime
    not_before: datetime | None = None
    time_source: TimeSource


class Removal(Fact, frozen=True, kw_only=True, tag="removal"):
    """The tenant is gone, and was by `at`; `last_generation` is None when the source cannot know it."""

    tenant_uid: str
    time_source: TimeSource
    at: datetime
    not_before: datetime | None = None
    last_generation: int | None = None


class Census(Fact, frozen=True, kw_only=True, tag="census"):
    """A complete list at `version` had exactly these uids. Asked for at `sent_at`, answered at `answered_at`.

    `gone`: uids that this stream knew to live before its gap and the list lacks; they were removed after
    `not_before` (when the newest LIST was sent that the position held before the gap had already passed).
    """

    version: str
    sent_at: datetime
    answered_at: datetime
    uids: tuple[str, ...]
    gone: tuple[str, ...] = ()
    not_before: datetime | None = None


class Segment(Fact, frozen=True, kw_only=True, tag="segment"):
    """One stream watched from `from_version` to `to_version` without a gap. Its key is where it began."""

    from_version: str
    from_at: datetime
    to_version: str
    to_at: datetime


class Began(Fact, frozen=True, kw_only=True, tag="began"):
    """The cluster's history began no later than `at`: the API server's Date at a first list."""

    cluster_uid: str
    at: datetime


class Adopted(Fact, frozen=True, kw_only=True, tag="adopted"):
    """A person (or SIDECAR_BOOTSTRAP=auto) took over the tenants that are older than our history."""

    at: datetime
    by: str


class Backfilled(Fact, frozen=True, kw_only=True, tag="backfilled"):
    """The run `backfill` has said all it learnt: it examined so many tenants and had these problems."""

    tenants_examined: int
    problems: tuple[str, ...] = ()


class Attribution(Fact, frozen=True, kw_only=True, tag="attribution"):
    """Somebody asked for the generation (None: for the removal) that became `resource_version`.

    `how`: what the source alone can say of it; the ledger's view `authors` weighs all of them. `base_version`: the
    version that the request replaced, as our webhook saw it. `reviews`: the webhook's calls that the request made.
    """

    tenant_uid: str
    resource_version: str = "0"  # "0": a removal whose version the source cannot know
    generation: int | None = None
    source: Literal["admission", "audit"]
    request_key: str
    actor: str
    actor_groups: tuple[str, ...] = ()
    impersonated_by: str | None = None
    operation: str
    how: Literal["proven", "claimed", "likely"]
    base_version: str | None = None
    reviews: tuple[str, ...] = ()
    audit_id: str | None = None
    user_agent: str | None = None
    source_ips: tuple[str, ...] = ()
    asked_at: datetime | None = None
    answered_at: datetime | None = None


class Anomaly(Fact, frozen=True, kw_only=True, tag="anomaly"):
    """Something a person must be able to find later. The same kind, tenant and detail again is no new one."""

    kind: str
    tenant_uid: str | None = None
    detail: dict[str, str | int | float | bool | list[str] | None]
    from_at: datetime | None = None
    to_at: datetime | None = None


AnyFact = Seen | Removal | Census | Segment | Began | Adopted | Backfilled | Attribution | Anomaly

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyFact] = msgspec.json.Decoder(AnyFact)


def encode(fact: AnyFact) -> bytes:
    """The fact as the spool keeps it: one JSON object, `fact` names its kind."""
    return _encoder.encode(fact)


def decode(body: bytes) -> AnyFact:
    """The fact back from `encode`. Raises `msgspec.ValidationError` for bytes that are no fact."""
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # not JSON, not UTF-8: no fact either
        raise msgspec.ValidationError(str(error)) from error


def version_key(version: str) -> tuple[int, str]:
    """Orders versions as Kubernetes says: by length, then as text (KEP-5504)."""
    return len(version), version


def utc(seconds: float) -> datetime:
    """A clock's Unix seconds as a UTC datetime."""
    return datetime.fromtimestamp(seconds, UTC)
