"""Create, update and delete: read, decide, ask the webhooks, store; from the start if somebody was faster."""

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sidecar.demo.apiserver import rules
from sidecar.demo.apiserver.admission import Admission, Request, User
from sidecar.demo.apiserver.resource import Json, Resource
from sidecar.demo.apiserver.statuses import already_exists, not_found, precondition_failed
from sidecar.demo.apiserver.store import Store

# k8s.io/apiserver/pkg/storage/names: five characters that make no words and no doubt.
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True)
class Write:
    """Who writes, and the `CreateOptions`, `UpdateOptions` or `DeleteOptions` they sent."""

    user: User
    options: Json

    @property
    def dry_run(self) -> bool:
        """Whether everything happens but the storing."""
        return bool(self.options.get("dryRun"))


class Operations:
    """The writes on one resource. All raise `Refusal`, and return the object or Status that is the answer.

    Asking the webhooks takes time, so each write checks afterwards that the object it read is still the
    living one, and begins again if not: as the real server does, which can mean many calls for one write.
    """

    def __init__(self, resource: Resource, store: Store, admission: Admission) -> None:
        """Stores into `store` what `admission` does not refuse."""
        self._resource = resource
        self._store = store
        self._admission = admission

    async def create(self, body: Json, write: Write) -> Json:
        """Store a new object."""
        suffix = "".join(secrets.choice(_SUFFIX) for _ in range(5))
        new = rules.created(self._resource, body, uid=str(uuid.uuid4()), suffix=suffix, now=datetime.now(UTC))
        name = new["metadata"]["name"]
        await self._admission.admit(Request("CREATE", name, write.user, new, None, write.options))
        if self._store.get(name) is not None:
            raise already_exists(self._resource, name)
        return new if write.dry_run else self._store.commit(name, None, new)

    async def update(self, name: str, change: Callable[[Json], Json], write: Write, *, status: bool) -> Json:
        """Store what `change` makes of the living object; `change` may run several times."""
        while True:
            old = self.living(name)
            new = rules.updated(self._resource, old, change(old), status=status)
            if not status:
                await self._admission.admit(Request("UPDATE", name, write.user, new, old, write.options))
            if write.dry_run or (new == old and self._store.get(name) is old):
                return new
            if self._store.get(name) is old:
                if not rules.ends(new):
                    return self._store.commit(name, old, new)
                self._store.commit(name, old, None)
                return new

    async def delete(self, name: str, write: Write, *, of_collection: bool = False) -> Json:
        """Remove the object, or ask for it where a finalizer holds it."""
        while True:
            old = self.living(name)
            self._check_preconditions(old, write.options.get("preconditions") or {})
            asked = None if of_collection else name
            await self._admission.admit(Request("DELETE", asked, write.user, None, old, write.options))
            held = bool(old["metadata"].get("finalizers"))
            new = rules.deletion_requested(old, datetime.now(UTC)) if held else None
            if write.dry_run or (new == old and self._store.get(name) is old):
                return new or self._success(old)
            if self._store.get(name) is old:
                stored = self._store.commit(name, old, new)
                return stored if held else self._success(old)

    async def delete_collection(self, objects: list[Json], write: Write) -> None:
        """Delete each of them, one by one, as far as they still live."""
        for name in (obj["metadata"]["name"] for obj in objects):
            if self._store.get(name) is not None:
                await self.delete(name, write, of_collection=True)

    def living(self, name: str) -> Json:
        """The object of that name, as stored."""
        if (obj := self._store.get(name)) is None:
            raise not_found(self._resource, name)
        return obj

    def _check_preconditions(self, old: Json, wanted: Json) -> None:
        stored = old["metadata"]
        for field, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            if (asked := wanted.get(field, stored[field])) != stored[field]:
                raise precondition_failed(self._resource, stored["name"], label, asked, stored[field])

    def _success(self, old: Json) -> Json:
        details = {
            "name": old["metadata"]["name"],
            "group": self._resource.group,
            "kind": self._resource.plural,
            "uid": old["metadata"]["uid"],
        }
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
