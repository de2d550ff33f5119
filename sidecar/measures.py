"""What is measured: every number of /metrics, how it is called, what it means, and where it is read.

docs/metrics.md has the same table, for people; a test compares them.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

from sidecar.attribution import Claims
from sidecar.backfill import Backfill
from sidecar.flush import Flush
from sidecar.intake import Intake
from sidecar.metrics import Measure, Number
from sidecar.recorder import Recorder
from sidecar.spool import Depth, Spool
from sidecar.stocktaking import Stocktaking
from sidecar.watch import Standing
from sidecar.web.certificate import ServingCertificate
from sidecar.web.webhooks import Webhooks


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The parts of the running sidecar that are measured. `spool_most`: bytes that the spool may have."""

    spool: Spool
    spool_most: int
    intakes: Sequence[Intake]
    flush: Flush
    recorder: Recorder
    claims: Claims
    webhooks: Webhooks
    certificate: ServingCertificate
    stocktaking: Stocktaking
    backfill: Backfill


@dataclass(frozen=True)
class Scrape(Measured):
    """The parts at the moment of a scrape. `depth`: of the spool, which has to be asked for it."""

    depth: Depth

    @property
    def standing(self) -> Standing | None:
        """Where the watch stands, once there is one."""
        return self.recorder.standing


# What is known to happen is there from the start, as 0: a rate needs the value before the first time.
LOSSES = ("cut", "ended", "expired", "missed", "refused", "silent", "unreachable", "unreadable")
CLAIMS = ("ambiguous", "attributed", "dropped", "expired", "superseded")
DELIVERIES = ("delivered", "postponed", "refused")
AUDIT_BATCHES = ("refused", "taken")
ANOMALIES = (
    "diverged",
    "line_too_long",
    "mass_removal",
    "set_aside",
    "spool_corrupt",
    "unreadable",
    "version_ahead",
    "watch_missed",
)

_NEVER: Counter[str] = Counter()
_VERSION = version("pieced-billing-sidecar")


def _by(counts: Counter[str], *known: str) -> Number:
    return {(name,): counts[name] for name in {*known, *counts}}


def _facts(now: Scrape) -> Number:
    return {
        (intake.source, str(kind.__struct_config__.tag)): count
        for intake in now.intakes
        for kind, count in intake.counts.items()
    }


def _signal_age(now: Scrape) -> Number:
    heard_at = now.standing.last_signal_at if now.standing else now.recorder.began_at
    return time.monotonic() - heard_at


def _expiry(now: Scrape) -> Number:
    expires_at = now.certificate.expires_at
    return expires_at.timestamp() if expires_at else None


def _lacking(now: Scrape, what: str) -> Number:
    found = now.stocktaking.found
    return int(getattr(found.lacking, what)) if found else None


def _anomalies(now: Scrape) -> Number:
    found = now.stocktaking.found
    return _by(Counter(found.anomalies), *ANOMALIES) if found else None


_gauge = partial(Measure[Scrape], "gauge")
_counter = partial(Measure[Scrape], "counter")
_histogram = partial(Measure[Scrape], "histogram")

