"""Faults as people make them, to be planted in walls, doors and catalogue."""

from typing import NamedTuple

from tillkeeper.schema.walls import (
    ACROSS,
    ACTOR_OF,
    ENV,
    IN_KEY_REACH,
    IN_REACH,
    LISTED,
    MANAGER,
    NARROW,
    WIDE,
)

LOGIN = "tillkeeper_app_tests"
ENTER = "enter(text, uuid, uuid, env, integer, inet, uuid, text, bytea, bytea)"


class Planted(NamedTuple):
    """A fault that some statements make."""

    name: str
    statements: str
    shows_in_writing: bool = False


class Miswritten(NamedTuple):
    """A fault in the text of a function: what stands there, and what somebody wrote instead."""

    name: str
    function: str
    right: str
    wrong: str


_ABOVE = """
CREATE FUNCTION above(wanted uuid) RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER
AS 'SELECT reached_by FROM organizations WHERE id = wanted';
"""
_LINES = {"organization": "wall_1_organization", "env": "wall_2_env"}


def _dropped(table: str, wall: str) -> Planted:
    return Planted(
        f"{table} without a wall of {wall}",
        f"DROP POLICY {_LINES[wall]} ON {table}",
        table == "outbox_rows",
    )


def _unchecked(table: str, wall: str) -> Planted:
    statement = f"ALTER POLICY {_LINES[wall]} ON {table} WITH CHECK (true)"
    return Planted(f"{table} written without a check of {wall}", statement, shows_in_writing=True)


def _wall(name: str, table: str, rule: str, *, wall: str = "organization") -> Planted:
    return Planted(name, f"ALTER POLICY {_LINES[wall]} ON {table} USING ({rule})")


def _remade(name: str, how: str) -> Planted:
    rule = IN_REACH
    return Planted(
        name,
        f"DROP POLICY wall_1_organization ON api_keys; "
        f"CREATE POLICY wall_1_organization ON api_keys {how} USING ({rule})",
        shows_in_writing=True,
    )


_TENANTS = (
    "organizations", "api_keys", "memberships", "billing_addresses", "audit_rows", "key_uses",
    "kept_answers", "outbox_rows",
)  # fmt: skip
_IN_ENVS = ("organizations", "api_keys", "audit_rows", "key_uses", "kept_answers", "outbox_rows")
_WRITTEN = ("organizations", "api_keys", "audit_rows", "outbox_rows")
_REACHED = f"{WIDE} = ANY (reached_by)"
IN_WALLS = [
    *(_dropped(table, "organization") for table in _TENANTS),
    *(_dropped(table, "env") for table in _IN_ENVS),
    *(_unchecked(table, "organization") for table in (*_WRITTEN, "memberships")),
    *(_unchecked(table, "organization") for table in ("billing_addresses",)),
    *(_unchecked(table, "env") for table in _WRITTEN),
    _wall("OR where AND was meant", "organizations",
          f"id = {NARROW} OR {_REACHED} OR {IN_KEY_REACH}"),
    _wall("the reach of a key ignored", "organizations", f"id = {NARROW} OR {_REACHED}"),
    _wall("a key for its own reaches what is managed", "organizations",
          f"id = {NARROW} OR ({_REACHED} AND (CASE WHEN {LISTED} IS NOT NULL THEN "
          f"id = ANY ({LISTED}::uuid[]) OR managed_by_organization_id = ANY ({LISTED}::uuid[]) "
          f"ELSE {IN_KEY_REACH} END))"),
    _wall("all that anybody manages for a key that reaches the managed", "organizations",
          f"id = {NARROW} OR ({_REACHED} AND (CASE WHEN {MANAGER} IS NOT NULL THEN id = {MANAGER} "
          f"OR managed_by_organization_id IS NOT NULL ELSE {IN_KEY_REACH} END))"),
    _wall("its own left out for a key that reaches the managed", "organizations",
          f"id = {NARROW} OR ({_REACHED} AND (CASE WHEN {MANAGER} IS NOT NULL THEN "
          f"managed_by_organization_id = {MANAGER} ELSE {IN_KEY_REACH} END))"),
    _wall("inheritance ignored", "organizations", f"id IN ({NARROW}, {WIDE})"),
    _wall("inheritance of one step", "organizations",
          f"id = {NARROW} OR ({WIDE} IN (id, parent_organization_id) AND {IN_KEY_REACH})"),
    _wall("no inheritance from who administers", "organizations",
          f"id = {NARROW} OR ({WIDE} IN (id, managed_by_organization_id) AND {IN_KEY_REACH})"),
    _wall("no context is every context", "organizations",
          f"id = coalesce({NARROW}, id) AND coalesce({_REACHED}, true)"),
    Planted("a sibling seen", _ABOVE + _wall("", "organizations",
            f"id = {NARROW} OR ({_REACHED} AND {IN_KEY_REACH}) "
            f"OR parent_organization_id = (above({ACTOR_OF}))[2]").statements),
    Planted("looking upward", _ABOVE + _wall("", "organizations",
            f"id = {NARROW} OR ({_REACHED} AND {IN_KEY_REACH}) "
            f"OR id = ANY (above({ACTOR_OF}))").statements),
    Planted("the topmost one decides", _ABOVE + _wall("", "organizations",
            f"id = {NARROW} OR root_organization_id = "
            f"(above({WIDE}))[cardinality(above({WIDE}))]").statements),
    _wall("TEST organizations seen in LIVE", "organizations",
          f"{ENV} = ANY (envs) OR id = {ACROSS} OR cardinality(envs) = 1", wall="env"),
    _wall("across where nothing is to be crossed", "organizations",
          f"{ENV} = ANY (envs) OR {ACROSS} IS NULL", wall="env"),
    _wall("nothing is open across", "organizations", f"{ENV} = ANY (envs)", wall="env"),
    _wall("TEST keys seen in LIVE", "api_keys", f"env <= {ENV}", wall="env"),
    _wall("a forgotten join", "api_keys", f"organization_id = {NARROW} OR "
          f"EXISTS (SELECT FROM organizations o WHERE {WIDE} = ANY (o.reached_by))"),
    _wall("narrow alone", "api_keys", f"organization_id = {NARROW}"),
    _wall("answers kept for those below", "kept_answers", IN_REACH),
    _wall("its own audit left out", "audit_rows", IN_REACH),
    _wall("every person is one's own", "memberships", f"{ACTOR_OF} IS NOT NULL"),
    _remade("a wall that permits", "TO tillkeeper_api"),
    _remade("a wall against reading alone", "AS RESTRICTIVE FOR SELECT TO tillkeeper_api"),
    _remade("a wall against changing alone", "AS RESTRICTIVE FOR UPDATE TO tillkeeper_api"),
    _remade("a wall against somebody else", "AS RESTRICTIVE TO tillkeeper_doors"),
    Planted("walls switched off", "ALTER TABLE api_keys DISABLE ROW LEVEL SECURITY"),
    Planted("a login past all walls", f"ALTER ROLE {LOGIN} BYPASSRLS"),
]  # fmt: skip


