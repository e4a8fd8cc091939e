"""Filling the service's tables with organizations below one vendor, as superuser."""

_ORGANIZATIONS = """
INSERT INTO organizations (id, envs, name, address_line1, zip, town, country_code, tax_number,
  external_id, managed_by_organization_id, reached_by, created_at, created_by_user,
  created_by_organization_id)
SELECT id, '{TEST}', 'Shop ' || n, 'Weg ' || n, '10115', 'Berlin', 'DEU', 'T' || n, 'E' || n,
  $1, ARRAY[id, $1], now() - interval '1 day' + n * interval '1 ms', $1, $1
FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(1, $2) n) numbered
"""
_KEYS = """
INSERT INTO api_keys (organization_id, env, id, key, secret_digest, name, status, metadata,
  created_at, created_by_user, created_by_organization_id)
SELECT id, 'TEST', gen_random_uuid(), 'test_' || id, sha256(id::text::bytea), 'till', 'enabled',
  '{}', created_at, $1, $1
FROM organizations WHERE managed_by_organization_id = $1 AND $2 > 0
"""
_AUDIT = """
INSERT INTO audit_rows (organization_id, env, id, at, operation_id, actor_kind, actor_id,
  actor_organization_id, event, outcome, details)
SELECT id, 'TEST', uuidv7(), created_at, 'fill', 'key', $1, $1, 'organization.created', 'done',
  jsonb_build_object('name', name)
FROM organizations WHERE managed_by_organization_id = $1 AND $2 > 0
"""
_OUTBOX = """
INSERT INTO outbox_rows (organization_id, env, id, at, event, details)
SELECT id, 'TEST', uuidv7(), created_at, 'organization.created', jsonb_build_object('name', name)
FROM organizations WHERE managed_by_organization_id = $1 AND $2 > 0
"""

FILL = (_ORGANIZATIONS, _KEYS, _AUDIT, _OUTBOX)
