"""When certificates are renewed, on a calendar: at every moment what is presented is valid and trusted."""

import contextlib
import copy
import functools
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.certificates import layout, names
from sidecar.certificates.issuing import AUTHORITY_LIFE, SERVING_LIFE, new_authority, new_serving, pem, valid_at
from sidecar.certificates.keeping import OURS, Keeping, Places
from sidecar.certificates.renewal import (
    AUTHORITY_LEAD,
    Held,
    MakeAuthority,
    MakeServing,
    Publish,
    Rest,
    Trust,
    decide,
    renewed_at,
)
from sidecar.errors import Misconfigured, Unavailable
from tests.support.certificate_objects import CertificateObjects, driven

START = datetime(2026, 11, 25, 12, tzinfo=UTC)
NAMES = names.of_service("billing-sidecar", "portal", ())
PLACES = Places("tls", "billing-sidecar")
DAY = timedelta(days=1)

# Two runs that ended are up to four weeks apart: one that died may lie between them.
GAPS = st.lists(st.tuples(st.floats(min_value=1, max_value=14), st.none() | st.integers(0, 30)), min_size=0, max_size=6)
LONG_GAP = (13.9, None)
YEARS = 5.5 * 365 * DAY  # until the second successor of a CA signs


def run(objects: CertificateObjects, bears=NAMES):
    return Keeping(objects, PLACES, bears, lambda _: None)


def complete(objects: CertificateObjects, now: datetime, bears=NAMES) -> list[str]:
    """One run to its end; what it said."""
    said: list[str] = []
    assert driven(Keeping(objects, PLACES, bears, said.append).run(now)) is True
    return said


@pytest.fixture
def objects() -> CertificateObjects:
    made = CertificateObjects()
    complete(made, START)
    return made


@given(GAPS)
@settings(max_examples=10, deadline=None)
def test_at_every_moment_what_is_presented_is_valid_and_trusted_and_nothing_is_written_too_early(gaps) -> None:
    """For years, with three CAs: also between any two writes, and when a run dies there."""
    objects, now = CertificateObjects(), START
    complete(objects, now)
    resting = decide(objects.held(), NAMES, now)
    objects.written = lambda: untrusted_is_none(objects, now)
    died = False
    for days, dies_after in itertools.cycle([*gaps, LONG_GAP]):
        now += timedelta(days=days)
        if now > START + YEARS:
            break
        # The last moment before this run.
        untrusted_is_none(objects, now)
        assert valid_at(objects.held().serving.certificate, now)
        before, known = objects.writes, {each.subject for each in objects.held().authorities}
        ended = driven(run(objects).run(now), None if died else dies_after)
        died = ended is None
        assert objects.held().serving.certificate.issuer in known  # no CA signs in the run that makes it
        if now < resting.until:
            assert objects.writes == before
        if ended:
            resting = decide(objects.held(), NAMES, now)
            assert isinstance(resting, Rest)
            assert objects.held().published == objects.held().trusted[0] == objects.held().trusted[1]
            assert len(objects.held().published) <= 2
    assert len({each.issuer for each in objects.presented}) == 3


def untrusted_is_none(objects: CertificateObjects, now: datetime) -> None:
    assert objects.untrusted(now) == []


SITUATIONS = {
    "nothing is there": None,
    "nothing is due": lambda _: START + DAY,
    "the serving certificate is due": lambda _: START + 61 * DAY,
    "the CA is due": lambda objects: renewed_until_the_last(objects) or START + AUTHORITY_LIFE - AUTHORITY_LEAD + DAY,
    "the CA's Secret is lost": lambda objects: objects.secrets.pop("tls-ca") and START + 61 * DAY,
    "the serving Secret is lost": lambda objects: objects.secrets.pop("tls") and START + 61 * DAY,
}


def renewed_until_the_last(objects: CertificateObjects) -> None:
    """Daily runs until the day before the CA is due."""
    for day in range((AUTHORITY_LIFE - AUTHORITY_LEAD).days - 1):
        complete(objects, START + day * DAY)


@pytest.mark.parametrize("situation", SITUATIONS)
@given(order=st.lists(st.integers(0, 2), max_size=150), deaths=st.tuples(*[st.none() | st.integers(0, 60)] * 2))
@settings(max_examples=30, deadline=None)
def test_several_at_once_do_no_harm_however_they_overlap_and_die(situation, order, deaths) -> None:
    before, now = lived(situation)
    objects = copy.copy(before)
    objects.secrets, objects.presented = copy.deepcopy(before.secrets), list(before.presented)
    objects.written = lambda: untrusted_is_none(objects, now)
    runs = [run(objects).run(now) for _ in range(3)]
    left = {0: deaths[0], 1: deaths[1], 2: None}  # turns until each dies; the third one lives
    for number in [*order, *itertools.chain.from_iterable(itertools.repeat((0, 1, 2), 400))]:
        if number not in left:
            continue
        if left[number] == 0:
            runs[number].close()
            del left[number]
            continue
        if left[number] is not None:
            left[number] -= 1
        with contextlib.suppress(StopIteration):
            runs[number].send(None)
            continue
        del left[number]
    assert not left
    assert isinstance(decide(objects.held(), NAMES, now), Rest)
    assert len(objects.held().published) <= 2
    assert valid_at(objects.held().serving.certificate, now)


