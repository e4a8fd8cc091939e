-- The doors that keys with a life of their own, and organizations with a status, need anew.

DROP FUNCTION find_login(text, bytea[]);
DROP FUNCTION enter(text, uuid, uuid, env, uuid, text, bytea, bytea);

-- A key whose secret is right at this hour, from this address. The retiring secret is one generation
-- older than the newest, and so are the tokens it is traded for.
CREATE FUNCTION find_login(wanted_key text, digests bytea[], address inet)
RETURNS TABLE (id uuid, organization_id uuid, env env, generation integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT k.id, k.organization_id, k.env,
    CASE WHEN k.secret_digest = ANY (digests) THEN k.generation ELSE k.generation - 1 END
  FROM api_keys k JOIN organizations o ON o.id = k.organization_id
  WHERE k.key = wanted_key AND k.status = 'enabled' AND k.env = ANY (o.envs)
    AND (k.secret_digest = ANY (digests)
      OR (k.previous_digest = ANY (digests) AND k.previous_ends_at > now()))
    AND (k.not_before IS NULL OR k.not_before <= now())
    AND (k.expires_at IS NULL OR k.expires_at > now())
    AND (k.allowed_ips IS NULL OR address <<= ANY (k.allowed_ips::inet[]))
$$;

-- A payer that the reader may act for, and that the reach of its key does not leave out.
CREATE OR REPLACE FUNCTION find_payer(reader uuid, payer uuid)
RETURNS TABLE (is_main boolean, is_live boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT o.managed_by_organization_id IS NULL, 'LIVE' = ANY (o.envs)
  FROM organizations o WHERE o.id = payer AND reader = ANY (o.reached_by)
    AND coalesce(
      o.id = ANY (nullif(current_setting('tillkeeper.listed', true), '')::uuid[]),
      nullif(current_setting('tillkeeper.manager', true), '')::uuid
        IN (o.id, o.managed_by_organization_id),
      nullif(current_setting('tillkeeper.manager', true), '') IS NULL)
$$;

-- The first statement of every operation: is the credential alive, what does it reach, and the
-- walls. Nothing alive: no row. The target is out of reach: `within` is null. Without a target it is
-- the actor's own organization, and the walls are wide. `opening` tells how far a target opens them:
-- 'narrow' it alone, 'across' it alone in whatever env, 'subtree' it and all that it reaches.
--
-- `standing` is the actor's own organization's, the strictest of itself and all above it: 'active';
-- 'grace' while a suspension leaves it its own eyes; 'ended' when it may do nothing, and then no
-- wall is put up and nothing else is told. `reason` is said of its own status, never of one above.
CREATE FUNCTION enter(
  kind text, actor_id uuid, actor_organization uuid, actor_env env, actor_generation integer,
  address inet, target uuid, opening text, claim bytea, wanted_fingerprint bytea)
RETURNS TABLE (
  organization_id uuid, is_main boolean, is_administered boolean, role role,
  standing text, reason text, permissions text[], reach key_reach, listed uuid[],
  within uuid, within_envs env[], within_is_managed boolean, within_status organization_status,
  is_claimed boolean, fingerprint bytea, status smallint, answer bytea)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
#variable_conflict use_column
DECLARE
  above uuid[];
  own_status organization_status;
BEGIN
  reach := 'all';
  IF kind = 'key' THEN
    SELECT o.id, o.managed_by_organization_id IS NULL,
        o.administered_by_organization_id IS NOT NULL, NULL,
        o.reached_by, o.status_reason, CASE WHEN cardinality(o.reached_by) = 1 THEN o.status ELSE
          (SELECT max(a.status) FROM organizations a WHERE a.id = ANY (o.reached_by)) END,
        k.permissions, k.reach, k.reach_organization_ids,
        t.id, t.envs, t.managed_by_organization_id IS NOT NULL,
        CASE WHEN t.id = o.id THEN o.status ELSE
          (SELECT max(a.status) FROM organizations a WHERE a.id = ANY (t.reached_by)) END
      INTO organization_id, is_main, is_administered, role, above, reason, own_status,
        permissions, reach, listed, within, within_envs, within_is_managed, within_status
      FROM api_keys k
      JOIN organizations o ON o.id = k.organization_id AND actor_env = ANY (o.envs)
      LEFT JOIN organizations t ON t.id = coalesce(target, o.id) AND o.id = ANY (t.reached_by)
        AND (opening = 'across' OR actor_env = ANY (t.envs))
        AND (k.reach = 'all' OR t.id = o.id
          OR (k.reach = 'managed' AND t.managed_by_organization_id = o.id)
          OR (k.reach = 'listed' AND t.id = ANY (k.reach_organization_ids)))
      WHERE k.organization_id = actor_organization AND k.env = actor_env AND k.id = actor_id
        AND k.status = 'enabled'
        AND (k.generation = actor_generation
          OR (k.generation = actor_generation + 1 AND k.previous_ends_at > now()))
        AND (k.not_before IS NULL OR k.not_before <= now())
        AND (k.expires_at IS NULL OR k.expires_at > now())
        AND (k.allowed_ips IS NULL OR address <<= ANY (k.allowed_ips::inet[]));
  ELSE
    SELECT o.id, o.managed_by_organization_id IS NULL,
        o.administered_by_organization_id IS NOT NULL, m.role,
        o.reached_by, o.status_reason, CASE WHEN cardinality(o.reached_by) = 1 THEN o.status ELSE
          (SELECT max(a.status) FROM organizations a WHERE a.id = ANY (o.reached_by)) END,
        t.id, t.envs, t.managed_by_organization_id IS NOT NULL,
        CASE WHEN t.id = o.id THEN o.status ELSE
          (SELECT max(a.status) FROM organizations a WHERE a.id = ANY (t.reached_by)) END
      INTO organization_id, is_main, is_administered, role, above, reason, own_status,
        within, within_envs, within_is_managed, within_status
      FROM memberships m
      JOIN organizations o ON o.id = m.organization_id AND actor_env = ANY (o.envs)
      LEFT JOIN organizations t ON t.id = coalesce(target, o.id) AND o.id = ANY (t.reached_by)
        AND (opening = 'across' OR actor_env = ANY (t.envs))
      WHERE m.organization_id = actor_organization AND m.user_id = actor_id;
  END IF;
  IF organization_id IS NULL THEN RETURN; END IF;
  standing := 'active';
  IF own_status <> 'active' THEN
    SELECT CASE WHEN own_status = 'suspended' AND bool_and(a.grace_ends_at > now()) THEN 'grace'
        ELSE 'ended' END
      INTO standing FROM organizations a WHERE a.id = ANY (above) AND a.status <> 'active';
    standing := coalesce(standing, 'ended');
    reach := 'listed';
    listed := ARRAY[organization_id];
    IF within <> organization_id THEN within := NULL; within_envs := NULL; END IF;
    IF standing = 'ended' THEN RETURN NEXT; RETURN; END IF;
  END IF;
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
  IF reach <> 'all' THEN
    listed := CASE reach WHEN 'listed' THEN listed || organization_id
      WHEN 'self' THEN ARRAY[organization_id] END;
    PERFORM set_config('tillkeeper.listed', coalesce(listed::text, ''), true),
      set_config('tillkeeper.manager',
        CASE WHEN reach = 'managed' THEN organization_id::text ELSE '' END, true);
  END IF;
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

-- The strictest status of an organization and all above it, without telling which it is.
CREATE FUNCTION effective_status(wanted uuid)
RETURNS organization_status
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT max(a.status) FROM organizations o JOIN organizations a ON a.id = ANY (o.reached_by)
  WHERE o.id = wanted
$$;
