"""The demo as a person runs it, and what it leaves: nothing."""

import os
import pty
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from sidecar.demo.terminal import Terminal, table

DEMO = [sys.executable, "-m", "sidecar", "demo"]
ESCAPE = "\x1b"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for all that a demo makes.

    Not below tmp_path: every pytest that starts closes that tree to other users, and a Postgres that root has
    started runs as another user.
    """
    with tempfile.TemporaryDirectory(prefix="sidecar-test-") as folder:
        yield Path(folder)


def environment(temporary: Path, **more: str) -> dict[str, str]:
    """As in a shell where somebody has set up a sidecar of their own."""
    return {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(temporary),
        "SIDECAR_ORG_LABEL": "example.com/org",
        "SIDECAR_SPOOL": "/nonexistent/spool.db",
        "KUBECONFIG": "/nonexistent/kubeconfig",
        "HTTP_PROXY": "http://127.0.0.1:1",
        **more,
    }


def told(temporary: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The demo without pauses, to its end."""
    return subprocess.run(
        [*DEMO, "--fast"],
        env=environment(temporary, **more),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def left_running(temporary: Path) -> list[str]:
    """The commands of all processes that were started for a demo in this folder, and still run."""
    mark = f"TMPDIR={temporary}\0".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes() + b"\0":
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it has ended meanwhile, or is not ours to look at
    return found


def left_behind(temporary: Path) -> list[Path]:
    return list(temporary.glob("billing-sidecar-demo-*"))


@contextmanager
def running(temporary: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*DEMO, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(temporary),
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def lines_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """What it printed, up to the line that has `text`."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError("".join(lines) + (process.stderr.read() if process.stderr else ""))


def test_the_story_ends_with_a_complete_ledger_and_leaves_nothing(temporary) -> None:
    ended = told(temporary)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    assert ESCAPE not in ended.stdout
    for row in (
        r"acme 1 enabled nextcloud",
        r"acme 2 disabled jitsi",
        r"acme 3 enabled jitsi",
        r"globex 2 suspended",
        r"globex 3 resumed",
        r"acme 13 disabled threema",
        r"initech 2 enabled nextcloud",
        r"acme 2 disabled jitsi alice claimed",
        r"acme 3 enabled jitsi bob claimed",
        r"globex 2 suspended - bob claimed",
        r"globex - removed - - -",  # it was away
    ):
        assert any(line.startswith(row) for line in map(_squeezed, ended.stdout.splitlines())), row
    assert "every row follows from its facts; complete: nothing is missing" in ended.stdout
    assert left_behind(temporary) == []
    assert left_running(temporary) == []


def _squeezed(line: str) -> str:
    return " ".join(line.split())


async def test_the_rows_it_tells_of_are_in_the_database_that_it_was_given(temporary, database) -> None:
    first = told(temporary, DATABASE_URL=database)
    assert first.returncode == 0, first.stdout + first.stderr
    connection = await asyncpg.connect(database)
    lives = await connection.fetch(
        "SELECT tenant_name, zitadel_org_id, deleted_at IS NOT NULL AS ended "
        "FROM public.tenant_billing_lifecycle ORDER BY 1"
    )
    count = await connection.fetchval("SELECT count(*) FROM public.tenant_skill_events")
    await connection.close()
    assert [tuple(row) for row in lives] == [
        ("acme", "org-1", False),
        ("globex", "org-2", True),
        ("initech", "org-3", False),
    ]
    assert count == 17
    again = told(temporary, DATABASE_URL=database)
    assert again.returncode == 2
    assert "holds a ledger already" in again.stderr
    assert left_running(temporary) == []


async def test_a_sidecar_that_does_not_start_fails_the_story_with_its_reason(temporary, database) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("CREATE TABLE public.tenant_skill_events (id serial, what text)")
    await connection.close()
    ended = told(temporary, DATABASE_URL=database)
    assert ended.returncode == 1
    assert "the sidecar ended by itself with code 2" in ended.stderr
    assert "tenant_skill_events" in ended.stderr
    assert left_behind(temporary) == []
    assert left_running(temporary) == []


def test_what_is_kept_runs_until_it_is_interrupted(temporary) -> None:
    with running(temporary, "--fast", "--keep") as process:
        said = "".join(lines_until(process, "Ctrl-C ends everything"))
        api = next(line.split()[2].rstrip(",") for line in said.splitlines() if "API server  " in line)
        with urllib.request.urlopen(f"{api}/apis/pieced.ch/v1alpha1/piecedtenants") as answer:  # noqa: S310 - loopback
            assert b"initech" in answer.read()
        kubeconfig = next(line.split("=")[1] for line in said.splitlines() if "KUBECONFIG=" in line)
        assert Path(kubeconfig).is_file()
        psql = next(line.strip() for line in said.splitlines() if "TABLE ledger.timeline" in line)
        asked = subprocess.run(psql, shell=True, capture_output=True, text=True, timeout=30, check=True)  # noqa: S602 - as a person pastes it
        assert "threema" in asked.stdout
        assert len(left_running(temporary)) >= 3
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert left_behind(temporary) == []
    assert left_running(temporary) == []


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (signal.SIGINT, "Starting a Postgres"),
        (signal.SIGINT, "sidecar     process"),
        (signal.SIGTERM, "sidecar     process"),
        (signal.SIGHUP, "sidecar     process"),
    ],
)
def test_an_interrupted_story_leaves_nothing(temporary, number, line) -> None:
    with running(temporary) as process:
        lines_until(process, line)
        os.killpg(process.pid, number)  # as a terminal does: every process of the group
        os.killpg(process.pid, number)
        assert process.wait(60) == 130
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert left_behind(temporary) == []
    assert left_running(temporary) == []


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("1", False)])
def test_a_terminal_gets_colour_unless_it_asks_for_none(monkeypatch, no_color, coloured) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    reading, writing = pty.openpty()
    with os.fdopen(writing, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        Terminal(pauses=False).heading("Two tenants")
        shown = ""
        while "Two tenants" not in shown:  # it may come in pieces
            shown += os.read(reading, 1000).decode()
    os.close(reading)
    assert (ESCAPE in shown) == coloured


def test_a_table_has_columns_of_one_width_and_shows_what_is_absent() -> None:
    assert table([{"skill": "jitsi", "ended": None}, {"skill": "threema", "ended": 7}]) == [
        "skill    ended",
        "jitsi    -",
        "threema  7",
    ]
    assert table([]) == ["(no rows)"]