def _enter(name: str, right: str, wrong: str = "") -> Miswritten:
    return Miswritten(name, ENTER, right, wrong)


_OF_TARGET = " AND o.id = ANY (t.reached_by)"
_ALL_IN_ENV = "\n        AND (opening = 'across' OR actor_env = ANY (t.envs))"
IN_DOORS = [
    _enter("a disabled key", "\n        AND k.status = 'enabled'"),
    _enter("a secret of any age", "k.generation = actor_generation\n", "true\n"),
    _enter("a retired secret that never ends", " AND k.previous_ends_at > now()"),
    _enter("a retired secret that ends at once", "k.generation = actor_generation + 1", "false"),
    _enter("a key before its time", "k.not_before <= now()", "true"),
    _enter("a key after its end", "k.expires_at > now()", "true"),
    _enter("a key from anywhere", "address <<= ANY (k.allowed_ips::inet[])", "true"),
    _enter("a key from nowhere", "k.allowed_ips IS NULL OR ", ""),
    _enter("a key of the other env", " AND k.env = actor_env"),
    _enter("a key of another organization", "k.organization_id = actor_organization", "true"),
    _enter("an organization without the env", " AND actor_env = ANY (o.envs)"),
    _enter("a person of another organization", "m.organization_id = actor_organization AND "),
    _enter("any target", _OF_TARGET),
    _enter("a target in the other env", _ALL_IN_ENV),
    _enter("a target that the key leaves out", "k.reach = 'all' OR", "true OR"),
    _enter("a managed target of another", "t.managed_by_organization_id = o.id",
           "t.managed_by_organization_id IS NOT NULL"),
    _enter("a target upward", "o.id = ANY (t.reached_by)", "t.id = ANY (o.reached_by)"),
    _enter("the ended go on", "IF standing = 'ended' THEN RETURN NEXT; RETURN; END IF;"),
    _enter("the status of those above forgotten",
           "SELECT max(a.status) FROM organizations a WHERE a.id = ANY (o.reached_by)",
           "SELECT o.status"),
    _enter("the mildest status holds", "max(a.status)", "min(a.status)"),
    _enter("the longest grace holds", "bool_and", "bool_or"),
    _enter("a grace without end", "a.grace_ends_at > now()", "true"),
    _enter("an archive with a grace", "own_status = 'suspended' AND "),
    _enter("a suspended one still reaches", "reach := 'listed';"),
    _enter("a listed key without its own", "listed || organization_id", "listed"),
    _enter("a key for its own without a list",
           "WHEN 'self' THEN ARRAY[organization_id] END", "END"),
    _enter("a key for the managed without its manager",
           "CASE WHEN reach = 'managed' THEN organization_id::text ELSE '' END", "''"),
    _enter("a subtree from the actor on",
           "WHEN opening = 'subtree' THEN coalesce(within::text, '') ELSE '' END",
           "WHEN opening = 'subtree' THEN organization_id::text ELSE '' END"),
    _enter("one target, and all walls are wide",
           "CASE WHEN target IS NULL THEN organization_id::text", "CASE WHEN true "
           "THEN organization_id::text"),
    _enter("the target is the actor", "set_config('tillkeeper.actor_of', organization_id::text",
           "set_config('tillkeeper.actor_of', coalesce(within, organization_id)::text"),
    _enter("the wish is the target",
           "WHEN target IS NULL OR opening = 'subtree' THEN '' ELSE coalesce(within::text, '') END",
           "WHEN target IS NULL OR opening = 'subtree' THEN '' ELSE target::text END"),
    Miswritten("a key of anybody rotated", "rotate_key(uuid, bytea, integer, integer)",
               "k.organization_id = nullif(current_setting('tillkeeper.organization_id', true), "
               "'')::uuid", "true"),
    Miswritten("a key of the other env rotated", "rotate_key(uuid, bytea, integer, integer)",
               "k.env = nullif(current_setting('tillkeeper.env', true), '')::env", "true"),
    Miswritten("a disabled key rotated", "rotate_key(uuid, bytea, integer, integer)",
               "k.status = 'enabled' AND ", ""),
    Miswritten("a key after its end rotated", "rotate_key(uuid, bytea, integer, integer)",
               "(k.expires_at IS NULL OR k.expires_at > now())", "true"),
    Miswritten("a third secret", "rotate_key(uuid, bytea, integer, integer)",
               "(k.previous_ends_at IS NULL OR k.previous_ends_at <= now())", "true"),
    Miswritten("a secret of anybody ended", "expire_previous_secret(uuid)",
               "k.organization_id = nullif(current_setting('tillkeeper.organization_id', true), "
               "'')::uuid", "true"),
    Miswritten("a payer from anywhere", "find_payer(uuid, uuid)",
               " AND reader = ANY (o.reached_by)", ""),
    Miswritten("a payer that the key leaves out", "find_payer(uuid, uuid)",
               "o.id = ANY (nullif(current_setting('tillkeeper.listed', true), '')::uuid[])",
               "NULL"),
]  # fmt: skip
STAYING_OPEN = _enter("settings of the session", "coalesce(within::text, '') END,\n      true)",
                      "coalesce(within::text, '') END,\n      false)")  # fmt: skip
