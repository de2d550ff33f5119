"""The certificate of the TLS port, with a real server, real clients and files as a Secret volume has them."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from structlog.testing import capture_logs

from sidecar.web import certificate
from sidecar.web.certificate import ServingCertificate
from tests.support.issued import Pair, SecretVolume, new_pair, presented, strict_client
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(certificate, "_LOOK_SECONDS", 0.02)


@pytest.fixture
def volume(tmp_path: Path) -> SecretVolume:
    return SecretVolume(tmp_path / "tls")


@pytest.fixture(autouse=True)
def logged():
    with capture_logs() as lines:
        yield lines


@pytest.fixture
async def serving(volume: SecretVolume) -> AsyncIterator[ServingCertificate]:
    serving = ServingCertificate(volume.certificate, volume.key)
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(serving.keep_current())
        yield serving
        keeping.cancel()


@pytest.fixture
async def port(serving: ServingCertificate) -> AsyncIterator[int]:
    async def well(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"well")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(well, "127.0.0.1", 0, ssl=serving.context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def said(logged, event: str) -> list[dict]:
    return [line for line in logged if line["event"] == event]


async def looked(logged, event: str, times: int) -> list[dict]:
    """Those lines, once there are so many."""

    async def there() -> bool:
        return len(said(logged, event)) >= times

    await until(there, lambda: f"{event} was not said {times} times: {logged}")
    return said(logged, event)


async def test_files_that_appear_later_are_presented_and_until_then_it_says_what_it_awaits(
    volume, serving, port, logged
):
    (line,) = await looked(logged, "certificate_awaited", 1)
    assert "No such file" in line["reason"]
    assert line["certificate"] == str(volume.certificate)
    assert serving.expires_at is None
    waiting = asyncio.ensure_future(serving.loaded())
    pair = new_pair()
    with pytest.raises((ssl.SSLError, ConnectionError)):  # nothing to present: a refusal, and the server lives on
        await presented(port, strict_client(pair.authority))
    assert not waiting.done()
    volume.put(pair)
    await asyncio.wait_for(waiting, 30)
    assert await presented(port, strict_client(pair.authority)) == pair.number
    assert serving.expires_at == pair.serving.certificate.not_valid_after_utc
    assert len(said(logged, "certificate_awaited")) == 1


async def test_a_symlink_swap_is_seen_by_new_connections_and_not_by_open_ones(volume, serving, port, logged):
    old, new = new_pair(), new_pair()
    volume.put(old)
    await serving.loaded()
    both = strict_client(old.authority, new.authority)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=both, server_hostname="localhost")
    volume.put(new)
    await looked(logged, "certificate_loaded", 2)
    assert await presented(port, both) == new.number
    assert await reader.read() == b"well"
    writer.close()
    assert serving.expires_at == new.serving.certificate.not_valid_after_utc


async def test_a_client_that_names_no_server_gets_the_new_certificate_too(volume, serving, port, logged):
    """As one that calls an address: a name is only ever sent for DNS names."""
    old, new = new_pair(), new_pair()
    volume.put(old)
    await serving.loaded()
    assert await presented(port, strict_client(old.authority), "127.0.0.1") == old.number
    volume.put(new)
    await looked(logged, "certificate_loaded", 2)
    assert await presented(port, strict_client(new.authority), "127.0.0.1") == new.number


def mismatching(one: Pair, other: Pair) -> tuple[bytes, bytes]:
    return one.serving.certificate_pem(), other.serving.key_pem()


def half_written(one: Pair, _: Pair) -> tuple[bytes, bytes]:
    return one.serving.certificate_pem()[:200], one.serving.key_pem()


def empty(_: Pair, __: Pair) -> tuple[bytes, bytes]:
    return b"", b""


def with_half_a_key(one: Pair, _: Pair) -> tuple[bytes, bytes]:
    return one.serving.certificate_pem(), one.serving.key_pem()[:60]


def encrypted(one: Pair, _: Pair) -> tuple[bytes, bytes]:
    return one.serving.certificate_pem(), one.serving.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"of nobody"),
    )


@pytest.mark.parametrize("bad", [mismatching, half_written, empty, with_half_a_key, encrypted])
async def test_a_pair_that_is_no_good_keeps_the_old_one_and_says_so_once(volume, serving, port, logged, bad):
    old, new = new_pair(), new_pair()
    volume.put(old)
    await serving.loaded()
    volume.swap(*bad(new, old))
    (line,) = await looked(logged, "certificate_kept", 1)
    assert line["expires_at"] == old.serving.certificate.not_valid_after_utc.isoformat()
    assert line["reason"]
    assert "PRIVATE" not in str(logged)
    assert await presented(port, strict_client(old.authority)) == old.number
    volume.put(new)
    await looked(logged, "certificate_loaded", 2)
    assert await presented(port, strict_client(new.authority)) == new.number
    # However often it looked meanwhile.
    assert len(said(logged, "certificate_kept")) == 1


async def test_files_that_vanish_keep_what_there_was(volume, serving, port, logged):
    pair = new_pair()
    volume.put(pair)
    await serving.loaded()
    (volume.folder / "..data").unlink()
    (line,) = await looked(logged, "certificate_kept", 1)
    assert "No such file" in line["reason"]
    assert await presented(port, strict_client(pair.authority)) == pair.number


async def test_what_stays_wrong_is_said_again_only_while_there_is_nothing_to_present(volume, logged, monkeypatch):
    monkeypatch.setattr(certificate, "_AWAITED_SECONDS", 0.0)
    serving = ServingCertificate(volume.certificate, volume.key)
    looking = asyncio.ensure_future(serving.keep_current())
    await looked(logged, "certificate_awaited", 3)
    volume.put(new_pair())
    await serving.loaded()
    volume.swap(b"", b"")
    await looked(logged, "certificate_kept", 1)
    reads = []
    monkeypatch.setattr(certificate, "_read", lambda *_: reads.append(1) or (_ for _ in ()).throw(OSError("again")))

    async def read_often() -> bool:
        return len(reads) > 10

    await until(read_often, "it looks no more")
    assert len(said(logged, "certificate_kept")) == 2  # for the reason changed once
    looking.cancel()


async def test_tls_1_2_is_the_least_and_clients_need_no_certificate(volume, serving, port):
    pair = new_pair()
    volume.put(pair)
    await serving.loaded()
    client = strict_client(pair.authority)
    assert await presented(port, client) == pair.number
    assert serving.context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert serving.context.verify_mode == ssl.CERT_NONE
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await presented(port, client) == pair.number
