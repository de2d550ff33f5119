"""The OpenAPI 3.1 document, from the same routes and structs as the server's."""

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from sidecar.web.parameters import IN_PATHS
from sidecar.web.problems import ErrorAnswer
from sidecar.web.routing import Route

Json = dict[str, Any]

_JSON = "application/json"
_SCHEMAS = "#/components/schemas/{name}"

_REASONS = {
    400: "The body is not JSON.",
    401: "Who calls is not known: no token, or none that is valid for this audience.",
    403: "The caller may not do this.",
    408: "The body did not arrive in time.",
    412: "It was changed since the version in If-Match.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "What was asked cannot be: every problem is named.",
    503: "Something that this needs is away, and says what: ask again after Retry-After.",
}


def _errors(route: Route) -> Iterator[int]:
    """The statuses of errors that this route can answer with, besides its own."""
    if route.needs_caller:
        yield from (401, 403, 422)
    yield 503
    if route.body is not None:
        yield from (400, 408, 413, 415)
    if route.conditional:
        yield 412


def _operation(route: Route) -> Json:
    reasons = {status: _REASONS[status] for status in _errors(route)} | dict(route.errors)
    answers: Json = {str(route.status): _success(route)}
    for status, reason in sorted(reasons.items()):
        answers[str(status)] = {"description": reason, "content": _json(ErrorAnswer)}
        if status == 503:
            answers["503"]["headers"] = {"Retry-After": _header("Seconds to wait.", {"type": "integer", "minimum": 0})}
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": list(_parameters(route)),
        "responses": answers,
    }
    if route.notes:
        operation["description"] = route.notes
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(route.body)}
    if not route.needs_caller:
        operation["security"] = []
    return operation


def _success(route: Route) -> Json:
    answer: Json = {"description": route.summary}
    if route.answers is not None:
        answer["content"] = _json(route.answers)
    elif route.media_type:
        answer["content"] = {route.media_type.split(";", 1)[0]: {"schema": {"type": "string"}}}
    if route.versioned:
        answer["headers"] = {"ETag": _header("Its version, for If-Match.", {"type": "string"})}
    return answer


def _parameters(route: Route) -> Iterator[Json]:
    for name in re.findall(r"{(\w+)}", route.path):
        yield {"name": name, "in": "path", "required": True, "schema": _schema(IN_PATHS[name])}
    for field in msgspec.structs.fields(route.query):
        schema = _schema(field.type)
        if field.default not in (msgspec.NODEFAULT, msgspec.UNSET):
            schema["default"] = field.default
        yield {"name": field.encode_name, "in": "query", "required": field.required, "schema": schema}
    if route.conditional:
        meaning = "Entity tags as ETag has them, or *: done only if one of them is the present version."
        yield {"name": "If-Match", "in": "header", "description": meaning, "schema": {"type": "string"}}


def _json(shape: type[msgspec.Struct]) -> Json:
    return {_JSON: {"schema": {"$ref": _SCHEMAS.format(name=shape.__name__)}}}


def _header(description: str, schema: Json) -> Json:
    return {"description": description, "schema": schema}


def _schema(kind: object) -> Json:
    return msgspec.json.schema(kind)


def document(routes: Sequence[Route]) -> Json:
    """The document for these routes."""
    shapes = {ErrorAnswer, *(shape for route in routes for shape in (route.body, route.answers) if shape is not None)}
    _, components = msgspec.json.schema_components(sorted(shapes, key=lambda s: s.__name__), ref_template=_SCHEMAS)
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PieCed billing sidecar",
            "version": version("pieced-billing-sidecar"),
            "description": "Money and rates are text. Times are RFC 3339 in UTC. Unknown fields are refused.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A ServiceAccount's token for the sidecar's audience, or the administrators' token.",
                }
            },
        },
        "security": [{"bearer": []}],
    }
