"""Reading a request's parts into structs, with every problem named at once."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from sidecar.billing.versions import ANY
from sidecar.web.parameters import IN_PATHS
from sidecar.web.problems import Problem

T = TypeVar("T", bound=msgspec.Struct)

_TAG = re.compile(r'"([^"]*)"')

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not JSON: not its grammar, not UTF-8, nested deeper than Python's stack."""


def body(content: bytes, shape: type[T]) -> T:
    """The JSON object in `content`. Raises `Problem`: 400 if it is no JSON, 422 if it is not of that shape."""
    try:
        given = msgspec.json.decode(content)
        repeated: list[str] = []
        json.loads(content, object_pairs_hook=lambda pairs: _unique(pairs, repeated))
    except UNDECODABLE as error:
        raise Problem(400, f"The body is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise Problem(422, "The body must be a JSON object.")
    return _object(given, shape, [f"{name}: given twice" for name in repeated], strict=True)


def query(given: list[tuple[str, str]], shape: type[T]) -> T:
    """The parameters of a query string, in the order given. Raises `Problem` 422."""
    values = dict(given)
    problems = [f"{name}: given twice" for name in values if sum(name == other for other, _ in given) > 1]
    return _object(values, shape, problems, strict=False)


def path(given: Mapping[str, str]) -> Mapping[str, str]:
    """The parameters of a path, as they are. Raises `Problem` 422."""
    problems: list[str] = []
    for name, value in given.items():
        _convert(name, value, IN_PATHS[name], problems)
    if problems:
        raise Problem(422, "; ".join(problems))
    return given


def if_match(headers: Sequence[str]) -> Collection[str] | None:
    """The versions in the If-Match headers, "*" for any; None if there are none. What is no tag matches nothing."""
    if not headers:
        return None
    text = ", ".join(headers)
    # A weak tag counts as a strong one: proxies that compress weaken ours, and it is a row's version, not of bytes.
    return {ANY} if text.strip() == ANY else set(_TAG.findall(text))


def _object(given: Mapping[str, Any], shape: type[T], problems: list[str], *, strict: bool) -> T:
    """`given` as `shape`. Raises `Problem` 422 that names all problems, those in `problems` too."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    values: dict[str, Any] = {}
    problems += [f"{name}: there is no such field" for name in given if name not in fields]
    for name, field in fields.items():
        if name in given:
            values[field.name] = _convert(name, given[name], field.type, problems, strict=strict)
        elif field.required:
            problems.append(f"{name}: missing{_meaning(field.type)}")
    if problems:
        raise Problem(422, "; ".join(problems))
    return shape(**values)


def _convert(name: str, value: object, kind: Any, problems: list[str], *, strict: bool = True) -> Any:  # noqa: ANN401
    """`value` as a `kind` (a type as msgspec takes it, whatever that is); what is wrong goes to `problems`.

    `strict`: a number is no text and a text no number, as in JSON; a query string has only texts.
    """
    if isinstance(value, str) and value.endswith("\n"):
        # In Python a pattern's `$` lets a line break stand behind it; in JSON Schema it does not.
        problems.append(f"{name}: ends with a line break{_meaning(kind)}")
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON has one kind of numbers: 10.0 is the integer 10
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        problems.append(f"{name}: {error}{_meaning(kind)}")


def _unique(pairs: list[tuple[str, Any]], repeated: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            repeated.append(name)
        values[name] = value
    return values


def _meaning(kind: object) -> str:
    """What such a value is, as its type's description says, to be put behind a problem."""
    return "".join(f" (it is {each})" for each in _descriptions(inspect.type_info(kind)))


def _descriptions(described: inspect.Type) -> Iterator[str]:
    if isinstance(described, inspect.UnionType):
        for each in described.types:
            yield from _descriptions(each)
    elif isinstance(described, inspect.Metadata) and described.extra_json_schema:
        yield described.extra_json_schema["description"]
