"""Row-level security: one template for the walls of every table, and its settings.

Seven settings, all local to a transaction and put up by the door `enter` alone:

* `organization_id`, narrow: the one organization that the operation is about;
* `reach_of`, wide: everything that this organization reaches;
* `env`; `actor_of`: the actor's own organization, for what belongs to the caller;
* `across`: one organization that is open in every env, to enable an env that it lacks;
* `listed` and `manager`, for keys with less reach than their organization: these organizations
  alone, or this one and what it manages.
"""

# In a sub-select a setting is read once a statement, when the first row asks, and not per row.
_UUID = "(SELECT nullif(current_setting('tillkeeper.{}', true), '')::uuid)"
NARROW, WIDE = _UUID.format("organization_id"), _UUID.format("reach_of")
ACTOR_OF, ACROSS = _UUID.format("actor_of"), _UUID.format("across")
ENV = "(SELECT nullif(current_setting('tillkeeper.env', true), '')::env)"
LISTED = "(SELECT nullif(current_setting('tillkeeper.listed', true), '')::uuid[])"
MANAGER = _UUID.format("manager")

IN_KEY_REACH = (
    f"(CASE WHEN {LISTED} IS NOT NULL THEN id = ANY ({LISTED}::uuid[]) "
    f"WHEN {MANAGER} IS NOT NULL THEN id = {MANAGER} OR managed_by_organization_id = {MANAGER} "
    "ELSE true END)"
)

IN_REACH = (
    # EXISTS, not IN: a write in the wide context looks one organization up instead of hashing all.
    f"organization_id = {NARROW} OR EXISTS (SELECT FROM organizations o "
    f"WHERE o.id = organization_id AND {WIDE} = ANY (o.reached_by))"
)
IN_ENV = f"env = {ENV}"

# The planner cannot guess how few rows a wall lets through, and its guess of almost none makes it
# sort a vendor's 100,000 organizations for a page of 100. A CASE is taken for one row in two, and
# the explicit filters of every query are left to choose the index.
_CLOSE = """
ALTER TABLE {table} OWNER TO tillkeeper_owner;
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY door ON {table} TO tillkeeper_api, tillkeeper_doors USING (true);
CREATE POLICY wall_1_organization ON {table} AS RESTRICTIVE TO tillkeeper_api
  USING (CASE WHEN {organization} THEN true ELSE false END);
"""
_CLOSE_ENV = """
CREATE POLICY wall_2_env ON {table} AS RESTRICTIVE TO tillkeeper_api
  USING (CASE WHEN {env} THEN true ELSE false END);
"""


def close_off(table: str, *, organization: str = IN_REACH, env: str | None = IN_ENV) -> str:
    """Return what follows CREATE TABLE: the owner and the walls.

    Tables without `env` hold what an organization has once: its profile, people and addresses.
    """
    walls = _CLOSE.format(table=table, organization=organization)
    return walls + (_CLOSE_ENV.format(table=table, env=env) if env else "")


def hang_door(signature: str) -> str:
    """Return what follows CREATE FUNCTION for one that sees through the walls."""
    return f"""
    ALTER FUNCTION {signature} OWNER TO tillkeeper_doors;
    REVOKE ALL ON FUNCTION {signature} FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION {signature} TO tillkeeper_api;
    """
