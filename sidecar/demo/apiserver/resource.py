"""The one resource that is served, and what all modules call its objects."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
"""A JSON object. Stored ones are shared between readers and never changed in place."""


@dataclass(frozen=True)
class Resource:
    """A custom resource as its definition names it; cluster-scoped, with a status subresource."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    short_name: str

    @property
    def api_version(self) -> str:
        """`apiVersion` of its objects."""
        return f"{self.group}/{self.version}"

    @property
    def qualified(self) -> str:
        """Its name in messages and of its CustomResourceDefinition."""
        return f"{self.plural}.{self.group}"

    @property
    def path(self) -> str:
        """Where its collection is served."""
        return f"/apis/{self.group}/{self.version}/{self.plural}"


PIECED_TENANTS = Resource(
    group="pieced.ch",
    version="v1alpha1",
    plural="piecedtenants",
    singular="piecedtenant",
    kind="PiecedTenant",
    short_name="pt",
)
