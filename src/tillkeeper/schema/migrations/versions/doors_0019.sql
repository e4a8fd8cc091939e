-- Organizations that move to another manager or administrator, and what an undo puts back.

-- What each organization of a tree loses when the tree comes to stand below another one: `above` is
-- the reach of that one, itself first. A contact person and a billing address from the old side may
-- not be shown to the new one. Where its payers stay, an address may be theirs and stays with them.
CREATE FUNCTION judge_pointers(wanted uuid, above uuid[], are_payers_kept boolean)
RETURNS TABLE (id uuid, reach uuid[], loses_contact boolean, loses_address boolean,
  loses_payer boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
  SELECT t.id, t.reach,
    t.contact_person_id IS NOT NULL AND t.contact_person_is_above AND NOT EXISTS (
      SELECT FROM memberships m
      WHERE m.user_id = t.contact_person_id AND m.organization_id = ANY (t.reach)),
    NOT are_payers_kept AND t.billing_address_organization_id IS NOT NULL
      AND t.billing_address_organization_id <> ALL (t.reach),
    NOT are_payers_kept AND t.bill_to_organization IS NOT NULL AND NOT EXISTS (
      SELECT FROM organizations p
      WHERE p.id = t.bill_to_organization AND above[1] = ANY (p.reached_by))
  FROM (
    SELECT o.*, CASE WHEN o.id = wanted THEN ARRAY[wanted] ELSE ARRAY[o.id, wanted] END || above
      AS reach
    FROM organizations o WHERE o.id = wanted OR o.managed_by_organization_id = wanted) t
$$;

-- Puts a tree below another organization, or below none, in a handful of statements however many
-- stand in it. Keys that somebody managed who reaches them no more become their organizations' own:
-- nobody else could change them. Returns what an undo puts back.
CREATE FUNCTION reparent(wanted uuid, manager uuid, administrator uuid, are_payers_kept boolean)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public AS $$
DECLARE
  above uuid[];
  former jsonb;
BEGIN
  PERFORM FROM organizations o WHERE o.id = wanted OR o.managed_by_organization_id = wanted
    ORDER BY o.managed_by_organization_id IS NOT NULL, o.id FOR UPDATE;
  SELECT o.reached_by INTO above FROM organizations o WHERE o.id = coalesce(manager, administrator);
  above := coalesce(above, '{}');
  SELECT jsonb_build_object('manager', o.managed_by_organization_id,
      'administrator', o.administered_by_organization_id,
      'pointers', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', p.id,
          'contact_person_id', CASE WHEN j.loses_contact THEN p.contact_person_id END,
          'billing_address_organization_id',
            CASE WHEN j.loses_address THEN p.billing_address_organization_id END,
          'billing_address_id', CASE WHEN j.loses_address THEN p.billing_address_id END,
          'bill_to_organization', CASE WHEN j.loses_payer THEN p.bill_to_organization END,
          'withhold_billing', CASE WHEN j.loses_payer THEN p.withhold_billing END,
          'payer_named_by_organization_id',
            CASE WHEN j.loses_payer THEN p.payer_named_by_organization_id END)), '[]')
        FROM judge_pointers(wanted, above, are_payers_kept) j
        JOIN organizations p ON p.id = j.id
        WHERE j.loses_contact OR j.loses_address OR j.loses_payer))
    INTO former FROM organizations o WHERE o.id = wanted;
  UPDATE organizations o SET
    managed_by_organization_id = CASE WHEN o.id = wanted THEN manager
      ELSE o.managed_by_organization_id END,
    administered_by_organization_id = CASE WHEN o.id = wanted THEN administrator
      ELSE o.administered_by_organization_id END,
    reached_by = j.reach,
    contact_person_id = CASE WHEN NOT j.loses_contact THEN o.contact_person_id END,
    contact_person_is_above = o.contact_person_is_above AND NOT j.loses_contact,
    billing_address_organization_id =
      CASE WHEN NOT j.loses_address THEN o.billing_address_organization_id END,
    billing_address_id = CASE WHEN NOT j.loses_address THEN o.billing_address_id END,
    bill_to_organization = CASE WHEN NOT j.loses_payer THEN o.bill_to_organization END,
    withhold_billing = CASE WHEN NOT j.loses_payer THEN o.withhold_billing END,
    payer_named_by_organization_id =
      CASE WHEN NOT j.loses_payer THEN o.payer_named_by_organization_id END
  FROM judge_pointers(wanted, above, are_payers_kept) j WHERE o.id = j.id;
  WITH released AS (
    SELECT k.organization_id, k.env, k.id, k.managed_by_organization_id AS manager
    FROM api_keys k JOIN organizations o ON o.id = k.organization_id
    WHERE (o.id = wanted OR o.managed_by_organization_id = wanted)
      AND k.managed_by_organization_id <> ALL (o.reached_by)
  ), written AS (
    UPDATE api_keys k SET managed_by_organization_id = NULL FROM released r
    WHERE (k.organization_id, k.env, k.id) = (r.organization_id, r.env, r.id)
  )
  SELECT former || jsonb_build_object('keys', coalesce(jsonb_agg(to_jsonb(r)), '[]'))
    INTO former FROM released r;
  RETURN former;
