-- The doors that know versions of the pepper.

DROP FUNCTION find_login(text, bytea[], inet);
DROP FUNCTION rotate_key(uuid, bytea, integer);
DROP FUNCTION expire_previous_secret(uuid);

-- As before, and under which pepper the secret is stored.
CREATE FUNCTION find_login(wanted_key text, digests bytea[], address inet)
RETURNS TABLE (id uuid, organization_id uuid, env env, generation integer, pepper_version integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT k.id, k.organization_id, k.env,
    CASE WHEN k.secret_digest = ANY (digests) THEN k.generation ELSE k.generation - 1 END,
    CASE WHEN k.secret_digest = ANY (digests) THEN k.pepper_version
      ELSE k.previous_pepper_version END
  FROM api_keys k JOIN organizations o ON o.id = k.organization_id
  WHERE k.key = wanted_key AND k.status = 'enabled' AND k.env = ANY (o.envs)
    AND (k.secret_digest = ANY (digests)
      OR (k.previous_digest = ANY (digests) AND k.previous_ends_at > now()))
    AND (k.not_before IS NULL OR k.not_before <= now())
    AND (k.expires_at IS NULL OR k.expires_at > now())
    AND (k.allowed_ips IS NULL OR address <<= ANY (k.allowed_ips::inet[]))
$$;

-- Stores a secret that was just shown under another pepper: the newest one or the retiring one,
-- whichever it was, and only while it is still what was shown. What is stored under this version or
-- a newer one stays.
CREATE FUNCTION renew_secret(
  organization uuid, wanted_env env, wanted uuid, digests bytea[], digest bytea, version integer)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  UPDATE api_keys k SET
    secret_digest = CASE WHEN k.secret_digest = ANY (digests) THEN digest ELSE k.secret_digest END,
    pepper_version = CASE WHEN k.secret_digest = ANY (digests) THEN version
      ELSE k.pepper_version END,
    previous_digest = CASE WHEN k.previous_digest = ANY (digests) THEN digest
      ELSE k.previous_digest END,
    previous_pepper_version = CASE WHEN k.previous_digest = ANY (digests) THEN version
      ELSE k.previous_pepper_version END
  WHERE k.organization_id = organization AND k.env = wanted_env AND k.id = wanted
    AND ((k.secret_digest = ANY (digests) AND coalesce(k.pepper_version < version, true))
      OR (k.previous_digest = ANY (digests)
        AND coalesce(k.previous_pepper_version < version, true)))
$$;

CREATE FUNCTION renew_password(wanted uuid, old_digest text, new_digest text)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  UPDATE users u SET password_digest = new_digest
  WHERE u.id = wanted AND u.password_digest = old_digest
$$;

-- As before; keeps under which pepper, and tells what the audit repeats. No row: not possible now.
CREATE FUNCTION rotate_key(wanted uuid, digest bytea, version integer, overlap_seconds integer)
RETURNS TABLE (before jsonb, after jsonb)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  old api_keys;
BEGIN
  SELECT * INTO old FROM api_keys k
    WHERE k.id = wanted
      AND k.organization_id = nullif(current_setting('tillkeeper.organization_id', true), '')::uuid
      AND k.env = nullif(current_setting('tillkeeper.env', true), '')::env
      AND k.status = 'enabled' AND (k.expires_at IS NULL OR k.expires_at > now())
      AND (k.previous_ends_at IS NULL OR k.previous_ends_at <= now())
    FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  before := jsonb_build_object('generation', old.generation,
    'previous_ends_at', old.previous_ends_at);
  UPDATE api_keys k SET
    previous_digest = k.secret_digest,
    previous_pepper_version = k.pepper_version,
    previous_ends_at = least(now() + make_interval(secs => overlap_seconds), k.expires_at),
    secret_digest = digest,
    pepper_version = version,
    generation = k.generation + 1
  WHERE k.organization_id = old.organization_id AND k.env = old.env AND k.id = old.id
  RETURNING jsonb_build_object('generation', k.generation,
    'previous_ends_at', k.previous_ends_at) INTO after;
  RETURN NEXT;
END $$;

CREATE FUNCTION expire_previous_secret(wanted uuid)
RETURNS TABLE (before jsonb, after jsonb)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  old api_keys;
BEGIN
  SELECT * INTO old FROM api_keys k
    WHERE k.id = wanted
      AND k.organization_id = nullif(current_setting('tillkeeper.organization_id', true), '')::uuid
      AND k.env = nullif(current_setting('tillkeeper.env', true), '')::env
      AND k.previous_ends_at > now()
    FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  UPDATE api_keys k SET previous_digest = NULL, previous_pepper_version = NULL,
    previous_ends_at = NULL
  WHERE k.organization_id = old.organization_id AND k.env = old.env AND k.id = old.id;
  before := jsonb_build_object('previous_ends_at', old.previous_ends_at);
  after := jsonb_build_object('previous_ends_at', NULL);
  RETURN NEXT;
END $$;

-- Claims one more name of a request, as `enter` has claimed the first: for the caller's own
-- organization and env, behind whose walls this transaction is.
CREATE FUNCTION claim_answer(claim bytea, wanted_fingerprint bytea)
RETURNS TABLE (is_claimed boolean, fingerprint bytea, status smallint, answer bytea)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
#variable_conflict use_column
DECLARE
  own_organization uuid := nullif(current_setting('tillkeeper.actor_of', true), '')::uuid;
  own_env env := nullif(current_setting('tillkeeper.env', true), '')::env;
BEGIN
  INSERT INTO kept_answers AS kept
      (organization_id, env, id, fingerprint, answer_ends_at, ends_at)
    VALUES (own_organization, own_env, claim, wanted_fingerprint, now(),
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
      WHERE k.organization_id = own_organization AND k.env = own_env AND k.id = claim;
  END IF;
  RETURN NEXT;
END $$;

-- A process tells what it holds. Its row of a version under which it has signed stays until the
-- last of those tokens is over, whatever becomes of the process; a minute more, because what it
-- signs between two tellings is older than the next one.
CREATE FUNCTION hold_peppers(
  process uuid, own_host text, versions integer[], fingerprints bytea[], active integer,
  token_seconds integer)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  INSERT INTO pepper_holders AS h
      (process_id, version, host, fingerprint, is_active, seen_at, tokens_end_at)
    SELECT process, held.version, own_host, held.fingerprint, held.version = active, now(),
      CASE WHEN held.version = active THEN now() + make_interval(secs => token_seconds + 60) END
    FROM unnest(versions, fingerprints) AS held (version, fingerprint)
    ON CONFLICT (process_id, version) DO UPDATE SET
      is_active = excluded.is_active, seen_at = excluded.seen_at,
      tokens_end_at = greatest(h.tokens_end_at, excluded.tokens_end_at);
  UPDATE pepper_holders h SET is_active = false, seen_at = '-infinity'
    WHERE h.process_id = process AND h.version <> ALL (versions) AND h.seen_at > '-infinity';
  DELETE FROM pepper_holders h
    WHERE h.seen_at < now() - interval '1 hour' AND coalesce(h.tokens_end_at < now(), true);
END $$;

CREATE FUNCTION list_pepper_holders()
RETURNS TABLE (process_id uuid, version integer, host text, fingerprint bytea, is_active boolean,
  is_alive boolean, tokens_end_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT h.process_id, h.version, h.host, h.fingerprint, h.is_active,
    h.seen_at > now() - interval '20 seconds', h.tokens_end_at
  FROM pepper_holders h ORDER BY h.host, h.process_id, h.version
$$;

-- The versions that a process must hold to know what is stored here, and the tokens that are alive.
CREATE FUNCTION list_stored_versions()
RETURNS TABLE (version integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT k.pepper_version FROM api_keys k WHERE k.pepper_version IS NOT NULL
  UNION
  SELECT split_part(u.password_digest, ':', 1)::integer FROM users u
    WHERE u.password_digest ~ '^[0-9]+:'
  UNION
  SELECT h.version FROM pepper_holders h WHERE h.tokens_end_at > now()
$$;

-- What would be lost with a version. What does not say its version counts for each.
CREATE FUNCTION count_pepper_needs(wanted integer)
RETURNS TABLE (need text, count bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT 'secrets of keys', count(*) FROM api_keys k
    WHERE coalesce(k.pepper_version = wanted, true)
  UNION ALL
  SELECT 'retiring secrets of keys', count(*) FROM api_keys k
    WHERE k.previous_digest IS NOT NULL AND k.previous_ends_at > now()
      AND coalesce(k.previous_pepper_version = wanted, true)
  UNION ALL
  SELECT 'passwords', count(*) FROM users u
    WHERE u.password_digest LIKE '$%' OR u.password_digest LIKE wanted || ':%'
  UNION ALL
  SELECT 'kept answers', count(*) FROM kept_answers k
    WHERE k.ends_at > now() AND coalesce(k.pepper_version <= wanted, true)
$$;
