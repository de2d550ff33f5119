"""What a sidecar that is dead or hung costs a write: nothing, or a second an attempt, on a real API server."""

import statistics
import time
from collections.abc import Awaitable, Callable

from tests.support.told_stage import ToldStage

# Seconds that an attempt may take beside the webhook's timeout of one: a write takes some 5 ms, on busy cores more.
SLACK = 0.8
TIMEOUT = 1.0
FAILED_OPEN = "failed-open.validating.webhook.admission.k8s.io/"


async def _seconds(write: Callable[[int], Awaitable[object]], times: int) -> list[float]:
    """How long each of these writes took, one after the other."""
    took = []
    for number in range(times):
        began = time.perf_counter()
        await write(number)
        took.append(time.perf_counter() - began)
    return took


class Writes:
    """Writes to one tenant, by kind."""

    def __init__(self, stage: ToldStage) -> None:
        self._admin = stage.admin

    async def spec(self, number: int) -> object:
        return await self._admin.merge("acme", {"spec": {"displayName": f"{time.monotonic()} {number}"}})

    async def label(self, number: int) -> object:
        return await self._admin.merge("acme", {"metadata": {"labels": {"number": str(number)}}})

    async def status(self, number: int) -> object:
        path = "/apis/pieced.ch/v1alpha1/piecedtenants/acme/status"
        body = {"status": {"phase": f"phase {number}"}}
        answer = await self._admin.call("PATCH", path, body, content_type="application/merge-patch+json")
        return answer.ok()

    async def nothing(self, _: int) -> object:
        return await self._admin.merge("acme", {"spec": {"packages": ["jitsi"]}})


def _failed_open(stage: ToldStage, verb: str) -> list[str]:
    """Of the last event of that verb, the webhooks that the API server did without."""
    (*_, event) = (event for event in stage.events() if event["verb"] == verb)
    return [value for key, value in event.get("annotations", {}).items() if key.startswith(FAILED_OPEN)]


async def test_a_dead_sidecar_costs_a_write_nothing(told: ToldStage):
    await told.start()
    writes = Writes(told)
    acme = await told.admin.create("acme", "jitsi")
    await told.delivered()
    await told.sidecar.kill()
    asked, unasked = [], []
    for _ in range(3):  # in turns, so that a busy machine is busy for both
        unasked += await _seconds(writes.label, 10)
        asked += await _seconds(writes.spec, 10)
    print(f"dead: {statistics.median(asked) * 1e3:.1f} ms, not asked: {statistics.median(unasked) * 1e3:.1f} ms")
    # A refused connection takes no time that counts; waiting for anything would take a second.
    assert statistics.median(asked) < statistics.median(unasked) + 0.1
    assert _failed_open(told, "patch") == ["record.billing.pieced.ch"]
    await told.admin.delete("acme")
    assert _failed_open(told, "delete") == ["record.billing.pieced.ch"]

    await told.ingest()
    authors = await told.authors(acme["metadata"]["uid"])
    assert [authors.get(g) for g in (1, 2, 31, None)] == [
        ("admin", None, "proven"),
        ("admin", None, "likely"),
        ("admin", None, "likely"),
        ("admin", None, "proven"),
    ]


async def test_a_hung_sidecar_costs_an_attempt_its_timeout_and_other_writes_nothing(told: ToldStage):
    await told.start()
    writes = Writes(told)
    await told.admin.create("acme", "jitsi")
    await told.delivered()
    told.sidecar.pause()
    try:
        await _costs(told, writes)
    finally:
        told.sidecar.resume()
    await told.delivered()  # and goes on as if nothing had been
    await told.verified()


async def _costs(told: ToldStage, writes: Writes) -> None:
    for kind in (writes.label, writes.status, writes.nothing):
        took = await _seconds(kind, 5)
        assert statistics.median(took) < TIMEOUT - SLACK / 2, (kind, took)
    took = await _seconds(writes.spec, 3)
    took += await _seconds(lambda number: told.admin.create(f"new-{number}"), 2)
    took += await _seconds(lambda number: told.admin.delete(f"new-{number}"), 2)
    print(f"hung: {', '.join(f'{each:.2f} s' for each in took)}")
    assert min(took) > TIMEOUT - SLACK / 2, "it was not hung"
    assert statistics.median(took) < TIMEOUT + SLACK, took
    assert _failed_open(told, "patch") == ["record.billing.pieced.ch"]
