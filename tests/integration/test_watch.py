"""The watch against a real HTTP server that says what each test tells it to, into a real spool."""

import asyncio
import dataclasses
import json
import threading
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from sidecar import nesting
from sidecar.backoff import Backoff
from sidecar.cluster import Cluster
from sidecar.errors import Misconfigured, SpoolFull
from sidecar.facts import Anomaly, Began, Census, Removal, Seen, Segment
from sidecar.watch import Watch, positions
from tests.support.nested import HERE, LEVELS, deepened, nested
from tests.support.recorder import becomes, caught_up, nobody, spool_in, watching
from tests.support.scripted import (
    CLUSTER,
    KUBE_SYSTEM,
    LABEL,
    PATIENCE,
    Answer,
    bookmark,
    cluster,
    error_line,
    event,
    kubeconfig,
    page,
    serving,
    status,
    tenant,
    uid,
)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    """Pauses of a tenth: what is waited for here is that they are made, and their lengths have tests of their own."""
    real = Backoff.wait
    monkeypatch.setattr(Backoff, "wait", lambda self, at_least=0.0: max(real(self) / 10, at_least))


@pytest.fixture
async def server():
    async with serving() as server:
        yield server


@pytest.fixture
async def recorder(tmp_path):
    async with spool_in(tmp_path) as recorder:
        yield recorder


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def kept_position(recorder):
    return positions.decode([position for _, _, position in recorder.appends if position is not None][-1])


# --- the first list ---------------------------------------------------------------------------------------


async def test_a_first_start_lists_then_watches_from_the_lists_version(server, recorder, folder):
    server.items = [tenant(1, 3, 90, ("a",)), tenant(2, 1, 95, ("b",))]
    async with watching(server, folder, recorder) as watch:
        wire = await server.watch()
        assert wire.query["resourceVersion"] == "100"
        assert wire.query["allowWatchBookmarks"] == "true"
        assert 240 <= int(wire.query["timeoutSeconds"]) <= 360
        assert watch.standing.lists == 1
    began, *_ = recorder.facts
    assert isinstance(began, Began)
    assert began.cluster_uid == CLUSTER
    assert abs(began.at - datetime.now(UTC)) < timedelta(minutes=1)
    seen = recorder.of(Seen)
    assert [(s.tenant_uid, s.generation, s.source, s.time_source, s.not_before) for s in seen] == [
        (uid(1), 3, "list", "late", None),
        (uid(2), 1, "list", "late", None),
    ]
    (census,) = recorder.of(Census)
    assert (census.version, census.uids, census.gone, census.not_before) == ("100", (uid(1), uid(2)), (), None)
    assert census.sent_at <= census.answered_at == seen[0].at
    (segment,) = recorder.of(Segment)
    assert (segment.from_version, segment.from_at, segment.to_version) == ("100", census.sent_at, "100")
    assert recorder.anomalies("watch_gap") == []


async def test_the_position_moves_only_with_the_end_of_a_list(server, recorder, folder):
    server.lists = [page(100, [tenant(1, 1, 90)], "more"), page(100, [tenant(2, 1, 91)])]
    async with watching(server, folder, recorder):
        await server.watch()
    with_position = [facts for facts, _, position in recorder.appends if position is not None]
    assert [[type(fact) for fact in facts] for facts in with_position] == [[Census, Segment]]
    (census,) = recorder.of(Census)
    assert census.uids == (uid(1), uid(2))
    assert [query.get("continue") for kind, query, _ in server.requests if kind == "list"] == [None, "more"]


async def test_a_410_on_a_continue_token_starts_the_list_over_without_a_census(server, recorder, folder):
    server.lists = [page(100, [tenant(1, 1, 90)], "old"), status(410, "Expired", "token too old")]
    server.version, server.items = 120, [tenant(1, 1, 90), tenant(2, 1, 110)]
    async with watching(server, folder, recorder) as watch:
        wire = await server.watch()
        assert wire.query["resourceVersion"] == "120"
        assert watch.standing.lists == 2
        assert watch.standing.lost == {"expired": 1}
    (census,) = recorder.of(Census)
    assert (census.version, census.uids) == ("120", (uid(1), uid(2)))
    assert len(recorder.of(Seen, tenant_uid=uid(1))) == 1  # known by then: no news


@pytest.mark.parametrize(
    "trouble",
    [
        status(403, "Forbidden", "cannot list"),
        status(404, "NotFound", "the server could not find the requested resource"),
        status(500, "InternalError", "etcdserver: leader changed"),
        Answer(503, b"no healthy upstream", {"Content-Type": "text/plain"}),
        Answer(200, b'{"metadata":{"resourceVersion":"100"},"items":[', cut=True),
        Answer(200, b"<html>log in</html>"),
        Answer(200, b'{"metadata":{"resourceVersion":""},"items":[]}'),
    ],
    ids=["403", "404", "500", "503 text", "cut", "html", "no version"],
)
async def test_a_list_that_failed_yields_no_census_and_is_tried_again(server, recorder, folder, trouble):
    server.lists = [trouble]
    async with watching(server, folder, recorder) as watch:
        await server.watch()
        assert watch.standing.lists == 2
    assert len(recorder.of(Census)) == 1


async def test_a_list_with_an_object_that_has_no_uid_yields_no_census(server, recorder, folder):
    server.items = [tenant(1, 1, 90), tenant(2, 1, 91, metadata={"uid": ""})]
    async with watching(server, folder, recorder):
        await server.watch()
    assert recorder.of(Census) == []
    assert [anomaly.tenant_uid for anomaly in recorder.anomalies("unreadable")] == [None]
    assert recorder.of(Segment)


async def test_an_unreadable_tenant_is_in_the_census(server, recorder, folder):
    server.items = [tenant(1, 1, 90, "threema"), tenant(2, 1, 91, metadata={"generation": 0})]
    async with watching(server, folder, recorder):
        await server.watch()
    (census,) = recorder.of(Census)
    assert census.uids == (uid(1), uid(2))
    (seen,) = recorder.of(Seen)
    assert seen.packages is None
    assert [anomaly.tenant_uid for anomaly in recorder.anomalies("unreadable")] == [uid(1), uid(2)]


# --- the stream -------------------------------------------------------------------------------------------


