"""The shape of audit.k8s.io/v1 events, as far as we read them."""

import hashlib
from datetime import datetime

import msgspec

from sidecar.tenant import Metadata

_NOTHING = msgspec.Raw(b"null")


class User(msgspec.Struct):
    """Who a request came from."""

    username: str = ""
    groups: list[str] | None = None


class ObjectRef(msgspec.Struct, rename="camel"):
    """What a request was about. There is no name for a generateName and a deletecollection."""

    resource: str = ""
    api_group: str = ""
    subresource: str = ""


class ResponseStatus(msgspec.Struct):
    """How a request ended."""

    code: int = 0
    message: str | None = None


class Event(msgspec.Struct, rename="camel"):
    """One stage of one request."""

    audit_id: str = msgspec.field(name="auditID")
    stage: str
    verb: str
    user: User
    stage_timestamp: datetime
    request_uri: str = msgspec.field(name="requestURI", default="")
    impersonated_user: User | None = None
    source_ips: list[str] | None = msgspec.field(name="sourceIPs", default=None)
    user_agent: str | None = None
    object_ref: ObjectRef | None = None
    response_status: ResponseStatus | None = None
    request_object: msgspec.Raw = _NOTHING
    response_object: msgspec.Raw = _NOTHING
    request_received_timestamp: datetime | None = None
    annotations: dict[str, str] | None = None

    @property
    def code(self) -> int:
        """The HTTP status; 0 without an answer."""
        return self.response_status.code if self.response_status is not None else 0

    @property
    def message(self) -> str | None:
        """What the server said beside the status."""
        return self.response_status.message if self.response_status is not None else None

    @property
    def subresource(self) -> str:
        """The part of the object that the request was about; "" for the object itself."""
        return self.object_ref.subresource if self.object_ref is not None else ""

    def key(self) -> str:
        """What tells this request from every other. A client may choose its Audit-ID, so that alone is no key."""
        told = (
            self.audit_id,
            self.verb,
            self.request_uri,
            self.user.username,
            self.impersonated_user.username if self.impersonated_user is not None else "",
            self.request_received_timestamp,
            self.stage_timestamp,
        )
        return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:32]


class Details(msgspec.Struct):
    """What a Status speaks of."""

    uid: str = ""


class Answer(msgspec.Struct, rename="camel"):
    """A `responseObject` of any kind, as far as it identifies a tenant."""

    kind: str = ""
    api_version: str = ""
    metadata: Metadata = msgspec.field(default_factory=Metadata)
    details: Details | None = None


class Item(msgspec.Struct):
    """An object of a list, of which only the identity is read."""

    metadata: Metadata


class List(msgspec.Struct):
    """The answer to a deletecollection."""

    items: list[Item] | None = None


class DeleteOptions(msgspec.Struct, rename="camel"):
    """The body of a deletion."""

    dry_run: list[str] | None = None
