"""Health and metrics from the parts themselves: a real spool, and a database that nobody answers at."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar import vitals as limits
from sidecar.errors import SpoolFull
from sidecar.facts import Began, Seen, utc
from sidecar.measures import Measured
from sidecar.recorder import Recorder
from sidecar.spool import Spool
from sidecar.spool.database import Database
from sidecar.vitals import Vitals
from sidecar.watch import Standing
from sidecar.watch.situations import Listing
from tests.support.measured import measured
from tests.support.recorder import becomes, caught_up, spool_in, watching
from tests.support.scripted import event, serving, tenant, uid


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Measured]:
    async with measured(tmp_path) as made:
        yield made


async def test_metrics_say_what_is_owed_while_postgres_is_away(parts) -> None:
    vitals = Vitals(parts)
    (watch, *_) = parts.intakes
    await watch.append([Began(cluster_uid="c", at=utc(time.time()))])
    assert not await parts.flush.once()
    lines = (await vitals.exposition()).decode().splitlines()
    assert 'sidecar_facts_total{kind="began",source="watch"} 1.0' in lines
    assert "sidecar_spool_facts 1.0" in lines
    assert 'sidecar_flush_batches_total{outcome="postponed"} 1.0' in lines
    assert "sidecar_flush_waiting 1.0" in lines
    (age,) = (float(line.split()[1]) for line in lines if line.startswith("sidecar_spool_oldest_seconds "))
    assert 0 < age < 60
    assert await vitals.ailments() == []


async def test_without_a_certificate_the_webhook_cannot_answer(parts) -> None:
    vitals = Vitals(parts)
    (obstacle,) = await vitals.obstacles()
    assert "SIDECAR_TLS_CERT" in obstacle
    assert await vitals.ailments() == []


async def test_a_delivery_that_never_ends_is_an_illness(parts) -> None:
    parts.flush.busy_since = time.monotonic() - 301
    (ailment,) = await Vitals(parts).ailments()
    assert "delivery" in ailment


class Watched(Recorder):
    """A recorder whose watch stands where a test says."""

    def __init__(self) -> None:
        self.stands = Standing(Listing(None, "first"))

    @property
    def standing(self) -> Standing:
        return self.stands


async def test_a_watch_whose_loops_stand_still_is_an_illness_unless_the_spool_is_full(parts) -> None:
    recorder = Watched()
    vitals = Vitals(dataclasses.replace(parts, recorder=recorder))
    assert await vitals.ailments() == []
    recorder.stands.turned_at -= 181
    (ailment,) = await vitals.ailments()
    assert "the watch has not turned for 18" in ailment
    recorder.stands.paused = True  # it waits for room, which a restart would not bring
    assert await vitals.ailments() == []


async def test_a_watch_that_hangs_at_its_disk_is_found_within_the_deadline(parts, tmp_path, monkeypatch) -> None:
    """Its probes go on meanwhile: by them alone it would seem to be well."""
    monkeypatch.setattr(limits, "_DISK_HANGS", 0.2)
    answers, write = asyncio.Event(), Database.write
    answers.set()

    async def hanging(*arguments: object) -> None:
        await answers.wait()
        await write(*arguments)

    monkeypatch.setattr(Database, "write", hanging)
    folder = tmp_path / "watched"
    folder.mkdir()
    async with serving() as server, spool_in(folder) as recording, watching(server, folder, recording) as watch:
        recorder = Watched()
        recorder.stands = watch.standing
        vitals = Vitals(dataclasses.replace(parts, recorder=recorder, spool=recording.spool))
        wire = await server.watch()
        await caught_up(watch)
        await becomes(lambda: recording.spool.busy_since is None)
        assert await vitals.ailments() == []
        answers.clear()
        await wire.send(event("ADDED", tenant(1, 1, 101, ("jitsi",))))
        await becomes(lambda: recording.spool.busy_since is not None)
        began = recording.spool.busy_since
        await becomes(lambda: time.monotonic() - began > limits._DISK_HANGS)
        (ailment,) = await vitals.ailments()
        assert "a write to the spool has been under way" in ailment
        answers.set()
        await recording.told(Seen, tenant_uid=uid(1))
        await becomes(lambda: recording.spool.busy_since is None)
        assert await vitals.ailments() == []


async def test_a_full_spool_is_an_obstacle_and_no_illness(tmp_path, parts) -> None:
    async with Spool.open(tmp_path / "small.db", 2**18) as small:
        vitals = Vitals(dataclasses.replace(parts, spool=small))
        with pytest.raises(SpoolFull):
            await small.append([b"x" * 2**19])
        full = "the spool takes nothing: its disk is full, or its limit is reached"
        assert full in await vitals.obstacles()
        assert await vitals.ailments() == []
        await small.append([b"x"])
        assert full not in await vitals.obstacles()
