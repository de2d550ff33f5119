"""One story, told by kubectl and raw HTTP to a real API server, and all that people must find of it afterwards."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.support.envtest import TENANTS, Kubernetes
from tests.support.kubectl import Kubectl
from tests.support.truth import LABEL, Asked


class Story:
    """The tellers, and when they told what. Four parts, to be told in their order.

    Blocking: in async tests by `asyncio.to_thread`.
    """

    def __init__(self, kubernetes: Kubernetes) -> None:
        self.steps: dict[str, Asked] = {}
        self._kubernetes = kubernetes
        users = ("alice", "bob", "admin", "controller")
        self._alice, self._bob, self._admin, self._controller = (Kubectl(kubernetes.kubeconfig(user)) for user in users)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Around what is remembered as the step of that name."""
        sent_at = datetime.now(UTC)
        yield
        self.steps[name] = Asked(sent_at, datetime.now(UTC))

    def begin(self) -> None:
        """The first three changes."""
        with self.step("alice creates acme"):
            self._alice("create", "-f", "-", given=_manifest("acme", "283746501", "searxng-local-search", "threema"))
        with self.step("bob adds nextcloud"):
            _merge(self._bob, {"spec": {"packages": ["searxng-local-search", "threema", "nextcloud"]}})
        with self.step("alice removes threema"):
            removal = json.dumps([{"op": "remove", "path": "/spec/packages/1"}])
            self._alice("patch", "pt", "acme", "--type=json", "-p", removal)

    def go_on(self) -> None:
        """What leaves no trace, and what one person does in another's name."""
        with self.step("alice suspends"):
            _merge(self._alice, {"spec": {"suspend": True}})
        at = self.steps["alice suspends"].answered_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        status = {"status": {"phase": "Suspended", "suspendedAt": at}}
        _merge(self._controller, status, "--subresource=status")
        with self.step("bob resumes"):
            _merge(self._bob, {"spec": {"suspend": False}})

        self._admin("label", "pt", "acme", "team=blue")
        assert "no change" in _merge(self._admin, {"spec": {"suspend": False}})
        dry = {"spec": {"packages": ["searxng-local-search", "nextcloud", "dryrun-only"]}}
        _merge(self._alice, dry, "--dry-run=server")
        twice = json.dumps({"spec": {"packages": ["a", "a"]}})
        refused = self._alice.run("patch", "pt", "acme", "--type=merge", "-p", twice)
        assert "Duplicate value" in refused.stderr, refused
        # The portal does not own nextcloud, which bob added: applying a set without it takes nothing away.
        portal = ("apply", "--server-side", "--force-conflicts", "--field-manager=portal", "-f", "-")
        self._alice(*portal, given=_manifest("acme", "283746501", "searxng-local-search"))

        with self.step("carol takes jitsi for nextcloud"):
            _merge(self._alice, {"spec": {"packages": ["searxng-local-search", "jitsi"]}}, "--as=carol")
        _merge(self._admin, {"metadata": {"finalizers": ["pieced.ch/cleanup"]}})

    def delete(self) -> None:
        """A deletion that is held up, and three whole lives.

        The deletion is stamped in whole seconds, so what was told in or after that second is cut off by it: let the
        second of what came before end, and let it be told.
        """
        with self.step("bob deletes acme"):
            self._bob("delete", "pt", "acme", "--wait=false")
        with self.step("admin lets acme go"):
            _merge(self._admin, {"metadata": {"finalizers": None}})
        with self.step("bob creates another acme"):
            self._bob("create", "-f", "-", given=_manifest("acme", "999000111", "jitsi"))
        with self.step("bob creates beta and gamma"):
            self._bob("create", "-f", "-", given=_manifest("beta", "555", "jitsi", "nextcloud"))
            self._bob("create", "-f", "-", given=_manifest("gamma", "555"))
        with self.step("bob deletes all"):
            self._bob("delete", "pt", "acme", "beta", "gamma")

    def collect(self) -> None:
        """Two tenants, and a deletecollection, for which kubectl has no command."""
        with self.step("bob creates delta and epsilon"):
            self._bob("create", "-f", "-", given=_manifest("delta", "555", "jitsi", "nextcloud"))
            self._bob("create", "-f", "-", given=_manifest("epsilon", "555"))
        with self.step("bob deletes the collection"):
            query = urlencode({"labelSelector": f"{LABEL}=555"})
            collection = self._kubernetes.request("DELETE", f"{TENANTS}?{query}", user="bob")
            assert len(collection["items"]) == 2


class Told(NamedTuple):
    """A row that the time line must have: whose (name and org), what, who, and in which step it happened."""

    name: str
    org: str
    generation: int | None
    change: str
    skill: str | None
    actor: str
    impersonated_by: str | None
    step: str


