-- What a chore has to look at, whoever it belongs to: files whose time is over, and exports that
-- were asked for too long ago and are still neither finished nor ended.
CREATE FUNCTION list_due_exports(now bigint, asked_before bigint, most integer)
RETURNS TABLE (organization_id uuid, env env, tss_id uuid, id uuid, is_file boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  (SELECT e.organization_id, e.env, e.tss_id, e.id, true FROM exports e
    WHERE e.file_path IS NOT NULL AND e.time_expiration <= now
    ORDER BY e.time_expiration LIMIT most)
  UNION ALL
  (SELECT e.organization_id, e.env, e.tss_id, e.id, false FROM exports e
    WHERE e.time_end IS NULL AND e.time_error IS NULL AND e.time_request <= asked_before
    ORDER BY e.time_request LIMIT most)
$$;
