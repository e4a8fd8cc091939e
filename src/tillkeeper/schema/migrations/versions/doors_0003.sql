-- Digests are out of the login's reach: these two change them, for a key of the one organization and
-- env that the walls stand around.

CREATE FUNCTION rotate_key(wanted uuid, digest bytea, overlap_seconds integer)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  UPDATE api_keys k SET
    previous_digest = k.secret_digest,
    previous_ends_at = least(now() + make_interval(secs => overlap_seconds), k.expires_at),
    secret_digest = digest,
    generation = k.generation + 1
  WHERE k.id = wanted
    AND k.organization_id = nullif(current_setting('tillkeeper.organization_id', true), '')::uuid
    AND k.env = nullif(current_setting('tillkeeper.env', true), '')::env
    AND k.status = 'enabled' AND (k.expires_at IS NULL OR k.expires_at > now())
    AND (k.previous_ends_at IS NULL OR k.previous_ends_at <= now());
  RETURN FOUND;
END $$;

CREATE FUNCTION expire_previous_secret(wanted uuid)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  UPDATE api_keys k SET previous_digest = NULL, previous_ends_at = NULL
  WHERE k.id = wanted
    AND k.organization_id = nullif(current_setting('tillkeeper.organization_id', true), '')::uuid
    AND k.env = nullif(current_setting('tillkeeper.env', true), '')::env
    AND k.previous_ends_at > now();
  RETURN FOUND;
END $$;
