"""Certificates in files, as a Secret volume has them, and a client that says which one a server presents."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from sidecar.certificates import names
from sidecar.certificates.issuing import Issued, new_authority, new_serving


@dataclass(frozen=True)
class Pair:
    """A serving certificate for this machine and the CA that signed it."""

    authority: Issued
    serving: Issued

    @property
    def number(self) -> int:
        """Which certificate it is."""
        return self.serving.certificate.serial_number


def new_pair(now: datetime | None = None) -> Pair:
    now = now or datetime.now(UTC)
    authority = new_authority(now)
    return Pair(authority, new_serving(authority, names.of_this_machine(()), now))


class SecretVolume:
    """A folder as the kubelet fills it: each file is a link through `..data`, which is swapped in one rename."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "tls.crt"
        self.key = folder / "tls.key"
        self._turn = 0
        folder.mkdir()
        for file in (self.certificate, self.key):
            file.symlink_to(f"..data/{file.name}")  # to nowhere, until the first `swap`

    def swap(self, certificate: bytes, key: bytes) -> None:
        """All files at once."""
        self._turn += 1
        content = self.folder / f"..{self._turn}"
        content.mkdir()
        (content / "tls.crt").write_bytes(certificate)
        (content / "tls.key").write_bytes(key)
        link = self.folder / "..data_tmp"
        link.symlink_to(content.name)
        link.rename(self.folder / "..data")

    def put(self, pair: Pair) -> None:
        """A pair that fits."""
        self.swap(pair.serving.certificate_pem(), pair.serving.key_pem())


def strict_client(*authorities: Issued) -> ssl.SSLContext:
    """A client that trusts these CAs alone, and checks them as Python 3.13 does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    for each in authorities:
        context.load_verify_locations(cadata=each.certificate_pem().decode())
    return context


async def presented(port: int, client: ssl.SSLContext, name: str = "localhost") -> int:
    """The serial number of the certificate that the server on this port presents, if this client takes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        assert await reader.read() == b"well"  # with TLS 1.3, only what is read shows that the server agreed
        return x509.load_der_x509_certificate(shown).serial_number
    finally:
        writer.close()
