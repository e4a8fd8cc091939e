-- Mail is nobody's table: it is put in, taken and settled through these doors alone.

CREATE FUNCTION post_mail(
  id uuid, organization_id uuid, language language, sealed bytea, version integer, at timestamptz,
  ends_at timestamptz)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  INSERT INTO mails
    (id, organization_id, language, sealed, pepper_version, created_at, ends_at, next_try_at)
  VALUES (id, organization_id, language, sealed, version, at, ends_at, at)
$$;

-- Takes what is due for so many seconds: whoever has not settled it by then is thought dead, and
-- another takes it. Two processes never take the same one.
CREATE FUNCTION take_mails(most integer, lease_seconds integer)
RETURNS TABLE (id uuid, language language, sealed bytea, pepper_version integer, attempts integer,
  is_over boolean)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  UPDATE mails m SET attempts = m.attempts + 1,
    next_try_at = now() + make_interval(secs => lease_seconds)
  WHERE m.id IN (SELECT d.id FROM mails d WHERE d.next_try_at <= now()
    ORDER BY d.next_try_at LIMIT most FOR UPDATE SKIP LOCKED)
  RETURNING m.id, m.language, m.sealed, m.pepper_version, m.attempts, m.ends_at <= now()
$$;

-- Without a time for the next try it is settled, sent or given up, and what it said is gone.
CREATE FUNCTION settle_mail(wanted uuid, is_sent boolean, retry_in_seconds integer)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  UPDATE mails m SET
    next_try_at = now() + make_interval(secs => retry_in_seconds),
    sent_at = CASE WHEN is_sent THEN now() END,
    sealed = CASE WHEN retry_in_seconds IS NOT NULL THEN m.sealed END
  WHERE m.id = wanted AND m.next_try_at IS NOT NULL
$$;

CREATE FUNCTION sweep_mails(days integer, most integer)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  DELETE FROM mails m WHERE m.id IN (
    SELECT d.id FROM mails d
    WHERE d.next_try_at IS NULL AND d.created_at < now() - make_interval(days => days)
    ORDER BY d.created_at LIMIT most)
$$;

-- The people who may change a key of the one organization and env that the walls stand around, so
-- that they are written to: owners and admins with an account, of the organization itself or, where
-- it has none, of the nearest one above that has. A key that is managed from above is changed from
-- there alone: who stands between only sees it, and is told where nobody else is there. What is
-- suspended changes nothing, and of what is closed nobody changes a key.
CREATE FUNCTION list_key_keepers(wanted uuid)
RETURNS TABLE (id uuid, email text, country_code text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  WITH candidates AS (
    SELECT u.id, u.email, a.country_code, above.distance,
      coalesce(above.distance < array_position(o.reached_by, k.managed_by_organization_id), false)
        AS only_sees
    FROM api_keys k JOIN organizations o ON o.id = k.organization_id
    CROSS JOIN unnest(o.reached_by) WITH ORDINALITY AS above (id, distance)
    JOIN organizations a ON a.id = above.id
    JOIN memberships m ON m.organization_id = a.id
    JOIN users u ON u.id = m.user_id
    WHERE k.id = wanted
      AND k.organization_id = nullif(current_setting('tillkeeper.organization_id', true), '')::uuid
      AND k.env = nullif(current_setting('tillkeeper.env', true), '')::env
      AND effective_status(o.id) < 'archived'
      AND k.env = ANY (a.envs) AND effective_status(a.id) = 'active'
      AND m.role IN ('owner', 'admin') AND u.password_digest IS NOT NULL)
  SELECT c.id, c.email, c.country_code FROM candidates c
  WHERE (c.only_sees, c.distance) = (
    SELECT n.only_sees, n.distance FROM candidates n ORDER BY n.only_sees, n.distance LIMIT 1)
  ORDER BY c.email
$$;

-- A letter may wait for days. Whoever was removed by then, or belongs to an organization that has
-- handed over what the letter is about, has nothing to do with it any more.
CREATE FUNCTION is_still_keeper(wanted_mail uuid, person uuid)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT EXISTS (SELECT FROM mails l JOIN organizations o ON o.id = l.organization_id
    JOIN memberships m ON m.organization_id = ANY (o.reached_by)
    WHERE l.id = wanted_mail AND m.user_id = person AND m.role IN ('owner', 'admin'))
$$;