"""Shows only in the next transaction of the same connection."""


def _granted(privilege: str) -> Planted:
    return Planted(f"granted: {privilege}", f"GRANT {privilege} TO tillkeeper_api")


_MINE = "AS 'SELECT count(*) FROM api_keys'"
IN_CATALOGUE = [
    Planted("a stray policy that permits", "CREATE POLICY stray ON api_keys USING (true)"),
    Planted("walls not forced", "ALTER TABLE memberships NO FORCE ROW LEVEL SECURITY"),
    Planted("a view past the walls", "CREATE VIEW all_keys AS SELECT id FROM api_keys"),
    Planted("a table without walls", "CREATE TABLE tills (organization_id uuid, env env)"),
    Planted("the login is the owner", f"GRANT tillkeeper_owner TO {LOGIN}"),
    Planted("the login owns a table", f"ALTER TABLE kept_answers OWNER TO {LOGIN}"),
    Planted("the login makes roles", f"ALTER ROLE {LOGIN} CREATEROLE"),
    Planted("the doors log in", "ALTER ROLE tillkeeper_doors LOGIN"),
    _granted("SELECT ON api_keys"),
    _granted("UPDATE (organization_id) ON api_keys"),
    _granted("UPDATE (reached_by) ON organizations"),
    _granted("SELECT ON users"),
    _granted("DELETE ON audit_rows"),
    _granted("INSERT (tx) ON audit_rows"),
    _granted("INSERT ON users"),
    _granted("TRUNCATE ON organizations"),
    _granted("TRIGGER ON audit_rows"),
    Planted("a door that nobody reviewed",
            f"CREATE FUNCTION mine() RETURNS bigint LANGUAGE sql SECURITY DEFINER {_MINE}"),
    Planted("a function that everybody may call",
            f"CREATE FUNCTION mine() RETURNS bigint LANGUAGE sql {_MINE}"),
    Planted("a door with any search path", "ALTER FUNCTION is_live(uuid) RESET search_path"),
    Planted("a door for the public", "GRANT EXECUTE ON FUNCTION is_live(uuid) TO PUBLIC"),
    Planted("a door of the owner's", "ALTER FUNCTION is_live(uuid) OWNER TO tillkeeper_owner"),
    Planted("a reader's function made a door",
            "ALTER FUNCTION audit_sight(jsonb, uuid, uuid) SECURITY DEFINER"),
    Planted("a naive foreign key",
            "ALTER TABLE billing_addresses ADD CONSTRAINT one UNIQUE (id); "
            "ALTER TABLE organizations ADD CONSTRAINT naive FOREIGN KEY (billing_address_id) "
            "REFERENCES billing_addresses (id)"),
    Planted("a naive primary key", "ALTER TABLE kept_answers DROP CONSTRAINT pk_kept_answers; "
            "ALTER TABLE kept_answers ADD CONSTRAINT pk_kept_answers PRIMARY KEY (id)"),
    Planted("a wall of another kind",
            "ALTER POLICY wall_2_env ON key_uses USING (env IS NOT NULL)"),
]  # fmt: skip
