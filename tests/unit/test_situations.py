"""The whole table: every situation, everything that can happen in it, and what follows."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from sidecar.watch.happenings import (
    Delivered,
    Ended,
    Expired,
    Listed,
    Lost,
    Missed,
    Opened,
    Probed,
    Refused,
    Stalled,
    Unreadable,
)
from sidecar.watch.positions import Mark, Position
from sidecar.watch.situations import Listing, Next, Opening, Priming, Probing, Watching, advance

T0 = datetime(2026, 11, 22, 10, tzinfo=UTC)
LATER = T0 + timedelta(seconds=5)
HELD = Position(
    version="100",
    at=T0,
    segment_from_version="50",
    segment_from_at=T0,
    marks=(Mark("100", T0),),
    cluster_uid="c",
)
UNPROVEN = msgspec.structs.replace(HELD, marks=())
FRESH = msgspec.structs.replace(HELD, version="200", segment_from_version="200", marks=(Mark("200", T0),))
MARKED = HELD.marked("150", LATER)

FIRST = Listing(None, "first")
RELISTING = Listing(HELD, "missed")
PROBING = Probing(HELD)
PRIMING = Priming(msgspec.structs.replace(HELD, primed=False))
OPENING = Opening(HELD)
WATCHING = Watching(HELD, T0)
LIVE = Watching(HELD, T0, "90")

SITUATIONS = {
    "first": FIRST,
    "relisting": RELISTING,
    "probing": PROBING,
    "priming": PRIMING,
    "opening": OPENING,
    "watching": WATCHING,
    "live": LIVE,
}

HAPPENINGS = {
    "listed": Listed(FRESH),
    "present version above": Probed("150", LATER, "100"),
    "present version the same": Probed("100", LATER, "100"),
    "present version below": Probed("99", LATER, "100"),
    "opened": Opened(LATER),
    "delivered": Delivered("110", LATER),
    "stalled": Stalled(LATER),
    "410": Expired("410 Expired"),
    "error line": Unreadable("error_line", "500 InternalError"),
    "no JSON": Unreadable("bad_line", "<html>"),
    "too long": Unreadable("line_too_long", '{"type":"MODIFIED"', 9 * 2**20),
    "missed": Missed(("u",), 1),
    "429": Refused(429, "slow down", 7.0),
    "503": Refused(503, "no endpoints"),
    "403": Refused(403, "forbidden"),
    "unreachable": Lost("unreachable", "refused"),
    "cut": Lost("cut", "reset"),
    "silent": Lost("silent", "nothing"),
    "ended at once": Ended(0.1),
    "ended in order": Ended(300.0),
}

SAME = "the same situation"
TROUBLE_BEFORE_A_STREAM = {
    "410": ("expired", 0.0),
    "429": (SAME, 7.0),
    "503": (SAME, 0.0),
    "403": (SAME, 0.0),
    "unreachable": (SAME, 0.0),
    "cut": (SAME, 0.0),
    "silent": (SAME, 0.0),
}
TROUBLE_WITH_A_POSITION = TROUBLE_BEFORE_A_STREAM | {"410": ("expired", None)}
TROUBLE_OF_A_STREAM = TROUBLE_WITH_A_POSITION | {
    "error line": ("unreadable", 0.0),
    "no JSON": ("unreadable", 0.0),
    "too long": ("unreadable", 0.0),
    "missed": ("missed", 0.0),
    "ended at once": (SAME, 0.0),
    "ended in order": (SAME, None),
}

# What follows where; a happening that is not named here cannot happen there. For troubles: what to list for,
# or SAME (a stream is taken up again by Probing); and the least pause.
TABLE = {
    "first": {"listed": (Opening(FRESH), None)} | TROUBLE_BEFORE_A_STREAM,
    "relisting": {"listed": (Opening(FRESH), None)} | TROUBLE_BEFORE_A_STREAM,
    "probing": {
        "present version above": (Opening(MARKED), None),
        "present version the same": (Opening(HELD.marked("100", LATER)), None),
        "present version below": ("ahead", None),
    }
    | TROUBLE_WITH_A_POSITION,
    "priming": {"listed": (Opening(FRESH), None)} | TROUBLE_BEFORE_A_STREAM,
    "opening": {"opened": (Watching(HELD, LATER), None)} | TROUBLE_WITH_A_POSITION,
    "watching": {
        "present version above": (Watching(MARKED, T0, "150"), None),
        "present version the same": (Watching(HELD.marked("100", LATER), T0, "100"), None),
        "present version below": ("ahead", None),
        "delivered": (Watching(HELD.moved("110", LATER), T0), None),
        "stalled": (Watching(HELD, LATER), None),
    }
    | TROUBLE_OF_A_STREAM,
    "live": {
        "present version above": (Watching(MARKED, T0, "90"), None),
        "present version the same": (Watching(HELD.marked("100", LATER), T0, "90"), None),
        "present version below": ("ahead", None),
        "delivered": (Watching(HELD.moved("110", LATER), T0, "90"), None),
        "stalled": (Watching(HELD, LATER), None),
    }
    | TROUBLE_OF_A_STREAM,
}


@pytest.mark.parametrize("happening", HAPPENINGS)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_follows_is_what_the_table_says(situation, happening):
    now = SITUATIONS[situation]
    if happening not in TABLE[situation]:
        with pytest.raises(ValueError, match="cannot happen in"):
            advance(now, HAPPENINGS[happening])
        return
    follows, pause = TABLE[situation][happening]
    following = advance(now, HAPPENINGS[happening])
    if follows == SAME:
        follows = now if isinstance(now, Listing) else Probing(now.held)
    elif follows == "expired" and isinstance(now, (Listing, Priming)):
        follows = now  # a 410 to a page's token: the same list from its beginning
    elif follows in {"ahead", "missed"}:
        follows = Listing(UNPROVEN, follows)
    elif isinstance(follows, str):
        follows = Listing(HELD, follows)
    assert (following.situation, following.pause) == (follows, pause)


@pytest.mark.parametrize(
    ("happening", "kind"),
    [
        ("present version below", "version_ahead"),
        ("error line", "error_line"),
        ("no JSON", "bad_line"),
        ("too long", "line_too_long"),
        ("missed", "watch_missed"),
    ],
)
def test_what_a_person_must_find_later_is_an_anomaly(happening, kind):
    anomaly = advance(WATCHING, HAPPENINGS[happening]).anomaly
    assert anomaly is not None
    assert anomaly.kind == kind


def test_a_line_that_is_too_long_is_recorded_with_its_length():
    anomaly = advance(WATCHING, HAPPENINGS["too long"]).anomaly
    assert anomaly.detail == {"excerpt": '{"type":"MODIFIED"', "version": "100", "bytes": 9 * 2**20}


def test_a_position_without_a_memory_is_primed_before_it_is_resumed():
    probed = Probed("150", LATER, "100")
    assert advance(Probing(PRIMING.held), probed).situation == Priming(PRIMING.held.marked("150", LATER))


def test_a_restored_server_is_listed_at_once_unless_a_stream_had_told_nothing_since_its_list():
    below = Probed("99", LATER, "200")
    assert advance(Probing(FRESH), below).pause is None  # whatever came before it has waited
    assert advance(Watching(FRESH.moved("201", LATER), T0), below).pause is None
    assert advance(Watching(FRESH, T0), below).pause == 0.0


def test_ordinary_trouble_is_no_anomaly():
    for name in (
        "410",
        "429",
        "503",
        "403",
        "unreachable",
        "cut",
        "silent",
        "ended at once",
        "ended in order",
    ):
        assert advance(WATCHING, HAPPENINGS[name]).anomaly is None


def test_changes_are_late_until_a_list_sent_after_the_opening_has_been_answered():
    watching = Watching(HELD, LATER)
    assert not watching.live("101")
    before = advance(watching, Probed("150", T0, "100")).situation  # sent before the opening
    assert before.live_above is None
    after = advance(watching, Probed("150", LATER + timedelta(seconds=1), "100")).situation
    assert not after.live("150")
    assert after.live("151")
    assert after.live("1000")


def test_after_a_stall_everything_is_late_again_until_a_later_list():
    stalled = advance(Watching(HELD, T0, "100"), Stalled(LATER)).situation
    assert not stalled.live("101")
    in_flight = advance(stalled, Probed("120", LATER - timedelta(seconds=1), "100")).situation
    assert not in_flight.live("121")
    again = advance(in_flight, Probed("130", LATER + timedelta(seconds=1), "100")).situation
    assert again.live("131")
    assert not again.live("130")


def test_a_list_that_was_overtaken_by_the_stream_is_not_taken_for_a_restored_server():
    overtaken = Watching(HELD.moved("160", LATER), T0)
    assert isinstance(advance(overtaken, Probed("150", LATER, "100")).situation, Watching)


def test_a_fresh_position_that_is_refused_is_listed_again_only_after_a_pause():
    assert advance(Opening(FRESH), Expired("410")).pause == 0.0
    assert advance(Watching(FRESH, LATER), Expired("410")).pause == 0.0
    assert advance(Watching(FRESH.moved("201", LATER), LATER), Expired("410")).pause is None


def test_a_step_without_trouble_has_neither_pause_nor_anomaly():
    assert advance(OPENING, Opened(LATER)) == Next(Watching(HELD, LATER))
