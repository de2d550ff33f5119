"""Waits double with jitter, up to a limit, and begin again after a success."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.backoff import Backoff


def test_each_wait_lies_between_half_and_all_of_a_doubling_bound():
    backoff = Backoff(first=1, most=10)
    for bound in (1, 2, 4, 8, 10, 10):
        assert bound / 2 <= backoff.wait() <= bound


@given(st.integers(1, 2000))
def test_however_many_tries_fail_the_wait_never_exceeds_the_most(tries):
    backoff = Backoff()
    assert all(0.4 <= backoff.wait() <= 30 for _ in range(tries))


def test_waits_differ_so_that_replicas_do_not_return_in_step():
    assert len({Backoff().wait() for _ in range(50)}) > 40


def test_a_success_begins_again_at_the_first_wait():
    backoff = Backoff(first=1, most=100)
    for _ in range(5):
        backoff.wait()
    backoff.reset()
    assert backoff.wait() <= 1


@pytest.mark.parametrize("retry_after", [5.0, 120.0])
def test_the_servers_retry_after_is_never_undercut_and_does_not_add_up(retry_after):
    backoff = Backoff(first=1, most=10)
    assert backoff.wait(at_least=retry_after) == retry_after
    assert 1 <= backoff.wait() <= 2
