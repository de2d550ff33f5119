"""True histories of tenants, and what observers of them would report: input and oracle of property tests.

The world is dumb on purpose: one step every ten seconds, each step one write, versions count the steps. What a
write does to generation, version and stream is Kubernetes' (measured on a real kube-apiserver).
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import strategies as st

from sidecar.facts import Adopted, AnyFact, Began, Census, Removal, Seen, Segment, TimeSource

CLUSTER = "6c1ff3a6-0000-4000-8000-000000000001"
START = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)  # over a change to summer time
STEP = timedelta(seconds=10)
NAMES = ("acme", "beta", "gamma")
PACKAGES = ("jitsi", "nextcloud", "threema")
ACTORS = ("alice", "bob", "carol")
KINDS = ("create", "toggle", "toggle", "toggle", "suspend", "label", "other", "delete", "request", "finish")


@dataclass(frozen=True)
class Version:
    """One tenant as one write left it. `at`: the true time of the write."""

    uid: str
    name: str
    version: int
    generation: int
    at: datetime
    created_at: datetime
    org: str | None
    packages: tuple[str, ...]
    suspended: bool
    suspended_at: datetime | None
    actor: str
    deletion_requested_at: datetime | None = None


@dataclass(frozen=True)
class Gone:
    """The write that removed a tenant."""

    last: Version
    version: int
    at: datetime
    actor: str


@dataclass
class World:
    """Every write, in order: the truth."""

    writes: list[Version | Gone] = field(default_factory=list)

    def version_at(self, step: int) -> int:
        return 1000 + step

    def time_at(self, step: int) -> datetime:
        return START + step * STEP

    def state(self, step: int) -> dict[str, Version]:
        """The living tenants by uid after this step."""
        living: dict[str, Version] = {}
        for write in self.writes:
            if write.version <= self.version_at(step):
                if isinstance(write, Gone):
                    living.pop(write.last.uid, None)
                else:
                    living[write.uid] = write
        return living

    def generations(self, uid: str) -> dict[int, Version]:
        """The first version of each generation of a tenant."""
        firsts: dict[int, Version] = {}
        for write in self.writes:
            if isinstance(write, Version) and write.uid == uid:
                firsts.setdefault(write.generation, write)
        return firsts

    def before(self, write: Version | Gone) -> Version | None:
        """The tenant as the write found it."""
        if isinstance(write, Gone):
            return write.last
        earlier = [
            w for w in self.writes if isinstance(w, Version) and w.uid == write.uid and w.version < write.version
        ]
        return earlier[-1] if earlier else None

    def removal(self, uid: str) -> Gone | None:
        return next((w for w in self.writes if isinstance(w, Gone) and w.last.uid == uid), None)

    @property
    def uids(self) -> list[str]:
        return list(dict.fromkeys(w.uid for w in self.writes if isinstance(w, Version)))


@st.composite
def worlds(draw: st.DrawFn, most_steps: int = 40) -> World:
    """Histories of up to `most_steps` writes to tenants of three names; impossible writes do nothing."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(KINDS), st.sampled_from(NAMES), st.sampled_from(PACKAGES), st.sampled_from(ACTORS)
            ),
            max_size=most_steps,
        )
    )
    world = World()
    living: dict[str, Version] = {}
    for step, (kind, name, package, actor) in enumerate(steps, start=1):
        number, at = world.version_at(step), world.time_at(step)
        now = living.get(name)
        if now is None:
            if kind in {"create", "toggle"}:
                uid = str(uuid.UUID(int=(number << 64) + 7))
                living[name] = Version(
                    uid,
                    name,
                    number,
                    1,
                    at,
                    at,
                    "org-1",
                    (package,),
                    kind == "create" and package == "threema",
                    None,
                    actor,
                )
                world.writes.append(living[name])
            continue
        if kind == "delete" or (kind == "finish" and now.deletion_requested_at):
            if now.deletion_requested_at and kind == "delete":
                continue
            world.writes.append(Gone(now, number, at, actor))
            del living[name]
            continue
        after = _written(now, kind, package, at)
        if after is not None:
            living[name] = replace(after, version=number, at=at, actor=actor)
            world.writes.append(living[name])
    return world


def _written(now: Version, kind: str, package: str, at: datetime) -> Version | None:
    spec = replace(now, generation=now.generation + 1)
    if kind == "toggle":
        return replace(spec, packages=tuple(sorted(set(now.packages) ^ {package})))
    if kind == "suspend":
        return replace(spec, suspended=not now.suspended, suspended_at=at if not now.suspended else now.suspended_at)
    if kind == "label":
        return replace(now, org=None if now.org else f"org-{package}")
    if kind == "other":
        return spec  # displayName: a generation that bills nothing
    if kind == "request" and now.deletion_requested_at is None:
        return replace(spec, deletion_requested_at=at)
    return None


