"""The log table and the runbook say what the code does."""

import re
from pathlib import Path

import pytest

from sidecar.__main__ import _parser
from sidecar.web.routes import ROUTES
from tests.support.log_calls import LEVELS, logged

ROOT = Path(__file__).parents[2]
LOGS = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")


def test_the_table_of_events_is_what_the_code_logs() -> None:
    said: dict[str, tuple[set[str], set[str]]] = {}
    for call in logged(ROOT / "sidecar"):
        levels, fields = said.setdefault(call.event, (set(), set()))
        levels |= call.levels
        fields |= call.fields - {"exc_info"}  # becomes `exception`, in the words of the meaning
    rows = LOGS[LOGS.index("| event |") :].strip().splitlines()[2:]
    told = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[:3] for row in told] == [
        [
            f"`{event}`",
            " or ".join(level for level in LEVELS if level in levels),
            ", ".join(f"`{field}`" for field in sorted(fields)),
        ]
        for event, (levels, fields) in sorted(said.items())
    ]
    assert all(meaning for *_, meaning in told)


def test_events_are_constants_in_small_letters() -> None:
    events = {call.event for call in logged(ROOT / "sidecar")}
    assert len(events) > 30
    assert [event for event in events if not re.fullmatch(r"[a-z]+(_[a-z]+)*", event)] == []


def test_every_event_that_the_runbook_looks_for_is_logged() -> None:
    events = {call.event for call in logged(ROOT / "sidecar")}
    looked_for = set()
    for line in re.findall(r"grep (?:-E )?(.+)", RUNBOOK):
        for start, inside, rest in re.findall(r"([a-z_]*_)\(([a-z_|]+)\)|((?:[a-z]+)?_[a-z_]*)", line):
            looked_for |= {start + each for each in inside.split("|")} if start else {rest}
    ours = {word for word in looked_for if not word.startswith(("sidecar_", "apiserver_"))}
    assert len(ours) > 8
    assert {word for word in ours if not any(word in event for event in events)} == set()


def test_every_path_that_the_runbook_calls_is_served() -> None:
    paths = set(re.findall(r"http://127\.0\.0\.1:8080(/\S*)", RUNBOOK))
    assert len(paths) > 4
    assert {path.strip(";") for path in paths} <= {route.path for route in ROUTES}


def test_every_command_that_the_runbook_runs_exists() -> None:
    (subparsers,) = (action for action in _parser()._actions if isinstance(action.choices, dict))
    assert set(re.findall(r"-m sidecar ([a-z-]+)", RUNBOOK)) <= set(subparsers.choices)


@pytest.mark.parametrize("document", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for file, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)", document.read_text(encoding="utf-8")):
        target = document.parent / file if file else document
        assert target.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, anchor
