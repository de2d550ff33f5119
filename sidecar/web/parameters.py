"""What may stand in a path: what billing can name."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from sidecar.tenant import UID

OrgId = Annotated[
    str,
    Meta(
        # A Kubernetes label's value, because that is where an organisation's id comes from.
        pattern="^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$",
        description="an organisation's id as a label can hold it: 1 to 63 letters, digits, '-', '_', '.'",
        examples=["246813579024681357"],
    ),
]
SkillId = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z0-9]([A-Za-z0-9._:@+-]{0,251}[A-Za-z0-9])?$",
        description="a package as in spec.packages: 1 to 253 letters, digits, '-', '_', '.', ':', '@', '+'",
        examples=["searxng-local-search"],
    ),
]
TenantName = Annotated[
    str,
    Meta(
        # RFC 1123, as Kubernetes applies it to names of custom resources.
        pattern="^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$",
        description="a PiecedTenant's name: 1 to 253 small letters, digits, '-', '.'",
        examples=["acme"],
    ),
]
TenantUid = Annotated[
    str,
    Meta(
        pattern=f"^{UID}$",
        description="a tenant's metadata.uid",
        examples=["0e3b9bd8-7a0c-4a3b-9a86-5d7b6b7c2a10"],
    ),
]


IN_PATHS: Mapping[str, Any] = {"org_id": OrgId, "skill_id": SkillId, "name": TenantName}
"""The type of each parameter that a path can have."""
