-- Whether somebody of its own could go on with an organization. Whoever is counted on stays as they
-- are until the asker has finished: a key that is being disabled, or a person who is leaving, is
-- waited for and counts no more.
CREATE OR REPLACE FUNCTION is_manned(wanted uuid)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  PERFORM FROM api_keys k WHERE k.organization_id = wanted AND k.status = 'enabled'
    AND k.managed_by_organization_id IS NULL LIMIT 1 FOR SHARE OF k;
  IF FOUND THEN RETURN true; END IF;
  PERFORM FROM memberships m JOIN users u ON u.id = m.user_id
    WHERE m.organization_id = wanted AND m.role IN ('owner', 'admin')
      AND u.password_digest IS NOT NULL LIMIT 1 FOR SHARE OF m;
  RETURN FOUND;
END $$;
