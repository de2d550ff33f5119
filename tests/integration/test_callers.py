"""Who may call the admin API: through a real server, and real requests to an API server that says what it is told."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web

from sidecar import logs
from sidecar.cluster import Reviews
from sidecar.web import callers as callers_module
from sidecar.web.callers import Callers, Judges
from sidecar.web.problems import Problem
from tests.support.admin import TOKEN, AdminApi, admin_api

AUDIENCE = "pieced-billing"
ALICE = {"username": "system:serviceaccount:portal:alice", "uid": "u-1", "groups": ["a", "b"], "extra": {"k": ["v"]}}


@dataclass
class Reviewer:
    """Answers reviews from two tables, over HTTP, and keeps what it was asked. It knows nothing of Kubernetes."""

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By token: the `status` of its TokenReview."""
    rights: set[tuple[str, str]] = field(default_factory=set)
    """Path and verb that are allowed, to whomever."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    failing: tuple[int, str] | None = None
    """Status and body that are answered to everything instead."""

    async def review(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.asked.append(asked)
        if self.failing is not None:
            return web.Response(status=self.failing[0], text=self.failing[1], content_type="application/json")
        spec = asked["spec"]
        if asked["kind"] == "TokenReview":
            status = self.users.get(spec["token"], {})
        else:
            wanted = spec["nonResourceAttributes"]
            status = {"allowed": (wanted["path"], wanted["verb"]) in self.rights}
        return web.json_response({**asked, "status": status}, status=201)

    def count(self, kind: str) -> int:
        return sum(asked["kind"] == kind for asked in self.asked)


@dataclass
class Clock:
    """Seconds, as told."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reviewer() -> Reviewer:
    return Reviewer(
        users={
            "alices": {"authenticated": True, "user": ALICE, "audiences": [AUDIENCE]},
            "anothers": {"authenticated": True, "user": ALICE, "audiences": ["https://kubernetes.default.svc"]},
            "expired": {"error": "token has expired"},
            "unaware": {"authenticated": True, "user": ALICE},
        },
        rights={("/api/admin/billing/pricing", "get"), ("/api/admin/billing/pricing", "list")},
    )


