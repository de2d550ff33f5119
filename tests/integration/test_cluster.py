"""Reaching a real HTTP server as one reaches an API server: access, its changes, sizes, errors."""

import asyncio
import json
import socket
import ssl
import stat
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidecar.answers import Answered
from sidecar.cluster import Cluster, requests
from sidecar.errors import Misconfigured, Unavailable
from tests.support.scripted import (
    KUBE_SYSTEM,
    Answer,
    bookmark,
    event,
    kubeconfig,
    page,
    serving,
    status,
    tenant,
)
from tests.support.scripted import cluster as named

TLS = Path(__file__).parent.parent / "data/tls"


@pytest.fixture
async def server():
    async with serving() as server:
        yield server


def connected(config):
    return Cluster.connect(config, "pieced.ch", "v1alpha1", "piecedtenants")


@pytest.fixture
async def cluster(server, tmp_path):
    async with connected(kubeconfig(tmp_path, server.url)) as cluster:
        yield cluster


def sent_authorization(server):
    return [headers.get("Authorization") for _, _, headers in server.requests]


# --- what it is -------------------------------------------------------------------------------------------


async def test_a_cluster_is_named_by_the_uid_of_kube_system(server, cluster):
    server.other[KUBE_SYSTEM] = named("u-1")
    assert await cluster.uid() == "u-1"


def resources(**named):
    body = {"kind": "APIResourceList", "resources": [{"name": n, "namespaced": s} for n, s in named.items()]}
    return Answer(body=json.dumps(body).encode())


async def test_a_cluster_scoped_resource_passes(server, cluster):
    server.other["/apis/pieced.ch/v1alpha1"] = resources(others=True, piecedtenants=False)
    await cluster.check_scope()


async def test_a_namespaced_resource_is_refused_with_a_sentence(server, cluster):
    server.other["/apis/pieced.ch/v1alpha1"] = resources(piecedtenants=True)
    with pytest.raises(Misconfigured, match=r"piecedtenants\.pieced\.ch is namespaced.*scope: Cluster"):
        await cluster.check_scope()


@pytest.mark.parametrize("answer", [resources(others=False), status(404, "NotFound")], ids=["group", "nothing"])
async def test_a_resource_that_is_not_installed_is_waited_for(server, cluster, answer):
    server.other["/apis/pieced.ch/v1alpha1"] = answer
    with pytest.raises(Unavailable, match="is its CRD installed"):
        await cluster.check_scope()


# --- lists ------------------------------------------------------------------------------------------------


async def test_a_page_says_its_version_its_times_and_the_next_token(server, cluster):
    server.lists = [page(2**100, [tenant(1, 1, 90)], "next")]
    got = await cluster.list_page(500)
    assert (got.version, got.continue_token, len(got.items)) == (str(2**100), "next", 1)
    assert got.sent_at < got.answered_at
    assert abs((got.server_date - got.sent_at).total_seconds()) < 60
    server.lists = [page(100, [])]
    await cluster.list_page(500, "next")
    (_, first, _), (_, second, _) = server.requests
    assert first == {"limit": "500"}  # no resourceVersion: a quorum read
    assert second == {"limit": "500", "continue": "next"}


@pytest.mark.parametrize("date", ["yesterday", "", "Sun, 99 Nov 2026 10:00:00 GMT", "Fri, 31 Dec 9999 23:00:00 -0200"])
async def test_a_date_that_is_none_is_left_out(server, cluster, date):
    server.lists = [page(100, [])]
    server.lists[0].headers["Date"] = date
    got = await cluster.list_page(500)
    assert (got.version, got.server_date) == ("100", None)