MEASURES: tuple[Measure[Scrape], ...] = (
    _gauge("sidecar_build_info", "1; the label says which version runs", lambda _: {(_VERSION,): 1}, ("version",)),
    # the spool
    _counter("sidecar_facts_total", "Facts recorded, on the disk", _facts, ("source", "kind")),
    _gauge("sidecar_spool_facts", "Facts recorded and not yet delivered to Postgres", lambda now: now.depth.facts),
    _gauge(
        "sidecar_spool_oldest_seconds",
        "Age of the oldest fact that waits for Postgres; 0 if none does",
        lambda now: time.time() - now.depth.oldest_at if now.depth.oldest_at is not None else 0,
    ),
    _gauge("sidecar_spool_bytes", "What the spool's file has in use", lambda now: now.depth.bytes),
    _gauge("sidecar_spool_limit_bytes", "What it may have: SIDECAR_SPOOL_MAX_MB", lambda now: now.spool_most),
    _gauge(
        "sidecar_spool_writable",
        "1 if the last write was stored; 0 while the disk is full or the limit is reached",
        lambda now: now.spool.writable,
    ),
    _gauge(
        "sidecar_set_aside_facts",
        "Facts that Postgres refused, kept in this spool until the cause is mended and the container restarted",
        lambda now: now.depth.set_aside,
    ),
    # the flush
    _histogram("sidecar_flush_seconds", "Transactions that delivered facts to Postgres", lambda now: now.flush.seconds),
    _counter(
        "sidecar_flush_batches_total",
        "Batches of facts, by what became of them; postponed: Postgres was away, and they are tried again",
        lambda now: _by(now.flush.batches, *DELIVERIES),
        ("outcome",),
    ),
    _counter("sidecar_flush_facts_total", "Facts delivered, after the COMMIT", lambda now: now.flush.facts),
    _counter(
        "sidecar_duplicates_ignored_total",
        "Delivered observations that the ledger had already",
        lambda now: now.flush.known,
    ),
    _gauge(
        "sidecar_flush_waiting",
        "1 while Postgres does not take what is delivered",
        lambda now: now.flush.waiting_for_postgres is not None,
    ),
    # the watch
    _gauge(
        "sidecar_watch_connected",
        "1 while a stream of changes is open",
        lambda now: now.standing is not None and now.standing.connected,
    ),
    _gauge(
        "sidecar_watch_paused",
        "1 while nothing is read because the spool takes nothing",
        lambda now: now.standing is not None and now.standing.paused,
    ),
    _gauge(
        "sidecar_watch_signal_age_seconds",
        "Since the API server last said something, if only that nothing has changed; from the start if it never did",
        _signal_age,
    ),
    _counter(
        "sidecar_watch_restarts_total",
        "Ends of a stream, or of a try to open one, by reason; ended: the server's own, every few minutes",
        lambda now: _by(now.standing.lost if now.standing else _NEVER, *LOSSES),
        ("reason",),
    ),
    _counter(
        "sidecar_watch_lists_total",
        "Complete lists that a stream goes on from: the first, with a new spool, and when a position was too old",
        lambda now: now.standing.lists if now.standing else 0,
    ),
    _counter(
        "sidecar_watch_checks_total",
        "Complete lists compared with what a stream had told, to find what it had not",
        lambda now: now.standing.checks if now.standing else 0,
    ),
    # who did it
    _histogram(
        "sidecar_admission_seconds", "From an admission review's head to its answer", lambda now: now.webhooks.seconds
    ),
    _counter(
        "sidecar_admission_left_out_total",
        "Reviews that were answered and not remembered, by reason",
        lambda now: _by(now.webhooks.left_out),
        ("reason",),
    ),
    _counter(
        "sidecar_claims_total",
        "Commits whose request was found, by one person (attributed) or by several (ambiguous); requests that led to "
        "nothing that we saw (superseded, expired, dropped)",
        lambda now: _by(now.claims.counts, *CLAIMS),
        ("outcome",),
    ),
    _gauge("sidecar_claims_waiting", "Requests remembered until their commit is seen", lambda now: len(now.claims)),
    _counter(
        "sidecar_audit_batches_total",
        "Batches of the audit log",
        lambda now: _by(now.webhooks.auditing.batches, *AUDIT_BATCHES),
        ("outcome",),
    ),
    _counter(
        "sidecar_audit_events_taken_total",
        "Audit events that told something of a tenant",
        lambda now: now.webhooks.auditing.taken,
    ),
    _counter(
        "sidecar_audit_events_left_out_total",
        "Audit events that did not, by reason",
        lambda now: _by(now.webhooks.auditing.left_out),
        ("reason",),
    ),
    _counter(
        "sidecar_audit_failed_open_total",
        "Requests that the API server let through without our webhook's answer, as its audit log says",
        lambda now: now.webhooks.auditing.failed_open,
    ),
    _gauge(
        "sidecar_certificate_expiry_timestamp_seconds",
        "When the certificate that the TLS port presents ends, in Unix time; no sample: there is none",
        _expiry,
    ),
    # the ledger
    _gauge(
        "sidecar_ledger_missing_generations",
        "Changes of tenants that nobody has told us, known by their numbers",
        lambda now: _lacking(now, "missing_generations"),
    ),
    _gauge(
        "sidecar_ledger_open_ends",
        "Removed tenants whose last change may be unknown",
        lambda now: _lacking(now, "open_ends"),
    ),
    _gauge("sidecar_ledger_gaps", "Stretches of versions that no replica watched", lambda now: _lacking(now, "gaps")),
    _gauge(
        "sidecar_ledger_held_censuses",
        "Lists that lack more tenants than may end without a person's word",
        lambda now: _lacking(now, "held_censuses"),
    ),
    _gauge("sidecar_ledger_anomalies", "Anomalies that were ever recorded", _anomalies, ("kind",)),
    _gauge(
        "sidecar_ledger_counted_timestamp_seconds",
        "When the numbers of the ledger were counted, in Unix time; no sample: not since the start",
        lambda now: now.stocktaking.counted_at,
    ),
    _gauge(
        "sidecar_bootstrap_done",
        "1 once the tenants older than the history have been adopted by a backfill, else 0",
        lambda now: bool(now.recorder.adopted),
    ),
    _gauge(
        "sidecar_backfill_tenants",
        "Tenants that the backfill under way, or the last one, has examined",
        lambda now: now.backfill.examined,
    ),
)
