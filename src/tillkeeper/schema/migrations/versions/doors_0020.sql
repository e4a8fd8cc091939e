-- The authorities of the env that has been entered: an operation in TEST never holds the keys of
-- LIVE, not even sealed.
CREATE FUNCTION list_signing_authorities()
RETURNS TABLE (generation integer, issuer_id text, root_certificate bytea, root_key bytea,
  issuer_certificate bytea, issuer_key bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT a.generation, a.issuer_id, a.root_certificate, a.root_key, a.issuer_certificate,
    a.issuer_key
  FROM signing_authorities a
  WHERE a.env = (SELECT nullif(current_setting('tillkeeper.env', true), '')::env)
  ORDER BY a.generation DESC
$$;

-- Two who make the same generation at once make one: the second waits for the first and adds
-- nothing.
CREATE FUNCTION add_signing_authority(
  generation integer, issuer_id text, root_certificate bytea, root_key bytea,
  issuer_certificate bytea, issuer_key bytea)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  INSERT INTO signing_authorities (env, generation, issuer_id, root_certificate, root_key,
    issuer_certificate, issuer_key, created_at)
  VALUES ((SELECT nullif(current_setting('tillkeeper.env', true), '')::env), $1, $2, $3, $4, $5, $6,
    now())
  ON CONFLICT (env, generation) DO NOTHING
$$;

-- Certificates are public, whatever their env: who exports needs no context for them.
CREATE FUNCTION find_signing_chain(wanted text)
RETURNS TABLE (issuer_certificate bytea, root_certificate bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT a.issuer_certificate, a.root_certificate FROM signing_authorities a
  WHERE a.issuer_id = wanted
$$;