async def test_what_is_catching_up_is_late_and_what_comes_after_is_live(server, recorder, folder):
    server.items = [tenant(1, 1, 90, ("a",))]
    server.probes = [page(105, [])]
    async with watching(server, folder, recorder) as watch:
        wire = await server.watch()
        await caught_up(watch)
        await wire.send(event("MODIFIED", tenant(1, 2, 105, ("b",))), event("MODIFIED", tenant(1, 3, 106, ("c",))))
        late = await recorder.told(Seen, generation=2)
        lively = await recorder.told(Seen, generation=3)
    (census,) = recorder.of(Census)
    assert (late.time_source, late.not_before) == ("late", census.sent_at)
    assert lively.time_source == "watch"
    assert census.answered_at < lively.not_before < lively.at  # the probe was sent after the opening


async def test_before_the_list_is_answered_everything_is_late(server, recorder, folder):
    server.items = [tenant(1, 1, 90, ("a",))]
    server.probes = [status(500, "InternalError")]
    async with watching(server, folder, recorder):
        wire = await server.watch()
        await server.asked("probe", 1)
        await wire.send(event("MODIFIED", tenant(1, 2, 105, ("b",))))
        late = await recorder.told(Seen, generation=2)
    assert late.time_source == "late"


async def test_creation_and_deletion_told_live_carry_their_bounds(server, recorder, folder):
    async with watching(server, folder, recorder) as watch:
        wire = await server.watch()
        await caught_up(watch)
        await wire.send(event("ADDED", tenant(1, 1, 110, ("a",))))
        seen = await recorder.told(Seen)
        await wire.send(event("DELETED", tenant(1, 1, 111, ("a",))))
        removal = await recorder.told(Removal)
    assert seen.not_before is not None
    assert (removal.last_generation, removal.time_source) == (1, "watch")
    assert removal.not_before == seen.not_before
    assert (await recorder.spool.kept()).tenants == {}


async def test_each_append_carries_its_facts_tenants_segment_and_position(server, recorder, folder):
    async with watching(server, folder, recorder):
        wire = await server.watch()
        await wire.send(event("ADDED", tenant(1, 1, 110, ("a",))), bookmark(130))
        await recorder.told(Seen)
    facts, tenants, position = recorder.appends[-1]
    assert [type(fact) for fact in facts] == [Seen, Segment]
    assert list(tenants) == [uid(1)]
    assert positions.decode(position).version == "130"
    assert (facts[1].from_version, facts[1].to_version, facts[1].to_at) == ("100", "130", facts[0].at)


async def test_a_burst_is_stored_in_appends_of_at_most_500_lines(server, recorder, folder):
    async with watching(server, folder, recorder):
        wire = await server.watch()
        await wire.send(*(event("ADDED", tenant(n, 1, 100 + n, ("a",))) for n in range(1, 2001)))
        await recorder.told(Seen, tenant_uid=uid(2000))
    assert len(recorder.of(Seen)) == 2000
    assert max(len(facts) for facts, _, _ in recorder.appends) <= 501


async def test_a_hundred_bookmarks_do_not_flood_the_spool(server, recorder, folder):
    async with watching(server, folder, recorder) as watch:
        wire = await server.watch()
        before = len(recorder.appends)
        for n in range(100):
            await wire.send(bookmark(101 + n))
        await wire.send(event("ADDED", tenant(1, 1, 300, ("a",))))
        await recorder.told(Seen)
        assert watch.standing.situation.held.version == "300"
    assert len(recorder.appends) - before <= 2


async def test_a_label_change_costs_nothing(server, recorder, folder):
    server.items = [tenant(1, 1, 90, ("a",))]
    async with watching(server, folder, recorder):
        wire = await server.watch()
        relabelled = {"labels": {"pieced.ch/zitadel-org-id": "org-1", "colour": "blue"}}
        await wire.send(event("MODIFIED", tenant(1, 1, 110, ("a",), metadata=relabelled)))
        await wire.send(event("MODIFIED", tenant(1, 1, 111, ("a",), org="org-2")))
        await recorder.told(Seen, zitadel_org_id="org-2")
    assert [seen.resource_version for seen in recorder.of(Seen)] == ["90", "111"]


async def test_an_object_of_a_megabyte_and_a_half_is_recorded(server, recorder, folder):
    async with watching(server, folder, recorder):
        wire = await server.watch()
        huge = {"annotations": {"note": "x" * (3 * 2**19)}}
        await wire.send(event("ADDED", tenant(1, 1, 110, ("a",), metadata=huge)))
        seen = await recorder.told(Seen)
    assert seen.packages == ("a",)


async def test_a_line_above_8_mib_is_a_gap_that_one_list_closes(server, recorder, folder):
    async with watching(server, folder, recorder) as watch:
        wire = await server.watch()
        await caught_up(watch)
        huge = {"annotations": {"note": "x" * (8 * 2**20)}}
        skipped = tenant(1, 2, 111, ("b",), metadata=huge)
        server.version, server.items = 112, [skipped, tenant(3, 1, 112, ("a",))]
        await wire.send(
            event("ADDED", tenant(1, 1, 110, ("a",))),
            event("MODIFIED", skipped),
            event("ADDED", tenant(3, 1, 112, ("a",))),
        )
        again = await server.watch()
        assert again.query["resourceVersion"] == "112"  # the line does not come again
        assert watch.standing.lists == 2
    assert [seen.source for seen in recorder.of(Seen, tenant_uid=uid(1))] == ["watch", "list"]
    assert recorder.of(Seen, tenant_uid=uid(3))
    (anomaly,) = recorder.anomalies("line_too_long")
    assert anomaly.detail["bytes"] > 8 * 2**20
    assert len(anomaly.detail["excerpt"]) == 500
    (gap,) = recorder.anomalies("watch_gap")
    assert gap.detail == {"from_version": "110", "to_version": "112", "reason": "unreadable"}
    assert {(segment.from_version, segment.to_version) for segment in recorder.of(Segment)} == {
        ("100", "100"),
        ("100", "110"),
        ("112", "112"),
    }


async def test_an_object_without_identity_is_recorded_and_the_stream_goes_on(server, recorder, folder):
    async with watching(server, folder, recorder):
        wire = await server.watch()
        await wire.send(event("ADDED", tenant(1, 0, 110, ("a",))), event("ADDED", tenant(2, 1, 111, ("a",))))
        await recorder.told(Seen, tenant_uid=uid(2))
    (anomaly,) = recorder.anomalies("unreadable")
    assert anomaly.tenant_uid == uid(1)


# --- the end of a stream, in all its forms ----------------------------------------------------------------