async def test_a_date_without_a_zone_is_in_utc(server, cluster, monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Zurich")
    time.tzset()
    try:
        server.lists = [page(100, [])]
        server.lists[0].headers["Date"] = "Sun, 22 Nov 2026 10:00:00 -0000"
        got = await cluster.list_page(500)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert got.server_date == datetime(2026, 11, 22, 10, tzinfo=UTC)


async def test_a_clock_that_is_set_back_does_not_make_an_answer_older_than_its_question(cluster, monkeypatch):
    class SetBack(datetime):
        """An hour earlier each time that it is asked."""

        told = datetime(2026, 11, 22, 10, tzinfo=UTC)

        @classmethod
        def now(cls, tz=None):
            cls.told -= timedelta(hours=1)
            return cls.told.astimezone(tz)

    monkeypatch.setattr("sidecar.cluster.client.datetime", SetBack)
    got = await cluster.list_page(500)
    assert got.sent_at == got.answered_at == datetime(2026, 11, 22, 9, tzinfo=UTC)


async def test_a_page_that_is_too_large_is_asked_for_in_halves(server, cluster, monkeypatch):
    monkeypatch.setattr(requests, "BODY_MOST", 5000)
    server.lists = [page(1, [tenant(n, 1, n) for n in range(20)])] * 2 + [page(1, [tenant(1, 1, 1)])]
    assert len((await cluster.list_page(500)).items) == 1
    assert [query["limit"] for _, query, _ in server.requests] == ["500", "250", "125"]


async def test_one_object_that_is_too_large_is_a_clear_error(server, cluster, monkeypatch):
    monkeypatch.setattr(requests, "BODY_MOST", 100)
    server.lists = server.probes = [page(1, [tenant(1, 1, 1)])] * 2
    with pytest.raises(Unavailable, match="one object alone"):
        await cluster.list_page(2)


async def test_a_large_page_is_read_whole(server, cluster):
    note = {"annotations": {"note": "x" * 2**20}}
    server.lists = [page(1, [tenant(n, 1, n, metadata=note) for n in range(1, 4)])]
    got = await cluster.list_page(500)
    assert len(got.items) == 3
    assert got.size > 3 * 2**20


async def test_nulls_that_go_writes_are_empty(server, cluster):
    server.lists = [Answer(body=b'{"metadata":{"resourceVersion":"5","continue":null},"items":null}')]
    got = await cluster.list_page(500)
    assert (got.items, got.continue_token) == ([], "")


# --- refusals ---------------------------------------------------------------------------------------------


async def test_a_refusal_keeps_status_reason_message_and_retry_after(server, cluster):
    server.lists = [status(429, "TooManyRequests", "storage is (re)initializing", Retry_After="1")]
    with pytest.raises(Answered, match="initializing") as caught:
        await cluster.list_page(500)
    assert (caught.value.status, caught.value.reason, caught.value.retry_after) == (429, "TooManyRequests", 1.0)


async def test_a_refusal_in_plain_text_is_understood(server, cluster):
    server.watches = [Answer(429, b"Too many requests\n", {"Retry-After": "17", "Content-Type": "text/plain"})]
    with pytest.raises(Answered, match="Too many requests") as caught:
        async with cluster.watch("5", 300):
            pytest.fail("a refused watch has no lines")
    assert (caught.value.status, caught.value.retry_after) == (429, 17.0)


async def test_no_retry_after_can_put_us_to_sleep_for_a_day(server, cluster):
    server.lists = [Answer(503, b"", {"Retry-After": "86400"})]
    with pytest.raises(Answered) as caught:
        await cluster.list_page(500)
    assert caught.value.retry_after == 300.0


async def test_a_missing_right_is_named(server, cluster):
    server.lists = [status(403, "Forbidden", "User x cannot list")]
    with pytest.raises(Answered, match=r"list piecedtenants\.pieced\.ch: we lack this right.*ClusterRole"):
        await cluster.list_page(500)


async def test_a_redirect_is_not_followed(server, cluster):
    server.lists = [Answer(302, b"", {"Location": f"{server.url}/login"})]
    with pytest.raises(Answered) as caught:
        await cluster.list_page(500)
    assert caught.value.status == 302


async def test_a_server_that_is_away_is_unavailable_with_its_cause(tmp_path):
    async with serving() as gone:
        config = kubeconfig(tmp_path, gone.url)
    async with connected(config) as cluster:
        with pytest.raises(Unavailable, match="list piecedtenants") as caught:
            await cluster.list_page(500)
    assert isinstance(caught.value.__cause__, OSError)


# --- streams ----------------------------------------------------------------------------------------------


async def test_lines_come_as_they_arrive_and_a_clean_end_ends_them(server, cluster):
    async with cluster.watch("5", 300) as stream:
        wire = await server.watch()
        batches = aiter(stream)
        one, two = event("ADDED", tenant(1, 1, 6)), bookmark(7)
        await wire.send(one, two[:9])
        assert await anext(batches) == [one.rstrip()]
        await wire.send(two[9:])
        assert await anext(batches) == [two.rstrip()]
        wire.end()
        with pytest.raises(StopAsyncIteration):
            await anext(batches)
    assert wire.query == {
        "watch": "1",
        "resourceVersion": "5",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "300",
    }


async def test_a_stream_that_is_closed_from_beside_wakes_its_reader(server, cluster):
    async with cluster.watch("5", 300) as stream:
        await server.watch()
        reading = asyncio.ensure_future(anext(aiter(stream)))
        await asyncio.sleep(0)  # the reader waits now
        stream.close()
        with pytest.raises(Unavailable):
            await asyncio.wait_for(reading, 10)


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="elsewhere than on Linux the system's own times hold")
async def test_the_kernel_finds_out_in_a_minute_that_a_peer_has_vanished(server, cluster):
    async with cluster.watch("5", 300) as stream:
        await server.watch()
        made = stream._response.connection.transport.get_extra_info("socket")
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, pause, probes = (
            made.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert idle + pause * probes == 60


async def test_an_error_of_the_one_who_reads_is_not_taken_for_the_streams(cluster):
    with pytest.raises(TimeoutError, match="mine"):
        async with cluster.watch("5", 300):
            raise TimeoutError("mine")


# --- access -----------------------------------------------------------------------------------------------


async def test_a_new_token_counts_from_the_next_request_and_the_open_watch_goes_on(server, tmp_path):
    token = tmp_path / "token"
    token.write_text("first\n")
    config = kubeconfig(tmp_path, server.url, {"tokenFile": "token"})
    async with connected(config) as cluster, cluster.watch("5", 300) as stream:
        wire = await server.watch()
        token.write_text("second\n")
        await cluster.list_page(1)
        await wire.send(bookmark(7))
        assert await anext(aiter(stream)) == [bookmark(7).rstrip()]
    assert sent_authorization(server) == ["Bearer first", "Bearer second"]


async def test_another_server_in_the_kubeconfig_counts_from_the_next_request(server, tmp_path):
    async with serving() as other, connected(kubeconfig(tmp_path, server.url)) as cluster:
        await cluster.list_page(500)
        kubeconfig(tmp_path, other.url)
        await cluster.list_page(500)
        assert (server.count("list"), other.count("list")) == (1, 1)


async def test_an_exec_plugin_gives_the_token_and_is_asked_again_after_a_401(server, tmp_path, monkeypatch):
    monkeypatch.setattr("sidecar.cluster.access._REFUSED_PAUSE", 0.0)
    runs = tmp_path / "runs"
    plugin = tmp_path / "plugin"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    plugin.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib\n"
        f"runs = pathlib.Path({str(runs)!r})\n"
        "count = len(runs.read_text()) if runs.exists() else 0\n"
        "runs.write_text('x' * (count + 1))\n"
        f"print(json.dumps({credential!r} | {{'status': {{'token': f'run{{count + 1}}'}}}}))\n"
    )
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    user = {"exec": {"apiVersion": credential["apiVersion"], "command": str(plugin)}}
    async with connected(kubeconfig(tmp_path, server.url, user)) as cluster:
        await cluster.list_page(500)
        server.lists = [status(401, "Unauthorized")]
        with pytest.raises(Answered, match="does not know our credentials"):
            await cluster.list_page(500)
        await cluster.list_page(500)
    assert sent_authorization(server) == ["Bearer run1", "Bearer run1", "Bearer run2"]


