"""How many connections a port may have at once, counted from before the TLS handshake until the socket is closed.

Whoever reaches the TLS port needs no credential to connect, and a connection takes 275 KiB though it never says a word
(measured: asyncio's TLS has a buffer of 256 KiB). Unlimited, 4,000 of them ended the process by its memory limit.
"""

import socket
import time
from typing import Any

import structlog

CONNECTIONS_MOST = 1_024
"""280 MiB at most. An API server has at most 200 writes under way (its default), so this is five of them."""

# Seconds between two log lines about it.
_REMINDER = 60.0

_log = structlog.get_logger()


class Limit:
    """Connections that are open, of all sockets that share this."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = 0
        self._refused = 0  # since it was last said
        self._said_at = -_REMINDER

    def take(self) -> bool:
        """Whether one more may be open; if so, it is counted until `give_back`."""
        if self._open < self._most:
            self._open += 1
            return True
        self._refused += 1
        if time.monotonic() - self._said_at >= _REMINDER:
            _log.warning("connections_refused", connections=self._open, refused=self._refused)
            self._said_at, self._refused = time.monotonic(), 0
        return False

    def give_back(self) -> None:
        """One is closed."""
        self._open -= 1


def bound(host: str, port: int, most: int) -> list["Listener"]:
    """Sockets for all addresses of `host`, for `most` connections together. Raises OSError."""
    limit, listeners = Limit(most), list[Listener]()
    try:
        for family, _, _, _, address in socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            listener = Listener(family, limit)
            listeners.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:  # 0.0.0.0 is another one
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


class Listener(socket.socket):
    """A listening socket that refuses connections above the limit at once.

    So an API server that comes then does not wait for its second, and goes on without us.
    """

    def __init__(self, family: int, limit: Limit) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self._limit = limit

    def accept(self) -> tuple[socket.socket, Any]:
        """As of any socket. Raises ConnectionAbortedError for one that is refused."""
        connection, peer = super().accept()
        if not self._limit.take():
            connection.close()
            raise ConnectionAbortedError("too many connections")
        return _Counted(connection.detach(), self._limit), peer


class _Counted(socket.socket):
    def __init__(self, fileno: int, limit: Limit) -> None:
        super().__init__(fileno=fileno)
        self._limit: Limit | None = limit

    def close(self) -> None:
        super().close()
        if self._limit is not None:
            self._limit.give_back()
            self._limit = None
