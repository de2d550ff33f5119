"""How the API server is reached and how we name ourselves to it, read again whenever that changes."""

import asyncio
import ssl
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from sidecar.cluster.reading import Reading, Unreadable, read_apart
from sidecar.errors import Misconfigured, Unavailable
from sidecar.stamps import stamp_of

_EXPIRY_MARGIN = timedelta(minutes=5)  # as kubernetes_asyncio's own EXPIRY_SKEW_PREVENTION_DELAY
_REFUSED_PAUSE = 10.0
"""Seconds between two readings because of a 401. An exec plugin may take a second and cost a login; client-go
likewise runs it again on 401 only when the last run is a while ago."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class Access:
    """One reading: `host` is the URL to begin with; the rest is what a request needs to carry."""

    host: str
    authorization: str | None
    tls: ssl.SSLContext
    server_hostname: str | None
    proxy: str | None


class AccessReader:
    """Gives the present access; reads it again when a file it came from changed, or it expires."""

    def __init__(self, kubeconfig: Path | None) -> None:
        """`kubeconfig`: a file (or several, joined as in $KUBECONFIG); None: in-cluster configuration."""
        self._kubeconfig = kubeconfig
        self._access: Access | None = None
        self._reading: Reading | None = None
        self._doubted = False
        self._read_at = 0.0
        self._turn = asyncio.Lock()  # one reading is for all who wait for it

    async def present(self) -> Access:
        """What to use for the next request.

        Raises `Misconfigured` if it can never have worked (no such file, not in a cluster, no such user);
        `Unavailable` if what worked before cannot be read now (a file half written, a plugin that failed).
        """
        async with self._turn:
            if self._access is not None and not self._outdated():
                return self._access
            known = self._access
            try:
                self._access = await self._read()
            except (Unreadable, OSError, ssl.SSLError) as error:
                if known is None:
                    raise Misconfigured(f"{self._where()} gives no access to a cluster: {error}") from error
                raise Unavailable(f"{self._where()} changed and cannot be read now: {error}") from error
            return self._access

    def doubt(self) -> None:
        """The API server did not know us (401): read again before the next request."""
        self._doubted = True

    def _where(self) -> str:
        return f"kubeconfig {self._kubeconfig}" if self._kubeconfig else "the in-cluster configuration"

    def _outdated(self) -> bool:
        if self._reading is None or self._reading.stamp != stamp_of(self._reading.files):
            return True
        if self._reading.expires is not None and datetime.now(UTC) >= self._reading.expires - _EXPIRY_MARGIN:
            return True
        return self._doubted and time.monotonic() - self._read_at >= _REFUSED_PAUSE

    async def _read(self) -> Access:
        read_at = time.monotonic()
        reading = await read_apart(self._kubeconfig)
        for line in reading.said:
            _log.warning("access_doubtful", where=self._where(), reason=line)
        # The same context, if nothing changed: connections that are open can be used again.
        kept = self._access is not None and self._reading is not None and _tls_of(self._reading) == _tls_of(reading)
        tls = self._access.tls if kept and self._access is not None else _context(reading)
        self._reading, self._read_at, self._doubted = reading, read_at, False
        return Access(
            host=reading.host,
            authorization=reading.authorization,
            tls=tls,
            server_hostname=reading.server_hostname,
            proxy=reading.proxy,
        )


def _tls_of(reading: Reading) -> tuple[object, ...]:
    return (reading.ca, reading.certificate, reading.key, reading.verify)


def _context(reading: Reading) -> ssl.SSLContext:
    """Raises `ssl.SSLError`, OSError."""
    # Comments may be in any encoding. The newline: an empty file must be an error, and "" would mean the system's CAs.
    ca = None if reading.ca is None else reading.ca.decode("ascii", errors="ignore") + "\n"
    context = ssl.create_default_context(cadata=ca)
    # Python 3.13 refuses CAs without key usage or authority key id. The form of the cluster's CA is not ours
    # to choose, and client-go accepts them; whom we talk to is checked all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if reading.certificate is not None:
        _load(context, reading.certificate, reading.key or b"")
    if not reading.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """By a file that only this user can read and that is gone then: the ssl module takes these from nowhere else."""
    with tempfile.NamedTemporaryFile(prefix="sidecar-") as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)
