"""Lists, page by page, and what a field selector lets through."""

import base64
import binascii
from collections.abc import Mapping

import msgspec

from sidecar.demo.apiserver.resource import Json
from sidecar.demo.apiserver.statuses import bad_request, expired, too_large_version
from sidecar.demo.apiserver.store import Forgotten, Store


class _Token(msgspec.Struct):
    """Where a paged list goes on: at the version of its first page, behind the last name given."""

    version: int
    after: str


def selected_name(query: Mapping[str, str]) -> str | None:
    """The one name that the request wants; None: all. Raises `Refusal` for any other selector."""
    if query.get("labelSelector"):
        raise bad_request("label selectors are not served here")
    if not (selector := query.get("fieldSelector")):
        return None
    field, _, name = selector.partition("=")
    if field != "metadata.name" or not name:
        raise bad_request(f"field label not supported: {field}")
    return name.removeprefix("=")


def number(query: Mapping[str, str], key: str) -> int:
    """A parameter that is a whole number, 0 if absent. Raises `Refusal` for anything else."""
    text = query.get(key) or "0"
    if not text.isdecimal():
        raise bad_request(f'Invalid value: "{text}": {key} must be a whole number')
    return int(text)


def page(store: Store, query: Mapping[str, str]) -> tuple[list[Json], Json]:
    """The objects that this LIST gets, and the list's metadata. Raises `Refusal`.

    Without `continue`, at the present version: newer than `resourceVersion` asks for is always allowed.
    """
    if (asked := number(query, "resourceVersion")) > store.version:
        raise too_large_version(asked, store.version)
    token = _decode(query["continue"]) if query.get("continue") else _Token(store.version, "")
    try:
        living = store.at(token.version)
    except Forgotten:
        raise expired("The provided continue parameter is too old to display a consistent list result.") from None
    name = selected_name(query)
    rest = [obj for obj in living if obj["metadata"]["name"] > token.after and name in (None, obj["metadata"]["name"])]
    limit = number(query, "limit") or len(rest)
    metadata: Json = {"resourceVersion": str(token.version), "continue": ""}
    if len(rest) > limit:
        following = _Token(token.version, rest[limit - 1]["metadata"]["name"])
        metadata["continue"] = base64.urlsafe_b64encode(msgspec.json.encode(following)).decode()
        metadata["remainingItemCount"] = len(rest) - limit
    return rest[:limit], metadata


def _decode(token: str) -> _Token:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token), type=_Token)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_request("continue key is not valid") from error