_ACME = ("acme", "283746501")
_SECOND = ("acme", "999000111")

TIMELINE = [
    Told(*_ACME, None, "created", None, "alice", None, "alice creates acme"),
    Told(*_ACME, 1, "enabled", "searxng-local-search", "alice", None, "alice creates acme"),
    Told(*_ACME, 1, "enabled", "threema", "alice", None, "alice creates acme"),
    Told(*_ACME, 2, "enabled", "nextcloud", "bob", None, "bob adds nextcloud"),
    Told(*_ACME, 3, "disabled", "threema", "alice", None, "alice removes threema"),
    Told(*_ACME, 4, "suspended", None, "alice", None, "alice suspends"),
    Told(*_ACME, 5, "resumed", None, "bob", None, "bob resumes"),
    Told(*_ACME, 6, "enabled", "jitsi", "carol", "alice", "carol takes jitsi for nextcloud"),
    Told(*_ACME, 6, "disabled", "nextcloud", "carol", "alice", "carol takes jitsi for nextcloud"),
    Told(*_ACME, 7, "deletion requested", None, "bob", None, "bob deletes acme"),
    Told(*_ACME, None, "removed", None, "admin", None, "admin lets acme go"),
    Told(*_SECOND, None, "created", None, "bob", None, "bob creates another acme"),
    Told(*_SECOND, 1, "enabled", "jitsi", "bob", None, "bob creates another acme"),
    Told(*_SECOND, None, "removed", None, "bob", None, "bob deletes all"),
    Told("beta", "555", None, "created", None, "bob", None, "bob creates beta and gamma"),
    Told("beta", "555", 1, "enabled", "jitsi", "bob", None, "bob creates beta and gamma"),
    Told("beta", "555", 1, "enabled", "nextcloud", "bob", None, "bob creates beta and gamma"),
    Told("beta", "555", None, "removed", None, "bob", None, "bob deletes all"),
    Told("delta", "555", None, "created", None, "bob", None, "bob creates delta and epsilon"),
    Told("delta", "555", 1, "enabled", "jitsi", "bob", None, "bob creates delta and epsilon"),
    Told("delta", "555", 1, "enabled", "nextcloud", "bob", None, "bob creates delta and epsilon"),
    Told("delta", "555", None, "removed", None, "bob", None, "bob deletes the collection"),
    Told("epsilon", "555", None, "created", None, "bob", None, "bob creates delta and epsilon"),
    Told("epsilon", "555", None, "removed", None, "bob", None, "bob deletes the collection"),
    Told("gamma", "555", None, "created", None, "bob", None, "bob creates beta and gamma"),
    Told("gamma", "555", None, "removed", None, "bob", None, "bob deletes all"),
]
"""The story as `ledger.timeline` must tell it, sorted by name, org and then as it happened."""

INTERVALS = [
    (*_ACME, "jitsi", "carol takes jitsi for nextcloud", "bob deletes acme"),
    (*_ACME, "nextcloud", "bob adds nextcloud", "alice suspends"),
    (*_ACME, "nextcloud", "bob resumes", "carol takes jitsi for nextcloud"),
    (*_ACME, "searxng-local-search", "alice creates acme", "alice suspends"),
    (*_ACME, "searxng-local-search", "bob resumes", "bob deletes acme"),
    (*_ACME, "threema", "alice creates acme", "alice removes threema"),
    (*_SECOND, "jitsi", "bob creates another acme", "bob deletes all"),
    ("beta", "555", "jitsi", "bob creates beta and gamma", "bob deletes all"),
    ("beta", "555", "nextcloud", "bob creates beta and gamma", "bob deletes all"),
    ("delta", "555", "jitsi", "bob creates delta and epsilon", "bob deletes the collection"),
    ("delta", "555", "nextcloud", "bob creates delta and epsilon", "bob deletes the collection"),
]
"""What is to be paid: name, org, skill, and in which steps that began and ended."""


def _manifest(name: str, org: str, *packages: str) -> str:
    return json.dumps(
        {
            "apiVersion": "pieced.ch/v1alpha1",
            "kind": "PiecedTenant",
            "metadata": {"name": name, "labels": {LABEL: org}},
            "spec": {"displayName": f"{name} GmbH", "packages": list(packages), "suspend": False},
        }
    )


def _merge(kubectl: Kubectl, patch: dict[str, Any], *options: str) -> str:
    """What kubectl says to a merge patch of acme."""
    return kubectl("patch", "pt", "acme", "--type=merge", "-p", json.dumps(patch), *options)
