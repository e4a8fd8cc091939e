"""The yardstick's tables and statements: the same columns answered, no walls."""

SCHEMA = """
CREATE TABLE organizations (
  id uuid PRIMARY KEY, type text NOT NULL, envs text[] NOT NULL, name text NOT NULL,
  address_line1 text NOT NULL, zip text NOT NULL, town text NOT NULL, country_code text NOT NULL,
  created_by_user uuid NOT NULL, display_name text, address_line2 text, state text,
  tax_number text, vat_id text, economy_id text, external_id text, contact_person_id uuid,
  billing_options jsonb, billing_address_id uuid, managed_configuration jsonb, metadata jsonb,
  managed_by_organization_id uuid REFERENCES organizations, administered_by_organization_id uuid,
  created_at timestamptz NOT NULL, UNIQUE (managed_by_organization_id, external_id));
CREATE INDEX ON organizations (managed_by_organization_id, created_at, id);
CREATE TABLE keys (
  id uuid PRIMARY KEY, organization_id uuid NOT NULL REFERENCES organizations,
  key text NOT NULL UNIQUE, secret_digest bytea NOT NULL, name text NOT NULL, status text NOT NULL,
  UNIQUE (organization_id, name));
CREATE TABLE audit (
  id uuid PRIMARY KEY DEFAULT uuidv7(), organization_id uuid NOT NULL, at timestamptz NOT NULL,
  actor_id uuid NOT NULL, event text NOT NULL, details jsonb NOT NULL);
CREATE TABLE outbox (
  id uuid PRIMARY KEY DEFAULT uuidv7(), organization_id uuid NOT NULL, at timestamptz NOT NULL,
  event text NOT NULL, details jsonb NOT NULL);
"""

_SHOWN = """o.id, o.type, o.envs, o.name, o.address_line1, o.zip, o.town, o.country_code,
  o.created_by_user, o.display_name, o.address_line2, o.state, o.tax_number, o.vat_id,
  o.economy_id, o.external_id, o.contact_person_id, o.billing_options, o.billing_address_id,
  o.managed_configuration, o.metadata, o.managed_by_organization_id,
  o.administered_by_organization_id"""

LOGIN = """
SELECT id, organization_id FROM keys WHERE key = $1 AND secret_digest = $2 AND status = 'enabled'
"""

FIND = f"""
SELECT {_SHOWN} FROM keys k JOIN organizations o
  ON o.id = $2 AND k.organization_id IN (o.id, o.managed_by_organization_id)
WHERE k.id = $1 AND k.status = 'enabled'
"""  # noqa: S608 - constants

_PAGE = f"""
SELECT o.* FROM keys k, LATERAL (
  SELECT o.created_at, {_SHOWN} FROM organizations o
  WHERE o.managed_by_organization_id = $2 AND {{after}}
  ORDER BY o.created_at, o.id LIMIT $3 {{offset}}) o
WHERE k.id = $1 AND k.status = 'enabled' AND k.organization_id = $2
"""  # noqa: S608 - constants
LIST = _PAGE.format(after="true", offset="OFFSET $4")
LIST_AFTER = _PAGE.format(after="(o.created_at, o.id) > ($4, $5)", offset="")
COUNT = "SELECT count(*) FROM organizations WHERE managed_by_organization_id = $1"

_RECORD = """
audited AS (INSERT INTO audit (organization_id, at, actor_id, event, details)
  SELECT id, created_at, created_by_user, 'organization.created', jsonb_build_object('name', name)
  FROM made),
announced AS (INSERT INTO outbox (organization_id, at, event, details)
  SELECT id, created_at, 'organization.created', jsonb_build_object('name', name) FROM made)
"""

ADD = f"""
WITH made AS (
  INSERT INTO organizations (id, type, envs, name, address_line1, zip, town, country_code,
    created_by_user, managed_by_organization_id, tax_number, external_id, created_at)
  SELECT $10::uuid, 'MANAGED_ORGANIZATION', '{{TEST}}'::text[], $2::text, $3::text, $4::text,
    $5::text, $6::text, k.id, k.organization_id, $8::text, $9::text, $11::timestamptz
  FROM keys k WHERE k.id = $1 AND k.status = 'enabled' AND k.organization_id = $7
  RETURNING *),
{_RECORD}
SELECT {_SHOWN} FROM made o
"""  # noqa: S608 - constants

ADD_MANY = f"""
WITH wanted AS (
  SELECT w.*, k.id AS actor_id FROM keys k, jsonb_to_recordset($3::jsonb) AS w (
    id uuid, name text, address_line1 text, zip text, town text, country_code text,
    managed_by_organization_id uuid, tax_number text, external_id text,
    key_id uuid, key text, digest text, key_name text)
  WHERE k.id = $1 AND k.status = 'enabled'
    AND k.organization_id = w.managed_by_organization_id),
made AS (
  INSERT INTO organizations (id, type, envs, name, address_line1, zip, town, country_code,
    created_by_user, managed_by_organization_id, tax_number, external_id, created_at)
  SELECT id, 'MANAGED_ORGANIZATION', '{{TEST}}'::text[], name, address_line1, zip, town,
    country_code, actor_id, managed_by_organization_id, tax_number, external_id, $2
  FROM wanted RETURNING *),
keyed AS (
  INSERT INTO keys (id, organization_id, key, secret_digest, name, status)
  SELECT key_id, id, key, decode(digest, 'hex'), key_name, 'enabled' FROM wanted),
{_RECORD}
SELECT {_SHOWN} FROM made o
"""  # noqa: S608 - constants

ADD_VENDOR = """
INSERT INTO organizations (id, type, envs, name, address_line1, zip, town, country_code,
  created_by_user, created_at)
VALUES ($1, 'ORGANIZATION', '{TEST}', 'Vendor', 'Weg 1', '10115', 'Berlin', 'DEU', $1, now())
"""
ADD_KEY = "INSERT INTO keys VALUES (gen_random_uuid(), $1, $2, $3, 'first-key', 'enabled')"

FILL = (
    """
    INSERT INTO organizations (id, type, envs, name, address_line1, zip, town, country_code,
      created_by_user, managed_by_organization_id, tax_number, external_id, created_at)
    SELECT gen_random_uuid(), 'MANAGED_ORGANIZATION', '{TEST}', 'Shop ' || n, 'Weg ' || n,
      '10115', 'Berlin', 'DEU', $1, $1, 'T' || n, 'E' || n,
      now() - interval '1 day' + n * interval '1 ms'
    FROM generate_series(1, $2) n
    """,
    """
    INSERT INTO keys SELECT gen_random_uuid(), id, 'test_' || id, sha256(id::text::bytea), 'till',
      'enabled' FROM organizations WHERE managed_by_organization_id = $1 AND $2 > 0
    """,
    """
    INSERT INTO audit (organization_id, at, actor_id, event, details)
    SELECT id, created_at, $1, 'organization.created', jsonb_build_object('name', name)
    FROM organizations WHERE $2 > 0
    """,
    """
    INSERT INTO outbox (organization_id, at, event, details)
    SELECT id, created_at, 'organization.created', jsonb_build_object('name', name)
    FROM organizations WHERE managed_by_organization_id = $1 AND $2 > 0
    """,
)
