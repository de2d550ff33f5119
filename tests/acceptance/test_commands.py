"""The commands as a person runs them: exit codes, sentences, and no secret in any output."""

import getpass
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from sidecar.__main__ import _parser, _person
from sidecar.facts import Attribution, Began, Census, Removal, Seen, Segment
from sidecar.ledger import Ledger

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PASSWORD = "s3cr3t-w0rd"  # noqa: S105 - of nobody


def sidecar(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """`python -m sidecar` with these settings alone, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "sidecar", *arguments],
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def tenant(number: int, generation: int = 1, *packages: str) -> Seen:
    return Seen(
        tenant_uid=f"00000000-0000-4000-8000-{number:012}",
        generation=generation,
        resource_version=str(100 * number + generation),
        tenant_name=f"tenant-{number}",
        zitadel_org_id="org",
        packages=packages,
        created_at=NOON + timedelta(minutes=1),
        source="watch",
        at=NOON + timedelta(minutes=2),
        time_source="watch",
    )


@pytest.fixture
async def ledger(ledger_database: str):
    ledger = Ledger(ledger_database)
    await ledger.deliver([Began(cluster_uid="c", at=NOON), tenant(1, 1, "jitsi"), tenant(1, 2, "jitsi", "wiki")])
    yield ledger
    await ledger.close()


@pytest.fixture
async def sql(ledger_database: str):
    connection = await asyncpg.connect(ledger_database)
    yield connection
    await connection.close()


def test_an_account_without_a_name_is_named_by_its_number(monkeypatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert _person(_parser().parse_args(["accept-removals"])) == f"uid {os.getuid()}"
    assert _person(_parser().parse_args(["accept-removals", "--by", "anna"])) == "anna"


def test_every_problem_of_the_settings_is_named_at_once_with_exit_code_2() -> None:
    ended = sidecar(SIDECAR_RESYNC_SECONDS="soon", SIDECAR_HTTP="here", SIDECAR_SPOOOL="x.db")
    assert ended.returncode == 2
    assert ended.stdout == ""
    for variable in ("DATABASE_URL", "SIDECAR_RESYNC_SECONDS", "SIDECAR_HTTP", "SIDECAR_SPOOOL"):
        assert f"- {variable}: " in ended.stderr
    assert "did you mean SIDECAR_SPOOL?" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_unknown_command_is_refused_with_exit_code_2() -> None:
    ended = sidecar("destroy")
    assert ended.returncode == 2
    assert "invalid choice: 'destroy'" in ended.stderr


async def test_migrate_makes_the_tables_and_again_changes_nothing(database) -> None:
    first = sidecar("migrate", DATABASE_URL=database)
    connection = await asyncpg.connect(database)
    before = await connection.fetch("SELECT version, sha256, applied_at FROM ledger.migrations ORDER BY version")
    again = sidecar("migrate", DATABASE_URL=database)
    after = await connection.fetch("SELECT version, sha256, applied_at FROM ledger.migrations ORDER BY version")
    await connection.close()
    assert (first.returncode, again.returncode) == (0, 0)
    assert first.stdout == again.stdout == "The database has every migration that this version knows.\n"
    assert before
    assert before == after


async def test_migrate_refuses_tables_of_somebody_else_with_a_sentence(database) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("CREATE TABLE public.tenant_skill_events (id serial, what text)")
    await connection.close()
    ended = sidecar("migrate", DATABASE_URL=database)
    assert ended.returncode == 2
    assert "tenant_skill_events" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.usefixtures("ledger")
def test_verify_says_what_it_checked_and_that_nothing_is_missing(ledger_database) -> None:
    ended = sidecar("verify", DATABASE_URL=ledger_database)
    assert ended.returncode == 0
    assert ended.stdout == (
        "verified 1 tenants, 2 generations, 2 events: every row follows from its facts; complete: nothing is missing\n"
    )


@pytest.mark.usefixtures("ledger")
async def test_verify_ends_with_exit_code_1_when_a_row_was_removed_behind_our_back(ledger_database, sql) -> None:
    await sql.execute("ALTER TABLE public.tenant_skill_events DISABLE TRIGGER ALL")
    await sql.execute("DELETE FROM public.tenant_skill_events WHERE skill_id = 'wiki'")
    ended = sidecar("verify", DATABASE_URL=ledger_database)
    assert ended.returncode == 1
    assert "DIFFERENT  tenant-1 (00000000-0000-4000-8000-000000000001): generation 2 enabled wiki has no row" in (
        ended.stdout
    )


async def test_verify_lets_no_package_write_on_the_terminal(ledger, ledger_database, sql) -> None:
    await ledger.deliver([tenant(2, 1, "a\x1b[2K\rverified 1 tenants\nand é")])
    await sql.execute("ALTER TABLE public.tenant_skill_events DISABLE TRIGGER ALL")
    await sql.execute("DELETE FROM public.tenant_skill_events WHERE skill_id LIKE 'a%'")
    ended = sidecar("verify", DATABASE_URL=ledger_database)
    assert ended.returncode == 1
    assert "enabled a\\x1b[2K\\rverified 1 tenants\\nand é has no row" in ended.stdout


async def test_verify_lists_what_is_missing_and_that_is_no_difference(ledger, ledger_database) -> None:
    await ledger.deliver(
        [
            tenant(1, 5, "jitsi"),
            Segment(from_version="1", from_at=NOON, to_version="500", to_at=NOON),
            Segment(from_version="700", from_at=NOON, to_version="800", to_at=NOON),
        ]
    )
    ended = sidecar("verify", DATABASE_URL=ledger_database)
    assert ended.returncode == 0
    assert "MISSING    tenant_name=tenant-1 " in ended.stdout
    assert "generation_from=3 generation_to=4" in ended.stdout
    assert "GAP        from_version=500 to_version=700" in ended.stdout
    assert "incomplete: see the lines above" in ended.stdout


async def test_accept_removals_ends_what_a_held_census_lacks(ledger, ledger_database, sql) -> None:
    await ledger.deliver([tenant(2, 1, "a"), tenant(3, 1, "a")])
    late = NOON + timedelta(hours=1)
    filed = await ledger.deliver([Census(version="900", sent_at=late, answered_at=late, uids=())])
    assert filed.held_censuses == 1
    living = "SELECT count(*) FROM public.tenant_billing_lifecycle WHERE deleted_at IS NULL"
    assert await sql.fetchval(living) == 3
    ended = sidecar("accept-removals", "--by", "carol", DATABASE_URL=ledger_database)
    assert (ended.returncode, ended.stdout) == (0, "3 tenants have ended.\n")
    assert await sql.fetchval(living) == 0
    assert await sql.fetchval("SELECT accepted_by FROM ledger.censuses") == "carol"
    again = sidecar("accept-removals", "--by", "carol", DATABASE_URL=ledger_database)
    assert (again.returncode, again.stdout) == (0, "0 tenants have ended.\n")


@pytest.mark.parametrize(
    ("address", "code"),
    [
        (f"postgresql://portal:{PASSWORD}@127.0.0.1:1/portal", 1),  # nobody listens there
        (f"postgresql://portal:{PASSWORD}@127.0.0.1:port/portal", 2),
        (f"postgresql://portal:{PASSWORD}@127.0.0.1:1/portal?sslmode=perhaps", 2),
        (f"postgresql://portal:{PASSWORD[:4]}/{PASSWORD[4:]}@127.0.0.1:1/portal", 2),  # a password with a slash
        (f"mysql://portal:{PASSWORD}@127.0.0.1:1/portal", 2),
    ],
)
@pytest.mark.parametrize("command", ["migrate", "verify", "accept-removals"])
def test_a_database_that_cannot_be_reached_is_a_sentence_without_the_password(command, address, code) -> None:
    ended = sidecar(command, DATABASE_URL=address)
    assert ended.returncode == code
    assert ended.stderr.strip()
    for part in (PASSWORD, PASSWORD[:4], PASSWORD[4:]):
        assert part not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_running_sidecar_stops_at_an_address_that_is_none(tmp_path) -> None:
    (tmp_path / "kubeconfig").write_text("{}")
    ended = sidecar(
        DATABASE_URL=f"postgresql://portal:{PASSWORD}@127.0.0.1:port/portal",
        SIDECAR_SPOOL=str(tmp_path / "spool.db"),
        KUBECONFIG=str(tmp_path / "kubeconfig"),
    )
    assert ended.returncode == 2
    assert PASSWORD not in ended.stdout + ended.stderr


def test_certificates_in_a_folder_are_good_for_this_machine_and_made_once(tmp_path) -> None:
    folder = tmp_path / "made" / "tls"
    asked = ("certificates", "--dir", str(folder), "--host", "10.0.0.9", "--host", "Portal.example")
    first = sidecar(*asked)
    assert (first.returncode, first.stderr) == (0, "")
    assert "for 10.0.0.9, 127.0.0.1, ::1, localhost, portal.example; it ends on " in first.stdout
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) & 0o077 for file in folder.iterdir()}
    assert modes.keys() == {"ca.crt", "tls.crt", "tls.key"}
    assert modes["tls.key"] == 0
    made = {file: file.read_bytes() for file in folder.iterdir()}
    again = sidecar(*asked)
    assert "nothing is due before " in again.stdout
    assert {file: file.read_bytes() for file in folder.iterdir()} == made
    other = sidecar("certificates", "--dir", str(folder))
    assert "the present one has other names" in other.stdout
    assert all(file.read_bytes() != content for file, content in made.items())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "The namespace of the Secrets is not known, because this is no pod: say it with --namespace"),
        (("--dir", "/dev/null/tls"), "--dir /dev/null/tls: the certificates cannot be kept there"),
        (("--dir", "x", "--host", "*.example"), "'*.example' is neither a DNS name nor an IP address"),
    ],
)
def test_certificates_that_cannot_be_are_refused_with_exit_code_2(arguments, sentence) -> None:
    ended = sidecar("certificates", *arguments)
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_no_name_writes_lines_of_its_own_into_the_timeline(ledger: Ledger, ledger_database: str):
    package, actor = "x\n  2026-11-22  #9  enabled wiki  by alice, proven\x1b[2K", "Bob \u202e"
    by = Attribution(
        tenant_uid="00000000-0000-4000-8000-000000000009",
        resource_version="901",
        generation=1,
        source="audit",
        request_key="k",
        actor=actor,
        operation="create",
        how="proven",
    )
    await ledger.deliver([tenant(9, 1, package), by])
    done = sidecar("timeline", "tenant-9", DATABASE_URL=ledger_database)
    assert done.returncode == 0, done.stderr
    _, created, enabled = done.stdout.splitlines()
    assert r'"x\n  2026-11-22  #9  enabled wiki  by alice, proven\u001b[2K"' in enabled
    assert r'by "Bob \u202e", proven' in created


async def test_the_timeline_says_what_changed_when_who_did_it_and_how_each_is_known(
    ledger: Ledger, ledger_database: str
):
    uid = "00000000-0000-4000-8000-000000000001"
    by_carol = Attribution(
        tenant_uid=uid,
        resource_version="102",
        generation=2,
        source="audit",
        request_key="k",
        actor="carol",
        impersonated_by="alice",
        operation="patch",
        how="likely",
        answered_at=NOON,
    )
    gone = Removal(tenant_uid=uid, time_source="late", at=NOON + timedelta(hours=1), not_before=NOON)
    await ledger.deliver([by_carol, gone])
    done = sidecar("timeline", "tenant-1", DATABASE_URL=ledger_database)
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head == f"tenant-1 ({uid})"
    assert [" ".join(line.split()) for line in lines] == [
        "2026-11-22 12:01:00.000Z created by nobody we know (the tenant's own stamp)",
        "2026-11-22 12:01:00.000Z #1 enabled jitsi by nobody we know (the tenant's own stamp)",
        "2026-11-22 12:02:00.000Z #2 enabled wiki by carol (really alice), likely (as it happened)",
        "2026-11-22 13:00:00.000Z removed by nobody we know (found later; not before 2026-11-22 12:00:00.000Z)",
    ]
    unknown = sidecar("timeline", "nobody", DATABASE_URL=ledger_database)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "No tenant has had the name nobody." in unknown.stderr
