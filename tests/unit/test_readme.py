"""The README says what the code does: settings, commands, targets, files, views, and the tests that it names."""

import dataclasses
import re
from pathlib import Path

from sidecar.__main__ import _parser
from sidecar.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def rows_below(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading or a table's header."""
    after = README[README.index(heading) :]
    lines = after[after.index("|---") :].splitlines()[1:]
    table = []
    for line in lines:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return table


def test_the_settings_table_has_every_variable_with_its_default() -> None:
    told = {cells[0].strip("`"): cells[1].strip("`") for cells in rows_below("### Settings")}
    fields = dataclasses.fields(Settings)
    assert told == {each.metadata["variable"]: each.metadata["default"] or "none" for each in fields}


def test_the_commands_table_has_every_command() -> None:
    told = {
        match for cells in rows_below("| command |") for match in re.findall(r"sidecar ([a-z-]+)|or `(\w+)`", cells[0])
    }
    (subparsers,) = (action for action in _parser()._actions if isinstance(action.choices, dict))
    assert {first or second for first, second in told} == set(subparsers.choices)


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9]+):.*## ", makefile, re.MULTILINE))
    # In code: at the start of an indented line or between backquotes.
    named = set(re.findall(r"(?:^ {4}(?:.* )?|`)make ([a-z0-9]+)", README, re.MULTILINE))
    assert {"demo", "test", "check", "e2e", "bench", "run"} <= named
    assert named <= targets


def test_every_test_that_is_named_exists() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", README))
    assert len(named) > 10
    assert {name for name in named if f"def {name}(" not in tests} == set()


def test_every_table_and_view_that_is_named_exists() -> None:
    schema = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "schema").glob("*.sql"))
    named = set(re.findall(r"`((?:ledger|public)\.\w+)`", README))
    assert {"ledger.skill_events", "ledger.suspension_events", "ledger.skill_intervals"} <= named
    assert {name for name in named if not re.search(rf"CREATE (TABLE|VIEW) {name}\b", schema)} == set()


def test_every_file_that_is_named_exists() -> None:
    named = set(re.findall(r"`((?:\.ci|bench|docs|manifests|schema|sidecar|tests)/[\w./-]*)`|\]\(([^)#:]+)", README))
    paths = {first or second for first, second in named}
    assert {"schema/rollback.sql", ".ci/run", "docs/runbook.md"} <= paths
    made = {"bench/results/"}  # by `make bench`
    assert {path for path in paths - made if not (ROOT / path).exists()} == set()
