"""What happens in the story, and the rows that must follow from it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sidecar.demo.apiserver import PIECED_TENANTS
from sidecar.demo.landing import Row
from sidecar.demo.stage import Stage

Act = Callable[[Stage], Awaitable[object]]


@dataclass(frozen=True)
class Step:
    """Acts, one after the other, and the rows that they leave: exactly those. Without rows, it waits for none."""

    title: str
    text: str
    acts: Sequence[Act]
    rows: Sequence[Row] = ()


def _create(who: str, name: str, org: str, *packages: str) -> Act:
    body = {
        "apiVersion": PIECED_TENANTS.api_version,
        "kind": PIECED_TENANTS.kind,
        "metadata": {"name": name, "labels": {"pieced.ch/zitadel-org-id": org}},
        "spec": {"packages": packages},
    }
    return lambda stage: stage.ask("POST", body=body, who=who)


def _patch(who: str, name: str, patch: dict[str, object]) -> Act:
    return lambda stage: stage.ask("PATCH", name, patch, who=who)


def _packages(who: str, name: str, *packages: str) -> Act:
    return _patch(who, name, {"spec": {"packages": packages}})


def _suspend(who: str, name: str, *, suspend: bool) -> Act:
    return _patch(who, name, {"spec": {"suspend": suspend}})


def _delete(who: str, name: str) -> Act:
    return lambda stage: stage.ask("DELETE", name, who=who)


_BEFORE, _WITH = ("jitsi", "nextcloud"), ("jitsi", "nextcloud", "threema")
_TOGGLES = [_packages("alice", "acme", *packages) for packages in (_WITH, _BEFORE) * 5]
_FIRST_TOGGLE = 4  # generations 1 to 3 of acme: created, changed by alice, changed back by bob

STEPS = (
    Step(
        "Two tenants are created",
        "alice creates acme with jitsi and nextcloud, and globex with threema.",
        (_create("alice", "acme", "org-1", "jitsi", "nextcloud"), _create("alice", "globex", "org-2", "threema")),
        (
            Row("lifecycle", "acme", None, "created"),
            Row("skill", "acme", 1, "enabled", "jitsi"),
            Row("skill", "acme", 1, "enabled", "nextcloud"),
            Row("lifecycle", "globex", None, "created"),
            Row("skill", "globex", 1, "enabled", "threema"),
        ),
    ),
    Step(
        "One person takes a package away ...",
        "alice removes jitsi from acme.",
        (_packages("alice", "acme", "nextcloud"),),
        (Row("skill", "acme", 2, "disabled", "jitsi"),),
    ),
    Step(
        "... and another gives it back",
        "bob puts a note on acme, which costs nothing and leaves no row, then adds jitsi again.",
        (
            _patch("bob", "acme", {"metadata": {"annotations": {"note": "asked for by phone"}}}),
            _packages("bob", "acme", *_BEFORE),
        ),
        (Row("skill", "acme", 3, "enabled", "jitsi"),),
    ),
    Step(
        "A tenant is suspended",
        "bob suspends globex: from now on nothing is charged for it.",
        (_suspend("bob", "globex", suspend=True),),
        (Row("suspension", "globex", 2, "suspended"),),
    ),
    Step(
        "... and resumed",
        "alice resumes globex.",
        (_suspend("alice", "globex", suspend=False),),
        (Row("suspension", "globex", 3, "resumed"),),
    ),
    Step(
        "The sidecar is killed in the middle of changes",
        "alice changes acme ten times as fast as the API server answers; after the fifth: kill -9.",
        (*_TOGGLES[:5], Stage.kill_sidecar, *_TOGGLES[5:]),
    ),
    Step(
        "Life goes on without it",
        "alice deletes globex; bob creates initech with jitsi, and adds nextcloud. Nobody has to wait.",
        (
            _delete("alice", "globex"),
            _create("bob", "initech", "org-3", "jitsi"),
            _packages("bob", "initech", "jitsi", "nextcloud"),
        ),
    ),
    Step(
        "The sidecar is started again",
        "It goes on where its disk says it was: all ten changes, the deletion, the new tenant, each once.",
        (Stage.start_sidecar,),
        (
            *(
                Row("skill", "acme", _FIRST_TOGGLE + n, ("enabled", "disabled")[n % 2], "threema")
                for n in range(len(_TOGGLES))
            ),
            Row("lifecycle", "globex", None, "deleted"),
            Row("lifecycle", "initech", None, "created"),
            Row("skill", "initech", 1, "enabled", "jitsi"),
            Row("skill", "initech", 2, "enabled", "nextcloud"),
        ),
    ),
)