def seen(
    write: Version, *, at: datetime, time_source: TimeSource, source: str, not_before: datetime | None = None
) -> Seen:
    """What a source reports of one version."""
    return Seen(
        tenant_uid=write.uid,
        generation=write.generation,
        resource_version=str(write.version),
        tenant_name=write.name,
        zitadel_org_id=write.org,
        packages=write.packages,
        suspended=write.suspended,
        suspended_at=write.suspended_at if write.suspended else None,
        created_at=write.created_at,
        deletion_requested_at=write.deletion_requested_at,
        source=source,
        at=at,
        not_before=not_before,
        time_source=time_source,
    )


def watched(world: World, windows: list[tuple[int, int]], delay: timedelta) -> Iterator[AnyFact]:
    """The facts of one stream that was connected during these stretches of steps and listed at each start.

    Everything it sees it sees `delay` after the write; a list is sent and answered between two writes.
    """
    memory: dict[str, Version] = {}
    position: tuple[int, datetime] | None = None
    for first, last in windows:
        sent_at = world.time_at(first) + STEP / 2 + delay  # no two replicas at the same microsecond
        answered_at = sent_at + delay
        version = world.version_at(first)
        listed = world.state(first)
        if position is None:
            yield Began(cluster_uid=CLUSTER, at=sent_at.replace(microsecond=0))
        for uid, write in listed.items():
            before = memory.get(uid)
            lower = before is not None and before.generation < write.generation
            if before is None or lower or before.org != write.org:
                yield seen(
                    write,
                    at=answered_at,
                    time_source="late",
                    source="list",
                    not_before=position[1] if position and lower else None,
                )
        yield Census(
            version=str(version),
            sent_at=sent_at,
            answered_at=answered_at,
            uids=tuple(listed),
            gone=tuple(uid for uid in memory if uid not in listed),
            not_before=position[1] if position else None,
        )
        memory = dict(listed)
        mark = sent_at
        for write in world.writes:
            if not version < write.version <= world.version_at(last):
                continue
            at = write.at + delay
            if isinstance(write, Gone):
                yield Removal(
                    tenant_uid=write.last.uid,
                    time_source="watch",
                    at=at,
                    not_before=mark,
                    last_generation=write.last.generation,
                )
                memory.pop(write.last.uid, None)
            else:
                before = memory.get(write.uid)
                began = before is None or before.generation < write.generation
                yield seen(write, at=at, time_source="watch", source="watch", not_before=mark if began else None)
                memory[write.uid] = write
            if write.version % 4 == 0:
                mark = write.at + STEP / 2
        position = (world.version_at(last), mark)
        yield Segment(
            from_version=str(version),
            from_at=sent_at,
            to_version=str(world.version_at(last)),
            to_at=world.time_at(last) + delay,
        )


@st.composite
def namesakes(draw: st.DrawFn) -> list[AnyFact]:
    """What a watch tells of many tenants of one name, one after the other, several of them in one second.

    Anything but one fact of each may be missing. Some of them may be older than our history.
    """
    started = START + timedelta(seconds=draw(st.integers(0, 5)))
    facts: list[AnyFact] = [Began(cluster_uid=CLUSTER, at=started)]
    created, version = START, 1000
    for number in range(draw(st.integers(2, 30))):
        created += timedelta(seconds=draw(st.sampled_from((0, 0, 1, 2))))
        uid = str(uuid.UUID(int=draw(st.integers(0, 2**16)) << 64 | number))
        packages = draw(st.sampled_from(((), ("jitsi",))))
        born = Version(uid, "canary", version, 1, created, created, "org-1", packages, False, None, "alice")
        relabelled = replace(born, version=version + 1, generation=2, org="org-2")
        facts += [
            seen(each, at=created + timedelta(seconds=each.generation), time_source="watch", source="watch")
            for each in draw(st.sampled_from(([born], [born, relabelled], [relabelled])))
        ]
        if draw(st.booleans()):
            facts.append(
                Removal(tenant_uid=uid, time_source="watch", at=created + timedelta(seconds=3), last_generation=2)
            )
        version += 3
    if draw(st.booleans()):
        facts.append(Adopted(at=created, by="test"))
    return facts


windows = (
    st.lists(st.integers(0, 41), min_size=2, max_size=6, unique=True)
    .map(sorted)
    .map(lambda cuts: [(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False)])
)
"""Stretches of steps in which a stream was connected."""


def shuffled(facts: list[AnyFact], seed: int) -> list[list[AnyFact]]:
    """The same facts in another order, some of them twice, in batches of random size."""
    random = Random(seed)  # noqa: S311 - an order to try, not a secret
    order = facts + [fact for fact in facts if random.random() < 0.3]
    random.shuffle(order)
    batches: list[list[AnyFact]] = []
    while order:
        size = random.choice((1, 1, 2, 5, 50))
        batches.append(order[:size])
        order = order[size:]
    return batches
