"""What an HTTP request says, in this API's terms: who, with which options, which body or patch."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from aiohttp import web

from sidecar.demo.apiserver.admission import User
from sidecar.demo.apiserver.operations import Write
from sidecar.demo.apiserver.patches import Unpatchable, json_patch, merge_patch
from sidecar.demo.apiserver.resource import Json
from sidecar.demo.apiserver.statuses import Refusal, bad_request, unsupported_media_type

_T = TypeVar("_T")
_PATCHES = ("application/json-patch+json", "application/merge-patch+json")


def user_of(request: web.Request) -> User:
    """Who asks: whoever is impersonated, else the bearer token taken for a name, else `admin`."""
    headers = request.headers
    bearer = headers.get("Authorization", "").removeprefix("Bearer ").strip()
    name = headers.get("Impersonate-User") or bearer or "admin"
    return User(name, tuple(headers.getall("Impersonate-Group", [])))


def write_of(request: web.Request, kind: str, body: Json | None = None) -> Write:
    """The write's options (`kind`: CreateOptions, …) from the query and a DELETE's body. Raises `Refusal`."""
    query = request.query
    given = {key: query[key] for key in ("fieldManager", "fieldValidation", "propagationPolicy") if query.get(key)}
    dry_run = {"dryRun": query.getall("dryRun")} if "dryRun" in query else {}
    options = {**given, **dry_run, **(body or {}), "kind": kind, "apiVersion": "meta.k8s.io/v1"}
    if options.get("dryRun", ["All"]) not in (["All"], []):
        raise Refusal(422, "Invalid", f'dryRun: Unsupported value: {options["dryRun"]}: supported values: "All"')
    if options.get("propagationPolicy", "Background") != "Background":
        raise bad_request("only the propagation policy Background is served here: there is no garbage collector")
    return Write(user_of(request), options)


async def json_object(request: web.Request) -> Json:
    """The body as one JSON object; no body gives an empty one. Raises `Refusal`."""
    if not (body := await request.read()):
        return {}
    if request.content_type != "application/json":
        raise unsupported_media_type(["application/json"])
    return _decode(body, Json)


async def patch_of(request: web.Request) -> Callable[[Json], Json]:
    """What the body makes of an object; applying it may raise `Refusal`, and so does this."""
    body = await request.read()
    if request.content_type == "application/merge-patch+json":
        merged = _decode(body, Json)
        return lambda old: merge_patch(old, merged)
    if request.content_type == "application/json-patch+json":
        operations = _decode(body, list[Json])
        return lambda old: _json_patch(old, operations)
    raise unsupported_media_type(_PATCHES)


def _json_patch(old: Json, operations: list[Json]) -> Json:
    try:
        return json_patch(old, operations)
    except Unpatchable as error:
        # The real server's words; it says no more either.
        raise Refusal(422, "Invalid", "the server rejected our request due to an error in our request") from error


def _decode(body: bytes, shape: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as error:
        raise bad_request(f"the body cannot be decoded: {error}") from error