async def established(server, recorder):
    """A stream that has told of tenant 1, generation 2, at version 110."""
    wire = await server.watch()
    await wire.send(event("ADDED", tenant(1, 1, 109, ("a",))), event("MODIFIED", tenant(1, 2, 110, ("b",))))
    await recorder.told(Seen, generation=2)
    server.version = 110
    return wire


async def resumed(server, recorder, watch):
    """The stream was taken up where it stood: no second list, no gap, the same segment."""
    wire = await server.watch()
    assert wire.query["resourceVersion"] == "110"
    await wire.send(event("MODIFIED", tenant(1, 3, 111, ("c",))))
    seen = await recorder.told(Seen, generation=3)
    assert seen.not_before is not None  # the memory and the marks go on
    assert watch.standing.lists == 1
    assert recorder.anomalies("watch_gap") == []
    assert {segment.from_version for segment in recorder.of(Segment)} == {"100"}


async def test_a_clean_end_is_resumed_at_the_same_version(server, recorder, folder):
    async with watching(server, folder, recorder) as watch:
        (await established(server, recorder)).end()
        await resumed(server, recorder, watch)
        assert watch.standing.lost == {"ended": 1}


async def test_a_killed_server_is_resumed_at_the_same_version(server, recorder, folder):
    async with watching(server, folder, recorder) as watch:
        (await established(server, recorder)).cut()
        await resumed(server, recorder, watch)
        assert watch.standing.lost == {"cut": 1}


async def test_a_line_that_was_cut_is_not_believed_and_comes_again(server, recorder, folder):
    async with watching(server, folder, recorder) as watch:
        wire = await established(server, recorder)
        await wire.send(event("MODIFIED", tenant(1, 3, 111, ("c",)))[:-40])
        wire.end()
        await resumed(server, recorder, watch)
        assert watch.standing.lost == {"cut": 1}
    assert recorder.anomalies("bad_line") == []


@pytest.mark.parametrize(
    "refusal",
    [
        status(429, "TooManyRequests", "storage is (re)initializing", Retry_After="1"),
        Answer(
            429, b"Too many requests, please try again later.\n", {"Content-Type": "text/plain", "Retry-After": "1"}
        ),
    ],
    ids=["initializing", "priority and fairness"],
)
async def test_a_429_waits_as_long_as_it_says_and_keeps_the_version(server, recorder, folder, refusal):
    async with watching(server, folder, recorder) as watch:
        wire = await established(server, recorder)
        server.watches = [refusal]
        began = time.monotonic()
        wire.end()
        await resumed(server, recorder, watch)
        assert time.monotonic() - began >= 1.0
        assert watch.standing.lost == {"ended": 1, "refused": 1}


@pytest.mark.parametrize("code", [401, 403, 500, 503, 504])
async def test_other_refusals_back_off_and_keep_the_version(server, recorder, folder, code):
    async with watching(server, folder, recorder) as watch:
        wire = await established(server, recorder)
        server.watches = [status(code, "Whatever")]
        wire.end()
        await resumed(server, recorder, watch)
        assert watch.standing.lost == {"ended": 1, "refused": 1}


async def test_a_probe_that_fails_before_a_resume_keeps_the_version(server, recorder, folder):
    async with watching(server, folder, recorder) as watch:
        wire = await established(server, recorder)
        await server.asked("probe", 1)
        server.probes = [status(500, "InternalError"), Answer(429, b"slow", {"Retry-After": "0"})]
        wire.end()
        await resumed(server, recorder, watch)
        assert watch.standing.lost == {"ended": 1, "refused": 2}


async def test_no_server_is_waited_for(recorder, folder):
    async with serving() as gone:
        pass
    with capture_logs() as logs:
        async with watching(gone, folder, recorder) as watch:
            await becomes(lambda: watch.standing.lost["unreachable"] >= 3)
    assert recorder.facts == []
    assert {line["event"] for line in logs} == {"watch_lost"}


async def test_a_stream_that_always_ends_at_once_is_not_asked_for_in_a_loop(server, recorder, folder, monkeypatch):
    monkeypatch.undo()  # the real pauses
    async with watching(server, folder, recorder):
        began = time.monotonic()
        for _ in range(3):
            (await server.watch()).end()
        await server.watch()
        assert time.monotonic() - began >= 0.4 + 0.8 + 1.6  # each pause is at least half of 0.8, 1.6, 3.2


@pytest.mark.parametrize("form", ["line", "status"])
async def test_a_410_in_either_form_lists_again_and_records_the_gap(server, recorder, folder, form):
    async with watching(server, folder, recorder) as watch:
        wire = await established(server, recorder)
        await caught_up(watch)
        server.version, server.items = 200, [tenant(1, 4, 150, ("d",)), tenant(2, 1, 160, ("x",))]
        if form == "line":
            await wire.send(error_line(410, "Expired"))
        else:
            server.watches = [status(410, "Expired", "too old resource version")]
        wire.end()
        again = await server.watch()
        assert again.query["resourceVersion"] == "200"
        assert watch.standing.lost["expired"] == 1
        assert watch.standing.lists == 2
    first, second = recorder.of(Census)
    (gap,) = recorder.anomalies("watch_gap")
    assert gap.detail == {"from_version": "110", "to_version": "200", "reason": "expired"}
    assert (gap.from_at, gap.to_at) == (recorder.of(Seen, generation=2)[0].at, second.sent_at)
    assert recorder.of(Segment)[-1].from_version == "200"
    (advanced,) = recorder.of(Seen, generation=4)
    assert advanced.time_source == "late"
    assert first.sent_at < advanced.not_before < advanced.at
    assert recorder.of(Seen, tenant_uid=uid(2))[0].not_before is None
    assert len(recorder.of(Began)) == 2


async def test_a_gap_begins_where_the_stream_had_really_come(server, recorder, folder):
    async with watching(server, folder, recorder) as watch:
        wire = await established(server, recorder)
        await wire.send(bookmark(150))  # moves the position, and is stored only now and then
        await becomes(lambda: watch.standing.situation.held.version == "150")
        server.version = 200
        await wire.send(error_line(410, "Expired"))
        await server.watch()
    (closing,) = [facts for facts, _, _ in recorder.appends if recorder.of(Census)[-1] in facts]
    watched = [fact for fact in closing if isinstance(fact, Segment)]
    assert [(segment.from_version, segment.to_version) for segment in watched] == [("100", "150"), ("200", "200")]
    (gap,) = recorder.anomalies("watch_gap")
    assert (gap.detail["from_version"], gap.from_at) == ("150", watched[0].to_at)


