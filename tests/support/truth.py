"""What really happened to the tenants, as the API server's own answers to the writers say it."""

from dataclasses import dataclass, field
from datetime import datetime

from tests.support.tenants import Json

LABEL = "pieced.ch/zitadel-org-id"


@dataclass(frozen=True)
class Asked:
    """When a request was sent and when its answer had arrived: it was committed in between."""

    sent_at: datetime
    answered_at: datetime

    @property
    def sent_second(self) -> datetime:
        """The least that a stamp of whole seconds can say about it (creation, deletion)."""
        return self.sent_at.replace(microsecond=0)


@dataclass(frozen=True)
class Generation:
    """What one generation of a tenant held, and which write, at which version, made it: the one that `actor` sent."""

    number: int
    version: int
    packages: frozenset[str]
    suspended: bool
    deletion_requested: bool
    asked: Asked
    actor: str = ""


@dataclass
class Life:
    """One tenant, from its creation on; the name may be another one's before or afterwards."""

    uid: str
    name: str
    created_at: datetime
    generations: dict[int, Generation] = field(default_factory=dict)
    orgs: dict[int, str | None] = field(default_factory=dict)  # version: the org it then carried
    removed: Asked | None = None
    removers: set[str] = field(default_factory=set)  # of several who take the last finalizer at once each is told so

    @property
    def versions(self) -> list[int]:
        """All versions that its writers were told of, in order."""
        return sorted(self.orgs)

    @property
    def deletion(self) -> Generation | None:
        """The generation that a deletion, held up by a finalizer, made."""
        return next((g for g in self.in_order() if g.deletion_requested), None)

    @property
    def end(self) -> Asked | None:
        """The request that ended its billing: for the deletion, whether or not a finalizer held it up."""
        return self.deletion.asked if self.deletion else self.removed

    def in_order(self) -> list[Generation]:
        """Its generations, by number."""
        return [self.generations[number] for number in sorted(self.generations)]


class Truth:
    """Every tenant that the writers were told of."""

    def __init__(self) -> None:
        self.lives: dict[str, Life] = {}
        self.version = 0  # the highest that any answer said

    def stored(self, answer: Json, asked: Asked, actor: str = "") -> None:
        """A write by `actor` was answered with the tenant as it is stored now."""
        metadata, spec = answer["metadata"], answer["spec"]
        created_at = datetime.fromisoformat(metadata["creationTimestamp"])
        life = self.lives.setdefault(metadata["uid"], Life(metadata["uid"], metadata["name"], created_at))
        generation = Generation(
            number=metadata["generation"],
            version=int(metadata["resourceVersion"]),
            packages=frozenset(spec.get("packages") or ()),
            suspended=bool(spec.get("suspend")),
            deletion_requested="deletionTimestamp" in metadata,
            asked=asked,
            actor=actor,
        )
        life.orgs[generation.version] = (metadata.get("labels") or {}).get(LABEL)
        self.version = max(self.version, generation.version)
        # Answers overtake each other: the write with the lowest version is the one that made the generation. One that
        # changes nothing repeats it, and is sent by who has read it.
        known = life.generations.get(generation.number)
        order = (generation.version, asked.sent_at)
        if known is None or (known.version, known.asked.sent_at) > order:
            life.generations[generation.number] = generation

    def gone(self, uid: str, asked: Asked, actor: str = "") -> None:
        """A request by `actor` was answered with the removal of the tenant."""
        self.lives[uid].removed = asked
        self.lives[uid].removers.add(actor)

    def successors(self, life: Life) -> list[Life]:
        """The later tenants of that name, the next one first."""
        same = [each for each in self.lives.values() if each.name == life.name and each.versions > life.versions]
        return sorted(same, key=lambda each: each.versions)


Event = tuple[int, str | None, str]
"""Generation, skill (None: the suspension), kind."""


def events(generations: list[Generation]) -> list[Event]:
    """What billing must hear of these generations, in order: each change at the first one that has it."""
    found: list[Event] = []
    packages, suspended = frozenset[str](), False
    for each in generations:
        if each.deletion_requested:
            break
        found += [(each.number, skill, "enabled") for skill in sorted(each.packages - packages)]
        found += [(each.number, skill, "disabled") for skill in sorted(packages - each.packages)]
        if each.suspended != suspended:
            found.append((each.number, None, "suspended" if each.suspended else "resumed"))
        packages, suspended = each.packages, each.suspended
    return found


Interval = tuple[str, datetime, datetime | None]
"""Skill, from, until (None: still running)."""


def intervals(happened: list[Event], at: dict[int, datetime], end: datetime | None) -> list[Interval]:
    """When each skill is to be paid, if generation G began `at[G]` and the tenant ended at `end`."""
    paid: list[Interval] = []
    packages, suspended, open_since = set[str](), False, dict[str, datetime]()
    numbers = sorted({number for number, _, _ in happened})
    for number in numbers:
        for _, skill, kind in (event for event in happened if event[0] == number):
            if skill is None:
                suspended = kind == "suspended"
            elif kind == "enabled":
                packages.add(skill)
            else:
                packages.remove(skill)
        due = set() if suspended else packages
        paid += [(skill, open_since.pop(skill), at[number]) for skill in set(open_since) - due]
        open_since |= dict.fromkeys(due - set(open_since), at[number])
    paid += [(skill, since, end) for skill, since in open_since.items()]
    return joined(paid)


def joined(paid: list[Interval]) -> list[Interval]:
    """The same time, in the fewest intervals: empty ones left out, those that touch made one. Sorted."""
    found: list[Interval] = []
    for skill, since, until in sorted(paid, key=lambda each: (each[0], each[1], each[2] is None, each[2] or each[1])):
        if until == since:
            continue
        if found and found[-1][0] == skill and found[-1][2] == since:
            found[-1] = (skill, found[-1][1], until)
        else:
            found.append((skill, since, until))
    return found
