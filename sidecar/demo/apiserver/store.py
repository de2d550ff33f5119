"""What etcd and the watch cache are to a real API server: objects, one version counter, a short history."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Literal

from sidecar.demo.apiserver.resource import Json

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


class Forgotten(Exception):
    """The version asked for is older than the history."""


@dataclass(frozen=True)
class Change:
    """One committed write: `object` as a watch delivers it, `before` what the name held until then."""

    version: int
    type: ChangeType
    object: Json
    before: Json | None


class Store:
    """Objects by name. Every write takes the next version; the last `history` writes can be read again."""

    def __init__(self, history: int) -> None:
        """`history`: how many writes are remembered; a watch that resumes from further back gets a 410."""
        self.version = 1  # not 0, which a client's resourceVersion uses for "any"
        self._objects: dict[str, Json] = {}
        self._changes: deque[Change] = deque(maxlen=history)
        self._forgotten = self.version  # the newest version whose write is no longer remembered
        self._moved = asyncio.Event()

    def get(self, name: str) -> Json | None:
        """The living object of that name."""
        return self._objects.get(name)

    def commit(self, name: str, before: Json | None, after: Json | None) -> Json:
        """Put `after` (None: nothing) where `before` (None: nothing) is, and return it with its new version.

        Of a removal, that is the old object under the version of the removal. Raises ValueError if the name
        does not hold `before`: the caller has not looked.
        """
        stored = after if after is not None else before
        if stored is None or self._objects.get(name) is not before:
            raise ValueError(f"{name} does not hold what this write would replace")
        self.version += 1
        stored = {**stored, "metadata": {**stored["metadata"], "resourceVersion": str(self.version)}}
        if after is None:
            del self._objects[name]
        else:
            self._objects[name] = stored
        if len(self._changes) == self._changes.maxlen:
            self._forgotten = self._changes[0].version
        kind: ChangeType = "DELETED" if after is None else "ADDED" if before is None else "MODIFIED"
        self._changes.append(Change(self.version, kind, stored, before))
        self._moved.set()
        self._moved = asyncio.Event()
        return stored

    def at(self, version: int) -> list[Json]:
        """All objects that lived at that version, by name. Raises `Forgotten`."""
        then: dict[str, Json | None] = dict(self._objects)
        for change in reversed(self.after(version)):
            then[change.object["metadata"]["name"]] = change.before
        return [living for _, living in sorted(then.items()) if living is not None]

    def after(self, version: int) -> list[Change]:
        """The writes above that version, oldest first. Raises `Forgotten`."""
        if version < self._forgotten:
            raise Forgotten
        return [change for change in self._changes if change.version > version]

    async def moved(self) -> None:
        """Return when the next write is committed."""
        await self._moved.wait()
