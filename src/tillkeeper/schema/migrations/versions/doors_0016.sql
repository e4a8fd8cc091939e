-- Whether a person belongs to an organization that the reader stands above, or is, without telling
-- to which: the walls of a single read leave out those between.
CREATE FUNCTION is_person_reached(reader uuid, person uuid)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT EXISTS (SELECT FROM memberships m JOIN organizations o ON o.id = m.organization_id
    WHERE m.user_id = person AND reader = ANY (o.reached_by))
$$;

-- Whether one organization manages another, to whoever sees a key of the managed one.
CREATE FUNCTION manages(manager uuid, managed uuid)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT EXISTS (SELECT FROM organizations o
    WHERE o.id = managed AND o.managed_by_organization_id = manager)
$$;