def serving_tls(name):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / f"{name}-server.pem")
    return context


async def test_a_server_of_another_ca_is_not_trusted_until_the_ca_file_says_so(tmp_path):
    ca = tmp_path / "ca.crt"
    ca.write_bytes((TLS / "old-ca.crt").read_bytes())
    context = serving_tls("old")
    async with serving(context) as server:
        config = kubeconfig(tmp_path, server.url, **{"certificate-authority": "ca.crt"})
        async with connected(config) as cluster, cluster.watch("5", 300) as stream:
            wire = await server.watch()
            context.load_cert_chain(TLS / "new-server.pem")  # new connections get the new certificate
            with pytest.raises(Unavailable, match="certificate"):
                await cluster.list_page(500)
            ca.write_bytes((TLS / "new-ca.crt").read_bytes())
            assert (await cluster.list_page(500)).version == "100"
            await wire.send(bookmark(7))  # the stream that was open goes on
            assert await anext(aiter(stream)) == [bookmark(7).rstrip()]


async def test_a_pod_uses_its_service_account_and_its_new_token(tmp_path, monkeypatch):
    from kubernetes_asyncio.config import incluster_config

    (tmp_path / "token").write_text("pod-1")
    (tmp_path / "ca.crt").write_bytes((TLS / "old-ca.crt").read_bytes())
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    async with serving(serving_tls("old")) as server:
        host, port = server.url.removeprefix("https://").split(":")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
        async with connected(None) as cluster:
            await cluster.list_page(500)
            (tmp_path / "token").write_text("pod-2")
            await cluster.list_page(500)
    assert sent_authorization(server) == ["Bearer pod-1", "Bearer pod-2"]


async def test_an_access_that_cannot_be_read_any_more_is_waited_for(server, tmp_path):
    config = kubeconfig(tmp_path, server.url)
    async with connected(config) as cluster:
        whole = config.read_text()
        config.write_text(whole[: len(whole) // 2])
        with pytest.raises(Unavailable, match="cannot be read now"):
            await cluster.list_page(500)
        config.write_text(whole)
        await cluster.list_page(500)


@pytest.mark.parametrize("content", [None, "", "clusters: [", '{"contexts": []}'])
async def test_a_kubeconfig_that_never_worked_is_a_misconfiguration(tmp_path, content):
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Misconfigured, match="kubeconfig"):
        async with connected(path):
            pass


async def test_outside_of_a_cluster_there_must_be_a_kubeconfig(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(Misconfigured, match="in-cluster"):
        async with connected(None):
            pass
