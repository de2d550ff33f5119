"""Which names a serving certificate bears: those by which an API server, or a person, may call the server."""

import ipaddress
import re
from collections.abc import Iterable

from sidecar.errors import Misconfigured

Name = str | ipaddress.IPv4Address | ipaddress.IPv6Address
"""A DNS name in lower case, or an address."""

# RFC 1123, as Kubernetes applies it to names of Services and namespaces, and a name of several of them.
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = rf"{_LABEL}(\.{_LABEL})*"
_NAME_MOST = 253  # characters


def host(text: str) -> Name:
    """A DNS name or an IP address. Raises `Misconfigured`."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        # Digits and dots alone are a misspelt address, though DNS would take them.
        return _checked(text.lower(), rf"(?![0-9.]+$){_NAME}", "neither a DNS name nor an IP address")


def label(text: str) -> str:
    """The name of a Service or namespace. Raises `Misconfigured`."""
    return _checked(text, _LABEL, "no name that a Service or namespace can have")


def object_name(text: str) -> str:
    """The name of a Secret or webhook configuration. Raises `Misconfigured`."""
    return _checked(text, _NAME, "no name that an object can have")


def of_service(service: str, namespace: str, more: Iterable[Name]) -> frozenset[Name]:
    """The API server says NAME.NAMESPACE.svc; the others are for those who call from within the cluster."""
    within = f"{service}.{namespace}"
    return frozenset((service, within, f"{within}.svc", f"{within}.svc.cluster.local", *more))


def of_this_machine(more: Iterable[Name]) -> frozenset[Name]:
    """For a server on the loopback."""
    return frozenset(("localhost", host("127.0.0.1"), host("::1"), *more))


def listed(names: Iterable[Name]) -> str:
    """All of them in one line, in a fixed order."""
    return ", ".join(sorted(map(str, names)))


def _checked(text: str, pattern: str, problem: str) -> str:
    if len(text) > _NAME_MOST or not re.fullmatch(pattern, text):
        raise Misconfigured(f"{text!r} is {problem}")
    return text