async def test_an_unknown_error_line_lists_again(server, recorder, folder):
    async with watching(server, folder, recorder):
        wire = await established(server, recorder)
        await wire.send(error_line(500, "InternalError"))
        wire.end()
        assert (await server.watch()).query["resourceVersion"] == "110"
    assert recorder.anomalies("error_line")
    assert recorder.anomalies("watch_gap")[0].detail["reason"] == "unreadable"


async def test_a_line_that_is_no_json_lists_again_after_keeping_what_came_before(server, recorder, folder):
    async with watching(server, folder, recorder):
        wire = await established(server, recorder)
        await wire.send(event("MODIFIED", tenant(1, 3, 111, ("c",))), b"<html>gateway timeout</html>\n")
        await server.watch()
    assert recorder.of(Seen, generation=3)
    assert recorder.anomalies("bad_line")[0].detail["excerpt"] == "<html>gateway timeout</html>"
    assert len(recorder.of(Census)) == 2


async def test_a_stored_version_ahead_of_the_server_lists_again_and_follows_it_back(server, recorder, folder):
    async with watching(server, folder, recorder):
        wire = await established(server, recorder)
        server.version, server.items = 90, [tenant(1, 1, 80, ("a",))]
        wire.end()
        again = await server.watch()
        assert again.query["resourceVersion"] == "90"
        assert server.count("watch") == 2  # it was never asked for the version that is still to come
        await again.send(event("MODIFIED", tenant(1, 2, 91, ("z",))))
        await recorder.told(Seen, resource_version="91")
    (anomaly,) = recorder.anomalies("version_ahead")
    assert anomaly.detail == {"held_version": "110", "present_version": "90"}
    (restored,) = recorder.of(Seen, resource_version="80")
    assert (restored.generation, restored.not_before) == (1, None)


async def test_a_server_restored_under_an_open_stream_is_noticed_by_the_next_probe(
    server, recorder, folder, monkeypatch
):
    monkeypatch.setattr("sidecar.watch.following._PROBE", 0.05)
    async with watching(server, folder, recorder):
        await established(server, recorder)
        server.version = 90
        assert (await server.watch()).query["resourceVersion"] == "90"
    assert recorder.anomalies("version_ahead")


async def test_a_silent_connection_has_a_deadline(server, recorder, folder, monkeypatch):
    monkeypatch.setattr("sidecar.watch.loop._TIMEOUT", (0, 0))
    monkeypatch.setattr("sidecar.cluster.client._WATCH_SLACK", 3.0)  # time enough to say what comes before the silence
    async with watching(server, folder, recorder) as watch:
        await established(server, recorder)
        monkeypatch.setattr("sidecar.cluster.client._WATCH_SLACK", 60.0)  # of the next stream
        await resumed(server, recorder, watch)
        assert watch.standing.lost == {"silent": 1}


# --- gaps -------------------------------------------------------------------------------------------------


async def test_a_tenant_deleted_while_we_were_away_is_gone_by_the_census(server, recorder, folder):
    server.items = [tenant(1, 1, 90, ("a",)), tenant(2, 1, 91, ("b",))]
    async with watching(server, folder, recorder) as watch:
        await server.watch()
        await caught_up(watch)
    server.version, server.items = 200, [tenant(2, 1, 91, ("b",))]
    server.watches = [status(410, "Expired")]
    async with watching(server, folder, recorder):
        await server.watch()
    first, second = recorder.of(Census)
    assert (second.uids, second.gone) == ((uid(2),), (uid(1),))
    assert second.not_before == first.sent_at
    assert set((await recorder.spool.kept()).tenants) == {uid(2)}
    assert len(recorder.of(Seen)) == 2


async def test_a_tenant_recreated_under_its_name_while_we_were_away_is_another(server, recorder, folder):
    server.items = [tenant(1, 4, 90, ("a",), name="acme")]
    async with watching(server, folder, recorder):
        await server.watch()
    server.version, server.items = 200, [tenant(2, 1, 150, ("b",), name="acme")]
    server.watches = [status(410, "Expired")]
    async with watching(server, folder, recorder):
        await server.watch()
    (seen,) = recorder.of(Seen, tenant_uid=uid(2))
    assert (seen.tenant_name, seen.not_before) == ("acme", None)
    assert recorder.of(Census)[-1].gone == (uid(1),)


async def test_a_killed_watch_resumes_from_what_the_spool_holds(server, recorder, folder):
    async with watching(server, folder, recorder):
        await established(server, recorder)
    before = len(recorder.facts)
    async with watching(server, folder, recorder) as watch:
        assert not watch.standing.lists
        wire = await server.watch()
        assert wire.query["resourceVersion"] == "110"
        await wire.send(event("MODIFIED", tenant(1, 3, 115, ("c",))))
        seen = await recorder.told(Seen, generation=3)
    assert seen.not_before is not None
    assert [type(fact) for fact in recorder.facts[before:]] == [Seen, Segment]
    assert recorder.of(Segment)[-1].from_version == "100"


async def test_an_empty_spool_resumes_where_the_ledger_stands_with_a_segment_of_its_own(server, recorder, folder):
    server.version = 500
    at = datetime(2026, 11, 22, 9, tzinfo=UTC)
    async with watching(server, folder, recorder, delivered=("450", at)):
        wire = await server.watch()
        assert wire.query["resourceVersion"] == "450"
        await wire.send(event("MODIFIED", tenant(1, 7, 460, ("a",))))
        seen = await recorder.told(Seen)
    assert (seen.time_source, seen.not_before) == ("late", None)
    (segment,) = recorder.of(Segment)
    assert (segment.from_version, segment.from_at, segment.to_version) == ("450", at, "460")


async def test_a_resume_without_a_memory_learns_the_tenants_before_the_self_check_asks_for_them(
    server, recorder, folder
):
    server.version, server.items = 500, [tenant(1, 7, 460, ("a",)), tenant(2, 1, 90, ("b",))]
    at = datetime(2026, 11, 22, 9, tzinfo=UTC)
    async with watching(server, folder, recorder, delivered=("450", at), resync_seconds=0.1) as watch:
        wire = await server.watch()
        await wire.send(
            event("MODIFIED", tenant(1, 6, 455, ("a", "b"))),
            event("MODIFIED", tenant(1, 7, 460, ("a",))),
            bookmark(500),
        )
        await server.asked("list", 3)  # the priming, then self-checks
        await caught_up(watch)
        await wire.send(event("MODIFIED", tenant(2, 2, 510, ("c",))))
        seen = await recorder.told(Seen, tenant_uid=uid(2), generation=2)
        assert server.count("watch") == 1
    assert recorder.anomalies("watch_missed") == recorder.anomalies("watch_gap") == recorder.of(Census) == []
    assert {segment.from_version for segment in recorder.of(Segment)} == {"450"}
    told = [(seen.generation, seen.source, seen.not_before) for seen in recorder.of(Seen, tenant_uid=uid(1))]
    assert told == [(7, "list", None), (6, "watch", None)]
    assert seen.not_before > at


