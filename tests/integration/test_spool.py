"""The spool on real files: durable, shared by one process, full, damaged, killed."""

# The tests touch files beside the loop because nothing else runs on it then; what is random is no secret.
# ruff: noqa: ASYNC240, S311

import asyncio
import os
import random
import signal
import sqlite3
import stat
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sidecar.errors import Misconfigured, SpoolFull
from sidecar.spool import Kept, Spool, SpoolCorrupt, database, files, queue

ROOM = 2**30
CHILD = Path(__file__).parent / "spool_child.py"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


@pytest.fixture
async def spool(path: Path) -> AsyncIterator[Spool]:
    async with Spool.open(path, ROOM) as opened:
        yield opened


@contextmanager
def child(role: str, path: Path, first: int = 0) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(CHILD), role, str(path), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


async def bodies(spool: Spool) -> list[bytes]:
    return [body for _, body in await spool.take(10**6, ROOM)]


async def confirm_all(spool: Spool) -> None:
    while rows := await spool.take(500):
        await spool.confirm([fact_id for fact_id, _ in rows])


async def fill(spool: Spool, fact: bytes) -> int:
    """Appends until there is no room; returns how many were stored."""
    stored = 0
    while True:
        try:
            await spool.append([fact])
        except SpoolFull:
            return stored
        stored += 1


def commits(path: Path) -> int:
    """How many transactions the log holds: its frames that end one (sqlite.org/fileformat2.html, section 4)."""
    log = Path(f"{path}-wal").read_bytes()
    page_size, salts = struct.unpack(">8xI4x8s", log[:24])
    frames = range(32, len(log) - 24 - page_size + 1, 24 + page_size)
    headers = [struct.unpack(">4xI8s", log[start : start + 16]) for start in frames]
    return sum(size > 0 for size, salt in headers if salt == salts)


# What is in it


async def test_facts_come_back_oldest_first_until_they_are_confirmed(spool: Spool):
    await spool.append([b"one", b"two"])
    await spool.append([b"three"])
    rows = await spool.take(10)
    assert [body for _, body in rows] == [b"one", b"two", b"three"]
    assert await spool.take(10) == rows
    await spool.confirm([rows[1][0]])
    assert await spool.take(10) == [rows[0], rows[2]]


async def test_bytes_of_every_kind_come_back_as_they_were(spool: Spool):
    facts = [b"", b"\0", bytes(range(256)), b"x" * 3_000_000, "\"ü'\\".encode()]
    await spool.append(facts, {"ü'\"x": b"\0\xff"}, b"")
    assert await bodies(spool) == facts
    assert await spool.kept() == Kept(b"", {"ü'\"x": b"\0\xff"})


async def test_a_start_finds_facts_tenants_and_position_as_they_were(path: Path):
    async with Spool.open(path, ROOM) as spool:
        assert await spool.kept() == Kept(None, {})
        await spool.append([b"one"], {"a": b"1", "b": b"1", "c": b"1"}, b"5")
        await spool.append([b"two"], {"a": b"2", "b": None, "nobody": None})
    async with Spool.open(path, ROOM) as spool:
        assert spool.moved_aside is None
        assert await spool.kept() == Kept(b"5", {"a": b"2", "c": b"1"})
        assert await bodies(spool) == [b"one", b"two"]
        depth = await spool.depth()
        assert (depth.facts, depth.set_aside) == (2, 0)


async def test_a_batch_holds_as_many_facts_as_asked_for_and_as_many_bytes_but_one_at_least(spool: Spool):
    await spool.append([b"x" * 100] * 10)
    assert len(await spool.take(3)) == 3
    assert len(await spool.take(10, max_bytes=450)) == 4
    assert len(await spool.take(10, max_bytes=400)) == 4
    assert len(await spool.take(10, max_bytes=5)) == 1


async def test_an_id_is_never_given_out_again(path: Path):
    highest = 0
    for _ in range(3):
        async with Spool.open(path, ROOM) as spool:
            await spool.append([b"one", b"two"])
            ids = [fact_id for fact_id, _ in await spool.take(10)]
            assert min(ids) > highest
            highest = max(ids)
            await spool.confirm(ids)


