"""The certificate of the TLS port: two files that somebody else writes, and their newest state that is good."""

import asyncio
import ssl
import time
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Never

import structlog

from sidecar.stamps import stamps

# Seconds between two looks, which are two stats and cost some 20 µs. The kubelet brings a changed Secret into a volume
# within a minute or so (its --sync-frequency), so this adds nothing that counts; at the first start the webhook
# answers this much later.
_LOOK_SECONDS = 2.0

# Seconds between two lines that say that there is no certificate yet: often enough to be seen in a log that is being
# followed, and a Job that makes the certificate may take a minute.
_AWAITED_SECONDS = 60.0

_log = structlog.get_logger()


class _Pair(NamedTuple):
    """A certificate with its key, both loaded, and when the certificate ends."""

    context: ssl.SSLContext
    expires_at: datetime


class ServingCertificate:
    """Hands each new connection the newest pair of the files that fits together.

    A pair is loaded whole, into a context of its own, and then takes the place of the one before: a file that is half
    written, missing, or does not fit the other one, changes nothing for those who connect. Connections that are open
    keep what they began with.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        """`certificate`: PEM, the server's own and, if there are any, the intermediate ones after it. `key`: PEM,
        not encrypted. Neither needs to be there yet; `keep_current` looks for them.
        """
        self._certificate = certificate
        self._key = key
        self._pair: _Pair | None = None
        self._seen: tuple[object, ...] = ()
        self._problem: str | None = None
        self._said_at = 0.0
        self._first = asyncio.Event()
        self.context = _server_context()
        """For the server to listen with. Clients need no certificate; before there is a pair, none gets through."""
        self.context.sni_callback = self._present

    @property
    def expires_at(self) -> datetime | None:
        """When the certificate that is presented now ends (UTC); None: there is none yet."""
        return self._pair and self._pair.expires_at

    async def loaded(self) -> None:
        """Returns once there is a pair to present, while `keep_current` runs."""
        await self._first.wait()

    async def keep_current(self) -> Never:
        """Looks at the files for ever, and takes what is new and good. Ends by cancellation."""
        while True:
            seen = self._stamps()
            # What could not be read is tried again each time: the reason may have been no file's.
            if seen != self._seen or self._problem is not None:
                await self._take(seen)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _take(self, seen: tuple[object, ...]) -> None:
        try:
            # In a thread: the first time it imports `cryptography`, which takes a tenth of a second.
            pair = await asyncio.to_thread(_read, self._certificate, self._key)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            self._say(f"{type(error).__name__}: {error}", changed=seen != self._seen)
        else:
            self._pair, self._problem = pair, None
            _log.info("certificate_loaded", file=str(self._certificate), expires_at=pair.expires_at.isoformat())
        # What changed while it was read is looked at again, also if it is then as it was before.
        self._seen = seen if seen == self._stamps() else ()
        if self._pair is not None:
            self._first.set()

    def _stamps(self) -> tuple[object, ...]:
        return stamps((self._certificate, self._key))

    def _say(self, problem: str, *, changed: bool) -> None:
        """Once a change; again after a while only if there is nothing to present at all."""
        changed = changed or problem != self._problem
        self._problem = problem
        certificate, key = str(self._certificate), str(self._key)
        if self._pair is not None:
            if changed:
                expires_at = self._pair.expires_at.isoformat()
                _log.warning(
                    "certificate_kept", reason=problem, expires_at=expires_at, certificate=certificate, key=key
                )
        elif changed or time.monotonic() - self._said_at >= _AWAITED_SECONDS:
            self._said_at = time.monotonic()
            _log.warning("certificate_awaited", reason=problem, certificate=certificate, key=key)

    def _present(self, connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> int | None:
        """OpenSSL asks this in each handshake, whether or not the client names a server."""
        if self._pair is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = self._pair.context
        return None


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Go's clients, and so API servers, offer no less since Go 1.18
    return context


def _read(certificate: Path, key: Path) -> _Pair:
    """The pair as it is now. Raises OSError (as ssl.SSLError if the two do not fit) and ValueError."""
    from cryptography import x509  # noqa: PLC0415 - 10 MiB that only a process with a TLS port needs

    chain = certificate.read_bytes()
    context = _server_context()
    # With an empty password an encrypted key is an error; without one, OpenSSL would ask the terminal for it.
    context.load_cert_chain(certificate, key, password="")
    return _Pair(context, x509.load_pem_x509_certificate(chain).not_valid_after_utc)
