"""Prices, how organisations are billed, and what the ledger says: what the admin API reads and writes in Postgres.

It knows no facts: those are filed by `sidecar.ledger`. Each function is one transaction on a `Database`.
"""

from sidecar.billing.database import Database

__all__ = ["Database"]