async def test_a_fact_set_aside_leaves_the_queue_with_its_reason_and_the_note_joins_it(spool: Spool):
    await spool.append([b"bad", b"good"])
    ((fact_id, _), _) = await spool.take(10)
    await spool.set_aside(fact_id, "refused: numeric field overflow", b"note")
    await spool.set_aside(fact_id, "again", b"note")
    assert await bodies(spool) == [b"good", b"note"]
    depth = await spool.depth()
    assert (depth.facts, depth.set_aside) == (2, 1)
    rows = await spool._database.read("SELECT id, reason, body FROM set_aside")
    assert rows == [(fact_id, "refused: numeric field overflow", b"bad")]


async def test_what_was_set_aside_waits_again_after_the_next_start(path: Path):
    async with Spool.open(path, ROOM) as spool:
        await spool.append([b"bad", b"good", b"worse"])
        since = (await spool.depth()).oldest_at
        bad, _, worse = [fact_id for fact_id, _ in await spool.take(10)]
        await spool.set_aside(worse, "refused", b"note of worse")
        await spool.set_aside(bad, "refused", b"note of bad")
    async with Spool.open(path, ROOM) as spool:
        assert await bodies(spool) == [b"good", b"note of worse", b"note of bad", b"bad", b"worse"]
        depth = await spool.depth()
        assert (depth.facts, depth.set_aside) == (5, 0)
        await spool.confirm([fact_id for fact_id, body in await spool.take(10) if body not in {b"bad", b"worse"}])
        assert (await spool.depth()).oldest_at == since  # it is owed since then, not since the start
    async with Spool.open(path, ROOM) as spool:
        assert await bodies(spool) == [b"bad", b"worse"]


async def test_a_confirmation_that_comes_twice_changes_nothing(spool: Spool):
    await spool.append([b"one", b"two"])
    ids = [fact_id for fact_id, _ in await spool.take(1)]
    await asyncio.gather(spool.confirm(ids), spool.confirm(ids), spool.set_aside(ids[0], "", b"note"))
    await spool.confirm(ids)
    assert await bodies(spool) == [b"two"]
    assert (await spool.depth()).facts == 1


async def test_whoever_waits_for_facts_is_woken_by_the_first_and_not_before(spool: Spool):
    waiting = asyncio.create_task(spool.waiting())
    await spool.append([], {"a": b"1"}, b"1")  # a whole commit passes without a fact
    assert not waiting.done()
    await spool.append([b"one"])
    await waiting
    await spool.waiting()
    await confirm_all(spool)
    again = asyncio.create_task(spool.waiting())
    await spool.depth()
    assert not again.done()
    again.cancel()


async def test_the_oldest_fact_says_since_when_it_waits(spool: Spool, path: Path):
    assert (await spool.depth()).oldest_at is None
    await spool.append([b"one"])
    first = (await spool.depth()).oldest_at
    assert first == pytest.approx(Path(f"{path}-wal").stat().st_mtime, abs=60)  # Unix seconds
    await spool.append([b"two"])
    assert (await spool.depth()).oldest_at == first
    await spool.confirm([fact_id for fact_id, _ in await spool.take(1)])
    second = (await spool.depth()).oldest_at
    assert second is not None
    assert second >= first


# Durable, and shared


async def test_many_concurrent_appends_share_few_commits(spool: Spool, path: Path):
    await spool.append([b"first"])
    before = commits(path)
    for number in range(10):
        await spool.append([b"%d" % number])
    assert commits(path) - before == 10
    before = commits(path)
    await asyncio.gather(*(spool.append([b"x%d" % number]) for number in range(100)))
    assert 1 <= commits(path) - before <= 3
    assert (await bodies(spool))[-100:] == [b"x%d" % number for number in range(100)]


async def test_every_commit_waits_for_the_disk(spool: Spool):
    assert await spool._database.read("PRAGMA synchronous") == [(2,)]  # FULL
    assert await spool._database.read("PRAGMA journal_mode") == [("wal",)]


async def test_cancelled_appends_are_stored_whole_or_not_at_all_and_leave_the_rest_unharmed(path: Path):
    async with Spool.open(path, ROOM) as spool:
        tasks = []
        for number in range(200):
            fact = b"%d" % number
            tasks.append(asyncio.create_task(spool.append([fact, fact], {str(number): fact})))
            if number % 3 == 0:
                await asyncio.sleep(0)  # let the writer begin, so that it is met in every state
            if number % 2:
                tasks[random.randrange(number)].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        stored = await bodies(spool)
        kept = await spool.kept()
        assert (await spool.depth()).facts == len(stored)
    assert {type(result) for result in results} == {type(None), asyncio.CancelledError}
    for number, result in enumerate(results):
        fact = b"%d" % number
        assert stored.count(fact) == (2 if result is None or str(number) in kept.tenants else 0)


