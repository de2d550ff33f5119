-- $1: facts `attribution` as a JSON array.
INSERT INTO ledger.attributions (tenant_uid, resource_version, source, request_key, generation, actor,
                                 actor_groups, impersonated_by, operation, how, base_version, reviews, audit_id,
                                 user_agent, source_ips, asked_at, answered_at)
SELECT tenant_uid, coalesce(resource_version, 0), source, request_key, generation, actor,
       coalesce(actor_groups, '{}'), impersonated_by, operation, how, base_version, coalesce(reviews, '{}'), audit_id,
       user_agent, coalesce(source_ips, '{}'), asked_at, answered_at
FROM json_to_recordset($1::json)
    AS g(tenant_uid uuid, resource_version numeric(39), source text, request_key text, generation bigint, actor text,
         actor_groups text[], impersonated_by text, operation text, how text, base_version numeric(39),
         reviews text[], audit_id text, user_agent text, source_ips text[], asked_at timestamptz,
         answered_at timestamptz)
ON CONFLICT (tenant_uid, resource_version, source, request_key) DO NOTHING
