"""`python -m sidecar ingest` as a person runs it: files of audit logs into a real ledger, also years later."""

import asyncio
import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from sidecar.ingest import Ingest
from tests.support import captures
from tests.support.audit_events import like
from tests.support.hooks import event_list
from tests.support.nested import HERE, LEVELS, nested

LOG = captures.DATA / "audit.log"
LISTS = captures.DATA / "audit-eventlists.jsonl"

# What a ledger says, but for when it was told.
_TABLES = ("observations", "sightings", "removals", "orgs", "attributions", "anomalies")
_VIEWS = ("skill_events", "suspension_events", "authors", "timeline", "missing_generations", "skill_intervals")


def ingest(database: str, *files: Path | str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """`python -m sidecar ingest FILE…` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "sidecar", "ingest", *map(str, files)],
        env={"PATH": os.environ["PATH"], "DATABASE_URL": database},
        input=given,
        capture_output=True,
        timeout=120,
        check=False,
    )


def taken(done: subprocess.CompletedProcess[bytes]) -> bytes:
    """What it printed, which must have ended well."""
    assert (done.returncode, done.stderr) == (0, b""), done
    return done.stdout


async def ledger(database: str) -> dict[str, list[Any]]:
    connection = await asyncpg.connect(database)
    try:
        said = {}
        for name in _TABLES + _VIEWS:
            rows = [dict(row) for row in await connection.fetch(f"SELECT * FROM ledger.{name}")]
            for row in rows:
                for key in ("id", "recorded_at", "event_id"):
                    row.pop(key, None)
            said[name] = sorted(map(repr, rows))
        return said
    finally:
        await connection.close()


async def test_a_log_twice_gives_the_same_ledger(ledger_database):
    told = taken(ingest(ledger_database, LOG))
    once = await ledger(ledger_database)
    assert told.startswith(b"45 audit events, ")
    assert taken(ingest(ledger_database, LOG, LOG)).startswith(b"90 audit events, ")
    assert await ledger(ledger_database) == once
    assert len(once["skill_events"]) > 5


async def test_packed_shuffled_in_pieces_and_as_lists_a_log_says_the_same(ledger_database, ledgers, tmp_path):
    taken(ingest(ledger_database, LISTS))
    events = captures.events()
    random.Random(1).shuffle(events)  # noqa: S311 - an order, no secret
    packed, lists, lines = tmp_path / "audit-2026-11-22.log.gz", tmp_path / "lists", events[16:]
    packed.write_bytes(gzip.compress(b"\n".join(json.dumps(event).encode() for event in events[:8])))
    lists.write_bytes(event_list(*events[8:16]) + b"\n\n" + event_list() + b"\n")
    async with ledgers() as other:
        given = b"\n".join(json.dumps(event).encode() for event in lines)
        assert taken(ingest(other, packed, "-", lists, given=given)).startswith(
            b"24 audit events, 22 of them recorded."
        )
        assert await ledger(other) == await ledger(ledger_database)


async def test_the_report_says_what_was_left_out_and_why(ledger_database):
    told = taken(ingest(ledger_database, LISTS)).decode()
    assert told.splitlines() == [
        "24 audit events, 22 of them recorded.",
        "left out, dry_run: 1",
        "left out, failed: 1",
    ]


async def test_lines_that_cannot_be_read_are_named_and_the_rest_is_recorded(ledger_database, tmp_path):
    log = tmp_path / "audit.log"
    good = json.dumps(like("create")).encode()
    bad = [b"2026-11-22 not JSON", b"[]", b"\xff\xfe", event_list(like("add"))[:-9]]
    log.write_bytes(b"\n".join([*bad, good, good[:-10]]))
    done = ingest(ledger_database, log)
    assert done.returncode == 1
    assert done.stderr == b""
    told = done.stdout.decode()
    assert told.startswith("1 audit events, 1 of them recorded.\n")
    for number in (1, 2, 3, 4, 6):
        assert f"cannot be read: {log}, line {number}: " in told
    assert "line 5" not in told
    assert len((await ledger(ledger_database))["observations"]) == 1


async def test_a_fact_that_postgres_refuses_is_said_with_exit_code_1_and_recorded_when_it_is_run_again(ledger_database):
    connection = await asyncpg.connect(ledger_database)
    await connection.execute("ALTER TABLE ledger.observations ADD CONSTRAINT none CHECK (false)")
    given = json.dumps(like("create")).encode()
    done = ingest(ledger_database, "-", given=given)
    assert done.returncode == 1
    assert b"1 facts were refused by Postgres and are not recorded " in done.stdout
    await connection.execute("ALTER TABLE ledger.observations DROP CONSTRAINT none")
    taken_again = ingest(ledger_database, "-", given=given)
    assert (taken_again.returncode, b"refused" in taken_again.stdout) == (0, False)
    assert await connection.fetchval("SELECT count(*) FROM ledger.observations") == 1
    await connection.close()


async def test_very_many_bad_lines_are_counted_and_the_first_are_named(ledger_database):
    done = ingest(ledger_database, "-", given=b"no JSON\n" * 1_000)
    assert done.returncode == 1
    lines = done.stdout.decode().splitlines()
    assert lines[-1] == "… and 980 more lines that could not be read"
    assert len(lines) == 22


async def test_a_file_that_is_not_there_is_a_sentence_and_what_came_before_it_is_recorded(ledger_database, tmp_path):
    done = ingest(ledger_database, LISTS, tmp_path / "nothing.log")
    assert done.returncode == 2
    assert done.stderr.decode().count("\n") == 1
    assert f"{tmp_path / 'nothing.log'} cannot be read: " in done.stderr.decode()
    assert len((await ledger(ledger_database))["observations"]) > 5


@pytest.mark.parametrize("damage", ["cut", "changed", "no gzip"])
async def test_a_packed_file_that_is_damaged_is_a_sentence_and_what_came_before_is_recorded(
    ledger_database, tmp_path, damage
):
    chance = random.Random(2)  # noqa: S311 - noise, no secret
    # Noise, because what is packed too well would be unpacked before the damage is met.
    filler = b"\n".join(b'{"noise":"%s"}' % chance.randbytes(2_000).hex().encode() for _ in range(200))
    whole = bytearray(gzip.compress(json.dumps(like("create")).encode() + b"\n" + filler))
    half = len(whole) // 2
    if damage == "cut":
        del whole[half:]
    elif damage == "changed":
        whole[half : half + 200] = b"\0" * 200
    else:
        whole[:2] = b"\n\n"
    packed = tmp_path / "audit.log.gz"
    packed.write_bytes(whole)
    done = ingest(ledger_database, packed)
    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"{packed} cannot be read: ")
    assert done.stderr.decode().count("\n") == 1
    assert len((await ledger(ledger_database))["observations"]) == (0 if damage == "no gzip" else 1)


async def test_a_database_that_takes_nothing_ends_it_in_the_middle_of_a_file(ledger_database, tmp_path):
    connection = await asyncpg.connect(ledger_database)
    await connection.execute("INSERT INTO ledger.migrations (version, name, sha256) VALUES (9999, 'x', sha256('x'))")
    await connection.close()
    log = tmp_path / "audit.log"
    event = json.dumps(like("add"))
    uid = json.loads(event)["responseObject"]["metadata"]["uid"]
    log.write_text("".join(event.replace(uid, f"00000000-0000-4000-8000-{n:012}") + "\n" for n in range(5_000)))
    done = ingest(ledger_database, log)
    assert done.returncode == 2
    assert done.stderr.startswith(b"The database is at version 9999")


async def test_others_get_their_turn_while_lines_are_read_that_tell_nothing(tmp_path):
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    nothing = json.dumps(like("create", verb="get", objectRef={"resource": "pods"})).encode()
    run, facts = await read_by(*[nothing] * 2_000, folder=tmp_path)
    beside.cancel()
    assert (run.report.events, facts) == (2_000, [])
    assert turns >= 20


async def test_without_a_database_it_is_a_sentence():
    done = ingest("", LISTS)
    assert done.returncode == 2
    assert b"DATABASE_URL" in done.stderr


async def read_by(*lines: bytes, folder: Path) -> tuple[Ingest, list[Any]]:
    """A run over these lines, and the facts that it hands over."""
    facts = list[Any]()
    log = folder / "audit.log"
    log.write_bytes(b"\n".join(lines))

    async def append(some: Any) -> None:
        facts.extend(some)

    run = Ingest(captures.RESOURCE, append)
    await run.file(str(log))
    return run, facts


@pytest.mark.parametrize(
    "patch", [b'{"n":"\\ud800"}', b'{"n":"\xff"}', b"[" * 9_000 + b"]" * 9_000, b"[" + b"1" * 9_000 + b"]"]
)
async def test_what_a_client_wrote_into_its_patch_makes_no_line_unreadable(tmp_path, patch):
    odd = json.dumps(like("add", requestObject="PATCH"), separators=(",", ":")).encode().replace(b'"PATCH"', patch)
    as_list = b'{"kind":"EventList","items":[' + odd + b"," + json.dumps(like("create")).encode() + b"]}"
    run, facts = await read_by(odd, as_list, folder=tmp_path)
    assert (run.report.events, run.report.taken, run.report.unreadable) == (3, 3, 0)
    assert len(facts) == 6


@pytest.mark.parametrize("levels", LEVELS)
async def test_a_tenant_that_is_nested_too_deep_for_us_makes_no_line_unreadable(tmp_path, levels):
    event = like("create")
    event["responseObject"]["spec"]["extra"] = event["requestObject"]["spec"]["extra"] = HERE
    odd = nested(event, levels)
    as_list = b'{"items":[' + odd + b"," + json.dumps(like("add")).encode() + b'],"kind":"EventList"}'
    run, facts = await read_by(odd, as_list, folder=tmp_path)
    assert (run.report.events, run.report.taken, run.report.unreadable) == (3, 3, 0)
    assert len(facts) == 6


async def test_a_line_that_is_too_long_is_skipped_without_being_held(tmp_path, monkeypatch):
    monkeypatch.setattr("sidecar.ingest._LINE_MOST", 10_000)
    good = json.dumps(like("create")).encode()
    run, facts = await read_by(b"x" * 10_001, good, b"x" * 9_999, b"x" * 100_000, folder=tmp_path)
    assert [line.split(", ")[1].split(":")[0] for line in run.report.named] == ["line 1", "line 3", "line 4"]
    assert "longer than" in run.report.named[0]
    assert "no JSON" in run.report.named[1]
    assert len(facts) == 2