async def test_a_watch_killed_while_it_learns_the_tenants_begins_that_anew(server, recorder, folder):
    at = datetime(2026, 11, 22, 9, tzinfo=UTC)
    server.lists = [page(500, [tenant(1, 1, 460, ("a",))], "more"), Answer(held=asyncio.Event())]
    server.version = 500
    async with watching(server, folder, recorder, delivered=("450", at)):
        await recorder.told(Seen, tenant_uid=uid(1))
        await server.asked("list", 2)
    server.items = [tenant(2, 1, 90, ("b",))]  # the first one is deleted meanwhile
    async with watching(server, folder, recorder, delivered=("450", at)):
        assert (await server.watch()).query["resourceVersion"] == "450"
        assert set((await recorder.spool.kept()).tenants) == {uid(2)}
    kept = await recorder.spool.kept()
    async with watching(server, folder, recorder) as watch:
        await server.watch()
        assert watch.standing.lists == 0  # the memory is there: nothing more to learn
    assert positions.decode(kept.position).primed


async def test_an_older_line_that_looks_like_the_present_is_told_all_the_same(server, recorder, folder):
    server.version, server.items = 500, [tenant(1, 2, 480, ("a",))]
    at = datetime(2026, 11, 22, 9, tzinfo=UTC)
    async with watching(server, folder, recorder, delivered=("450", at)):
        wire = await server.watch()
        await wire.send(
            event("MODIFIED", tenant(1, 2, 460, ("a",))),  # its generation began in this org, here
            event("MODIFIED", tenant(1, 2, 470, ("a",), org="org-2")),
            event("MODIFIED", tenant(1, 2, 480, ("a",))),
            event("ADDED", tenant(2, 1, 490, ("a",))),
        )
        await recorder.told(Seen, tenant_uid=uid(2))
    told = [(seen.resource_version, seen.zitadel_org_id) for seen in recorder.of(Seen, tenant_uid=uid(1))]
    assert told == [("480", "org-1"), ("460", "org-1"), ("470", "org-2")]


async def test_a_ledger_position_that_is_too_old_becomes_a_list_with_a_gap(server, recorder, folder):
    server.version, server.items = 500, [tenant(1, 7, 460, ("a",))]
    at = datetime(2026, 11, 22, 9, tzinfo=UTC)
    server.watches = [status(410, "Expired")]
    async with watching(server, folder, recorder, delivered=("450", at)):
        await server.watch()
    (gap,) = recorder.anomalies("watch_gap")
    assert (gap.detail["from_version"], gap.from_at) == ("450", at)
    (census,) = recorder.of(Census)
    assert census.gone == ()


async def test_a_spool_of_another_cluster_is_refused(server, recorder, folder, monkeypatch):
    async with watching(server, folder, recorder):
        await server.watch()
    monkeypatch.setattr("tests.support.recorder.CLUSTER", "another")
    with pytest.raises(Misconfigured, match="belongs to cluster"):
        async with watching(server, folder, recorder):
            pass


async def ended_by_another_cluster(watch_task):
    """The sentence for the person who must change something."""
    with pytest.raises((Misconfigured, ExceptionGroup)) as caught:
        await asyncio.wait_for(watch_task, PATIENCE)
    error = caught.value
    while isinstance(error, ExceptionGroup):
        (error,) = error.exceptions
    assert isinstance(error, Misconfigured)
    assert f"cluster {CLUSTER} and now leads to cluster another" in str(error)


@pytest.fixture
async def running(server, recorder, folder):
    """Starts watches that a test expects to end by themselves."""
    async with AsyncExitStack() as stack:
        config = kubeconfig(folder, server.url)
        client = await stack.enter_async_context(Cluster.connect(config, "pieced.ch", "v1alpha1", "piecedtenants"))

        async def start(delivered=None, resync_seconds=3600.0):
            kept = await recorder.spool.kept()
            watch = Watch(
                client,
                recorder.append,
                cluster_uid=CLUSTER,
                org_label=LABEL,
                resync_seconds=resync_seconds,
                start=kept.position,
                known=kept.tenants,
                delivered=delivered,
                attribute=nobody,
            )
            task = asyncio.create_task(watch.run())
            stack.callback(task.cancel)
            return watch, task

        yield start


async def test_the_list_of_another_cluster_is_not_filed_under_ours(server, recorder, running):
    watch, task = await running()
    wire = await established(server, recorder)
    await caught_up(watch)
    before = len(recorder.facts)
    server.other[KUBE_SYSTEM] = cluster("another")
    server.version, server.items = 200, [tenant(9, 1, 190, ("z",))]
    await wire.send(error_line(410, "Expired"))
    await ended_by_another_cluster(task)
    assert len(recorder.facts) == before


async def test_a_list_whose_last_page_came_from_another_cluster_gets_no_census(server, recorder, running):
    held = asyncio.Event()
    last = page(100, [tenant(9, 1, 91)])
    last.held = held
    server.lists = [page(100, [tenant(1, 1, 90)], "more"), last]
    _, task = await running()
    await server.asked("list", 2)
    server.other[KUBE_SYSTEM] = cluster("another")
    held.set()
    await ended_by_another_cluster(task)
    assert [seen.tenant_uid for seen in recorder.of(Seen)] == [uid(1)]
    assert recorder.of(Census) == []
    assert (await recorder.spool.kept()).position is None


async def test_no_stream_is_resumed_at_another_cluster(server, recorder, folder, running):
    async with watching(server, folder, recorder):
        await established(server, recorder)
    server.other[KUBE_SYSTEM] = cluster("another")
    _, task = await running()
    await ended_by_another_cluster(task)
    assert server.count("watch") == 1


