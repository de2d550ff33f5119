"""The API server under test, and small words that the whole suite uses."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.support.tenants import Json, Tenants, Watch

FINALIZER = "pieced.ch/cleanup"
# What kubectl get sends.
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


@dataclass(frozen=True)
class Api:
    """An API server under test, seen by `admin` and `alice`, with a webhook for CREATE, UPDATE and DELETE."""

    tenants: Tenants
    alice: Tenants
    reviews: list[Json]  # every admission request so far, appended by the webhook
    forget: Callable[[], Awaitable[None]]  # make the server forget all versions before the present one


def version_of(obj: Json) -> int:
    return int(obj["metadata"]["resourceVersion"])


def generation_of(obj: Json) -> int:
    return obj["metadata"]["generation"]


def unversioned(obj: Json) -> Json:
    """The object without its version: what a webhook and a watch must agree on."""
    return {
        **obj,
        "metadata": {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"},
    }


async def next_event(watch: Watch, kind: str) -> Json:
    """The object of the next event, which must be of this type."""
    event = await watch.next()
    assert event is not None
    assert event["type"] == kind, event
    return event["object"]
