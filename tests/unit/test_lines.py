"""Chunks into lines: nothing lost, nothing invented, however the stream is cut."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.answers import TooLong
from sidecar.cluster.lines import BEGINNING, Lines

LINE = st.binary(min_size=1, max_size=40).map(lambda b: b.replace(b"\n", b"."))


@given(st.lists(LINE, max_size=12), st.data())
def test_lines_are_the_same_however_the_stream_is_cut(lines, data):
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    splitter = Lines(most=20)
    got = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += splitter.feed(stream[start:end])
    assert got == [line if len(line) <= 20 else TooLong(len(line), line[:BEGINNING]) for line in lines]
    assert not splitter.unfinished


def test_a_line_that_is_too_long_is_reported_with_its_beginning_and_the_next_one_is_whole():
    splitter = Lines(most=1000)
    got = []
    for _ in range(300):
        got += splitter.feed(b"x" * 10)
    got += splitter.feed(b"end\nnext\n")
    assert got == [TooLong(3003, b"x" * BEGINNING), b"next"]


def test_a_skipped_line_does_not_grow_in_memory():
    splitter = Lines(most=1000)
    for _ in range(1000):
        splitter.feed(b"y" * 10_000)
    assert sum(len(part) for part in splitter._parts) <= BEGINNING


def test_what_has_no_end_yet_is_unfinished():
    splitter = Lines()
    assert splitter.feed(b"one\ntw") == [b"one"]
    assert splitter.unfinished
    assert splitter.feed(b"o\n\n\n") == [b"two"]
    assert not splitter.unfinished
