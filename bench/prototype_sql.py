"""The yardstick of signing: its tables and statements, beside those of the other yardstick."""

SCHEMA = """
CREATE TABLE tss (
  id uuid PRIMARY KEY, signature_counter bigint NOT NULL DEFAULT 0,
  transaction_counter bigint NOT NULL DEFAULT 0);
CREATE TABLE clients (
  id uuid PRIMARY KEY, tss_id uuid NOT NULL REFERENCES tss, serial_number text NOT NULL);
CREATE TABLE transactions (
  tss_id uuid NOT NULL REFERENCES tss, number bigint NOT NULL, id uuid NOT NULL,
  client_id uuid NOT NULL REFERENCES clients, state text NOT NULL, latest_revision integer NOT NULL,
  time_start bigint NOT NULL, time_end bigint, PRIMARY KEY (tss_id, number), UNIQUE (tss_id, id));
CREATE TABLE log (
  tss_id uuid NOT NULL REFERENCES tss, counter bigint NOT NULL, number bigint NOT NULL,
  revision integer NOT NULL, message bytea NOT NULL, schema jsonb NOT NULL,
  PRIMARY KEY (tss_id, counter), UNIQUE (tss_id, number, revision));
"""
ADD_TSS = "INSERT INTO tss (id) VALUES ($1)"
ADD_CLIENT = "INSERT INTO clients (id, tss_id, serial_number) VALUES ($1, $2, $3)"
LIST_TSS = "SELECT id FROM tss"

COUNT = """
UPDATE tss SET signature_counter = signature_counter + 1,
  transaction_counter = transaction_counter + CASE WHEN $5 = 1 THEN 1 ELSE 0 END
FROM keys k, clients c LEFT JOIN transactions t ON t.tss_id = c.tss_id AND t.id = $4
WHERE k.id = $1 AND k.status = 'enabled' AND tss.id = $2 AND c.tss_id = tss.id AND c.id = $3
  AND coalesce(t.latest_revision, 0) = $5 - 1
RETURNING signature_counter, transaction_counter, c.serial_number, t.number, t.time_start
"""
_LOG = """
INSERT INTO log (tss_id, counter, number, revision, message, schema)
SELECT tss_id, $3, number, latest_revision, $4, $5::jsonb FROM written
"""
START = f"""
WITH written AS (
  INSERT INTO transactions (tss_id, number, id, client_id, state, latest_revision, time_start)
  VALUES ($1, $2, $6, $7, 'ACTIVE', 1, $8) RETURNING tss_id, number, latest_revision)
{_LOG}"""  # noqa: S608 - constants
GO_ON = f"""
WITH written AS (
  UPDATE transactions SET state = $6, latest_revision = latest_revision + 1, time_end = $7
  WHERE tss_id = $1 AND number = $2 RETURNING tss_id, number, latest_revision)
{_LOG}"""  # noqa: S608 - constants
