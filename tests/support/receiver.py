"""A validating webhook that allows everything, unless told otherwise, and remembers what it was asked."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Json = dict[str, Any]

# How long the end of a test waits for the thread to see it.
_POLL_SECONDS = 0.01


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a kept-alive connection must not hold up the end
    # A contended write makes dozens of calls at once; with the usual 5 some would wait a second to connect,
    # which is as long as a webhook may take.
    request_queue_size = 128


class Receiver:
    """Serves on a free loopback port, in threads of its own: it is bound to no event loop."""

    def __init__(
        self,
        certificate: Path | None = None,
        key: Path | None = None,
        *,
        first: Callable[[Json], None] | None = None,
        allowed: Callable[[Json], bool] = lambda _: True,
    ) -> None:
        """With `certificate` and `key` (PEM files) it speaks TLS.

        `first` is called with each review before it is answered; `allowed` says the answer.
        """
        self.reviews: list[Json] = []  # the `request` of each review, in the order of their arrival
        self._first = first
        self._allowed = allowed
        self._server = _Server(("127.0.0.1", 0), self._handler())
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}/admission"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answer until the end of the block."""
        thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,))
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        reviews, first, allowed = self.reviews, self._first, self._allowed

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                reviews.append(review["request"])
                if first is not None:
                    first(review)
                answer = {**review, "response": {"uid": review["request"]["uid"], "allowed": allowed(review)}}
                del answer["request"]
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """A request is in `reviews`; standard error is for failures."""

        return Handler
