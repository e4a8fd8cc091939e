-- A failed login, kept in the audit of whom it was tried for, with where it came from.
CREATE FUNCTION record_refused_login(
  wanted_key text, wanted_email text, row_id uuid, happened_at timestamptz, operation text,
  client_address text, client_agent text)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  INSERT INTO audit_rows (organization_id, env, id, at, operation_id, actor_kind, actor_id,
    actor_organization_id, event, outcome, details, address, agent, target_kind, target_id)
  SELECT who.organization_id, who.env, row_id, happened_at, operation, who.kind, who.id,
    who.organization_id, 'session.refused', 'refused', '{}', client_address, client_agent,
    who.target, who.id
  FROM (
    SELECT k.organization_id, k.env, 'key' AS kind, k.id, 'api_key' AS target
    FROM api_keys k WHERE k.key = wanted_key
    UNION ALL
    (SELECT m.organization_id, 'TEST'::env, 'user', u.id, 'user'
     FROM users u JOIN memberships m ON m.user_id = u.id
     WHERE u.compact_email = wanted_email ORDER BY m.created_at LIMIT 1)
  ) who
$$;

-- What a reader may see of a recorded document. It stands behind the walls like every query: a
-- person or an address is seen where the reader could list it, an organization where the reader
-- reaches it. Everything else that points upward goes by one neutral name.
CREATE FUNCTION audit_sight(doc jsonb, reader uuid, owner uuid)
RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN NOT doc ?| ARRAY['bill_to_organization', 'managed_by_organization_id',
      'administered_by_organization_id', 'parent_organization_id', 'reach_organization_ids',
      'contact_person_id', 'billing_address_id'] THEN doc
    ELSE (SELECT jsonb_object_agg(e.key, CASE
      WHEN e.value = 'null' THEN e.value
      WHEN e.key IN ('bill_to_organization', 'managed_by_organization_id',
          'administered_by_organization_id', 'parent_organization_id') THEN
        CASE WHEN (e.value #>> '{}')::uuid IN (reader, owner)
            OR reaches(reader, (e.value #>> '{}')::uuid)
          THEN e.value ELSE '"managing organization"' END
      WHEN e.key = 'reach_organization_ids' THEN
        CASE WHEN (SELECT bool_and(o.id::uuid IN (reader, owner) OR reaches(reader, o.id::uuid))
            FROM jsonb_array_elements_text(e.value) o (id))
          THEN e.value ELSE '"managing organization"' END
      WHEN e.key = 'contact_person_id' THEN
        CASE WHEN EXISTS (SELECT FROM memberships m WHERE m.user_id = (e.value #>> '{}')::uuid)
          THEN e.value ELSE '"managing organization"' END
      WHEN e.key = 'billing_address_id' THEN
        CASE WHEN EXISTS (SELECT FROM billing_addresses a WHERE a.id = (e.value #>> '{}')::uuid)
          THEN e.value ELSE '"managing organization"' END
      ELSE e.value END) FROM jsonb_each(doc) e)
    END
$$;