@functools.cache
def lived(situation: str) -> tuple[CertificateObjects, datetime]:
    """What there is, and when: the two and a half years until a CA is due are lived once."""
    objects = CertificateObjects()
    if situation == "nothing is there":
        return objects, START
    complete(objects, START)
    return objects, SITUATIONS[situation](objects)


# --- each decision ------------------------------------------------------------------------------------------


def test_a_first_run_makes_the_ca_then_publishes_it_then_signs_and_a_second_does_nothing() -> None:
    objects = CertificateObjects()
    first = complete(objects, START)
    assert [sentence.split(",")[0].split(":")[0] for sentence in first] == [
        "Made a CA (there is none)",
        "ValidatingWebhookConfiguration billing-sidecar",
        "Made a serving certificate (there is none)",
        "Nothing is due before 2027-01-24 11",
    ]
    writes = objects.writes
    assert complete(objects, START) == ["Nothing is due before 2027-01-24 11:58 UTC."]
    assert objects.writes == writes == 3
    assert objects.secrets["tls"]["type"] == "kubernetes.io/tls"
    assert set(objects.secrets["tls"]["data"]) == {"tls.crt", "tls.key", "ca.crt"}


def test_the_key_of_the_ca_is_not_where_the_servers_look(objects) -> None:
    key = objects.held().authority.key_pem()
    assert objects.secrets["tls-ca"]["data"]["ca.key"] == key
    assert all(key not in data for data in objects.secrets["tls"]["data"].values())


def test_a_serving_certificate_is_renewed_after_two_thirds_of_its_life_with_a_new_key(objects) -> None:
    before = objects.held().serving
    due = renewed_at(before.certificate)
    assert timedelta(days=59) < due - START < timedelta(days=61)
    complete(objects, due - timedelta(seconds=1))
    assert objects.held().serving.certificate == before.certificate
    complete(objects, due)
    after = objects.held().serving
    assert after.certificate.not_valid_after_utc == due.replace(microsecond=0) + SERVING_LIFE
    assert after.certificate.public_key() != before.certificate.public_key()


def test_a_new_ca_is_published_beside_the_old_one_and_signs_the_next_renewal(objects) -> None:
    renewed_until_the_last(objects)
    old, serving = objects.held().authority.certificate, objects.held().serving.certificate
    due = old.not_valid_after_utc - AUTHORITY_LEAD
    said = complete(objects, due)
    held = objects.held()
    new = held.authority.certificate
    assert held.trusted == ((new, old), (new, old))
    assert held.published == (new, old)
    assert held.serving.certificate.issuer == serving.issuer == old.subject
    assert any("trusts 2 CAs, new and old" in sentence for sentence in said)
    complete(objects, renewed_at(held.serving.certificate))
    assert objects.held().serving.certificate.issuer == new.subject
    later = due
    while later < old.not_valid_after_utc:
        assert objects.held().published == (new, old)
        later += DAY
        complete(objects, later)
    assert objects.held().published == (new,)
    assert objects.held().trusted == ((new,), (new,))


@pytest.mark.parametrize("lost", ["tls", "tls-ca"])
def test_after_a_new_ca_either_secret_alone_still_knows_the_old_one(objects, lost) -> None:
    renewed_until_the_last(objects)
    now = objects.held().authority.certificate.not_valid_after_utc - AUTHORITY_LEAD
    complete(objects, now)
    del objects.secrets[lost]
    complete(objects, now)
    assert objects.untrusted(now) == []


def test_other_names_are_another_certificate(objects) -> None:
    more = names.of_service("billing-sidecar", "portal", [names.host("10.0.0.9")])
    complete(objects, START, more)
    writes = objects.writes
    complete(objects, START, more)
    assert objects.writes == writes
    complete(objects, START)
    assert objects.writes == writes + 1


def test_a_ca_bundle_that_was_emptied_is_filled_again_before_anything_else(objects) -> None:
    objects.webhooks["w1"] = b""
    assert isinstance(decide(objects.held(), NAMES, START + 61 * DAY), Trust)
    complete(objects, START)
    assert objects.untrusted(START) == []


def test_a_lost_ca_is_replaced_and_what_it_signed_stays_trusted_until_it_ends(objects) -> None:
    del objects.secrets["tls-ca"]
    serving = objects.held().serving.certificate
    complete(objects, START + DAY)
    assert objects.held().serving.certificate == serving
    assert len(objects.held().published) == 2
    assert objects.untrusted(START + DAY) == []