async def test_a_stream_that_another_cluster_opened_is_not_read(server, recorder, folder, running):
    async with watching(server, folder, recorder):
        await established(server, recorder)
    before = len(recorder.facts)
    server.other[KUBE_SYSTEM].held = asyncio.Event()
    asked = server.count("other")
    _, task = await running()
    await server.asked("other", asked + 1)
    ours, server.other[KUBE_SYSTEM] = server.other[KUBE_SYSTEM], cluster("another")
    ours.held.set()  # before the resume it was ours still
    wire = await server.watch()
    await wire.send(event("ADDED", tenant(9, 1, 120, ("z",))))
    await ended_by_another_cluster(task)
    assert len(recorder.facts) == before


async def test_tenants_are_not_learnt_from_another_cluster(server, recorder, running):
    held = asyncio.Event()
    server.lists = [page(500, [tenant(9, 1, 91)])]
    server.lists[0].held = held
    server.version = 500
    _, task = await running(delivered=("450", datetime(2026, 11, 22, 9, tzinfo=UTC)))
    await server.asked("list", 1)
    server.other[KUBE_SYSTEM] = cluster("another")
    held.set()
    await ended_by_another_cluster(task)
    assert recorder.facts == []


async def test_a_self_check_that_another_cluster_answers_ends_the_watch(server, recorder, running):
    checked = page(110, [tenant(9, 1, 91)])
    checked.held = asyncio.Event()
    server.lists = [page(100, []), checked]
    watch, task = await running(resync_seconds=0.5)
    await established(server, recorder)
    await caught_up(watch)
    await server.asked("list", 2)
    server.other[KUBE_SYSTEM] = cluster("another")
    checked.held.set()
    await ended_by_another_cluster(task)
    assert recorder.anomalies("watch_missed") == []


# --- signs of life ----------------------------------------------------------------------------------------


async def test_each_page_of_a_long_list_is_a_sign_of_life(server, recorder, folder):
    first, rest = page(100, [tenant(1, 1, 90)], "more"), page(100, [])
    first.held, rest.held = asyncio.Event(), asyncio.Event()
    server.lists = [first, rest]
    async with watching(server, folder, recorder) as watch:
        await server.asked("list", 1)
        before = time.monotonic()
        first.held.set()
        await server.asked("list", 2)
        assert watch.standing.turned_at > before
        rest.held.set()
        await server.watch()


async def test_each_page_of_a_self_check_is_a_sign_of_life(server, recorder, folder):
    first, rest = page(100, [tenant(1, 1, 90)], "more"), page(100, [])
    first.held, rest.held = asyncio.Event(), asyncio.Event()
    server.lists = [page(100, []), first, rest]
    async with watching(server, folder, recorder, resync_seconds=0.5) as watch:
        await server.watch()
        await caught_up(watch)  # the next probe is 30 s away
        await server.asked("list", 2)
        before = time.monotonic()
        first.held.set()
        await server.asked("list", 3)
        assert watch.standing.turned_at > before


async def test_a_long_pause_that_the_server_asked_for_is_no_hang(server, recorder, folder, monkeypatch):
    monkeypatch.setattr("sidecar.watch.loop._SLICE", 0.05)
    server.lists = [status(429, "TooManyRequests", Retry_After="60")]
    async with watching(server, folder, recorder) as watch:
        await becomes(lambda: watch.standing.lost["refused"])
        for _ in range(3):
            before = time.monotonic()
            await becomes(lambda before=before: watch.standing.turned_at > before)
        assert server.count("list") == 1


# --- the spool --------------------------------------------------------------------------------------------


async def test_a_full_spool_pauses_the_watch_and_nothing_is_dropped(server, recorder, folder):
    async with watching(server, folder, recorder) as watch:
        wire = await established(server, recorder)
        recorder.refuse = [SpoolFull("full"), SpoolFull("full"), SpoolFull("full")]
        await wire.send(event("MODIFIED", tenant(1, 3, 111, ("c",))))
        await recorder.until(lambda: recorder.refused == 2)
        assert watch.standing.paused
        assert watch.standing.situation.held.version == "110"
        await wire.send(event("MODIFIED", tenant(1, 4, 112, ("d",))))
        await recorder.told(Seen, generation=4)
        assert not watch.standing.paused
    assert [seen.generation for seen in recorder.of(Seen)] == [1, 2, 3, 4]
    assert kept_position(recorder).version == "112"


async def test_a_watch_killed_while_the_spool_is_full_reads_it_all_again(server, recorder, folder):
    async with watching(server, folder, recorder):
        wire = await established(server, recorder)
        recorder.refuse = [SpoolFull("full", retry_after=60.0)]
        await wire.send(event("MODIFIED", tenant(1, 3, 111, ("c",))))
        await recorder.until(lambda: recorder.refused == 1)
    async with watching(server, folder, recorder):
        wire = await server.watch()
        assert wire.query["resourceVersion"] == "110"
        await wire.send(event("MODIFIED", tenant(1, 3, 111, ("c",))))
        await recorder.told(Seen, generation=3)


async def test_after_a_slow_append_everything_is_late_until_a_later_list(server, recorder, folder):
    server.items = [tenant(1, 1, 90, ("a",))]
    async with watching(server, folder, recorder) as watch:
        wire = await server.watch()
        await caught_up(watch)
        recorder.blocked = asyncio.Event()
        await wire.send(event("MODIFIED", tenant(1, 2, 101, ("b",))))
        await asyncio.sleep(1.1)  # what is tested is that this much time passes
        await wire.send(event("MODIFIED", tenant(1, 3, 102, ("c",))))
        server.version = 110
        recorder.blocked.set()
        recorder.blocked = None
        in_time = await recorder.told(Seen, generation=2)
        waited = await recorder.told(Seen, generation=3)
        await caught_up(watch)
        await wire.send(event("MODIFIED", tenant(1, 4, 111, ("d",))))
        lively = await recorder.told(Seen, generation=4)
    assert [fact.time_source for fact in (in_time, waited, lively)] == ["watch", "late", "watch"]
    assert in_time.not_before <= waited.not_before < lively.not_before


async def test_after_a_stall_of_the_loop_everything_is_late_until_a_later_list(server, recorder, folder):
    server.items = [tenant(1, 1, 90, ("a",))]
    async with watching(server, folder, recorder) as watch:
        wire = await server.watch()
        await caught_up(watch)
        await wire.send(event("MODIFIED", tenant(1, 2, 101, ("b",))))
        time.sleep(1.5)  # noqa: ASYNC251 - the stall itself
        waited = await recorder.told(Seen, generation=2)
        await caught_up(watch)
        await wire.send(event("MODIFIED", tenant(1, 3, 111, ("c",))))
        lively = await recorder.told(Seen, generation=3)
    assert [fact.time_source for fact in (waited, lively)] == ["late", "watch"]


