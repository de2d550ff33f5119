"""Log lines: one format for everybody, and no secret in any of them."""

import asyncio
import io
import json
import logging
import traceback
from collections.abc import Iterator

import pytest
import structlog
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from sidecar import logs
from sidecar.settings import Address, Settings
from sidecar.web.listening import listening

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwb3J0YWwifQ.c2lnbmF0dXJl"  # noqa: S105 - made up
ADDRESS = "postgresql://portal:hunter2@db.example/portal"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Loggers belong to the process: each test leaves them as it found them."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def fail_with(text: str) -> None:
    raise ValueError(text)


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_its_data_in_keys_and_the_time_in_utc():
    stream = io.StringIO()
    logs.configure(None, "info", stream)
    structlog.get_logger().info("flushed", facts=500, seconds=0.25)
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "flushed", "level": "info", "facts": 500, "seconds": 0.25}


def test_a_librarys_line_has_the_same_form_and_its_loggers_name():
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    logging.getLogger("asyncpg").warning("lost %s", "it")
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "lost it", "level": "warning", "logger": "asyncpg"}


@pytest.mark.parametrize(
    ("form", "stream", "is_json"),
    [
        (None, io.StringIO, True),
        (None, Terminal, False),
        ("json", Terminal, True),
        ("console", io.StringIO, False),
    ],
)
def test_people_at_a_terminal_get_text_and_everything_else_json(form, stream, is_json):
    out = stream()
    logs.configure(form, "info", out)
    structlog.get_logger().info("flushed")
    assert out.getvalue().startswith("{") == is_json


def test_text_that_goes_to_no_terminal_has_no_colours():
    stream = io.StringIO()
    logs.configure("console", "info", stream)
    structlog.get_logger().warning("watch_lost", reason="silence")
    assert "\033" not in stream.getvalue()
    assert "watch_lost" in stream.getvalue()


@pytest.mark.parametrize(("level", "shown"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_what_is_below_the_level_is_not_written(level, shown):
    for get_logger in (structlog.get_logger, lambda: logging.getLogger("some.library")):
        stream = io.StringIO()
        logs.configure("json", level, stream)
        for method in ("debug", "info", "warning", "error"):
            getattr(get_logger(), method)("happened")
        assert len(lines(stream)) == shown


def test_the_kubernetes_client_never_logs_the_bodies_it_exchanges():
    stream = io.StringIO()
    logs.configure("json", "debug", stream)
    logging.getLogger("kubernetes_asyncio.client.rest").debug("response body: %s", TOKEN)
    logging.getLogger("aiosqlite").debug("executing %s", "INSERT")
    assert stream.getvalue() == ""
    logging.getLogger("kubernetes_asyncio.client.rest").info("said")
    assert len(lines(stream)) == 1


async def test_nobody_fills_the_log_with_requests_that_are_no_http():
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    async with listening(
        web.Application(), Address("127.0.0.1", 0), "X", idle_seconds=9, last_seconds=9, linger_seconds=9
    ) as port:
        for odd in (b"no HTTP", b"POST / HTTP/1.1\r\nContent-Length: -1", b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(odd + b"\r\n\r\n")
            assert b" 400 " in await reader.readline()
            writer.close()
            await writer.wait_closed()
    assert stream.getvalue() == ""


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize(
    "secret",
    [
        f"Authorization: Bearer {TOKEN}",
        "bearer abc.DEF-123_~+/==",
        TOKEN,
        ADDRESS,
        "postgresql://portal:hun@ter2@db.example/portal",
        "postgresql://portal@db/portal?password=hunter2&x=1",
        "host=db user=portal password=hunter2 dbname=portal",
        "host=db password='hunter2 hunter2'",
    ],
)
def test_what_looks_like_a_token_or_a_password_is_masked_wherever_it_stands(form, secret):
    stream = io.StringIO()
    logs.configure(form, "info", stream)
    structlog.get_logger().info("failed", address=secret, nested={"deep": [secret]}, why=ValueError(secret))
    logging.getLogger("library").warning("failed with %s", secret)
    try:
        fail_with(secret)
    except ValueError:
        structlog.get_logger().exception("failed")
    written = stream.getvalue()
    for hidden in (TOKEN, TOKEN.split(".")[2], "abc.DEF", "hunter2", "ter2"):
        assert hidden not in written
    assert written.count("***") >= 5


def test_a_traceback_shows_no_local_variables():
    stream = io.StringIO()
    logs.configure("console", "info", stream)
    try:
        fail_with("x" * 3)
    except ValueError:
        structlog.get_logger().exception("failed")
        expected = traceback.format_exc()
    assert expected.rstrip() in stream.getvalue()
    assert "'xxx'" not in stream.getvalue()


def test_the_settings_can_be_logged_whole():
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    settings = Settings.from_environment({"DATABASE_URL": ADDRESS})
    structlog.get_logger().info("configured", settings=settings, url=settings.database_url)
    assert "hunter2" not in stream.getvalue()
    assert len(lines(stream)) == 1


awkward = st.lists(st.sampled_from([*"\"'\\:/@=& a\n", "password=", "bearer ", "://", TOKEN]), max_size=12)


@given(awkward.map("".join), st.text(st.characters(exclude_categories=["Cs"])))
def test_masking_keeps_a_line_of_json_a_line_of_json(one, other):
    line = json.dumps({"event": one, "why": f"Bearer {other}", "at": f"postgresql://{one}:{other}@host", "by": one})
    assert set(json.loads(logs.masked(None, "info", line))) == {"event", "why", "at", "by"}


def test_ordinary_lines_stay_as_they_are():
    line = (
        '{"event":"watch_lost","url":"https://[::1]:6443/apis?resourceVersion=247","to":"http://a:8080","by":"x@y.ch"}'
    )
    assert logs.masked(None, "info", line) == line
