-- The rights of a role that records and does nothing else. For whoever wants the sidecar to be neither superuser nor the
-- owner of the database: the owner applies the schema, with `python -m sidecar migrate`, and then runs this file:
--
--     CREATE ROLE billing_sidecar LOGIN PASSWORD '…';
--     psql "$OWNER_URL" -v ON_ERROR_STOP=1 -f writer.sql
--
-- To be run again after each migration: new tables and views come without grants. Each line is missed if it is not
-- there: tests/integration/test_writer_role.py takes them away one by one.

GRANT USAGE ON SCHEMA ledger TO billing_sidecar;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO billing_sidecar;

-- Facts are added and never changed.
GRANT INSERT ON ledger.tenants, ledger.observations, ledger.sightings, ledger.removals, ledger.orgs,
    ledger.attributions, ledger.anomalies TO billing_sidecar;
-- How far recording has come: these move.
GRANT INSERT, UPDATE ON ledger.segments, ledger.censuses, ledger.backfills TO billing_sidecar;
GRANT UPDATE ON ledger.history TO billing_sidecar;

-- What follows from the facts. Events are added and never changed; a lifecycle row gets its end.
GRANT SELECT, INSERT ON public.tenant_skill_events, public.tenant_suspension_events TO billing_sidecar;
GRANT SELECT, INSERT, UPDATE ON public.tenant_billing_lifecycle TO billing_sidecar;

-- The admin API's prices and organisations. (ledger.pricing_history is written by a trigger, with its owner's rights.)
GRANT SELECT, UPDATE ON public.platform_pricing TO billing_sidecar;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.skill_pricing TO billing_sidecar;
GRANT SELECT, INSERT, UPDATE ON public.org_billing_config TO billing_sidecar;
