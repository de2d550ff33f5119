"""The promise of honest time, against a simulated cluster that knows the truth.

A history of commits, each at a known moment; beside it LISTs that are evaluated at some moment between being
sent and being answered, a stream that delivers with any lag, is taken up again with its memory or without,
stalls, or is lost and closed by a list. Whatever happens: no fact says `not_before` later or `at` earlier than
the truth, and nothing that is called live was committed before the stream was opened or the stall had ended.
"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.facts import Removal, Seen
from sidecar.tenant import Tenant
from sidecar.watch import positions
from sidecar.watch.happenings import Delivered, Opened, Probed, Stalled
from sidecar.watch.memory import Memory
from sidecar.watch.news import Change
from sidecar.watch.positions import Mark, Position
from sidecar.watch.situations import Listing, Opening, Priming, Probing, Watching, advance
from tests.support.scripted import uid

T0 = datetime(2026, 11, 22, 10, tzinfo=UTC)

COMMITS = ["spec", "spec", "spec", "label", "delete", "unreadable"]
WEIGHTED = [
    *COMMITS,
    *["send", "evaluate", "answer"] * 4,
    *["deliver"] * 6,
    "stall",
    "reopen",
    "restart",
    "replace",
    "lose",
]
OPERATIONS = st.tuples(st.sampled_from(WEIGHTED), st.integers(0, 1))


class Cluster:
    """The truth."""

    def __init__(self):
        self.version = 10
        self.log = []  # (version, kind, tenant)
        self.living = {}  # name → tenant
        self.began = {}  # (uid, generation) → when
        self.committed = {}  # version → when
        self.ended = {}  # uid → when
        self.born = 0

    def commit(self, kind, name, now):
        self.version += 3  # other resources move the version too
        tenant = self.living.get(name)
        if tenant is None:
            self.born += 1
            kind = "ADDED"
            made = Tenant(
                uid=uid(self.born),
                name=f"tenant-{name}",
                generation=1,
                resource_version=str(self.version),
                created_at=T0,
                packages=("a",),
            )
        elif kind == "delete":
            kind, made = "DELETED", msgspec.structs.replace(tenant, resource_version=str(self.version))
            self.ended[tenant.uid] = now
        else:
            step = 0 if kind == "label" else 1
            made = msgspec.structs.replace(
                tenant,
                resource_version=str(self.version),
                generation=tenant.generation + step,
                org=f"org-{self.version}" if kind == "label" else tenant.org,
                packages=None if kind == "unreadable" else (f"p{self.version}",),
                unreadable="no list" if kind == "unreadable" else None,
            )
            kind = "MODIFIED"
        if kind == "DELETED":
            del self.living[name]
        else:
            self.living[name] = made
            self.began.setdefault((made.uid, made.generation), now)
        self.committed[self.version] = now
        self.log.append((self.version, kind, made))


class Recorder:
    """The pure parts of the watch, driven as the loop drives them."""

    def __init__(self, cluster, now):
        self.cluster = cluster
        self.memory = Memory({})
        self.stored = {}
        self.probes = []  # [sent_at, stood_at, version or None]
        self.facts = []
        self.gone = []
        self.list(Listing(None, "first"), now)

    def list(self, situation, now):
        passed = situation.held.passed() if situation.held else None
        for tenant in self.cluster.living.values():
            self.facts += self.memory.list_item(tenant, now, passed)
        for gone in self.memory.absent({tenant.uid for tenant in self.cluster.living.values()}):
            self.memory.forget(gone)
            self.gone.append((gone, passed, now))
        version = str(self.cluster.version)
        held = Position(
            version=version,
            at=now,
            segment_from_version=version,
            segment_from_at=now,
            marks=(Mark(version, now),),
            cluster_uid="c",
        )
        self.open(held, now)

    def open(self, held, now):
        self.store(held)
        self.probes.clear()
        self.opened_or_stalled = now
        self.situation = advance(Opening(held), Opened(now)).situation

    def prime(self, version, at, now):
        """A new process with an empty spool: the ledger says where delivery stands, and nothing else."""
        self.memory, self.stored = Memory({}), {}
        held = Position(
            version=version, at=at, segment_from_version=version, segment_from_at=at, cluster_uid="c", primed=False
        )
        probed = Probed(str(self.cluster.version), now, version)
        situation = advance(Probing(held), probed).situation
        assert isinstance(situation, Priming)
        for tenant in self.cluster.living.values():
            self.facts += self.memory.list_item(tenant, now, None)
        self.open(msgspec.structs.replace(situation.held, primed=True), now)

    def store(self, held):
        self.position = positions.encode(held)
        for changed, body in self.memory.take().items():
            self.stored[changed] = body
            if body is None:
                del self.stored[changed]

    def deliver(self, count, now):
        told = [entry for entry in self.cluster.log if entry[0] > int(self.situation.held.version)][:count]
        for version, kind, tenant in told:
            live = self.situation.live(str(version))
            if live:
                assert self.cluster.committed[version] >= self.opened_or_stalled
            change = Change(kind, tenant, b"")
            self.facts += self.memory.follow(change, self.situation.held, now, live=live)
        if told:
            self.situation = advance(self.situation, Delivered(str(told[-1][0]), now)).situation
            self.store(self.situation.held)

    def perform(self, operation, number, now):
        match operation:
            case "send":
                self.probes.append([now, self.situation.held.version, None])
            case "evaluate" if waiting := [probe for probe in self.probes if probe[2] is None]:
                waiting[0][2] = str(self.cluster.version)
            case "answer" if answered := [probe for probe in self.probes if probe[2] is not None]:
                self.probes.remove(answered[0])
                sent_at, stood_at, version = answered[0]
                self.situation = advance(self.situation, Probed(version, sent_at, stood_at)).situation
                assert isinstance(self.situation, Watching)
            case "deliver":
                self.deliver(number + 1, now)
            case "stall":
                self.opened_or_stalled = now
                self.situation = advance(self.situation, Stalled(now)).situation
            case "reopen":
                self.open(self.situation.held, now)
            case "restart":
                self.memory = Memory(self.stored)
                self.open(positions.decode(self.position), now)
            case "replace":
                held = positions.decode(self.position)
                self.prime(held.version, held.at, now)
            case "lose":
                self.list(Listing(self.situation.held, "expired"), now)


@settings(max_examples=300, deadline=None)
@given(st.lists(OPERATIONS, min_size=30, max_size=80))
def test_no_fact_claims_a_time_that_is_not_true(operations):
    now = T0
    cluster = Cluster()
    recorder = Recorder(cluster, now)
    for operation, number in operations:
        now += timedelta(seconds=1)
        if operation in COMMITS:
            cluster.commit(operation, number, now)
        else:
            recorder.perform(operation, number, now)
    recorder.deliver(1000, now)

    for fact in recorder.facts:
        if isinstance(fact, Seen):
            truth = cluster.began[fact.tenant_uid, fact.generation]
        elif isinstance(fact, Removal):
            truth = cluster.ended[fact.tenant_uid]
        else:
            continue
        assert fact.at >= truth
        assert fact.not_before is None or fact.not_before <= truth
    for gone, not_before, by in recorder.gone:
        assert not_before is None or not_before <= cluster.ended[gone]
        assert by >= cluster.ended[gone]
    assert {t.uid for t in cluster.living.values()} == {found for found, _ in recorder.memory.items()}
    for tenant in cluster.living.values():
        assert recorder.memory.get(tenant.uid).tells(tenant)


@settings(max_examples=200, deadline=None)
@given(st.lists(OPERATIONS.filter(lambda op: op[0] not in {"lose", "replace"}), min_size=30, max_size=80))
def test_without_a_gap_every_generation_is_told_once_and_in_order(operations):
    now = T0
    cluster = Cluster()
    recorder = Recorder(cluster, now)
    for operation, number in operations:
        now += timedelta(seconds=1)
        if operation in COMMITS:
            cluster.commit(operation, number, now)
        else:
            recorder.perform(operation, number, now)
    recorder.deliver(1000, now)
    told = [fact for fact in recorder.facts if isinstance(fact, Seen)]
    assert {(fact.tenant_uid, fact.generation) for fact in told} == set(cluster.began)
    for tenant_uid in {fact.tenant_uid for fact in told}:
        versions = [int(fact.resource_version) for fact in told if fact.tenant_uid == tenant_uid]
        assert all(earlier < later for earlier, later in pairwise(versions))
    assert {fact.tenant_uid for fact in recorder.facts if isinstance(fact, Removal)} == set(cluster.ended)
