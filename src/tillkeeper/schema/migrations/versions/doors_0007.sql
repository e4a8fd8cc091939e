-- What is sealed of a row: a leaf that says what happened to whom, and in it the digests of two
-- salted documents. So a row can be proven to somebody who may not know who did it: the leaf is
-- shown, and the document that would tell stays closed. The salts are told with their documents.

CREATE FUNCTION audit_origin(r audit_rows) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
    'salt', encode(sha256(convert_to('origin ' || r.salt::text, 'UTF8')), 'hex'),
    'at', to_char(r.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'request_id', r.operation_id, 'epoch', r.epoch, 'tx', r.tx,
    'actor_kind', r.actor_kind, 'actor_id', r.actor_id, 'acting_for', r.actor_organization_id,
    'address', r.address, 'agent', r.agent)::text
$$;

CREATE FUNCTION audit_content(r audit_rows) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
    'salt', encode(sha256(convert_to('content ' || r.salt::text, 'UTF8')), 'hex'),
    'details', r.details, 'before', r.before, 'after', r.after)::text
$$;

CREATE FUNCTION audit_leaf(r audit_rows) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
    'v', 1, 'organization_id', r.organization_id, 'env', r.env, 'id', r.id,
    'at', floor(extract(epoch FROM r.at))::bigint, 'event', r.event, 'outcome', r.outcome,
    'target_kind', r.target_kind, 'target_id', r.target_id,
    'origin', encode(sha256(convert_to(audit_origin(r), 'UTF8')), 'hex'),
    'content', encode(sha256(convert_to(audit_content(r), 'UTF8')), 'hex'))::text
$$;

CREATE FUNCTION audit_leaf_hash(r audit_rows) RETURNS bytea
LANGUAGE sql STABLE AS $$
  SELECT sha256('\x00'::bytea || convert_to(audit_leaf(r), 'UTF8'))
$$;

-- What the next seal is about: everything that no running transaction can add to any more. No row
-- comes back while another process seals. A seal ends between two transactions, so that one of any
-- size is sealed whole. The sealer learns digests alone.
CREATE FUNCTION begin_seal(most integer)
RETURNS TABLE (number bigint, previous bytea, epoch integer, tx_from bigint, tx_upto bigint,
  leaves bytea, system_identifier text, timeline integer, sealed_system text,
  sealed_timeline integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
#variable_conflict use_variable
DECLARE
  last record;
  cut bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock(7402614112) THEN RETURN; END IF;
  SELECT s.number, sha256(convert_to(s.body, 'UTF8')) AS hash, s.epoch, s.tx_upto, s.body::jsonb AS body
    INTO last FROM audit_seals s ORDER BY s.number DESC LIMIT 1;
  number := coalesce(last.number, 0) + 1;
  previous := coalesce(last.hash, decode(repeat('00', 32), 'hex'));
  epoch := coalesce(last.epoch, 1);
  tx_from := coalesce(last.tx_upto, 0);
  tx_upto := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
  SELECT a.tx INTO cut FROM audit_rows a
    WHERE a.epoch = epoch AND a.tx >= tx_from AND a.tx < tx_upto
    ORDER BY a.tx, a.id OFFSET most LIMIT 1;
  IF cut IS NOT NULL THEN
    tx_upto := greatest(cut, 1 + (SELECT min(a.tx) FROM audit_rows a
      WHERE a.epoch = epoch AND a.tx >= tx_from));
  END IF;
  SELECT string_agg(audit_leaf_hash(a), ''::bytea ORDER BY a.tx, a.id) INTO leaves
    FROM audit_rows a WHERE a.epoch = epoch AND a.tx >= tx_from AND a.tx < tx_upto;
  SELECT c.system_identifier::text INTO system_identifier FROM pg_control_system() c;
  SELECT c.timeline_id INTO timeline FROM pg_control_checkpoint() c;
  sealed_system := coalesce(last.body ->> 'cluster', system_identifier);
  sealed_timeline := coalesce((last.body ->> 'timeline')::integer, timeline);
  RETURN NEXT;
END $$;

-- Numbers without gaps, ranges without gaps, and nothing that a running transaction could add to.
CREATE FUNCTION write_seal(
  wanted bigint, body text, signature bytea, leaves bytea, wanted_epoch integer, wanted_from bigint,
  wanted_upto bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  last record;
BEGIN
  SELECT s.number, s.epoch, s.tx_upto INTO last
    FROM audit_seals s ORDER BY s.number DESC LIMIT 1;
  IF wanted <> coalesce(last.number, 0) + 1 OR wanted_epoch <> coalesce(last.epoch, 1)
      OR wanted_from <> coalesce(last.tx_upto, 0) OR wanted_upto <= wanted_from
      OR wanted_upto > pg_snapshot_xmin(pg_current_snapshot())::text::bigint THEN
    RAISE EXCEPTION 'seal % does not follow seal %', wanted, last.number;
  END IF;
  INSERT INTO audit_seals (number, body, signature, leaves, epoch, tx_from, tx_upto)
    VALUES (wanted, body, signature, leaves, wanted_epoch, wanted_from, wanted_upto);
END $$;

-- Seals name no tenant: digests, counts and times.
CREATE FUNCTION list_seals(before_number bigint, most integer)
RETURNS TABLE (number bigint, body text, signature bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT s.number, s.body, s.signature FROM audit_seals s
  WHERE before_number IS NULL OR s.number < before_number
  ORDER BY s.number DESC LIMIT most
$$;

CREATE FUNCTION find_seal(wanted_epoch integer, wanted_tx bigint)
RETURNS TABLE (number bigint, body text, signature bytea, leaves bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT s.number, s.body, s.signature, s.leaves FROM audit_seals s
  WHERE s.epoch = wanted_epoch AND s.tx_upto > wanted_tx AND s.tx_from <= wanted_tx
  ORDER BY s.tx_upto LIMIT 1
$$;
