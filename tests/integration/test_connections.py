"""A port closes what comes above its limit, and goes on serving whom it has."""

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sidecar.web import connections, listening
from tests.support.hooks import Hooks, hooks
from tests.support.reviews import review, stored
from tests.support.waiting import until

_MOST = 8


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listening, "CONNECTIONS_MOST", _MOST)
    async with hooks(tmp_path) as running:
        yield running


async def _admitted(served: Hooks) -> bool:
    body = review("UPDATE", "bob", stored(247, 1, "jitsi"), stored(248, 2, "jitsi", "nextcloud"))
    return (await served.admit(body)).status == 200


def _silent(port: int) -> socket.socket:
    """A connection that does not even begin its handshake."""
    return socket.create_connection(("127.0.0.1", port), timeout=20)


async def test_connections_above_the_limit_are_closed_at_once_and_those_before_are_served(served):
    assert await _admitted(served)  # by a connection that is kept
    with capture_logs() as logged, contextlib.ExitStack() as stack:
        for _ in range(_MOST - 1):
            stack.enter_context(_silent(served.port))
        for _ in range(3):
            refused = stack.enter_context(_silent(served.port))
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.to_thread(refused.recv, 1) == b""
        assert await _admitted(served)
    assert [line for line in logged if line["event"] == "connections_refused"] == [
        {"event": "connections_refused", "log_level": "warning", "connections": _MOST, "refused": 1}
    ]


async def test_whoever_leaves_makes_room(served):
    with contextlib.ExitStack() as stack:
        for _ in range(_MOST):
            stack.enter_context(_silent(served.port))

    async def admitted() -> bool:
        with contextlib.suppress(OSError):
            return await _admitted(served)
        return False

    await until(admitted, "the room was not given back")


def test_a_host_of_two_families_has_one_limit():
    listeners = connections.bound("", 0, 1)
    try:
        assert {listener.family for listener in listeners} <= {socket.AF_INET, socket.AF_INET6}
        assert len({id(listener._limit) for listener in listeners}) == 1
    finally:
        for listener in listeners:
            listener.close()
