"""Several people at once who change tenants at random, and keep record of what they were answered."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from tests.support.tenants import MERGE, PATH, Json, Tenants, tenant
from tests.support.truth import LABEL, Asked, Truth

SKILLS = ("jitsi", "nextcloud", "searxng-local-search", "threema", "vaultwarden", "wiki")
ORGS = ("283746501", "999000111", "555")
FINALIZER = "pieced.ch/cleanup"
CONFLICTS = (404, 409)  # somebody else was faster: look again, and decide anew

# What is done to a living tenant, and how often: mostly what bills.
_CHANGES = {
    "packages": 34,
    "suspend": 16,
    "both": 6,
    "display_name": 10,
    "org": 10,
    "status": 4,
    "finalizer": 6,
    "nothing": 2,
    "delete": 12,
}


@dataclass
class Gate:
    """Lets requests pass, or waits until none is under way and holds up the next ones.

    A server that is killed with a request under way leaves its sender without an answer, and the truth
    would not be known.
    """

    _passing: int = 0
    _closed: bool = False
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """Around one request with its answer."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._closed)
            self._passing += 1
        try:
            yield
        finally:
            async with self._changed:
                self._passing -= 1
                self._changed.notify_all()

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """Around what no request may meet."""
        async with self._changed:
            self._closed = True
            await self._changed.wait_for(lambda: not self._passing)
        try:
            yield
        finally:
            async with self._changed:
                self._closed = False
                self._changed.notify_all()


class Writers:
    """Change after change, each chosen from `seed` and its number, by one of `users` (by name) at a time each."""

    def __init__(self, users: Mapping[str, Tenants], names: list[str], seed: int) -> None:
        """Nothing is written before `make` is called."""
        self.truth = Truth()
        self.gate = Gate()
        self.conflicts = 0
        self._users = list(users.values())
        self._actors = {user.token: name for name, user in users.items()}
        self._names = names
        self._seed = seed
        self._begun = 0
        self._done = 0
        self._progress = asyncio.Condition()

    async def make(self, changes: int) -> None:
        """Make so many more changes, all writers at once; returns when the last is answered."""
        last = self._begun + changes

        async def write(user: Tenants) -> None:
            while self._begun < last:
                self._begun += 1
                await self._change(user, self._begun)
                async with self._progress:
                    self._done += 1
                    self._progress.notify_all()

        async with asyncio.TaskGroup() as group:
            for user in self._users:
                group.create_task(write(user))

    async def made(self, changes: int) -> None:
        """Wait until so many more changes are answered, while `make` goes on."""
        until = self._done + changes
        async with self._progress:
            await self._progress.wait_for(lambda: self._done >= until)

    async def create(self, name: str) -> None:
        """One tenant more, which must be a new name."""
        async with self.gate.passed():
            assert await self._ask(self._users[0], "POST", PATH, _new(self._chosen(name), name))

    def _chosen(self, what: int | str) -> Random:
        return Random(f"{self._seed}/{what}")  # noqa: S311 - choices, not secrets

    async def _change(self, user: Tenants, number: int) -> None:
        chosen = self._chosen(number)
        # A third of all changes hits three tenants: there the writers meet.
        name = chosen.choice(self._names[:3] if chosen.random() < 1 / 3 else self._names)
        while True:
            async with self.gate.passed():
                found = await user.call("GET", f"{PATH}/{name}")
                stored = found.ok() if found.status != 404 else None
                if await self._write(user, chosen, name, stored):
                    return
            self.conflicts += 1

    async def _write(self, user: Tenants, chosen: Random, name: str, stored: Json | None) -> bool:
        """One write to the tenant as just read; whether it was accepted."""
        if stored is None:
            return await self._ask(user, "POST", PATH, _new(chosen, name))
        path = f"{PATH}/{name}"
        if "deletionTimestamp" in stored["metadata"]:
            if chosen.random() < 0.3:
                _change_packages(chosen, stored["spec"])  # allowed, and no longer billed
            else:
                stored["metadata"]["finalizers"] = []
            return await self._ask(user, "PUT", path, stored)
        change = chosen.choices(list(_CHANGES), list(_CHANGES.values()))[0]
        if change == "status" and not stored["spec"].get("suspend"):
            change = "suspend"  # a controller says since when, once it is so
        if change == "delete":
            return await self._ask(user, "DELETE", path, {"preconditions": {"uid": stored["metadata"]["uid"]}})
        if change == "status":
            at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            patch = {"status": {"suspendedAt": at}}
            return await self._ask(user, "PATCH", f"{path}/status", patch, content_type=MERGE)
        _alter(chosen, change, stored)
        return await self._ask(user, "PUT", path, stored)

    async def _ask(self, user: Tenants, method: str, path: str, body: Json, **how: str) -> bool:
        sent_at = datetime.now(UTC)
        answer = await user.call(method, path, body, **how)
        if answer.status in CONFLICTS:
            return False
        said, asked = answer.ok(), Asked(sent_at, datetime.now(UTC))
        if said["kind"] == "Status":
            self.truth.gone(said["details"]["uid"], asked, self._actors[user.token])
        elif "deletionTimestamp" in said["metadata"] and not said["metadata"].get("finalizers"):
            self.truth.gone(said["metadata"]["uid"], asked, self._actors[user.token])
        else:
            self.truth.stored(said, asked, self._actors[user.token])
        return True


def _new(chosen: Random, name: str) -> Json:
    labels = {LABEL: chosen.choice(ORGS)} if chosen.random() < 0.8 else {}
    finalizers = [FINALIZER] if chosen.random() < 0.4 else []
    made = tenant(name, *chosen.sample(SKILLS, chosen.randrange(4)), labels=labels, finalizers=finalizers)
    made["spec"]["suspend"] = chosen.random() < 0.15
    return made


def _alter(chosen: Random, change: str, stored: Json) -> None:
    metadata, spec = stored["metadata"], stored["spec"]
    if change in ("packages", "both"):
        _change_packages(chosen, spec)
    if change in ("suspend", "both"):
        spec["suspend"] = not spec.get("suspend", False)
    if change == "display_name":
        spec["displayName"] = f"{metadata['name']} {chosen.randrange(10**6)}"
    if change == "finalizer":
        metadata["finalizers"] = [FINALIZER]
    if change == "org":
        labels = metadata.setdefault("labels", {})
        others = [org for org in (*ORGS, None) if org != labels.get(LABEL)]
        labels.pop(LABEL, None)
        if (org := chosen.choice(others)) is not None:
            labels[LABEL] = org


def _change_packages(chosen: Random, spec: Json) -> None:
    """One skill more or less; now and then also another one, and another order."""
    packages = set(spec.get("packages") or ())
    packages ^= set(chosen.sample(SKILLS, chosen.choice((1, 1, 2))))
    spec["packages"] = chosen.sample(sorted(packages), len(packages))
