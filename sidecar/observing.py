"""What a source says of a tenant that it saw, as facts (pure)."""

from datetime import datetime

from sidecar.facts import Anomaly, AnyFact, Seen, Source, TimeSource
from sidecar.tenant import Tenant


def facts_of(
    tenant: Tenant, source: Source, at: datetime, not_before: datetime | None, time_source: TimeSource
) -> list[AnyFact]:
    """What a source says of a tenant that it saw at `at`: one fact, and an anomaly if it could not be read."""
    seen = Seen(
        tenant_uid=tenant.uid,
        generation=tenant.generation,
        resource_version=tenant.resource_version,
        tenant_name=tenant.name,
        zitadel_org_id=tenant.org,
        packages=tenant.packages,
        suspended=tenant.suspended,
        suspended_at=tenant.suspended_at,
        created_at=tenant.created_at,
        deletion_requested_at=tenant.deletion_requested_at,
        unreadable=tenant.unreadable,
        source=source,
        at=at,
        not_before=not_before,
        time_source=time_source,
    )
    if tenant.unreadable is None:
        return [seen]
    anomaly = Anomaly(
        kind="unreadable",
        tenant_uid=tenant.uid,
        detail={
            "generation": tenant.generation,
            "resource_version": tenant.resource_version,
            "name": tenant.name,
            "reason": tenant.unreadable,
        },
    )
    return [seen, anomaly]
