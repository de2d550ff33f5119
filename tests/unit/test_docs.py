"""The documents in docs/ name only what there is: tests, tables, files."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}


@pytest.fixture(params=DOCUMENTS)
def document(request: pytest.FixtureRequest) -> str:
    return DOCUMENTS[request.param]


def test_every_test_that_is_named_exists(document: str) -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert {name for name in re.findall(r"`(test_\w+)`", document) if f"def {name}(" not in tests} == set()


def test_every_table_and_view_that_is_named_exists(document: str) -> None:
    schema = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "schema").glob("0*.sql"))
    named = set(re.findall(r"\b((?:ledger|public)\.[a-z_]+)\b(?![.*])", document)) - {"public.tenant_"}
    assert {name for name in named if not re.search(rf"CREATE (TABLE|VIEW) {re.escape(name)}\b", schema)} == set()


def test_the_readme_leads_to_every_document() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in DOCUMENTS if f"(docs/{name})" not in readme] == []
