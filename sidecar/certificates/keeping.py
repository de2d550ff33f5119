"""The certificates in a cluster: look, decide, do one step, and look again, until nothing is due.

Every write says which version it is based on. If somebody else was faster, be it another run of this command, the API
server refuses it, and what is there then is decided upon anew.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from sidecar.answers import Answered
from sidecar.certificates import layout
from sidecar.certificates.issuing import new_authority, new_serving, pem
from sidecar.certificates.names import Name, listed
from sidecar.certificates.renewal import Held, MakeAuthority, MakeServing, Publish, Rest, Step, Trust, decide
from sidecar.cluster import Registration, StoredSecret
from sidecar.errors import Misconfigured, Unavailable

OURS = {"app.kubernetes.io/managed-by": "billing-sidecar-certificates"}
"""The label of the Secrets that this command may overwrite."""

# A first run takes three steps, a new CA two; the rest is for those who write at the same time, each of whom takes as
# few. More than that is somebody who undoes what we do.
_STEPS_MOST = 20

Say = Callable[[str], None]


class Objects(Protocol):
    """What is asked of the cluster; `cluster.TlsObjects` says how it fails."""

    async def secret(self, name: str) -> StoredSecret | None:
        """The Secret, if there is one."""

    async def create_secret(self, name: str, kind: str, labels: dict[str, str], data: dict[str, bytes]) -> None:
        """A new Secret."""

    async def change_secret(
        self, name: str, secret: StoredSecret, labels: dict[str, str], data: dict[str, bytes]
    ) -> None:
        """Sets some of its data."""

    async def registration(self, name: str) -> Registration | None:
        """The webhook configuration, if there is one."""

    async def trust(self, name: str, registration: Registration, ca_bundle: bytes) -> None:
        """Sets the caBundle of each of its webhooks."""


@dataclass(frozen=True)
class Places:
    """The names of the objects: the serving Secret, beside which `NAME-ca` has the CA, and the configuration."""

    secret: str
    webhook: str


class _Seen(NamedTuple):
    """The objects as they are, and what they hold."""

    authority: StoredSecret | None
    serving: StoredSecret | None
    registration: Registration | None
    held: Held


class Keeping:
    """One run."""

    def __init__(self, objects: Objects, places: Places, names: frozenset[Name], say: Say) -> None:
        """`names`: those of the serving certificate. `say` gets a sentence for each thing that was done."""
        self._objects = objects
        self._places = places
        self._authority_name = layout.authority_name(places.secret)
        self._names = names
        self._say = say

    async def run(self, now: datetime) -> bool:
        """Does what is due at `now`. False: all but the caBundle, because there is no such webhook configuration.

        Raises `Misconfigured` if a Secret of that name is somebody else's; `Unavailable` and its kind when the API
        server does not answer or refuses. What was done until then stays, and the next run goes on from there.
        """
        overtaken: Answered | None = None
        for _ in range(_STEPS_MOST):
            seen = await self._look()
            step = decide(seen.held, self._names, now)
            if isinstance(step, Rest):
                return self._rest(step, seen)
            try:
                await self._take(step, seen, now)
            except Answered as error:
                if error.status not in (404, 409):  # gone, changed or made meanwhile
                    raise
                overtaken = error
        raise Unavailable(
            f"The certificates are not as they must be after {_STEPS_MOST} steps: somebody undoes or forestalls them"
        ) from overtaken

    async def _look(self) -> _Seen:
        # In this order: a CA is published from its Secret, so what was read last is never behind the others.
        registration = await self._objects.registration(self._places.webhook)
        serving = await self._ours(self._places.secret)
        authority = await self._ours(self._authority_name)
        bundles = None if registration is None else registration.ca_bundles()
        return _Seen(authority, serving, registration, layout.read(_data(authority), _data(serving), bundles))

    async def _ours(self, name: str) -> StoredSecret | None:
        secret = await self._objects.secret(name)
        label, value = next(iter(OURS.items()))
        # An empty one was made for us to fill, so that we need no right to create any.
        if secret is not None and any(_data(secret).values()) and secret.metadata.labels.get(label) != value:
            raise Misconfigured(
                f"Secret {name} was made by somebody else and is not overwritten: choose another with --secret, "
                f"delete it, or hand it over with `kubectl label --overwrite secret {name} {label}={value}`"
            )
        return secret

    async def _take(self, step: Step, seen: _Seen, now: datetime) -> None:
        match step:
            case MakeAuthority(others, because):
                made = new_authority(now)
                await self._store(self._authority_name, "Opaque", seen.authority, layout.authority_data(made, others))
                self._say(
                    f"Made a CA ({because}), in Secret {self._authority_name}; it ends on "
                    f"{made.certificate.not_valid_after_utc:%Y-%m-%d}."
                )
            case Trust(bundle):
                await self._trust(seen.registration, pem(bundle), len(bundle))
            case MakeServing(authority, bundle, because):
                serving = new_serving(authority, self._names, now)
                await self._store(
                    self._places.secret, "kubernetes.io/tls", seen.serving, layout.serving_data(serving, bundle)
                )
                self._say(
                    f"Made a serving certificate ({because}), in Secret {self._places.secret}, for "
                    f"{listed(self._names)}; it ends on {serving.certificate.not_valid_after_utc:%Y-%m-%d}."
                )
            case Publish(bundle):
                await self._store(self._places.secret, "kubernetes.io/tls", seen.serving, layout.published_data(bundle))
                self._say(f"Secret {self._places.secret} names {_cas(len(bundle))} beside the serving certificate.")

    async def _store(self, name: str, kind: str, present: StoredSecret | None, data: dict[str, bytes]) -> None:
        if present is None:
            await self._objects.create_secret(name, kind, OURS, data)
        else:
            await self._objects.change_secret(name, present, OURS, data)

    async def _trust(self, registration: Registration | None, ca_bundle: bytes, cas: int) -> None:
        if registration is not None:
            await self._objects.trust(self._places.webhook, registration, ca_bundle)
            self._say(
                f"ValidatingWebhookConfiguration {self._places.webhook}: each of its "
                f"{len(registration.webhooks or [])} webhooks trusts {_cas(cas)}."
            )

    def _rest(self, rest: Rest, seen: _Seen) -> bool:
        if seen.registration is None:
            self._say(
                f"There is no ValidatingWebhookConfiguration {self._places.webhook}: the Secrets are as they must be, "
                "but no API server knows the CA. Apply the configuration and run this again, or name it with --webhook."
            )
            return False
        self._say(f"Nothing is due before {rest.until:%Y-%m-%d %H:%M} UTC.")
        return True


def _data(secret: StoredSecret | None) -> dict[str, bytes]:
    return (secret and secret.data) or {}


def _cas(count: int) -> str:
    return "one CA" if count == 1 else f"{count} CAs, new and old"