# --- objects that are nested deeper than our decoder goes ---------------------------------------------------

DEEP = {"metadata": {"managedFields": [{"fieldsV1": HERE}]}, "status": {"extra": HERE}}


def deep_page(version, *items, levels):
    answer = page(version, list(items))
    return dataclasses.replace(answer, body=deepened(answer.body, levels))


@pytest.mark.parametrize("levels", LEVELS)
async def test_a_line_with_a_deep_object_is_read_and_the_stream_goes_on(server, recorder, folder, levels):
    server.items = [tenant(1, 1, 90, ("a",)), tenant(2, 1, 91, ("a",))]
    async with watching(server, folder, recorder) as watch:
        wire = await server.watch()
        await caught_up(watch)
        await wire.send(
            event("MODIFIED", tenant(1, 2, 110, ("b",))),
            nested({"type": "MODIFIED", "object": tenant(2, 2, 111, ("a", "b"), suspend=True, **DEEP)}, levels) + b"\n",
            nested({"type": "MODIFIED", "object": tenant(2, 2, 112, ("a", "b"), suspend=True, **DEEP)}, levels) + b"\n",
            nested({"type": "ADDED", "object": tenant(3, 1, 113, ("c",), **DEEP)}, levels) + b"\n",
            nested({"type": "DELETED", "object": tenant(2, 2, 114, ("a", "b"), suspend=True, **DEEP)}, levels) + b"\n",
            event("MODIFIED", tenant(1, 3, 115, ())),
        )
        await recorder.told(Seen, tenant_uid=uid(1), generation=3)
        assert (watch.standing.lists, watch.standing.lost) == (1, {})
        assert server.count("watch") == 1
    seen = [(s.tenant_uid, s.generation, s.packages, s.time_source) for s in recorder.of(Seen, source="watch")]
    assert seen == [
        (uid(1), 2, ("b",), "watch"),
        (uid(2), 2, ("a", "b"), "watch"),
        (uid(3), 1, ("c",), "watch"),
        (uid(1), 3, (), "watch"),
    ]
    (removal,) = recorder.of(Removal)
    assert (removal.tenant_uid, removal.last_generation) == (uid(2), 2)


@pytest.mark.parametrize("levels", LEVELS)
async def test_a_list_with_a_deep_object_is_read_whole_after_a_gap_too(server, recorder, folder, levels):
    server.lists = [
        deep_page(100, tenant(1, 1, 90, ("a",)), tenant(2, 1, 91, ("b",), **DEEP), levels=levels),
        deep_page(200, tenant(1, 2, 150, ("b",)), tenant(2, 3, 160, ("c",), **DEEP), levels=levels),
    ]
    async with watching(server, folder, recorder) as watch:
        wire = await server.watch()
        await wire.send(error_line(410, "Expired"))
        await server.watch()
        assert watch.standing.lists == 2
    seen = [(s.tenant_uid, s.generation, s.packages) for s in recorder.of(Seen)]
    assert seen == [(uid(1), 1, ("a",)), (uid(2), 1, ("b",)), (uid(1), 2, ("b",)), (uid(2), 3, ("c",))]
    assert [census.uids for census in recorder.of(Census)] == [(uid(1), uid(2))] * 2


async def test_a_self_check_finds_that_the_stream_told_all_of_a_deep_object(server, recorder, folder):
    deep = {"type": "MODIFIED", "object": tenant(2, 2, 111, ("a", "b"), **DEEP)}
    server.items = [tenant(2, 1, 91, ("a",))]
    async with watching(server, folder, recorder, resync_seconds=0.2) as watch:
        wire = await server.watch()
        await wire.send(nested(deep, 9_900) + b"\n")
        await recorder.told(Seen, generation=2)
        checks = watch.standing.checks
        server.lists = [deep_page(111, deep["object"], levels=9_900)] * 2
        server.version, server.items = 111, [tenant(2, 2, 111, ("a", "b"))]
        await becomes(lambda: watch.standing.checks >= checks + 3 and not server.lists)
        assert watch.standing.lists == 1
    assert recorder.anomalies("watch_missed") == []


async def test_what_is_deep_is_not_taken_apart_on_the_loop(server, recorder, folder, monkeypatch):
    """It may take 0.3 s a MiB, and the webhook's answers would wait."""
    threads = []

    shallow = nesting.shallow

    def noted(body):
        threads.append(threading.current_thread())
        return shallow(body)

    monkeypatch.setattr("sidecar.nesting.shallow", noted)
    monkeypatch.setattr("sidecar.watch.news.shallow", noted)
    server.lists = [deep_page(100, tenant(1, 1, 90, ("a",), **DEEP), levels=100_000)]
    async with watching(server, folder, recorder):
        wire = await server.watch()
        await wire.send(nested({"type": "MODIFIED", "object": tenant(1, 2, 110, ("b",), **DEEP)}, 100_000) + b"\n")
        await recorder.told(Seen, generation=2)
    assert len(threads) >= 2
    assert threading.main_thread() not in threads


# --- the self-check ---------------------------------------------------------------------------------------


async def test_the_self_check_finds_what_a_stream_hid(server, recorder, folder):
    server.items = [tenant(1, 1, 90, ("a",)), tenant(2, 1, 91, ("a",))]
    with capture_logs() as logs:
        async with watching(server, folder, recorder, resync_seconds=0.2) as watch:
            wire = await server.watch()
            await caught_up(watch)
            server.version, server.items = 120, [tenant(1, 2, 110, ("b",)), tenant(3, 1, 115, ("c",))]
            await wire.send(bookmark(120))  # the stream claims to have told everything
            again = await server.watch()
            assert again.query["resourceVersion"] == "120"
    (anomaly,) = recorder.anomalies("watch_missed")
    assert anomaly.detail["count"] == 3
    assert set(anomaly.detail["differences"]) == {uid(1), uid(2), uid(3)}
    hidden = recorder.of(Seen, tenant_uid=uid(1), generation=2)
    assert [(seen.time_source, seen.not_before) for seen in hidden] == [("late", None)]
    census = recorder.of(Census)[-1]
    assert (census.gone, census.not_before) == ((uid(2),), None)
    assert recorder.anomalies("watch_gap")[0].detail["reason"] == "missed"
    assert [line["kind"] for line in logs if line["event"] == "watch_anomaly"] == ["watch_missed"]