def test_both_secrets_deleted_is_a_wholly_new_beginning(objects) -> None:
    """What a person does when a key has got out: nothing old is trusted any more."""
    old = objects.held().authority.certificate
    objects.secrets.clear()
    complete(objects, START + DAY)
    assert len(objects.held().published) == 1
    assert old not in objects.held().published


@pytest.mark.parametrize("key", ["ca.crt", "ca.key"])
@pytest.mark.parametrize("content", [b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_ca_that_cannot_be_read_is_as_a_lost_one(objects, key, content) -> None:
    objects.secrets["tls-ca"]["data"][key] = content
    step = decide(objects.held(), NAMES, START)
    assert step == MakeAuthority(objects.held().published, "there is none")
    complete(objects, START)
    assert objects.untrusted(START) == []


@pytest.mark.parametrize("key", ["tls.crt", "tls.key"])
def test_a_serving_pair_that_does_not_fit_is_made_anew(objects, key) -> None:
    another = new_serving(objects.held().authority, NAMES, START)
    objects.secrets["tls"]["data"][key] = layout.serving_data(another, ())[key]
    assert isinstance(decide(objects.held(), NAMES, START), MakeServing)
    complete(objects, START)


def test_the_cas_beside_the_serving_certificate_are_completed(objects) -> None:
    objects.secrets["tls"]["data"]["ca.crt"] = b""
    assert decide(objects.held(), NAMES, START) == Publish(objects.held().authorities)
    complete(objects, START)
    assert objects.held().published == objects.held().authorities


def test_a_certificate_of_a_ca_that_nobody_trusts_is_made_anew(objects) -> None:
    stranger = new_authority(START)
    objects.secrets["tls"]["data"] |= layout.serving_data(new_serving(stranger, NAMES, START), ())
    step = decide(objects.held(), NAMES, START)
    assert isinstance(step, MakeServing)
    assert step.because == "no CA that is trusted has signed the present one"


@pytest.mark.parametrize("days", [-400, 85, 120, 3 * 365 - 1, 3 * 365, 20 * 365])
def test_whatever_the_clock_says_and_however_long_nobody_ran_one_run_mends_it(objects, days) -> None:
    now = START + days * DAY
    complete(objects, now)
    held = objects.held()
    assert valid_at(held.serving.certificate, now)
    assert held.serving.certificate.not_valid_after_utc - now > SERVING_LIFE - DAY
    assert objects.untrusted(now) == []
    complete(objects, START)  # and back again
    assert valid_at(objects.held().serving.certificate, START)
    assert objects.held().serving.certificate not in objects.untrusted(START)


def test_without_a_webhook_configuration_the_secrets_are_made_all_the_same_and_the_run_is_not_complete() -> None:
    objects, said = CertificateObjects(webhooks=None), []
    assert driven(Keeping(objects, PLACES, NAMES, said.append).run(START)) is False
    assert objects.held().serving is not None
    assert "There is no ValidatingWebhookConfiguration billing-sidecar" in said[-1]
    objects.webhooks = {"w": b""}
    complete(objects, START)
    assert objects.untrusted(START) == []


@pytest.mark.parametrize("name", ["tls", "tls-ca"])
def test_somebody_elses_secret_is_not_overwritten(name) -> None:
    objects = CertificateObjects()
    theirs = {"metadata": {"resourceVersion": "1"}, "type": "Opaque", "data": {"password": b"theirs"}}
    objects.secrets[name] = theirs
    with pytest.raises(Misconfigured, match=f"Secret {name} was made by somebody else.*kubectl label"):
        driven(run(objects).run(START))
    assert objects.secrets[name] == theirs
    theirs["metadata"]["labels"] = OURS
    complete(objects, START)
    assert objects.secrets[name]["data"]["password"] == b"theirs"


def test_empty_secrets_that_were_made_for_us_are_filled() -> None:
    objects = CertificateObjects()
    objects.secrets = {
        "tls": {"metadata": {"resourceVersion": "a"}, "data": {"tls.crt": b"", "tls.key": b""}},
        "tls-ca": {"metadata": {"resourceVersion": "b"}},
    }
    objects.secrets["tls-ca"]["data"] = {}
    complete(objects, START)
    assert objects.untrusted(START) == []


def test_somebody_who_undoes_every_step_is_named_rather_than_fought_for_ever(objects) -> None:
    def undo() -> None:
        objects.webhooks = dict.fromkeys(objects.webhooks, b"")

    objects.written = undo
    objects.webhooks["w0"] = pem((new_authority(START).certificate,))
    with pytest.raises(Unavailable, match="somebody undoes or forestalls them"):
        driven(run(objects).run(START))


def test_no_key_is_in_what_is_said_or_shown(objects) -> None:
    held = objects.held()
    assert isinstance(held, Held)
    shown = repr(held) + "".join(complete(objects, START + 61 * DAY))
    for key in (held.authority.key_pem(), held.serving.key_pem()):
        assert key.decode().splitlines()[1] not in shown
    assert "PRIVATE" not in shown
