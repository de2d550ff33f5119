"""Captured JSON, changed as nobody would: other values anywhere, pieces missing, doubled or moved, other bytes."""

import copy
import json
import random
from typing import Any

_UIDS = ["14013783-c89e-4f50-b1bb-4bcbcdaed690", "00000000-0000-0000-0000-000000000000"]

# Stands for a number that json cannot write.
_LONG = '"LONG"'

ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1,
    2,
    2**31,
    2**63 - 1,
    2**63,
    2**64,
    10**30,
    "LONG",
    1.5,
    1e308,
    -0.0,
    "",
    "\0",
    "\ud800",
    "a\0b",
    "→",
    "\N{GRINNING FACE}" * 300,
    "x" * 3_000,
    "0",
    "1" * 39,
    "1" * 40,
    "0x10",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "1969-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-14:00",
    "2026-11-22T09:26:45",
    "2026-11-22T09:26:45.123456789Z",
    "ResponseComplete",
    "Status",
    "PiecedTenant",
    "pieced.ch/v1alpha1",
    "pieced.ch",
    "piecedtenants",
    "status",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "CREATE",
    "UPDATE",
    "DELETE",
    "/x?dryRun=All",
    "//[x",
    *_UIDS,
    f"{_UIDS[0]} 247 1→2",
    [],
    {},
    [None],
    ["a", "a", "b"],
    ["\0"],
    ["y" * 2_000],
    ["x" * 2_001],
    [[[[[]]]]],
    {"": ""},
    {"metadata": {}},
    {"dryRun": ["All"]},
    {"pieced.ch/zitadel-org-id": "z" * 3_000},
    {f"record.billing.pieced.ch/u.{_UIDS[0]}": f"{_UIDS[1]} 247 1→2"},
    {f"record.billing.pieced.ch/u.{_UIDS[0]}": f"{_UIDS[0]} {'9' * 39} {10**18 - 1}→{10**18 - 1}"},
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all that is in it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [] if not path else [path]
    for key, each in inner:
        found += _places(each, (*path, key))
    return found


def _parent(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        value = value[key]
    return value


def changed(value: Any, chance: random.Random, times: int) -> Any:
    """The JSON with some changes in some of its places."""
    value = copy.deepcopy(value)
    for _ in range(times):
        places = _places(value)
        if not places:
            break
        path = chance.choice(places)
        parent, key = _parent(value, path), path[-1]
        match chance.randrange(6):
            case 0:
                del parent[key]
            case 1:
                other = chance.choice(places)
                parent[key] = copy.deepcopy(_parent(value, other)[other[-1]])
            case 2 if isinstance(parent, list):
                parent.insert(key, copy.deepcopy(parent[key]))
            case 3 if isinstance(parent[key], str) and parent[key]:
                at = chance.randrange(len(parent[key]))
                parent[key] = parent[key][:at] + chance.choice("0aF-.:Z \0é") + parent[key][at + 1 :]
            case _:
                parent[key] = copy.deepcopy(chance.choice(ODD))
    return value


def damaged(body: bytes, chance: random.Random, times: int) -> bytes:
    """The bytes with some changes."""
    for _ in range(times):
        if not body:
            break
        at, length = chance.randrange(len(body)), chance.randrange(1, 40)
        match chance.randrange(5):
            case 0:
                body = body[:at]
            case 1:
                body = body[:at] + body[at + length :]
            case 2:
                body = body[:at] + body[max(0, at - length) : at] * chance.randrange(1, 5) + body[at:]
            case 3:
                body = (
                    body[:at] + chance.choice([b'"', b"{", b"}", b"[", b"]", b"\\", b"\0", b"\xff", b","]) + body[at:]
                )
            case _:
                body = body[:at] + chance.randbytes(length) + body[at + length :]
    return body


def mutated(captured: list[Any], chance: random.Random) -> bytes:
    """One of the captured values as JSON, changed or damaged or both; sometimes only noise."""
    kind = chance.randrange(10)
    if kind == 0:
        return chance.randbytes(chance.randrange(300))
    value = changed(chance.choice(captured), chance, chance.randrange(6))
    body = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode(errors="surrogatepass")
    body = body.replace(_LONG.encode(), b"1" * 5_000)
    return damaged(body, chance, chance.randrange(1, 4)) if kind <= 2 else body
