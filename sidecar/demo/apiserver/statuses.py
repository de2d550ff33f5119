"""Refusals, as the `Status` bodies that Kubernetes clients read. Wordings are the real server's."""

from collections.abc import Sequence

from sidecar.demo.apiserver.resource import Json, Resource


class Refusal(Exception):
    """A request is answered with this code and Status instead of an object."""

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        """`reason` is the machine-readable word of Kubernetes' metav1.StatusReason."""
        super().__init__(message)
        self.code = code
        self.status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            **({"details": details} if details else {}),
            "code": code,
        }


def _details(resource: Resource, name: str) -> Json:
    return {"name": name, "group": resource.group, "kind": resource.plural}


def not_found(resource: Resource, name: str) -> Refusal:
    """404: no object of that name."""
    return Refusal(404, "NotFound", f'{resource.qualified} "{name}" not found', _details(resource, name))


def already_exists(resource: Resource, name: str) -> Refusal:
    """409: a create met a living object of that name."""
    message = f'{resource.qualified} "{name}" already exists'
    return Refusal(409, "AlreadyExists", message, _details(resource, name))


def modified(resource: Resource, name: str) -> Refusal:
    """409: a write names a resourceVersion that is not the stored one."""
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": the object has been modified; '
    message += "please apply your changes to the latest version and try again"
    return Refusal(409, "Conflict", message, _details(resource, name))


def precondition_failed(resource: Resource, name: str, field: str, asked: str, stored: str) -> Refusal:
    """409: a write or a delete is meant for another uid or version than the stored one."""
    kind = f"{resource.kind}.{resource.group}"
    message = f'Operation cannot be fulfilled on {kind} "{name}": the {field} in the precondition ({asked}) '
    message += f"does not match the {field} in record ({stored})"
    return Refusal(409, "Conflict", message, {**_details(resource, name), "kind": resource.kind})


def invalid(resource: Resource, name: str, causes: Sequence[Json]) -> Refusal:
    """422: the object breaks the schema. Each cause has `field`, `reason` and `message`."""
    said = [f"{cause['field']}: {cause['message']}" for cause in causes]
    listed = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    message = f'{resource.kind}.{resource.group} "{name}" is invalid: {listed}'
    named = {"name": name} if name else {}
    details = {**named, "group": resource.group, "kind": resource.kind, "causes": list(causes)}
    return Refusal(422, "Invalid", message, details)


def bad_request(message: str) -> Refusal:
    """400: the request cannot be read, or asks for what this stand-in does not serve."""
    return Refusal(400, "BadRequest", message)


def expired(message: str) -> Refusal:
    """410: the version asked for is older than what is remembered."""
    return Refusal(410, "Expired", message)


def unsupported_media_type(accepted: Sequence[str]) -> Refusal:
    """415: a body in a format that is not served here."""
    message = "the body of the request was in an unknown format - accepted media types include: "
    message += ", ".join(accepted)
    return Refusal(415, "UnsupportedMediaType", message)


def too_large_version(asked: int, current: int) -> Refusal:
    """504: a list at a version that this server has not reached."""
    message = f"Too large resource version: {asked}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return Refusal(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})
