INSERT INTO ledger.attributions (tenant_uid, resource_version, source, request_key, generation, actor,
                                 actor_groups, impersonated_by, operation, how, audit_id, user_agent, source_ips,
                                 asked_at, answered_at)
SELECT tenant_uid, resource_version::numeric(39), source, request_key, generation, actor,
       ARRAY(SELECT jsonb_array_elements_text(actor_groups::jsonb)), impersonated_by, operation, how, audit_id,
       user_agent, ARRAY(SELECT jsonb_array_elements_text(source_ips::jsonb)), asked_at, answered_at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::timestamptz[], $15::timestamptz[])
    AS g(tenant_uid, resource_version, source, request_key, generation, actor, actor_groups, impersonated_by,
         operation, how, audit_id, user_agent, source_ips, asked_at, answered_at)
ON CONFLICT (tenant_uid, resource_version, source, request_key) DO NOTHING
