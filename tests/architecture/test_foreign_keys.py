"""T01: no foreign key leads from one organization, or env, into another."""

from world import Connection

_FOREIGN_KEYS = """
SELECT c.conname AS name,
  c.conrelid::regclass::text AS source, c.confrelid::regclass::text AS target,
  ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k (number, position)
    JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number
    ORDER BY k.position) AS columns
FROM pg_constraint c WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
"""
_HAS = """
SELECT attrelid::regclass::text AS name, array_agg(attname::text) AS columns FROM pg_attribute
WHERE attnum > 0 AND NOT attisdropped GROUP BY attrelid
"""


async def test_a_foreign_key_carries_organization_and_env(owner: Connection) -> None:
    """Where both ends have them: a row never points to a row of another organization or env."""
    has = {row["name"]: {*row["columns"]} for row in await owner.fetch(_HAS)}
    for key in await owner.fetch(_FOREIGN_KEYS):
        wanted = {"organization_id"} & has[key["target"]]
        wanted |= {"env"} & has[key["target"]] & has[key["source"]]
        assert {*key["columns"]} >= wanted, key["name"]
