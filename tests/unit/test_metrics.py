"""Numbers into Prometheus' text format, judged by prometheus_client's own parser."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import parser

from sidecar.durations import Durations
from sidecar.metrics import Measure, exposition


def read(*measures: Measure[int]) -> dict[str, dict[tuple[str, ...], float]]:
    """Each sample's name → its labels' values → number."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in parser.text_string_to_metric_families(exposition(measures, 7).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_a_number_is_read_when_it_is_asked_for() -> None:
    assert read(Measure("gauge", "x", "Says", lambda of: of)) == {"x": {(): 7}}
    assert read(Measure("counter", "x_total", "Says", lambda of: of)) == {"x_total": {(): 7}}


def test_each_set_of_labels_has_a_number() -> None:
    counts = {("seen", "watch"): 3, ("seen", "audit"): 0}
    assert read(Measure("counter", "x_total", "Says", lambda _: counts, ("kind", "source"))) == {"x_total": counts}


def test_labels_that_would_break_the_format_are_escaped() -> None:
    strange = {('a"b\\c\nd',): 1.0}
    assert read(Measure("gauge", "x", "Says", lambda _: strange, ("reason",))) == {"x": strange}


def test_what_is_not_known_has_no_sample_but_is_explained() -> None:
    text = exposition([Measure("gauge", "x", "When it ends", lambda _: None)], 0).decode()
    assert text == "# HELP x When it ends\n# TYPE x gauge\n"


@given(st.lists(st.floats(0, 100, allow_nan=False)))
def test_durations_are_counted_in_every_bucket_that_holds_them(given: list[float]) -> None:
    bounds = (0.005, 0.5, 10.0)
    durations = Durations(*bounds)
    for seconds in given:
        durations.took(seconds)
    told = read(Measure("histogram", "x_seconds", "Says", lambda _: durations))
    expected = {(str(bound),): sum(seconds <= bound for seconds in given) for bound in bounds}
    assert told["x_seconds_bucket"] == {**expected, ("+Inf",): len(given)}
    assert told["x_seconds_count"] == {(): len(given)}
    assert abs(told["x_seconds_sum"][()] - sum(given)) < 1e-6
