-- What the processes have counted since they last wrote. Keys that are gone are left out. Locked in
-- one order, so that two processes which write at once wait for each other and never in a circle.
CREATE FUNCTION count_key_uses(counted jsonb)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  WITH counts AS (
    SELECT * FROM jsonb_to_recordset(counted) AS c (organization_id uuid, env env, key_id uuid,
      generation integer, count bigint, at timestamptz, address inet)
  ), living AS MATERIALIZED (
    SELECT k.organization_id, k.env, k.id, k.generation FROM api_keys k
    WHERE (k.organization_id, k.env, k.id) IN
      (SELECT c.organization_id, c.env, c.key_id FROM counts c)
    ORDER BY k.organization_id, k.env, k.id
    FOR KEY SHARE
  )
  INSERT INTO key_uses AS u (organization_id, env, key_id, request_count, last_used_at, last_used_ip,
    previous_used_at, previous_used_ip)
  SELECT k.organization_id, k.env, k.id, sum(c.count), max(c.at),
    (array_agg(c.address ORDER BY c.at DESC))[1],
    max(c.at) FILTER (WHERE c.generation < k.generation),
    (array_agg(c.address ORDER BY c.at DESC) FILTER (WHERE c.generation < k.generation))[1]
  FROM living k JOIN counts c
    ON (c.organization_id, c.env, c.key_id) = (k.organization_id, k.env, k.id)
  GROUP BY k.organization_id, k.env, k.id
  ORDER BY k.organization_id, k.env, k.id
  ON CONFLICT (organization_id, env, key_id) DO UPDATE SET
    request_count = u.request_count + excluded.request_count,
    last_used_at = greatest(u.last_used_at, excluded.last_used_at),
    last_used_ip = CASE WHEN excluded.last_used_at >= u.last_used_at
      THEN excluded.last_used_ip ELSE u.last_used_ip END,
    previous_used_at = greatest(u.previous_used_at, excluded.previous_used_at),
    previous_used_ip = CASE
      WHEN excluded.previous_used_at >= coalesce(u.previous_used_at, '-infinity')
      THEN excluded.previous_used_ip ELSE u.previous_used_ip END
$$;
