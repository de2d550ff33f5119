"""Records every committed change of a PiecedTenant as billing events in Postgres, once."""
