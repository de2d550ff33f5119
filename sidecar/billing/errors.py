"""What can be wrong with a change although the database is well."""

from sidecar.errors import SidecarError


class Changed(SidecarError):
    """The row is no longer the one that the change was meant for: read it again, decide again."""


class Taken(SidecarError):
    """Another row has a value that must be unique: says which."""