@pytest.fixture
async def judges(reviewer: Reviewer, tmp_path: Path) -> AsyncIterator[Reviews]:
    app = web.Application()
    app.router.add_post("/apis/authentication.k8s.io/v1/tokenreviews", reviewer.review)
    app.router.add_post("/apis/authorization.k8s.io/v1/subjectaccessreviews", reviewer.review)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}}],
            "users": [{"name": "u", "user": {"token": "our-own"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(json.dumps(config))
        async with Reviews.connect(kubeconfig) as reviews:
            yield reviews
    finally:
        await runner.cleanup()


@pytest.fixture
async def api(ledger_database: str, tmp_path: Path, judges: Judges, clock: Clock) -> AsyncIterator[AdminApi]:
    async with admin_api(ledger_database, tmp_path, Callers(None, judges, AUDIENCE, clock)) as api:
        yield api


@asynccontextmanager
async def with_token_file(database: str, tmp_path: Path, judges: Judges | None = None) -> AsyncIterator[AdminApi]:
    """An API whose token file is `tmp_path / "token"`."""
    async with admin_api(database, tmp_path, Callers(tmp_path / "token", judges, AUDIENCE)) as api:
        yield api


async def test_bytes_that_are_no_text_are_no_token_and_ask_nobody():
    callers = Callers(None, NobodyToAsk(), AUDIENCE)
    with pytest.raises(Problem) as refused:
        await callers.check(["Bearer \udcff\udcfe"], "/api/admin/billing/pricing", "get")
    assert refused.value.status == 401


class NobodyToAsk:
    """Must not be asked."""

    async def identify(self, token: str, audience: str) -> None:
        raise AssertionError((token, audience))

    async def may(self, identity: object, path: str, verb: str) -> bool:
        raise AssertionError((identity, path, verb))


class TestTokenFile:
    """The token that an administrator put into a file."""

    async def test_it_lets_in_whoever_has_it_and_nobody_else(self, ledger_database: str, tmp_path: Path):
        (tmp_path / "token").write_text(f"{TOKEN}\n")
        async with with_token_file(ledger_database, tmp_path) as api:
            assert (await api.call("GET", "/pricing", bearer=TOKEN)).status == 200
            for token in (TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "ü", None):
                answer = await api.call("GET", "/pricing", bearer=token)
                assert answer.error()[:2] == (401, "unauthorized"), token
                assert answer.headers["WWW-Authenticate"] == "Bearer"

    async def test_only_one_bearer_header_counts(self, ledger_database: str, tmp_path: Path):
        (tmp_path / "token").write_text(TOKEN)
        async with with_token_file(ledger_database, tmp_path) as api:
            for given, status in (
                (f"bearer {TOKEN}", 200),
                (f"Basic {TOKEN}", 401),
                (TOKEN, 401),
                ("Bearer", 401),
                ("Bearer ", 401),
            ):
                answer = await api.call("GET", "/pricing", bearer=None, headers={"Authorization": given})
                assert answer.status == status, given

    async def test_a_new_token_counts_at_once_and_the_old_one_no_more(self, ledger_database: str, tmp_path: Path):
        (tmp_path / "token").write_text("old")
        async with with_token_file(ledger_database, tmp_path) as api:
            assert (await api.call("GET", "/pricing", bearer="old")).status == 200
            (tmp_path / "token").write_text("new")
            assert (await api.call("GET", "/pricing", bearer="old")).status == 401
            assert (await api.call("GET", "/pricing", bearer="new")).status == 200

    @pytest.mark.parametrize("content", ["", "\n", None])
    async def test_without_a_token_in_the_file_and_without_a_cluster_nobody_is_let_in_and_told_why(
        self, ledger_database: str, tmp_path: Path, content: str | None
    ):
        if content is not None:
            (tmp_path / "token").write_text(content)
        async with with_token_file(ledger_database, tmp_path) as api:
            for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer x"}):
                status, error, detail = (await api.call("GET", "/pricing", bearer=None, headers=headers)).error()
                assert (status, error) == (503, "unavailable")
                assert "SIDECAR_ADMIN_TOKEN_FILE" in detail
            assert (await api.call("GET", "//healthz", bearer=None)).status == 200

    async def test_beside_it_tokens_of_the_cluster_are_good_too(
        self, ledger_database: str, tmp_path: Path, judges: Judges, reviewer: Reviewer
    ):
        (tmp_path / "token").write_text(TOKEN)
        async with with_token_file(ledger_database, tmp_path, judges) as api:
            assert (await api.call("GET", "/pricing", bearer=TOKEN)).status == 200
            assert reviewer.asked == [], "the file's token is nothing that the cluster should see"
            assert (await api.call("GET", "/pricing", bearer="alices")).status == 200


class TestReviews:
    """Tokens that the cluster knows."""

    async def test_who_is_known_and_may_is_let_in_by_their_name(self, api: AdminApi, reviewer: Reviewer):
        reviewer.rights.add(("/api/admin/billing/backfill", "post"))
        assert (await api.call("GET", "/pricing", bearer="alices")).status == 200
        assert (await api.call("POST", "/backfill", bearer="alices")).status == 200
        assert api.backfills.asked_by == [ALICE["username"]]

    async def test_the_cluster_is_asked_about_our_audience_the_whole_identity_path_and_verb(
        self, api: AdminApi, reviewer: Reviewer
    ):
        await api.call("GET", "/pricing?x=1", bearer="alices")
        token_review, access_review, _ = reviewer.asked
        assert token_review["spec"] == {"token": "alices", "audiences": [AUDIENCE]}
        assert access_review["spec"] == {
            "user": ALICE["username"],
            "uid": "u-1",
            "groups": ["a", "b"],
            "extra": {"k": ["v"]},
            "nonResourceAttributes": {"path": "/api/admin/billing/pricing", "verb": "get"},
        }

    async def test_a_token_that_is_unknown_expired_or_for_another_audience_is_not_let_in(
        self, api: AdminApi, reviewer: Reviewer
    ):
        for token in ("unknown", "expired", "anothers", "unaware"):
            assert (await api.call("GET", "/pricing", bearer=token)).error()[:2] == (401, "unauthorized"), token
        assert reviewer.count("SubjectAccessReview") == 0

    async def test_a_right_to_one_thing_is_none_to_another(self, api: AdminApi):
        for method, path in (("PUT", "/pricing"), ("GET", "/tenants"), ("GET", "/nothing"), ("PATCH", "/pricing")):
            status, error, detail = (await api.call(method, path, bearer="alices")).error()
            assert (status, error) == (403, "forbidden"), (method, path)
            assert ALICE["username"] in detail

    async def test_the_right_to_get_that_every_account_has_below_api_is_none_to_read(
        self, api: AdminApi, reviewer: Reviewer
    ):
        reviewer.rights = {("/api/admin/billing/pricing", "get")}
        status, _, detail = (await api.call("GET", "/pricing", bearer="alices")).error()
        assert status == 403
        assert "verbs get and list" in detail

    @pytest.mark.parametrize("verb", ["list", "post", "put", "delete"])
    async def test_with_a_verb_that_only_a_role_can_give_one_may_read(
        self, api: AdminApi, reviewer: Reviewer, verb: str
    ):
        reviewer.rights = {("/api/admin/billing/pricing", "get"), ("/api/admin/billing/pricing", verb)}
        assert (await api.call("GET", "/pricing", bearer="alices")).status == 200

    async def test_a_verb_without_get_is_no_right_to_read(self, api: AdminApi, reviewer: Reviewer):
        reviewer.rights = {("/api/admin/billing/pricing", "put")}
        assert (await api.call("GET", "/pricing", bearer="alices")).status == 403

    async def test_without_a_token_nobody_learns_what_exists(self, api: AdminApi, reviewer: Reviewer):
        for path in ("/pricing", "/nothing", "//api/admin/else"):
            assert (await api.call("GET", path, bearer=None)).error()[:2] == (401, "unauthorized")
        assert reviewer.asked == []

    async def test_a_right_just_granted_counts_at_once(self, api: AdminApi, reviewer: Reviewer):
        assert (await api.call("GET", "/tenants", bearer="alices")).status == 403
        reviewer.rights |= {("/api/admin/billing/tenants", "get"), ("/api/admin/billing/tenants", "list")}
        assert (await api.call("GET", "/tenants", bearer="alices")).status == 200

    async def test_a_yes_holds_for_a_minute_and_no_longer(self, api: AdminApi, reviewer: Reviewer, clock: Clock):
        assert (await api.call("GET", "/pricing", bearer="alices")).status == 200
        reviewer.rights.clear()
        clock.now += 59.9
        assert (await api.call("GET", "/pricing", bearer="alices")).status == 200
        assert (reviewer.count("TokenReview"), reviewer.count("SubjectAccessReview")) == (1, 2)
        clock.now += 0.2
        assert (await api.call("GET", "/pricing", bearer="alices")).status == 403

    async def test_a_yes_is_of_one_token_path_and_method_only(self, api: AdminApi):
        assert (await api.call("GET", "/pricing", bearer="alices")).status == 200
        assert (await api.call("PUT", "/pricing", bearer="alices")).status == 403
        assert (await api.call("GET", "/skills", bearer="alices")).status == 403
        assert (await api.call("GET", "/pricing", bearer="unknown")).status == 401

    async def test_no_more_than_so_many_yeses_are_kept(
        self, api: AdminApi, reviewer: Reviewer, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(callers_module, "_YESES", 2)
        reviewer.rights |= {(f"/api/admin/billing/tenants/t{n}/timeline", v) for n in range(3) for v in ("get", "list")}
        for n in (0, 1, 2, 2, 1, 0):
            assert (await api.call("GET", f"/tenants/t{n}/timeline", bearer="alices")).status == 404
        assert reviewer.count("TokenReview") == 4, "the last of the six was forgotten, the two before it were not"

    @pytest.mark.parametrize(
        "failing",
        [
            (500, "{}"),
            (200, "not JSON"),
            (200, '{"status": {"authenticated": "yes"}}'),
            (200, "{}"),
            (429, '{"message": "slow down"}'),
            (403, '{"message": "tokenreviews is forbidden", "reason": "Forbidden"}'),
            (401, '{"message": "Unauthorized"}'),
        ],
    )
    async def test_an_api_server_that_does_not_answer_properly_lets_nobody_in(
        self, api: AdminApi, reviewer: Reviewer, failing: tuple[int, str]
    ):
        reviewer.failing = failing
        answer = await api.call("GET", "/pricing", bearer="alices")
        assert answer.error()[:2] == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0

    async def test_a_right_that_we_lack_ourselves_is_named(self, api: AdminApi, reviewer: Reviewer):
        reviewer.failing = (403, '{"message": "tokenreviews.authentication.k8s.io is forbidden"}')
        _, _, detail = (await api.call("GET", "/pricing", bearer="alices")).error()
        assert "we lack this right" in detail
        assert "tokenreviews.authentication.k8s.io" in detail

    async def test_nothing_of_a_token_is_ever_logged_or_answered(
        self, api: AdminApi, reviewer: Reviewer, capfd: pytest.CaptureFixture[str]
    ):
        root = logging.getLogger()
        before = (root.handlers, root.level)
        logs.configure("json", "debug")
        try:
            said = [await api.call("POST", "/backfill", bearer=token) for token in ("alices", "anothers")]
            reviewer.rights.add(("/api/admin/billing/backfill", "post"))
            said.append(await api.call("POST", "/backfill", bearer="alices"))
            # The worst that an API server could do: an answer that cannot be read and quotes the token.
            # The worst that an API server could do: an answer that cannot be read and quotes the token.
            reviewer.failing = (200, '{"status": {"authenticated": true, "user": "alices"}}')
            said.append(await api.call("GET", "/tenants", bearer="alices"))
        finally:
            root.handlers, root.level = before
            structlog.reset_defaults()
        assert [answer.status for answer in said] == [403, 401, 200, 503]
        logged = "".join(capfd.readouterr())
        assert '"event": "admin_changed"' in logged
        for token in ("alices", "anothers", "our-own"):
            assert token not in logged
            assert all(token not in answer.text for answer in said)


async def test_an_api_server_that_is_away_is_no_yes(ledger_database: str, tmp_path: Path):
    kubeconfig = tmp_path / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    kubeconfig.write_text(json.dumps(config))
    async with (
        Reviews.connect(kubeconfig) as reviews,
        admin_api(ledger_database, tmp_path, Callers(None, reviews, AUDIENCE)) as api,
    ):
        assert (await api.call("GET", "/pricing", bearer="alices")).error()[:2] == (503, "unavailable")