async def test_what_is_under_way_when_the_spool_closes_is_still_stored(path: Path):
    async with Spool.open(path, ROOM) as spool:
        tasks = [asyncio.create_task(spool.append([b"%d" % number])) for number in range(50)]
        await asyncio.sleep(0)  # the appends have begun, none has returned
    await asyncio.gather(*tasks)
    async with Spool.open(path, ROOM) as spool:
        assert len(await bodies(spool)) == 50


async def test_whatever_is_killed_nothing_promised_is_lost_and_nothing_confirmed_returns(path: Path):
    gone: set[str] = set()
    for round_ in range(6):
        first = round_ * 10**6
        lines: list[list[str]] = []
        with child("append_and_confirm", path, first) as process:
            assert process.stdout is not None
            wanted = random.randrange(50, 600)
            while len(lines) < wanted:
                lines.append(process.stdout.readline().split(maxsplit=1))
            process.send_signal(signal.SIGKILL)
            lines += [line.split(maxsplit=1) for line in process.stdout if line.endswith("\n")]
        promised = {said.strip() for what, said in lines if what == "stored"}
        confirming = {said.split(maxsplit=1)[1].strip() for what, said in lines if what == "confirming"}
        gone |= {said.split(maxsplit=1)[1].strip() for what, said in lines if what == "confirmed"}
        async with Spool.open(path, ROOM) as spool:
            assert spool.moved_aside is None
            waiting = [body.decode() for body in await bodies(spool)]
            kept = await spool.kept()
        assert len(set(waiting)) == len(waiting)
        assert promised <= set(waiting) | confirming
        assert not gone & set(waiting)
        assert kept.position == kept.tenants["a"]
        for worker in "abc":
            last = int(kept.tenants[worker])
            seen = {f"{worker} {number}" for number in range(first, last + 1)}
            now = {fact for fact in waiting if fact.startswith(worker) and int(fact.split()[1]) >= first}
            assert now <= seen, "a fact without what was stored with it"
            assert seen <= now | confirming, "what was stored with a fact, without the fact"


# Full


async def test_at_the_size_limit_nothing_of_an_append_is_stored_and_it_resumes_by_itself(path: Path):
    async with Spool.open(path, 2**20) as spool:
        await spool.append([], {"a": b"1"}, b"1")
        stored = await fill(spool, b"x" * 10_000)
        assert 80 < stored < 105
        with pytest.raises(SpoolFull, match="full"):
            await spool.append([b"y" * 10_000] * 2, {"a": b"2"}, b"2")
        assert not spool.writable
        assert await spool.kept() == Kept(b"1", {"a": b"1"})
        depth = await spool.depth()
        assert depth.facts == stored
        assert 0.9 * 2**20 < depth.bytes <= 2**20
        await confirm_all(spool)
        assert (await spool.depth()).bytes < 0.1 * 2**20
        await spool.append([b"y" * 10_000] * 2, {"a": b"2"}, b"2")
        assert spool.writable
        assert await spool.kept() == Kept(b"2", {"a": b"2"})
    assert path.stat().st_size <= 2**20


async def test_an_append_that_is_too_large_does_not_keep_out_those_that_fit(path: Path):
    async with Spool.open(path, 2**20) as spool:
        large = spool.append([b"x" * 2**21], position=b"large")
        results = await asyncio.gather(
            spool.append([b"one"], position=b"one"), large, spool.append([b"two"]), return_exceptions=True
        )
        assert [type(result) for result in results] == [type(None), SpoolFull, type(None)]
        assert await bodies(spool) == [b"one", b"two"]
        assert (await spool.kept()).position == b"one"


async def test_at_the_size_limit_facts_can_still_be_confirmed_and_set_aside(path: Path):
    async with Spool.open(path, 2**20) as spool:
        await fill(spool, b"x" * 3000)
        while True:  # to the last page
            try:
                await spool.append([b"y" * 100])
            except SpoolFull:
                break
        before = await spool.depth()
        rows = await spool.take(60)
        for fact_id, _ in rows[:50]:
            await spool.set_aside(fact_id, "refused", b"note" * 100)
        await spool.confirm([fact_id for fact_id, _ in rows[50:]])
        after = await spool.depth()
        assert (after.facts, after.set_aside) == (before.facts - 10, 50)
        await spool.append([b"y" * 100])


