"""What a line of the watch, or an item of a list, tells us (pure)."""

from typing import Any

import msgspec

from sidecar.answers import UNDECODABLE
from sidecar.facts import Anomaly
from sidecar.nesting import decode, shallow
from sidecar.tenant import Nameless, Object, Tenant, is_uid, is_version, of, read

_EXCERPT = 500  # characters: enough to find the object, little enough to keep in an anomaly


class Change(msgspec.Struct, frozen=True, gc=False):
    """A tenant was ADDED, MODIFIED or DELETED; for a deletion, `tenant` is the last body with its version.

    `line`: the whole line that said so.
    """

    kind: str
    tenant: Tenant
    line: bytes


class Bookmark(msgspec.Struct, frozen=True, gc=False):
    """The stream has told everything up to `version`."""

    version: str


class Failure(msgspec.Struct, frozen=True):
    """An ERROR line: the server ends this stream, `code` says why (410: the version is too old)."""

    code: int
    message: str


class Garbled(msgspec.Struct, frozen=True):
    """The line is no watch event: nothing that follows on this stream can be trusted."""

    excerpt: str


class Unusable(msgspec.Struct, frozen=True):
    """An object that lacks an identity (uid, name, version, generation, creation); `uid` if it has one."""

    uid: str | None
    reason: str
    excerpt: str

    def anomaly(self) -> Anomaly:
        """What a person must find later."""
        return Anomaly(kind="unreadable", tenant_uid=self.uid, detail={"reason": self.reason, "excerpt": self.excerpt})


News = Change | Bookmark | Failure | Garbled | Unusable

_CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})


class _Line(msgspec.Struct):
    type: str
    object: Object


class _OddLine(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Status(msgspec.Struct):
    code: int = 0
    reason: str = ""
    message: str = ""


class _Identity(msgspec.Struct):
    class Metadata(msgspec.Struct):
        uid: Any = None

    metadata: Metadata


_line = msgspec.json.Decoder(_Line)
_odd_line = msgspec.json.Decoder(_OddLine)
_status = msgspec.json.Decoder(_Status)
_identity = msgspec.json.Decoder(_Identity)


def read_line(line: bytes, org_label: str) -> News:
    """What this line of a watch says; what it cannot be is a value too.

    Raises RecursionError, and nothing else, for one that is nested too deep for the decoder: see `read_deep_line`.
    """
    try:
        event = _line.decode(line)
        if event.type in _CHANGES:
            return Change(event.type, of(event.object, org_label), line)
        if event.type == "BOOKMARK" and is_version(event.object.metadata.resource_version):
            return Bookmark(event.object.metadata.resource_version)
    except RecursionError:
        raise
    except (*UNDECODABLE, Nameless):
        pass  # not one of the usual lines: which of the unusual ones is read below, from the same bytes
    return _read_odd_line(line, org_label)


def read_deep_line(line: bytes, org_label: str) -> News:
    """The same of any line, however deep; takes its time (see `shallow`). Never raises."""
    news = read_line(shallow(line), org_label)
    return msgspec.structs.replace(news, line=line) if isinstance(news, Change) else news


def _read_odd_line(line: bytes, org_label: str) -> News:
    try:
        event = _odd_line.decode(line)
        if event.type == "ERROR":
            status = _status.decode(event.object)
            return Failure(status.code, _text(f"{status.code} {status.reason}: {status.message}"))
    except RecursionError:
        raise
    except UNDECODABLE:
        return Garbled(excerpt(line))
    if event.type not in _CHANGES:
        return Garbled(excerpt(line))
    tenant = read_item(event.object, org_label)
    return tenant if isinstance(tenant, Unusable) else Change(event.type, tenant, line)


def body_of(line: bytes) -> msgspec.Raw:
    """The object in a line that was read as a `Change`; nothing, which is like no other, if it is nested too deep."""
    try:
        return _odd_line.decode(line).object
    except RecursionError:
        return msgspec.Raw()


def read_item(item: bytes | msgspec.Raw, org_label: str) -> Tenant | Unusable:
    """The tenant in these bytes, readable or not, or what is known of an object without an identity."""
    try:
        return read(item, org_label)
    except Nameless as error:
        return Unusable(_uid(item), _text(str(error)), excerpt(bytes(item)))


def excerpt(line: bytes) -> str:
    """The beginning of a line as text that Postgres can hold."""
    return _text(line[:_EXCERPT].decode(errors="replace"))


def _text(text: str) -> str:
    return text[:_EXCERPT].replace("\0", "\N{REPLACEMENT CHARACTER}")


def _uid(item: bytes | msgspec.Raw) -> str | None:
    try:
        uid = decode(_identity, item).metadata.uid
    except UNDECODABLE:
        return None
    return uid if isinstance(uid, str) and is_uid(uid) else None
