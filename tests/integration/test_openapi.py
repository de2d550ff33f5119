"""The OpenAPI document and the server say the same."""

import asyncio
import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis

from sidecar.web.openapi import document
from sidecar.web.routes import DOCUMENTED, ROUTES
from tests.conftest import Databases
from tests.support.admin import TOKEN, admin_api

DOCUMENT = document(DOCUMENTED)
CONFIG = schemathesis.Config.from_dict(
    # What is well-formed can still be about nothing (404), collide (409), or name a made-up version (412).
    {"checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "412"]}}}
)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)


@pytest.fixture(scope="module")
def url(ledgers: Databases) -> Iterator[str]:
    """A running admin API, in a thread of its own because its callers here are not asynchronous."""
    started: list[str] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with ledgers() as database, admin_api(database, Path(folder)) as api:
                started.append(api.url)
                ready.set()
                await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@SCHEMA.parametrize()
@hypothesis.settings(max_examples=40, deadline=None)
def test_the_server_answers_as_the_document_says(case: Any, url: str):
    case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"})


async def test_the_document_is_served_to_everybody(ledger_database: str, tmp_path: Path):
    async with admin_api(ledger_database, tmp_path) as api:
        answer = await api.call("GET", "//api/openapi.json", bearer=None)
    assert answer.ok() == DOCUMENT
    assert DOCUMENT["openapi"].startswith("3.1")


def test_every_operation_of_the_admin_api_and_no_other_needs_a_token():
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            security = operation.get("security", DOCUMENT["security"])
            assert security == ([{"bearer": []}] if path.startswith("/api/admin/") else []), (method, path)


def test_money_is_text_with_a_bounded_scale_wherever_it_can_be_set():
    schemas = DOCUMENT["components"]["schemas"]
    money = {
        f"{name}.{field}": schema
        for name in ("NewPlatformPrices", "NewSkillPrice")
        for field, schema in schemas[name]["properties"].items()
    }
    assert len(money) == 5
    for name, schema in money.items():
        assert schema["type"] == "string", name
        assert r"(\.[0-9]{1," in schema["pattern"], name


def test_unknown_fields_are_refused_by_every_body():
    bodies = {
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
        if "requestBody" in operation
    }
    assert bodies == {"NewPlatformPrices", "NewSkillPrice", "OrgConfig", "Confirmation"}
    for name in bodies:
        assert DOCUMENT["components"]["schemas"][name]["additionalProperties"] is False, name


def test_the_guide_names_every_operation_and_no_other():
    guide = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    told = set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", guide, re.MULTILINE))
    assert told == {f"{route.method} {route.path}" for route in ROUTES}
    needs_caller = {f"{route.method} {route.path}" for route in ROUTES if route.needs_caller}
    assert {each for each in told if f"`{each}` | anybody" not in guide} == needs_caller