END $$;

-- Who pays for what it no longer reaches may take that back: it gets a copy of an agreement as if it
-- had been asked.
CREATE FUNCTION give_payers_a_say(wanted uuid)
RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, public AS $$
  INSERT INTO agreements (organization_id, id, kind, state, about_organization_id, parties_wanted,
    proposed_at, expires_at, accepted_at, executed_at, undo_seconds, party, withhold_billing)
  SELECT p.id, gen_random_uuid(), 'payer', 'executed', o.id, 1, now(), now(), now(), now(), 0,
    'paying', o.withhold_billing
  FROM organizations o JOIN organizations p ON p.id = o.bill_to_organization
  WHERE (o.id = wanted OR o.managed_by_organization_id = wanted)
    AND wanted <> ALL (p.reached_by)
    AND NOT EXISTS (SELECT FROM agreements a WHERE a.organization_id = p.id
      AND a.about_organization_id = o.id AND a.kind = 'payer' AND a.state = 'executed')
$$;

DROP FUNCTION hand_over(uuid);

-- Ends the administration of one main organization: it and what it manages leave the reach of the
-- administrator together, or not at all.
CREATE FUNCTION hand_over(wanted uuid)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  PERFORM reparent(wanted, NULL, NULL, true);
  PERFORM give_payers_a_say(wanted);
END $$;

-- Main organizations first and then by id, as everything that locks several does. One that moves is
-- locked whole, against those that are made below it meanwhile.
CREATE OR REPLACE FUNCTION lock_concerned(wanted uuid)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  kind agreement_kind;
  moving uuid;
  each uuid;
BEGIN
  SELECT a.kind, a.about_organization_id INTO kind, moving FROM agreements a WHERE a.id = wanted
    LIMIT 1;
  FOR each IN
    SELECT o.id FROM organizations o
    WHERE o.id IN (
      SELECT unnest(ARRAY[a.organization_id, a.about_organization_id]) FROM agreements a
      WHERE a.id = wanted)
    ORDER BY o.managed_by_organization_id IS NOT NULL, o.id
  LOOP
    IF each = moving AND kind <> 'payer' THEN
      PERFORM FROM organizations o WHERE o.id = each FOR UPDATE;
    ELSE
      PERFORM FROM organizations o WHERE o.id = each FOR NO KEY UPDATE;
    END IF;
  END LOOP;
END $$;

