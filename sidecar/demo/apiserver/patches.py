"""The two patch formats that custom resources know besides server-side apply."""

from copy import deepcopy
from typing import Any

from sidecar.demo.apiserver.resource import Json


class Unpatchable(Exception):
    """A JSON patch does not fit the object: a path that is not there, or a failed `test`."""


def merge_patch(target: Json, patch: Json) -> Json:
    """RFC 7386, of objects: members that are objects are merged, null removes, all else replaces."""
    merged = dict(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            below = merged.get(key)
            merged[key] = merge_patch(below if isinstance(below, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def json_patch(target: Json, operations: list[Json]) -> Json:
    """RFC 6902: the operations in their order, all or none. Raises `Unpatchable`."""
    root = {"": deepcopy(target)}
    for operation in operations:
        try:
            _apply(root, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise Unpatchable(f"the JSON patch operation {operation} does not fit the object") from error
    return root[""]


def _apply(root: Json, operation: Json) -> None:
    path = operation["path"]
    match operation["op"]:
        case "add":
            _add(root, path, operation["value"])
        case "remove":
            _remove(root, path)
        case "replace":
            _remove(root, path)
            _add(root, path, operation["value"])
        case "move":
            _add(root, path, _remove(root, operation["from"]))
        case "copy":
            _add(root, path, deepcopy(_get(root, operation["from"])))
        case "test":
            if _get(root, path) != operation["value"]:
                raise ValueError(f"{path} is not {operation['value']}")
        case unknown:
            raise ValueError(f"no such operation: {unknown}")


def _walk(root: Json, path: str) -> tuple[Any, str]:
    """The container that the path ends in, and the path's last part. The root itself is the member ""."""
    *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in path.split("/"))
    container: Any = root
    for part in parents:
        container = container[_index(container, part)]
    return container, last


def _index(container: Any, part: str) -> Any:  # noqa: ANN401 - a str in an object, an int in an array
    return int(part) if isinstance(container, list) else part


def _get(root: Json, path: str) -> Any:  # noqa: ANN401 - any JSON value
    container, last = _walk(root, path)
    return container[_index(container, last)]


def _add(root: Json, path: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
    container, last = _walk(root, path)
    if isinstance(container, list):
        container.insert(len(container) if last == "-" else int(last), value)
    else:
        container[last] = value


def _remove(root: Json, path: str) -> Any:  # noqa: ANN401 - any JSON value
    container, last = _walk(root, path)
    return container.pop(_index(container, last))