async def test_the_self_check_finds_content_that_changed_under_an_unchanged_version(server, recorder, folder):
    server.items = [tenant(1, 1, 90, ("a",))]
    async with watching(server, folder, recorder, resync_seconds=0.2):
        await server.watch()
        server.items = [tenant(1, 1, 90, ("a", "by-default"))]
        await server.watch()
    assert [seen.packages for seen in recorder.of(Seen)] == [("a",), ("a", "by-default")]
    assert [seen.generation for seen in recorder.of(Seen)] == [1, 1]


async def test_a_self_check_that_finds_nothing_leaves_no_fact(server, recorder, folder):
    server.items = [tenant(1, 1, 90, ("a",))]
    async with watching(server, folder, recorder, resync_seconds=0.1) as watch:
        await server.watch()
        facts = len(recorder.facts)
        await server.asked("list", 4)
        assert len(recorder.facts) == facts
        assert watch.standing.lists == 1
        assert watch.standing.checks >= 2
        assert watch.standing.connected


async def test_the_self_check_waits_for_a_stream_that_is_a_moment_behind(server, recorder, folder):
    server.items = [tenant(1, 1, 90, ("a",))]
    async with watching(server, folder, recorder, resync_seconds=0.2) as watch:
        wire = await server.watch()
        server.version, server.items = 120, [tenant(1, 2, 110, ("b",))]
        await server.asked("list", 2)
        await wire.send(event("MODIFIED", tenant(1, 2, 110, ("b",))), bookmark(125))
        server.version = 125
        await server.asked("list", 3)
        assert watch.standing.lists == 1
    assert recorder.anomalies("watch_missed") == []


async def test_a_self_check_whose_list_fails_is_made_again_later(server, recorder, folder):
    async with watching(server, folder, recorder, resync_seconds=0.1) as watch:
        await server.watch()
        server.lists = [status(410, "Expired"), Answer(200, b"{", cut=True)]
        await server.asked("list", 4)
        assert watch.standing.lists == 1
        assert watch.standing.connected


async def test_the_self_check_finds_what_a_stream_hid_that_never_comes_as_far(server, recorder, folder, monkeypatch):
    monkeypatch.setattr("sidecar.watch.following._SUSPECT", 0.2)
    server.items = [tenant(1, 1, 90, ("a",))]
    async with watching(server, folder, recorder, resync_seconds=0.2):
        await server.watch()
        server.version, server.items = 120, [tenant(1, 2, 110, ("b",))]
        await server.watch()
    assert [anomaly.detail["differences"] for anomaly in recorder.anomalies("watch_missed")] == [[uid(1)]]
    assert [seen.generation for seen in recorder.of(Seen)] == [1, 2]


async def test_what_waits_for_a_full_spool_is_not_taken_for_hidden(server, recorder, folder, monkeypatch):
    monkeypatch.setattr("sidecar.watch.following._SUSPECT", 0.5)
    checked = page(103, [tenant(1, 4, 103, ("a",))])
    checked.held = asyncio.Event()
    server.lists = [page(100, [tenant(1, 1, 90, ("a",))]), checked]
    with capture_logs() as logs:
        async with watching(server, folder, recorder, resync_seconds=0.2) as watch:
            wire = await server.watch()
            await caught_up(watch)
            await server.asked("list", 2)
            recorder.refuse = [SpoolFull("full") for _ in range(1000)]
            await wire.send(event("MODIFIED", tenant(1, 2, 101, ("b",))))
            await becomes(lambda: watch.standing.paused)
            await wire.send(event("MODIFIED", tenant(1, 3, 102, ("c",))), event("MODIFIED", tenant(1, 4, 103, ("a",))))
            server.version, server.items = 103, [tenant(1, 4, 103, ("a",))]
            checked.held.set()
            await becomes(lambda: put_off(logs) >= 2)
            assert server.count("list") == 2  # the second was not even begun
            assert watch.standing.checks == 0
            recorder.refuse.clear()
            await becomes(lambda: watch.standing.checks)
            assert watch.standing.lists == 1
    assert [seen.generation for seen in recorder.of(Seen)] == [1, 2, 3, 4]
    assert recorder.anomalies("watch_missed") == recorder.anomalies("watch_gap") == []


async def test_what_has_waited_for_a_slow_append_is_not_taken_for_hidden(server, recorder, folder, monkeypatch):
    monkeypatch.setattr("sidecar.watch.following._SUSPECT", 0.2)
    checked, later = (page(102, [tenant(1, 3, 102, ("c",))]) for _ in range(2))
    checked.held, later.held = asyncio.Event(), asyncio.Event()
    server.lists = [page(100, [tenant(1, 1, 90, ("a",))]), checked, later]
    with capture_logs() as logs:
        async with watching(server, folder, recorder, resync_seconds=0.2) as watch:
            wire = await server.watch()
            await caught_up(watch)
            await server.asked("list", 2)
            recorder.blocked = asyncio.Event()
            await wire.send(event("MODIFIED", tenant(1, 2, 101, ("b",))))
            server.version = 102
            await asyncio.sleep(1.5)  # what is tested is that this much time passes
            checked.held.set()
            recorder.blocked.set()
            recorder.blocked = None
            await becomes(lambda: put_off(logs))
            assert watch.standing.checks == 0
            await wire.send(event("MODIFIED", tenant(1, 3, 102, ("c",))))
            await recorder.told(Seen, generation=3)
            later.held.set()
            await becomes(lambda: watch.standing.checks)
    assert recorder.anomalies("watch_missed") == recorder.anomalies("watch_gap") == []


def put_off(logs):
    """How many self-checks were."""
    return sum(line["event"] == "watch_check_put_off" for line in logs)


# --- a log of a life --------------------------------------------------------------------------------------


async def test_the_log_names_what_happened_in_constant_words(server, recorder, folder):
    with capture_logs() as logs:
        async with watching(server, folder, recorder) as watch:
            wire = await established(server, recorder)
            await caught_up(watch)
            await wire.send(event("ADDED", tenant(9, 1, 150, ("a",))))
            await recorder.told(Seen, tenant_uid=uid(9))
            await wire.send(error_line(410, "Expired"))
            await server.watch()
            await caught_up(watch)
    assert [line["event"] for line in logs] == [
        "watch_listed",
        "watch_opened",
        "watch_caught_up",
        "watch_lost",
        "watch_listed",
        "watch_opened",
        "watch_caught_up",
    ]
    assert json.dumps(logs)  # plain values
    assert not recorder.of(Anomaly, kind="watch_missed")
