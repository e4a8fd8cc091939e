-- The doors: the only functions that see through the walls. Each answers one question that must be
-- answered before anyone knows which walls to put up, or makes one change that crosses them.

CREATE FUNCTION find_login(wanted_key text, digests bytea[])
RETURNS TABLE (id uuid, organization_id uuid, env env)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT k.id, k.organization_id, k.env
  FROM api_keys k JOIN organizations o ON o.id = k.organization_id
  WHERE k.key = wanted_key AND k.secret_digest = ANY (digests) AND k.status = 'enabled'
    AND k.env = ANY (o.envs)
$$;

CREATE FUNCTION find_person(wanted_email text)
RETURNS TABLE (id uuid, password_digest text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT u.id, u.password_digest FROM users u WHERE u.compact_email = wanted_email
$$;

-- Without a wanted organization it is the one that the person joined first.
CREATE FUNCTION find_membership(person_id uuid, wanted_organization uuid, wanted_env env)
RETURNS TABLE (organization_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT m.organization_id
  FROM memberships m JOIN organizations o ON o.id = m.organization_id
  WHERE m.user_id = person_id AND wanted_env = ANY (o.envs)
    AND (wanted_organization IS NULL OR m.organization_id = wanted_organization)
  ORDER BY m.created_at, m.organization_id LIMIT 1
$$;

CREATE FUNCTION record_refused_login(
  wanted_key text, wanted_email text, row_id uuid, happened_at timestamptz, operation text)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  INSERT INTO audit_rows (organization_id, env, id, at, operation_id, actor_kind, actor_id,
    actor_organization_id, event, outcome, details)
  SELECT who.organization_id, who.env, row_id, happened_at, operation, who.kind, who.id,
    who.organization_id, 'session.refused', 'refused', '{}'
  FROM (
    SELECT k.organization_id, k.env, 'key' AS kind, k.id FROM api_keys k WHERE k.key = wanted_key
    UNION ALL
    (SELECT m.organization_id, 'TEST'::env, 'user', u.id
     FROM users u JOIN memberships m ON m.user_id = u.id
     WHERE u.compact_email = wanted_email ORDER BY m.created_at LIMIT 1)
  ) who
$$;

CREATE FUNCTION claim_person(
  wanted_id uuid, wanted_email text, wanted_compact_email text, happened_at timestamptz)
RETURNS TABLE (id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  INSERT INTO users (id, email, compact_email, created_at)
  VALUES (wanted_id, wanted_email, wanted_compact_email, happened_at)
  ON CONFLICT (compact_email) DO NOTHING;
  RETURN QUERY SELECT u.id FROM users u WHERE u.compact_email = wanted_compact_email;
END $$;

CREATE FUNCTION set_password(wanted_email text, digest text)
RETURNS TABLE (id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  UPDATE users SET password_digest = digest WHERE compact_email = wanted_email RETURNING id
$$;

-- Whether the rights of one organization flow down to another, without telling anything else of it.
CREATE FUNCTION reaches(reader uuid, other uuid)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT EXISTS (SELECT FROM organizations o WHERE o.id = other AND reader = ANY (o.reached_by))
$$;

CREATE FUNCTION find_payer(reader uuid, payer uuid)
RETURNS TABLE (is_main boolean, is_live boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT o.managed_by_organization_id IS NULL, 'LIVE' = ANY (o.envs)
  FROM organizations o WHERE o.id = payer AND reader = ANY (o.reached_by)
$$;

CREATE FUNCTION is_live(wanted uuid)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT EXISTS (SELECT FROM organizations o WHERE o.id = wanted AND 'LIVE' = ANY (o.envs))
$$;

CREATE FUNCTION is_needed(wanted uuid)
RETURNS TABLE (has_children boolean, is_payer boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT EXISTS (SELECT FROM organizations o WHERE o.parent_organization_id = wanted),
    EXISTS (SELECT FROM organizations o WHERE o.bill_to_organization = wanted)
$$;

CREATE FUNCTION count_pointers_to_address(owner_id uuid, address_id uuid)
RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT count(*) FROM organizations o
  WHERE o.billing_address_id = address_id AND o.billing_address_organization_id = owner_id
$$;

-- Ends the administration of one main organization: it and what it manages leave the reach of the
-- administrator together, or not at all. Keys that the administrator managed there become their
-- organizations' own: nobody else could change them any more.
CREATE FUNCTION hand_over(wanted uuid)
RETURNS TABLE (rows_changed bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  PERFORM FROM organizations o WHERE o.id = wanted OR o.managed_by_organization_id = wanted
    ORDER BY o.id FOR UPDATE;
  UPDATE organizations o SET
    administered_by_organization_id = NULL,
    reached_by = CASE WHEN o.id = wanted THEN ARRAY[wanted] ELSE ARRAY[o.id, wanted] END
  WHERE o.id = wanted OR o.managed_by_organization_id = wanted;
  GET DIAGNOSTICS rows_changed = ROW_COUNT;
  UPDATE api_keys k SET managed_by_organization_id = NULL
  FROM organizations o
  WHERE k.organization_id = o.id AND (o.id = wanted OR o.managed_by_organization_id = wanted)
    AND k.managed_by_organization_id <> ALL (o.reached_by);
  RETURN NEXT;
END $$;

CREATE FUNCTION is_manned(wanted uuid)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT EXISTS (SELECT FROM api_keys k WHERE k.organization_id = wanted AND k.status = 'enabled'
      AND k.managed_by_organization_id IS NULL)
    OR EXISTS (SELECT FROM memberships m JOIN users u ON u.id = m.user_id
      WHERE m.organization_id = wanted AND m.role IN ('owner', 'admin')
        AND u.password_digest IS NOT NULL)
$$;

-- For the person at the machine: what is there at all.
CREATE FUNCTION list_roots(most integer)
RETURNS TABLE (id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT o.id FROM organizations o WHERE o.parent_organization_id IS NULL
  ORDER BY o.created_at, o.id LIMIT most
$$;

CREATE FUNCTION sweep_kept_answers(most integer)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  WITH swept AS (
    DELETE FROM kept_answers k WHERE (k.organization_id, k.env, k.id) IN (
      SELECT e.organization_id, e.env, e.id FROM kept_answers e
      WHERE e.ends_at < now() ORDER BY e.ends_at LIMIT most)
    RETURNING 1)
  SELECT count(*) FROM swept
$$;

-- The first statement of every operation: is the credential alive, what does it reach, and the
-- walls. Nothing alive: no row. The target is out of reach: `within` is null. Without a target it is
-- the actor's own organization, and the walls are wide. `opening` tells how far a target opens them:
-- 'narrow' it alone, 'across' it alone in whatever env, 'subtree' it and all that it reaches.
CREATE FUNCTION enter(
  kind text, actor_id uuid, actor_organization uuid, actor_env env, target uuid,
  opening text, claim bytea, wanted_fingerprint bytea)
RETURNS TABLE (
  organization_id uuid, is_main boolean, is_administered boolean, role role,
  within uuid, within_envs env[], within_is_managed boolean,
  is_claimed boolean, fingerprint bytea, status smallint, answer bytea)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
#variable_conflict use_column
BEGIN
  IF kind = 'key' THEN
    SELECT o.id, o.managed_by_organization_id IS NULL,
        o.administered_by_organization_id IS NOT NULL, NULL,
        t.id, t.envs, t.managed_by_organization_id IS NOT NULL
      INTO organization_id, is_main, is_administered, role, within, within_envs, within_is_managed
      FROM api_keys k
      JOIN organizations o ON o.id = k.organization_id AND actor_env = ANY (o.envs)
      LEFT JOIN organizations t ON t.id = coalesce(target, o.id) AND o.id = ANY (t.reached_by)
        AND (opening = 'across' OR actor_env = ANY (t.envs))
      WHERE k.organization_id = actor_organization AND k.env = actor_env AND k.id = actor_id
        AND k.status = 'enabled';
  ELSE
    SELECT o.id, o.managed_by_organization_id IS NULL,
        o.administered_by_organization_id IS NOT NULL, m.role,
        t.id, t.envs, t.managed_by_organization_id IS NOT NULL
      INTO organization_id, is_main, is_administered, role, within, within_envs, within_is_managed
      FROM memberships m
      JOIN organizations o ON o.id = m.organization_id AND actor_env = ANY (o.envs)
      LEFT JOIN organizations t ON t.id = coalesce(target, o.id) AND o.id = ANY (t.reached_by)
        AND (opening = 'across' OR actor_env = ANY (t.envs))
      WHERE m.organization_id = actor_organization AND m.user_id = actor_id;
  END IF;
  IF organization_id IS NULL THEN RETURN; END IF;
  PERFORM set_config('tillkeeper.env', actor_env::text, true),
    set_config('tillkeeper.actor_of', organization_id::text, true),
    set_config('tillkeeper.organization_id',
      CASE WHEN target IS NULL OR opening = 'subtree' THEN '' ELSE coalesce(within::text, '') END,
      true),
    set_config('tillkeeper.reach_of',
      CASE WHEN target IS NULL THEN organization_id::text
        WHEN opening = 'subtree' THEN coalesce(within::text, '') ELSE '' END, true),
    set_config('tillkeeper.across',
      CASE WHEN opening = 'across' THEN coalesce(within::text, '') ELSE '' END, true);
  IF claim IS NOT NULL THEN
    INSERT INTO kept_answers AS kept
        (organization_id, env, id, fingerprint, answer_ends_at, ends_at)
      VALUES (actor_organization, actor_env, claim, wanted_fingerprint, now(),
        now() + interval '72 hours')
      ON CONFLICT (organization_id, env, id) DO UPDATE
        SET fingerprint = excluded.fingerprint, status = NULL, answer = NULL,
          answer_ends_at = excluded.answer_ends_at, ends_at = excluded.ends_at
        WHERE kept.ends_at < now();
    is_claimed := FOUND;
    IF NOT is_claimed THEN
      SELECT k.fingerprint, k.status, CASE WHEN k.answer_ends_at > now() THEN k.answer END
        INTO fingerprint, status, answer
        FROM kept_answers k
        WHERE k.organization_id = actor_organization AND k.env = actor_env AND k.id = claim;
    END IF;
  END IF;
  RETURN NEXT;
END $$;