-- What stands in the way of a move or a handover, or of undoing one, and what its parties should
-- know, each told to the party whose business it is; a party of null is everybody.
CREATE FUNCTION analyse_transfer(wanted uuid)
RETURNS TABLE (party agreement_party, is_blocker boolean, finding text, number bigint, ids uuid[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  copy agreements;
  given uuid;
  receiving uuid;
  parties agreement_party[];
  receiver agreement_party;
  o organizations;
  r organizations;
  above uuid[];
BEGIN
  SELECT a.* INTO copy FROM agreements a WHERE a.id = wanted LIMIT 1;
  SELECT a.organization_id INTO given FROM agreements a WHERE a.id = wanted AND a.party = 'giving';
  SELECT a.organization_id INTO receiving FROM agreements a
    WHERE a.id = wanted AND a.party = 'receiving';
  receiver := 'receiving';
  IF copy.state = 'executed' THEN
    SELECT receiving, given INTO given, receiving;
    receiver := 'giving';
  END IF;
  SELECT s.* INTO o FROM organizations s WHERE s.id = copy.about_organization_id;
  SELECT s.* INTO r FROM organizations s WHERE s.id = receiving;
  above := coalesce(r.reached_by, '{}');
  RETURN QUERY SELECT f.party::agreement_party, true, f.finding, NULL::bigint, NULL::uuid[]
  FROM (VALUES
    (NULL, 'organization_elsewhere', o.id IS NULL OR given IS DISTINCT FROM CASE copy.kind
      WHEN 'move' THEN o.managed_by_organization_id ELSE o.administered_by_organization_id END
      OR (copy.kind = 'handover' AND o.managed_by_organization_id IS NOT NULL)),
    (NULL, 'organization_closed', o.status IN ('archived', 'pending_deletion')),
    (NULL, 'administers_others', copy.kind = 'handover' AND receiving IS NOT NULL
      AND EXISTS (SELECT FROM organizations s WHERE s.administered_by_organization_id = o.id)),
    (NULL, 'nobody_there', copy.kind = 'handover' AND receiving IS NULL AND NOT is_manned(o.id)),
    (receiver, 'receiver_administered', copy.kind = 'handover'
      AND r.administered_by_organization_id IS NOT NULL),
    (receiver, 'receiver_not_active', r.status <> 'active'),
    (receiver, 'receiver_not_live', 'LIVE' = ANY (o.envs) AND 'LIVE' <> ALL (r.envs)),
    (receiver, 'external_id_taken', EXISTS (
      SELECT FROM organizations s WHERE s.parent_organization_id = r.id AND s.id <> o.id
        AND s.external_id = o.external_id
        AND ('LIVE' = ANY (s.envs)) = ('LIVE' = ANY (o.envs))))
  ) f (party, finding, holds) WHERE f.holds;
  RETURN QUERY
  WITH tree AS (
    SELECT j.*, s.reached_by AS reached_before FROM judge_pointers(o.id, above, copy.kind = 'handover') j
    JOIN organizations s ON s.id = j.id
  ), surviving AS (
    SELECT k.id FROM api_keys k JOIN tree t ON t.id = k.organization_id
    WHERE (k.created_by_organization_id = ANY (t.reached_before)
        AND k.created_by_organization_id <> ALL (t.reach))
      OR (k.managed_by_organization_id = ANY (t.reached_before)
        AND k.managed_by_organization_id <> ALL (t.reach))
  ), found (finding, number) AS (VALUES
    ('keys_survive', (SELECT count(*) FROM surviving)),
    ('contacts_end', (SELECT count(*) FROM tree t WHERE t.loses_contact)),
    ('billing_addresses_end', (SELECT count(*) FROM tree t WHERE t.loses_address)),
    ('payer_ends', (SELECT count(*) FROM tree t WHERE t.loses_payer)),
    ('payers_stay', (SELECT count(*) FROM tree t JOIN organizations s ON s.id = t.id
      WHERE copy.kind = 'handover' AND s.bill_to_organization IS NOT NULL)),
    ('organizations_below', (SELECT count(*) - 1 FROM tree t))
  )
  SELECT a.party, false, f.finding, f.number, CASE WHEN f.finding = 'keys_survive'
      AND a.organization_id = ANY (o.reached_by) THEN
        (SELECT array_agg(l.id) FROM (SELECT s.id FROM surviving s ORDER BY s.id LIMIT 100) l) END
  FROM found f, agreements a WHERE f.number > 0 AND a.id = wanted;
END $$;

-- Carries a move or a handover out. Tells what of the organization has changed.
CREATE FUNCTION execute_transfer(wanted uuid, at timestamptz)
RETURNS TABLE (before jsonb, after jsonb)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  giving agreements;
  receiving uuid;
  put_back jsonb;
BEGIN
  SELECT a.* INTO giving FROM agreements a WHERE a.id = wanted AND a.party = 'giving';
  SELECT a.organization_id INTO receiving FROM agreements a
    WHERE a.id = wanted AND a.party = 'receiving';
  IF giving.kind = 'move' THEN
    put_back := reparent(giving.about_organization_id, receiving, NULL, false);
    before := jsonb_build_object('managed_by_organization_id', giving.organization_id)
      || coalesce((SELECT jsonb_strip_nulls(p.value) FROM jsonb_array_elements(
          put_back -> 'pointers') p WHERE (p.value ->> 'id')::uuid = giving.about_organization_id),
        '{}') - ARRAY['id', 'billing_address_organization_id', 'payer_named_by_organization_id'];
    after := jsonb_build_object('managed_by_organization_id', receiving);
  ELSE
    put_back := reparent(giving.about_organization_id, NULL, receiving, true);
    PERFORM give_payers_a_say(giving.about_organization_id);
    before := jsonb_build_object('administered_by_organization_id', giving.organization_id);
    after := jsonb_build_object('administered_by_organization_id', receiving);
  END IF;
  UPDATE agreements a SET state = 'executed', executed_at = at,
    undo_ends_at = at + make_interval(secs => a.undo_seconds),
    former = CASE WHEN a.party = 'giving' THEN put_back END
  WHERE a.id = wanted;
  RETURN NEXT;
END $$;

-- Puts an organization back where it was, with what it had lost and has not been given anew since.
-- A payer comes back only where the old side may act for it: others have to be asked again.
CREATE FUNCTION undo_transfer(wanted uuid, at timestamptz)
RETURNS TABLE (before jsonb, after jsonb)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  giving agreements;
  old_manager uuid;
  old_administrator uuid;
BEGIN
  SELECT a.* INTO giving FROM agreements a WHERE a.id = wanted AND a.party = 'giving';
  old_manager := (giving.former ->> 'manager')::uuid;
  old_administrator := (giving.former ->> 'administrator')::uuid;
  SELECT jsonb_build_object('managed_by_organization_id', o.managed_by_organization_id,
      'administered_by_organization_id', o.administered_by_organization_id)
    INTO before FROM organizations o WHERE o.id = giving.about_organization_id;
  after := jsonb_build_object('managed_by_organization_id', old_manager,
    'administered_by_organization_id', old_administrator);
  PERFORM reparent(giving.about_organization_id, old_manager, old_administrator,
    giving.kind = 'handover');
  UPDATE organizations o SET
    contact_person_id = coalesce(o.contact_person_id, u.id),
    contact_person_is_above = o.contact_person_is_above
      OR (o.contact_person_id IS NULL AND u.id IS NOT NULL),
    billing_address_organization_id = CASE WHEN o.billing_address_id IS NULL
      THEN b.organization_id ELSE o.billing_address_organization_id END,
    billing_address_id = coalesce(o.billing_address_id, b.id),
    bill_to_organization = coalesce(o.bill_to_organization, p.id),
    withhold_billing = CASE WHEN o.bill_to_organization IS NULL AND p.id IS NOT NULL
      THEN f.withhold_billing ELSE o.withhold_billing END,
    payer_named_by_organization_id = CASE WHEN o.bill_to_organization IS NULL AND p.id IS NOT NULL
      THEN f.payer_named_by_organization_id ELSE o.payer_named_by_organization_id END
  FROM jsonb_populate_recordset(NULL::organizations, giving.former -> 'pointers') f
  LEFT JOIN users u ON u.id = f.contact_person_id
  LEFT JOIN billing_addresses b ON b.id = f.billing_address_id
    AND b.organization_id = f.billing_address_organization_id
  LEFT JOIN organizations p ON p.id = f.bill_to_organization
    AND p.reached_by && (SELECT s.reached_by FROM organizations s
      WHERE s.id = coalesce(old_manager, old_administrator))
  WHERE o.id = f.id AND giving.about_organization_id IN (o.id, o.managed_by_organization_id);
  UPDATE api_keys k SET managed_by_organization_id = f.manager
  FROM jsonb_to_recordset(giving.former -> 'keys')
    f (organization_id uuid, env env, id uuid, manager uuid), organizations o
  WHERE (k.organization_id, k.env, k.id) = (f.organization_id, f.env, f.id)
    AND k.managed_by_organization_id IS NULL AND o.id = k.organization_id
    AND f.manager = ANY (o.reached_by);
  UPDATE agreements a SET state = 'undone', closed_at = at, former = NULL WHERE a.id = wanted;
  RETURN NEXT;
END $$;
