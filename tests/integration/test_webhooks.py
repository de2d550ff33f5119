"""The TLS port: admission is always answered, an audit batch only when it is on the disk."""

import asyncio
import gzip
import hmac
import json
import os
import ssl
import threading
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from sidecar.errors import SpoolFull
from sidecar.facts import Attribution, Seen
from sidecar.web import auditing, tokens
from sidecar.web import webhooks as webhooks_module
from tests.support import captures
from tests.support.audit_events import like
from tests.support.hooks import TOKEN, Hooks, event_list, hooks
from tests.support.reviews import review, stored
from tests.support.waiting import PATIENCE_SECONDS

MIB = 2**20
FAILED_OPEN = "failed-open.validating.webhook.admission.k8s.io/round_0_index_0"
BASE, NEXT = stored(247, 1, "jitsi"), stored(248, 2, "jitsi", "nextcloud")


@pytest.fixture(autouse=True)
def logged():
    with capture_logs() as lines:
        yield lines


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Hooks]:
    async with hooks(tmp_path) as running:
        yield running


def a_review(padding: int = 0) -> dict[str, Any]:
    new = {**NEXT, "padding": "x" * padding}
    return review("UPDATE", "bob", BASE, new)


def allowed(answer: Any, body: dict[str, Any]) -> bool:
    response = answer.body["response"]
    return answer.status == 200 and response["uid"] == body["request"]["uid"] and response["allowed"] is True


def problem(answer: Any) -> tuple[int, str]:
    assert set(answer.body) == {"error", "detail"}
    return answer.status, answer.body["error"]


# Admission


async def test_every_captured_review_is_allowed_with_its_uid(served):
    for body in captures.reviews():
        assert allowed(await served.admit(body), body)
    assert served.webhooks.left_out == {"other_resource": 1, "no_generation": 4, "dry_run": 1}
    assert len(served.claims) == len(captures.reviews()) - 6


async def test_a_request_is_remembered_and_leaves_a_note_in_the_audit_event(served):
    body = a_review()
    answer = await served.admit(body)
    assert answer.headers["Content-Type"].startswith("application/json")
    (note,) = answer.body["response"]["auditAnnotations"].items()
    assert note == (f"u.{body['request']['uid']}", f"{BASE['metadata']['uid']} 247 1→2")
    assert served.claims.awaits(BASE["metadata"]["uid"])


async def test_what_is_no_review_gets_400_and_a_sentence(served):
    for body in (b"", b"{", b"null", b'{"request":{}}', b"\xff"):
        assert problem(await served.admit(body)) == (400, "bad_request")
    assert len(served.claims) == 0