async def test_a_start_owes_so_much_again_and_the_next_start_the_next(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(queue, "_OWE_AGAIN_BYTES", 250)
    async with Spool.open(path, ROOM) as spool:
        await spool.append([b"1" * 300, b"2" * 100, b"3" * 100, b"4" * 100])
        for fact_id, _ in await spool.take(10):
            await spool.set_aside(fact_id, "refused", b"note")
        await confirm_all(spool)
    said = []
    for owed in ([b"1"], [b"2", b"3"], [b"4"], []):
        with capture_logs() as logged:
            async with Spool.open(path, ROOM) as spool:
                assert [body[:1] for body in await bodies(spool)] == owed
                await confirm_all(spool)
        said += [(line["event"], line["facts"], line["left"]) for line in logged]
    assert said == [("set_aside_owed_again", facts, left) for facts, left in ((1, 3), (2, 1), (1, 0))]


async def test_a_spool_full_of_facts_set_aside_owes_them_again_too(path: Path):
    async with Spool.open(path, 2**20) as spool:
        await fill(spool, b"x" * 3000)
        rows = await spool.take(10**6)
        for fact_id, _ in rows:
            await spool.set_aside(fact_id, "refused", b"note")
        await spool.confirm([fact_id for fact_id, _ in await spool.take(10**6)])
    async with Spool.open(path, 2**20) as spool:
        depth = await spool.depth()
        assert (depth.facts, depth.set_aside) == (len(rows), 0)


async def test_without_room_for_that_they_stay_set_aside_and_the_start_goes_on(path: Path):
    async with Spool.open(path, ROOM) as spool:
        await spool.append([b"x" * 4000] * 2000)
        for fact_id, _ in await spool.take(2000):
            await spool.set_aside(fact_id, "refused", b"note")
        await confirm_all(spool)
    with child("start_without_room", path) as process:
        said = process.stdout.read().split("\n")
    assert said == ["open 0 2000", "appended 1 2000", ""]
    async with Spool.open(path, ROOM) as spool:
        depth = await spool.depth()
        assert (depth.facts, depth.set_aside) == (2001, 0)


async def test_what_is_kept_free_on_the_disk_is_for_confirmations_only(path: Path, monkeypatch: pytest.MonkeyPatch):
    async with Spool.open(path, ROOM) as spool:
        await spool.append([b"x" * 4000] * 200)
        monkeypatch.setattr(database, "DISK_RESERVE_BYTES", 2**62)  # no disk has so much free
        with pytest.raises(SpoolFull):
            await spool.append([b"y" * 4000] * 100, position=b"1")
        await spool.confirm([fact_id for fact_id, _ in await spool.take(150)])
        await spool.append([b"y" * 4000] * 100, position=b"2")  # into the room that the confirmed ones left
        with pytest.raises(SpoolFull):
            await spool.append([b"y" * 4000] * 100, position=b"3")
        monkeypatch.undo()
        await spool.append([b"y" * 4000] * 100, position=b"4")
        assert (await spool.kept()).position == b"4"
        assert (await spool.depth()).facts == 250


async def test_when_the_kernel_refuses_to_write_the_position_stays_and_room_is_enough_to_resume(path: Path):
    with child("fill", path, first=1000) as process:
        output, _ = process.communicate(timeout=60)
    full, resumed = (line.split() for line in output.splitlines())
    assert full[0] == "full"
    assert full[2] == "False"
    assert resumed == ["resumed", full[1], "True"]
    async with Spool.open(path, ROOM) as spool:
        assert (await spool.kept()).position == full[1].encode()
        assert await bodies(spool) == [b"first", *(b"%d" % n * 2000 for n in range(1000, int(full[1]) + 1))]


async def test_the_log_does_not_grow_for_ever(spool: Spool, path: Path):
    for _ in range(40):
        await spool.append([b"x" * 4000] * 250)
        await confirm_all(spool)
    assert Path(f"{path}-wal").stat().st_size < 12 * 2**20
    assert path.stat().st_size < 12 * 2**20


# Whose file it is


async def test_a_second_process_on_the_same_file_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "PATIENCE", 0.2)
    with child("hold", path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(Misconfigured, match=str(path)):
            async with Spool.open(path, ROOM):
                pass


async def test_a_successor_waits_for_a_dying_predecessor(path: Path):
    with child("hold", path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        successor = Spool.open(path, ROOM)
        entering = asyncio.create_task(successor.__aenter__())
        await asyncio.sleep(0)  # it has tried once
        process.send_signal(signal.SIGKILL)
        spool = await entering
        await spool.append([b"one"])
        await successor.__aexit__(None, None, None)


async def test_the_files_can_be_read_by_their_owner_only(spool: Spool, path: Path):
    await spool.append([b"one"])
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {"spool.db": 0o600, "spool.db-wal": 0o600, "spool.db.lock": 0o600}


@pytest.mark.parametrize("where", ["missing/spool.db", "a-file/spool.db", "a-folder"])
async def test_a_place_that_cannot_be_used_is_refused_with_a_sentence(tmp_path: Path, where: str):
    (tmp_path / "a-file").touch()
    (tmp_path / "a-folder").mkdir()
    with pytest.raises(Misconfigured, match="SIDECAR_SPOOL must name a file"):
        async with Spool.open(tmp_path / where, ROOM):
            pass


async def test_a_file_of_a_newer_version_is_refused_and_left_alone(path: Path):
    async with Spool.open(path, ROOM) as spool:
        await spool.append([b"one"])
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match="newer version"):
        async with Spool.open(path, ROOM):
            pass
    assert path.read_bytes() == before


async def test_another_programs_database_is_refused_and_left_alone(path: Path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    with pytest.raises(Misconfigured, match="another program's"):
        async with Spool.open(path, ROOM):
            pass
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]
    connection.close()


# Damaged


def garbage(path: Path) -> None:
    path.write_bytes(random.randbytes(20_000))


def text(path: Path) -> None:
    path.write_text("no database at all\n" * 100)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_within_the_last_page_but_one(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 5000)


def flipped_page(path: Path) -> None:
    body = path.read_bytes()
    path.write_bytes(body[:40960] + b"\xff" * 4096 + body[45056:])


def zeroed_page(path: Path) -> None:
    body = path.read_bytes()
    path.write_bytes(body[:40960] + bytes(4096) + body[45056:])


def broken_header(path: Path) -> None:
    path.write_bytes(b"SQLite format 4\0" + path.read_bytes()[16:])


@pytest.mark.parametrize(
    "spoil", [garbage, text, truncated, cut_within_the_last_page_but_one, flipped_page, zeroed_page, broken_header]
)
async def test_a_damaged_file_is_moved_aside_and_a_fresh_one_works(path: Path, spoil: Callable[[Path], Any]):
    async with Spool.open(path, ROOM) as spool:
        await spool.append([b"x" * 1000] * 500, {"a": b"1"}, b"1")
    spoil(path)
    damaged = path.read_bytes()
    with capture_logs() as said:
        async with Spool.open(path, ROOM) as spool:
            assert spool.moved_aside is not None
            assert spool.moved_aside.read_bytes() == damaged
            assert await spool.kept() == Kept(None, {})
            assert (await spool.depth()).facts == 0
            await spool.append([b"one"], position=b"2")
    assert [(line["event"], line["log_level"]) for line in said] == [("spool_moved_aside", "error")]
    async with Spool.open(path, ROOM) as spool:
        assert spool.moved_aside is None
        assert await bodies(spool) == [b"one"]


async def test_an_empty_file_is_a_new_one(path: Path):
    path.touch()
    async with Spool.open(path, ROOM) as spool:
        assert spool.moved_aside is None
        await spool.append([b"one"])


async def test_a_log_that_is_garbage_costs_nothing_that_was_in_the_file(path: Path):
    async with Spool.open(path, ROOM) as spool:
        await spool.append([b"one"])
    Path(f"{path}-wal").write_bytes(random.randbytes(50_000))
    async with Spool.open(path, ROOM) as spool:
        assert spool.moved_aside is None
        assert await bodies(spool) == [b"one"]


async def test_damage_found_while_running_stops_all_writing_and_the_next_start_begins_afresh(path: Path):
    async with Spool.open(path, ROOM) as spool:
        await spool.append([b"x" * 1000] * 10_000)  # several times what SQLite keeps in memory
    whole = path.read_bytes()
    async with Spool.open(path, ROOM) as spool:
        with path.open("r+b") as file:
            file.seek(4096 * 5)
            file.write(b"\xff" * 4096 * 200)
        with pytest.raises(SpoolCorrupt):
            await spool.take(500)
        with pytest.raises(SpoolCorrupt):
            await spool.append([b"one"])
        assert not spool.writable
    path.write_bytes(whole)  # what was wrong does not show any more: it must not be trusted all the same
    async with Spool.open(path, ROOM) as spool:
        assert spool.moved_aside is not None
        assert (await spool.depth()).facts == 0
    async with Spool.open(path, ROOM) as spool:
        assert spool.moved_aside is None
