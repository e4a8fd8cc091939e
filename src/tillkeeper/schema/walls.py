"""Row-level security: one template for the walls of every table, and its settings.

Five settings, all local to a transaction and put up by the door `enter` alone:

* `organization_id`, narrow: the one organization that the operation is about;
* `reach_of`, wide: everything that this organization reaches;
* `env`; `actor_of`: the actor's own organization, for what belongs to the caller;
* `across`: one organization that is open in every env, to enable an env that it lacks.
"""

_UUID = "nullif(current_setting('tillkeeper.{}', true), '')::uuid"
NARROW, WIDE = _UUID.format("organization_id"), _UUID.format("reach_of")
ACTOR_OF, ACROSS = _UUID.format("actor_of"), _UUID.format("across")
ENV = "nullif(current_setting('tillkeeper.env', true), '')::env"

IN_REACH = (
    # EXISTS, not IN: a write in the wide context looks one organization up instead of hashing all.
    f"organization_id = {NARROW} OR EXISTS (SELECT FROM organizations o "
    f"WHERE o.id = organization_id AND o.reached_by @> ARRAY[{WIDE}])"
)
IN_ENV = f"env = {ENV}"

_CLOSE = """
ALTER TABLE {table} OWNER TO tillkeeper_owner;
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY door ON {table} TO tillkeeper_api, tillkeeper_doors USING (true);
CREATE POLICY wall_1_organization ON {table} AS RESTRICTIVE TO tillkeeper_api
  USING ({organization});
"""
_CLOSE_ENV = """
CREATE POLICY wall_2_env ON {table} AS RESTRICTIVE TO tillkeeper_api
  USING ({env});
"""


def close_off(table: str, *, organization: str = IN_REACH, env: str | None = IN_ENV) -> str:
    """Return what follows CREATE TABLE: the owner and the walls.

    Restrictive policies apply in the order of their names, and only the first may use an index
    with an operator that is not leakproof, as @> on arrays is: organization comes before env.
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
