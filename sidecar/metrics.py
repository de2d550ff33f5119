"""What /metrics says. Names and units follow Prometheus' conventions; no label names a tenant.

A registry of its own: nothing of the process that this project did not measure, and none shared between two runs
in one process.
"""

from prometheus_client import CollectorRegistry, Gauge, generate_latest


class Metrics:
    """The gauges, set by the parts that know; `exposition` is what a scrape gets."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.spool_facts = self._gauge("sidecar_spool_facts", "Facts recorded and not yet delivered to Postgres")
        self.spool_oldest_seconds = self._gauge(
            "sidecar_spool_oldest_seconds", "Age of the oldest fact that waits for Postgres; 0 if none does"
        )
        self.bootstrap_done = self._gauge(
            "sidecar_bootstrap_done",
            "1 once the tenants older than the history have been adopted by a backfill, else 0",
        )
        self.backfill_tenants = self._gauge(
            "sidecar_backfill_tenants", "Tenants that the backfill under way, or the last one, has examined"
        )

    def exposition(self) -> bytes:
        """All of it as of now, in Prometheus' text format."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, says: str) -> Gauge:
        return Gauge(name, says, registry=self._registry)
