-- Keeps what somebody says to have found, the same for secrets of ours and for others: whoever
-- reports learns nothing, not by the time that it takes either. In one order, so that two reports
-- of the same secrets wait for each other and never in a circle.
CREATE FUNCTION report_leaks(
  digests bytea[], happened_at timestamptz, operation text, client_address text, client_agent text)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  INSERT INTO leak_reports AS r (digest, at, operation_id, address, agent)
  SELECT DISTINCT d, happened_at, operation, client_address, client_agent
  FROM unnest(digests) d ORDER BY d
  ON CONFLICT (digest) DO UPDATE SET at = excluded.at, operation_id = excluded.operation_id,
    address = excluded.address, agent = excluded.agent
$$;

-- Throws away what is nobody's, and tells whose the rest is.
CREATE FUNCTION sort_leaks(most integer)
RETURNS TABLE (digest bytea, organization_id uuid, env env, key_id uuid, reported_at timestamptz,
  operation_id text, address text, agent text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
#variable_conflict use_column
BEGIN
  DELETE FROM leak_reports r WHERE r.digest IN (
    SELECT l.digest FROM leak_reports l
    WHERE NOT EXISTS (SELECT FROM api_keys k WHERE k.secret_digest = l.digest)
      AND NOT EXISTS (SELECT FROM api_keys k WHERE k.previous_digest = l.digest
        AND k.previous_ends_at > now())
    LIMIT most FOR UPDATE SKIP LOCKED);
  RETURN QUERY
    SELECT r.digest, k.organization_id, k.env, k.id, r.at, r.operation_id, r.address, r.agent
    FROM leak_reports r CROSS JOIN LATERAL (
      SELECT c.organization_id, c.env, c.id FROM api_keys c WHERE c.secret_digest = r.digest
      UNION ALL
      SELECT p.organization_id, p.env, p.id FROM api_keys p
      WHERE p.previous_digest = r.digest AND p.previous_ends_at > now()) k
    LIMIT most;
END $$;

-- Takes a report off the list for whoever acts on it now, and tells what to do: one of several
-- finds it there. The key belongs to the one organization and env that the walls stand around. Who
-- has no policy follows the nearest above; where nobody has one, TEST is disabled and LIVE is not.
CREATE FUNCTION settle_leak(wanted bytea, wanted_key uuid)
RETURNS TABLE (is_current boolean, policy leaked_key_policy)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  DELETE FROM leak_reports r WHERE r.digest = wanted;
  IF NOT FOUND THEN RETURN; END IF;
  RETURN QUERY
    SELECT k.secret_digest = wanted, coalesce(
      (SELECT a.leaked_key_policy
       FROM unnest(o.reached_by) WITH ORDINALITY AS above (id, distance)
       JOIN organizations a ON a.id = above.id
       WHERE a.leaked_key_policy IS NOT NULL ORDER BY above.distance LIMIT 1),
      CASE k.env WHEN 'LIVE' THEN 'report' ELSE 'disable' END::leaked_key_policy)
    FROM api_keys k JOIN organizations o ON o.id = k.organization_id
    WHERE k.id = wanted_key
      AND k.organization_id = nullif(current_setting('tillkeeper.organization_id', true), '')::uuid
      AND k.env = nullif(current_setting('tillkeeper.env', true), '')::env
      AND (k.secret_digest = wanted
        OR (k.previous_digest = wanted AND k.previous_ends_at > now()))
    FOR NO KEY UPDATE OF k;
END $$;

-- Keys of which it is time to say that they end, and in which stage that is: 1 a month before, 2 a
-- week, 3 a day, 4 it is over. Each stage is a range of one index.
CREATE FUNCTION list_due_notices(at timestamptz, most integer)
RETURNS TABLE (organization_id uuid, env env, id uuid, name text, expires_at timestamptz,
  stage smallint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT due.organization_id, due.env, due.id, due.name, due.expires_at,
    (CASE WHEN due.expires_at <= at THEN 4
      WHEN due.expires_at <= at + interval '24 hours' THEN 3
      WHEN due.expires_at <= at + interval '168 hours' THEN 2 ELSE 1 END)::smallint
  FROM (
    (SELECT k.organization_id, k.env, k.id, k.name, k.expires_at FROM api_keys k
      WHERE k.status = 'enabled' AND k.notice_stage = 3
      AND k.expires_at <= at LIMIT most)
    UNION ALL
    (SELECT k.organization_id, k.env, k.id, k.name, k.expires_at FROM api_keys k
      WHERE k.status = 'enabled' AND k.notice_stage = 2
      AND k.expires_at <= at + interval '24 hours' LIMIT most)
    UNION ALL
    (SELECT k.organization_id, k.env, k.id, k.name, k.expires_at FROM api_keys k
      WHERE k.status = 'enabled' AND k.notice_stage = 1
      AND k.expires_at <= at + interval '168 hours' LIMIT most)
    UNION ALL
    (SELECT k.organization_id, k.env, k.id, k.name, k.expires_at FROM api_keys k
      WHERE k.status = 'enabled' AND k.notice_stage = 0
      AND k.expires_at <= at + interval '720 hours' LIMIT most)
  ) due LIMIT most
$$;
