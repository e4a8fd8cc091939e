-- Whether an organization must stay because of something that its reader may not see: what is below
-- it, whom it pays for, who uses its address, or anything of it in LIVE.
CREATE FUNCTION is_leant_on(wanted uuid)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT EXISTS (SELECT FROM organizations o
      WHERE o.managed_by_organization_id = wanted OR o.administered_by_organization_id = wanted)
    OR EXISTS (SELECT FROM organizations o WHERE o.bill_to_organization = wanted)
    OR EXISTS (SELECT FROM billing_addresses a JOIN organizations o
      ON o.billing_address_id = a.id AND o.billing_address_organization_id = a.organization_id
      WHERE a.organization_id = wanted AND o.id <> wanted)
    OR EXISTS (SELECT FROM api_keys k WHERE k.organization_id = wanted AND k.env = 'LIVE')
$$;

-- Kept answers of TEST, of all that the caller reaches: they stand behind a wall that opens for
-- the own organization alone. One that is still being answered stays.
CREATE FUNCTION wipe_kept_answers(most integer)
RETURNS TABLE (count bigint, has_more boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  reader uuid := nullif(current_setting('tillkeeper.actor_of', true), '')::uuid;
  listed uuid[] := nullif(current_setting('tillkeeper.listed', true), '')::uuid[];
  manager uuid := nullif(current_setting('tillkeeper.manager', true), '')::uuid;
BEGIN
  IF current_setting('tillkeeper.env', true) IS DISTINCT FROM 'TEST' THEN
    RAISE EXCEPTION 'kept answers are wiped in TEST alone';
  END IF;
  WITH found AS (
    SELECT k.organization_id, k.id FROM organizations o
    JOIN kept_answers k ON k.organization_id = o.id AND k.env = 'TEST' AND k.status IS NOT NULL
    WHERE (o.root_organization_id = reader OR o.main_organization_id = reader)
      AND reader = ANY (o.reached_by)
      AND (listed IS NULL OR o.id = ANY (listed))
      AND (manager IS NULL OR o.id = manager OR o.managed_by_organization_id = manager)
    LIMIT most + 1
  ), wiped AS (
    DELETE FROM kept_answers k USING (SELECT * FROM found LIMIT most) f
    WHERE k.organization_id = f.organization_id AND k.env = 'TEST' AND k.id = f.id
    RETURNING 1
  )
  SELECT (SELECT count(*) FROM wiped), (SELECT count(*) FROM found) > most INTO count, has_more;
  RETURN NEXT;
END $$;

-- As `reaches`, for one env: what is TEST only does not exist in LIVE.
CREATE FUNCTION reaches_in(reader uuid, other uuid, wanted env)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT EXISTS (SELECT FROM organizations o
    WHERE o.id = other AND reader = ANY (o.reached_by) AND wanted = ANY (o.envs))
$$;

-- What the key that speaks is limited to in time and place: its own organization may stand outside
-- the walls of what it works on.
CREATE FUNCTION find_own_limits(asking uuid)
RETURNS TABLE (expires_at timestamptz, allowed_ips text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT k.expires_at, k.allowed_ips::text[] FROM api_keys k
  WHERE k.id = asking
    AND k.organization_id = nullif(current_setting('tillkeeper.actor_of', true), '')::uuid
    AND k.env = nullif(current_setting('tillkeeper.env', true), '')::env
$$;