async def test_a_defect_of_ours_allows_with_the_uid_and_is_logged(served, logged, monkeypatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(webhooks_module.admission, "read", broken)
    body = a_review()
    assert allowed(await served.admit(body), body)
    assert [line["event"] for line in logged if line["log_level"] == "error"] == ["review_not_understood"]
    assert served.webhooks.left_out == {"defect": 1}


@pytest.mark.parametrize("padding", [100_000, 2 * MIB, 16 * MIB - 3_000])
async def test_a_large_review_is_taken(served, padding):
    body = a_review(padding)
    assert len(json.dumps(body)) <= 16 * MIB
    assert allowed(await served.admit(body), body)
    assert len(served.claims) == 1


async def test_a_review_of_17_mib_is_refused_with_or_without_a_length(served):
    body = json.dumps(a_review(17 * MIB)).encode()
    assert problem(await served.admit(body)) == (413, "too_large")

    async def without_length() -> AsyncIterator[bytes]:
        for start in range(0, len(body), MIB):
            yield body[start : start + MIB]

    assert problem(await served.call("/admission", without_length())) == (413, "too_large")
    small = a_review()
    assert allowed(await served.admit(small), small)


async def test_a_burst_of_1400_calls_is_answered_call_by_call(served):
    bodies = [a_review() for _ in range(1_400)]
    answers = await asyncio.gather(*[served.admit(body) for body in bodies])
    assert all(allowed(answer, body) for answer, body in zip(answers, bodies, strict=True))
    assert len(served.claims) == 1_400


async def test_large_reviews_at_once_share_a_bounded_memory(served):
    body = json.dumps(a_review(8 * MIB)).encode()
    tracemalloc.start()
    try:
        answers = await asyncio.gather(*[served.admit(body) for _ in range(80)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert {answer.status for answer in answers} <= {200, 503}
    assert any(answer.status == 200 for answer in answers)
    assert peak < 350 * MIB  # the bodies alone would be 640


# Compressed bodies: aiohttp unpacks them


async def test_a_compressed_review_is_refused_because_no_api_server_sends_one(served):
    body = gzip.compress(json.dumps(a_review()).encode())
    assert problem(await served.admit(body, Content_Encoding="gzip")) == (415, "unsupported_media_type")
    plain = a_review()
    assert allowed(await served.admit(plain, Content_Encoding="identity"), plain)


async def test_a_compressed_batch_is_a_batch(served):
    assert (await served.audit(gzip.compress(event_list(like("add"))), Content_Encoding="gzip")).status == 200
    assert len(await served.spooled()) == 2


@pytest.mark.parametrize("path", ["/admission", "/audit"])
async def test_a_zip_bomb_is_refused_at_the_limit(served, path):
    bomb = gzip.compress(b" " * 200 * MIB)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content_Encoding": "gzip"}
    tracemalloc.start()
    try:
        answer = await served.call(path, bomb, **headers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status in {400, 413, 415}
    assert peak < 50 * MIB


async def test_what_only_claims_to_be_compressed_is_refused(served):
    assert problem(await served.audit(b"no gzip at all", Content_Encoding="gzip")) == (400, "bad_request")


# Audit


async def test_a_batch_is_answered_when_its_facts_are_on_the_disk(served):
    served.disk.blocked = asyncio.Event()
    sending = asyncio.create_task(served.audit(event_list(like("create"), like("add"))))
    await served.disk.reached.wait()
    assert await served.spooled() == []
    assert not sending.done()
    served.disk.blocked.set()
    assert ((await sending).status, (await sending).body) == (200, {})
    assert [type(fact) for fact in await served.spooled()] == [Seen, Attribution] * 2
    assert served.webhooks.auditing.taken == 2


async def test_every_captured_batch_is_taken_and_what_it_left_out_is_counted(served):
    for line in captures.lines("audit-eventlists.jsonl"):
        assert (await served.audit(line)).status == 200
    auditing_ = served.webhooks.auditing
    assert auditing_.left_out == {"dry_run": 1, "failed": 1}
    assert (auditing_.taken, auditing_.batches) == (22, {"taken": len(captures.lines("audit-eventlists.jsonl"))})


async def test_what_went_without_us_and_how_long_answers_took_is_counted(served):
    event = like("add")
    failed = {**event, "annotations": {FAILED_OPEN: "record.billing.pieced.ch"}}
    assert (await served.audit(event_list(event, failed))).status == 200
    assert served.webhooks.auditing.failed_open == 1
    for _ in range(3):
        await served.admit(a_review())
    assert list(served.webhooks.seconds.cumulative())[-1] == 3
    assert 0 < served.webhooks.seconds.seconds < 3 * PATIENCE_SECONDS


async def test_a_full_spool_gets_503_with_retry_after_and_admission_still_allows(tmp_path, logged):
    async with hooks(tmp_path, spool_bytes=2 * MIB) as served:
        padded = [like("add", userAgent="x" * 400, auditID=f"{n}", requestURI=f"/{n}") for n in range(400)]
        for each in padded:
            each["responseObject"]["spec"]["packages"] = [f"{n:040d}" for n in range(100)]
        answers = [await served.audit(event_list(*padded)) for _ in range(8)]
        full = [answer for answer in answers if answer.status != 200]
        assert full
        assert {problem(answer) for answer in full} == {(503, "unavailable")}
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in full)
        body = a_review()
        assert allowed(await served.admit(body), body)
    assert [line for line in logged if line["log_level"] == "error"] == []


async def test_what_was_refused_because_the_spool_was_full_is_taken_when_it_comes_again(served):
    append = served.webhooks.auditing._append
    served.webhooks.auditing._append = _full
    assert (await served.audit(event_list(like("add")))).status == 503
    served.webhooks.auditing._append = append
    assert (await served.audit(event_list(like("add")))).status == 200
    assert [type(fact) for fact in await served.spooled()] == [Seen, Attribution]


async def test_every_refused_batch_is_counted_and_each_reason_is_said_once_in_a_while(served, logged, monkeypatch):
    for _ in range(3):
        assert (await served.audit(b"", Authorization="Bearer wrong")).status == 401
    monkeypatch.setattr(served.webhooks.auditing, "_append", _full)
    assert (await served.audit(event_list(like("add")))).status == 503
    assert served.webhooks.auditing.batches == {"refused": 4}
    said = [line["reason"] for line in logged if line["event"] == "audit_batch_refused"]
    assert said == ["This is not the token of SIDECAR_AUDIT_TOKEN_FILE.", "the spool is full"]
    monkeypatch.setattr(auditing, "_SAY_SECONDS", 0.0)
    assert (await served.audit(b"", Authorization="Bearer wrong")).status == 401
    assert len([line for line in logged if line["event"] == "audit_batch_refused"]) == 3


async def _full(_: object) -> None:
    raise SpoolFull("the spool is full")


async def test_a_controller_that_writes_the_same_again_and_again_fills_no_spool(served):
    for second in range(10, 50):
        again = like("apply", stageTimestamp=f"2026-11-22T09:27:{second}Z", auditID=f"{second}")
        assert (await served.audit(event_list(again))).status == 200
    assert len(await served.spooled()) == 2


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic dTpw"}])
async def test_without_the_right_token_nothing_is_taken(served, headers):
    answer = await served.call("/audit", event_list(like("add")), **headers)
    assert problem(answer) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert await served.spooled() == []
    assert served.webhooks.auditing.batches == {"refused": 1}


async def test_the_token_is_compared_in_constant_time(served, monkeypatch):
    compared = []

    def compare(shown: bytes, expected: bytes) -> bool:
        compared.append((shown, expected))
        return hmac.compare_digest(shown, expected)

    monkeypatch.setattr(tokens, "hmac", SimpleNamespace(compare_digest=compare))
    assert (await served.call("/audit", b"", Authorization="Bearer wrong")).status == 401
    assert compared == [(b"wrong", TOKEN.encode())]


async def test_without_a_token_file_nobody_may_send_and_it_says_so(served):
    served.token.write_text("\n")
    answer = await served.audit(event_list(like("add")))
    assert problem(answer) == (503, "unavailable")
    assert "SIDECAR_AUDIT_TOKEN_FILE" in answer.body["detail"]
    served.token.unlink()
    assert (await served.audit(event_list(like("add")))).status == 503


async def test_a_new_token_counts_at_once_and_the_old_one_no_more(served):
    served.token.write_text("another")
    assert (await served.audit(event_list(like("add")))).status == 401
    assert (await served.audit(event_list(like("add")), Authorization="Bearer another")).status == 200


async def test_no_token_is_in_the_log(served, logged):
    await served.audit(event_list(like("add")))
    await served.audit(event_list(like("add")), Authorization="Bearer mistyped-secret")
    await served.audit(b"no list")
    assert TOKEN not in str(logged)
    assert "mistyped-secret" not in str(logged)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", event_list(like("add"))[:-2], b'{"kind":"PodList","items":[]}'])
async def test_what_is_no_event_list_is_refused_whole(served, body):
    assert problem(await served.audit(body)) == (400, "bad_request")
    assert await served.spooled() == []
    assert served.webhooks.auditing.batches == {"refused": 1}


async def test_an_event_that_is_none_is_left_out_alone(served):
    assert (await served.audit(event_list({}, like("add"), {"stage": 5}))).status == 200
    assert served.webhooks.auditing.left_out == {"malformed": 2}
    assert len(await served.spooled()) == 2


async def large_batch(size: int) -> AsyncIterator[bytes]:
    """An EventList of nearly `size` bytes, as it is sent without a length."""
    event = json.dumps(like("add", requestObject={"x": "x" * 20_000})).encode()
    yield b'{"kind":"EventList","items":[' + event
    sent = len(event)
    while sent + len(event) + 100 < size:
        yield b"," + event
        sent += len(event) + 1
    yield b"]}"


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_body_of_128_mib_is_taken_while_admission_is_answered(served):
    before, most, answered = resident(), 0, 0
    sending = asyncio.create_task(served.audit(large_batch(128 * MIB)))
    while not sending.done():
        body = a_review()
        assert allowed(await served.admit(body), body)
        most, answered = max(most, resident()), answered + 1
    assert (await sending).status == 200
    assert served.webhooks.auditing.taken > 6_000
    assert answered > 100  # if the body had blocked the loop, it would be one
    assert most - before < 100 * MIB


async def test_a_large_event_is_read_beside_the_loop_and_in_its_turn(served, monkeypatch):
    """Of whatever it is made: 3 MiB of brackets and half a pair took 0.6 s, in which admission was not answered."""
    admitted, in_time, plain = threading.Event(), [], auditing.read

    def read(event: bytes, *about: Any) -> Any:
        if len(event) > 40_000:
            in_time.append(admitted.wait(PATIENCE_SECONDS))
        return plain(event, *about)

    monkeypatch.setattr(auditing, "read", read)
    batch = event_list(like("create"), like("add", requestObject={"x": "x" * 40_000}), like("json patch"))
    sending = asyncio.create_task(served.audit(batch))
    body = a_review()
    assert allowed(await served.admit(body), body)
    admitted.set()
    assert (await sending).status == 200
    assert in_time == [True]
    assert [fact.generation for fact in await served.spooled() if isinstance(fact, Seen)] == [1, 2, 3]


async def test_nobody_makes_a_batch_too_large_by_large_patches(served):
    """What 8 patches of 3 MiB are in the log: the API server would drop all that is in a batch that is refused."""
    lie = event_list(like("no-op", requestObject="LARGE")).removesuffix(b"]}")
    before, after = lie.split(b'"LARGE"')
    patch = b'"' + rb"\u003c" * (3 * MIB) + b'"'

    async def body() -> AsyncIterator[bytes]:
        yield before
        for n in range(8):
            yield patch + after + b"," + (before[before.index(b"[") + 1 :] if n < 7 else b"")
        yield json.dumps(like("add")).encode() + b"]}"

    assert (await served.audit(body())).status == 200
    assert any(isinstance(fact, Seen) and fact.generation == 2 for fact in await served.spooled())


async def test_a_body_above_the_limit_is_refused(served, monkeypatch):
    monkeypatch.setattr(auditing, "_BATCH_MOST", MIB)
    assert problem(await served.audit(large_batch(3 * MIB))) == (413, "too_large")
    whole = b"".join([chunk async for chunk in large_batch(3 * MIB)])
    assert problem(await served.audit(whole)) == (413, "too_large")
    assert await served.spooled() == []


async def test_more_batches_at_once_than_are_read_wait_for_their_turn(served, monkeypatch):
    monkeypatch.setattr(auditing, "_TURN_SECONDS", 0.1)
    served.disk.blocked = asyncio.Event()
    first = [asyncio.create_task(served.audit(event_list(like("add")))) for _ in range(2)]
    await served.disk.reached.wait()
    while served.webhooks.auditing._turns._value:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.005)
    third = await served.audit(event_list(like("add")))
    assert problem(third) == (503, "unavailable")
    assert int(third.headers["Retry-After"]) > 0
    served.disk.blocked.set()
    assert {(await each).status for each in first} == {200}


async def test_admission_is_answered_while_the_disk_stalls(served):
    served.disk.blocked = asyncio.Event()
    sending = [asyncio.create_task(served.audit(event_list(like("add")))) for _ in range(5)]
    await served.disk.reached.wait()
    for _ in range(50):
        body = a_review()
        assert allowed(await served.admit(body), body)
    assert not any(each.done() for each in sending)
    served.disk.blocked.set()
    assert {(await each).status for each in sending} == {200}


# Clients that do not do as they should


async def raw(served: Hooks, path: str, length: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which a request of so many bytes was announced."""
    connector = served.session.connector
    assert isinstance(connector, aiohttp.TCPConnector)
    tls = connector._ssl
    assert isinstance(tls, ssl.SSLContext)
    reader, writer = await asyncio.open_connection("localhost", served.port, ssl=tls)
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Length: {length}\r\n\r\n".encode()
    )
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize("path", ["/admission", "/audit"])
async def test_a_client_that_goes_away_in_the_middle_is_no_defect_and_stores_nothing(served, logged, path):
    body = event_list(like("add"))
    _, writer = await raw(served, path, len(body))
    writer.write(body[:-10])
    await writer.drain()
    writer.transport.abort()
    answer = await served.audit(body)  # the next one is served
    assert answer.status == 200
    assert [line for line in logged if line["log_level"] == "error"] == []
    assert len(await served.spooled()) == 2


@pytest.mark.parametrize("path", ["/admission", "/audit"])
async def test_a_body_that_does_not_come_is_given_up(served, monkeypatch, path):
    monkeypatch.setattr(webhooks_module, "_REVIEW_SECONDS", 0.2)
    monkeypatch.setattr(auditing, "_BODY_SECONDS", 0.2)
    reader, writer = await raw(served, path, 1_000)
    writer.write(b'{"kind":')
    assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_slow_clients_keep_nobody_from_being_answered(served):
    slow = [await raw(served, "/admission", 1_000) for _ in range(200)]
    for _ in range(20):
        body = a_review()
        assert allowed(await served.admit(body), body)
    for _, writer in slow:
        writer.close()


@pytest.mark.parametrize("path", ["/admission", "/audit"])
async def test_other_methods_are_refused(served, path):
    for method in ("GET", "PUT", "DELETE"):
        answer = await served.call(path, method=method)
        assert problem(answer) == (405, "method_not_allowed")
        assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/api/admin/billing/tenants", "/admission/", "/audit/x"])
async def test_there_is_nothing_else_on_this_port(served, path):
    assert problem(await served.call(path)) == (404, "not_found")


async def test_no_answer_tells_what_we_are_made_of(served):
    for answer in (await served.admit(a_review()), await served.audit(b""), await served.call("/")):
        assert "Server" not in answer.headers


async def test_nobody_gets_through_without_tls(served):
    with pytest.raises((aiohttp.ClientError, OSError)):
        async with served.session.post(f"http://localhost:{served.port}/admission", data=b"{}"):
            pass
