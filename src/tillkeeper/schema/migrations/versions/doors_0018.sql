-- Agreements lie in one copy behind the walls of each party: only a door writes several at once, and
-- tells each party in its own trail. And who pays for whom, from when to when.

-- Returns the parties that have a copy. None where the proposer has one of this kind open already,
-- or no longer stands above the organization. Whoever is named and does not exist, or is no main
-- organization, gets no copy, and nobody can tell.
CREATE FUNCTION propose_agreement(
  wanted uuid, wanted_kind agreement_kind, about uuid, proposer uuid, named uuid, terms jsonb)
RETURNS TABLE (organization_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
#variable_conflict use_column
DECLARE
  copy agreements := jsonb_populate_record(NULL::agreements, terms);
BEGIN
  PERFORM FROM organizations o WHERE o.id = about AND CASE wanted_kind
    WHEN 'payer' THEN proposer = ANY (o.reached_by)
    WHEN 'move' THEN proposer = o.managed_by_organization_id
    ELSE proposer = o.administered_by_organization_id END;
  IF NOT FOUND THEN RETURN; END IF;
  UPDATE agreements a SET state = 'expired'
  WHERE a.about_organization_id = about AND a.kind = wanted_kind AND a.state = 'proposed'
    AND a.expires_at <= copy.proposed_at;
  copy.organization_id := proposer;
  copy.id := wanted;
  copy.kind := wanted_kind;
  copy.state := 'proposed';
  copy.about_organization_id := about;
  copy.parties_wanted := CASE WHEN wanted_kind = 'handover' AND named IS NOT NULL THEN 3 ELSE 2 END;
  copy.party := CASE WHEN wanted_kind = 'payer' THEN 'asking' ELSE 'giving' END::agreement_party;
  copy.with_organization_id := named;
  copy.accepted_at := copy.proposed_at;
  INSERT INTO agreements SELECT copy.*
  ON CONFLICT (organization_id, about_organization_id, kind)
    WHERE party IN ('asking', 'giving') AND state = 'proposed' DO NOTHING;
  IF NOT FOUND THEN RETURN; END IF;
  copy.accepted_at := NULL;
  IF wanted_kind = 'handover' THEN
    copy.organization_id := about;
    copy.party := 'itself';
    INSERT INTO agreements SELECT copy.*;
  END IF;
  copy.with_organization_id := NULL;
  copy.party := CASE WHEN wanted_kind = 'payer' THEN 'paying' ELSE 'receiving' END::agreement_party;
  SELECT o.id INTO copy.organization_id FROM organizations o
  WHERE o.id = named AND o.managed_by_organization_id IS NULL AND o.id NOT IN (proposer, about);
  IF FOUND THEN INSERT INTO agreements SELECT copy.*; END IF;
  RETURN QUERY SELECT a.organization_id FROM agreements a WHERE a.id = wanted;
END $$;

-- Every change of an agreement begins with what it concerns (`lock_concerned`), and then its copies,
-- always in the same order.
CREATE FUNCTION lock_agreement(wanted uuid)
RETURNS TABLE (organization_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT a.organization_id FROM agreements a WHERE a.id = wanted ORDER BY a.organization_id FOR UPDATE
$$;

-- Tells whether every party has accepted: whoever is wanted and has no copy never will.
CREATE FUNCTION accept_agreement(wanted uuid, acceptor uuid, at timestamptz)
RETURNS TABLE (is_so boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  UPDATE agreements a SET accepted_at = at WHERE a.id = wanted AND a.organization_id = acceptor;
  RETURN QUERY SELECT count(a.accepted_at) = max(a.parties_wanted) FROM agreements a
    WHERE a.id = wanted;
END $$;

CREATE FUNCTION close_agreement(wanted uuid, wanted_state agreement_state, at timestamptz)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  UPDATE agreements a SET state = wanted_state, closed_at = at WHERE a.id = wanted
$$;

-- Writes an event into the trails of organizations that the agreement concerns, and of no others;
-- where one is not in the env in which it happened, into that of TEST.
CREATE FUNCTION record_agreement(wanted uuid, places uuid[], row_ids uuid[], told jsonb)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  r audit_rows;
BEGIN
  FOR r.organization_id, r.id, r.env IN
    SELECT o.id, row_ids[p.number],
      CASE WHEN (told ->> 'env')::env = ANY (o.envs) THEN told ->> 'env' ELSE 'TEST' END::env
    FROM unnest(places) WITH ORDINALITY p (id, number) JOIN organizations o ON o.id = p.id
    WHERE EXISTS (SELECT FROM agreements a WHERE a.id = wanted
      AND p.id IN (a.organization_id, a.about_organization_id))
  LOOP
    r := jsonb_populate_record(r, told - ARRAY['organization_id', 'id', 'env']);
    INSERT INTO audit_rows (organization_id, env, id, at, operation_id, actor_kind, actor_id,
      actor_organization_id, event, outcome, details, address, agent, target_kind, target_id,
      before, after)
    VALUES (r.organization_id, r.env, r.id, r.at, r.operation_id, r.actor_kind, r.actor_id,
      r.actor_organization_id, r.event, r.outcome, r.details, r.address, r.agent, r.target_kind,
      r.target_id, r.before, r.after);
    INSERT INTO outbox_rows (organization_id, env, id, at, event, details)
    VALUES (r.organization_id, r.env, r.id, r.at, r.event, r.details);
  END LOOP;
END $$;

-- Main organizations first and then by id, as everything that locks several does.
CREATE FUNCTION lock_concerned(wanted uuid)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  PERFORM FROM organizations o
  WHERE o.id IN (
    SELECT unnest(ARRAY[a.organization_id, a.about_organization_id]) FROM agreements a
    WHERE a.id = wanted)
  ORDER BY o.managed_by_organization_id IS NOT NULL, o.id FOR NO KEY UPDATE;
END $$;

CREATE FUNCTION is_payer_circle(payer uuid, wanted uuid)
RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
  WITH RECURSIVE payers (id) AS (
    SELECT payer
    UNION SELECT o.bill_to_organization FROM payers p JOIN organizations o ON o.id = p.id
    WHERE o.bill_to_organization IS NOT NULL)
  SELECT EXISTS (SELECT FROM payers p WHERE p.id = wanted)
$$;

-- What stands in the way of an agreement about a payer, and what its parties should know, each told
-- to the party whose business it is; a party of null is everybody, and `itself` is nobody here: that
-- somebody above whoever asks pays, or has named who pays, must not show.
CREATE FUNCTION analyse_payer(wanted uuid)
RETURNS TABLE (party agreement_party, is_blocker boolean, finding text, number bigint, ids uuid[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  asking uuid;
  payer organizations;
  o organizations;
  is_seen boolean;
BEGIN
  SELECT a.organization_id INTO asking FROM agreements a WHERE a.id = wanted AND a.party = 'asking';
  SELECT p.* INTO payer FROM agreements a JOIN organizations p ON p.id = a.organization_id
  WHERE a.id = wanted AND a.party = 'paying';
  SELECT s.* INTO o FROM agreements a JOIN organizations s ON s.id = a.about_organization_id
  WHERE a.id = wanted LIMIT 1;
  is_seen := EXISTS (SELECT FROM organizations p
    WHERE p.id IN (o.bill_to_organization, o.payer_named_by_organization_id)
      AND asking = ANY (p.reached_by));
  RETURN QUERY SELECT f.party::agreement_party, f.is_blocker, f.finding, NULL::bigint, NULL::uuid[]
  FROM (VALUES
    (NULL, true, 'organization_elsewhere', o.id IS NULL OR asking <> ALL (o.reached_by)),
    ('asking', true, 'organization_closed', o.status IN ('archived', 'pending_deletion')),
    ('paying', true, 'payer_not_active', payer.status <> 'active'),
    ('paying', true, 'payer_not_live', 'LIVE' = ANY (o.envs) AND 'LIVE' <> ALL (payer.envs)),
    ('paying', true, 'payer_circle', is_payer_circle(payer.id, o.id)),
    ('itself', true, 'payer_decided_above', o.bill_to_organization IS NOT NULL AND NOT is_seen
      AND o.reached_by && ARRAY[o.bill_to_organization, o.payer_named_by_organization_id]),
    ('asking', false, 'payer_changes', o.bill_to_organization IS NOT NULL AND is_seen),
    (NULL, false, 'billing_withheld', (SELECT bool_or(a.withhold_billing) FROM agreements a
      WHERE a.id = wanted))
  ) f (party, is_blocker, finding, holds) WHERE f.holds;
END $$;

-- The payer pays from now on. Tells what of the organization has changed.
CREATE FUNCTION execute_payer(wanted uuid, at timestamptz)
RETURNS TABLE (before jsonb, after jsonb)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  paying agreements;
  asking uuid;
BEGIN
  SELECT a.* INTO paying FROM agreements a WHERE a.id = wanted AND a.party = 'paying';
  SELECT a.organization_id INTO asking FROM agreements a WHERE a.id = wanted AND a.party = 'asking';
  SELECT nullif(jsonb_strip_nulls(jsonb_build_object('bill_to_organization',
      o.bill_to_organization, 'withhold_billing', o.withhold_billing, 'gln', o.gln)), '{}')
    INTO before FROM organizations o WHERE o.id = paying.about_organization_id;
  UPDATE organizations o SET bill_to_organization = paying.organization_id,
    withhold_billing = paying.withhold_billing, gln = paying.gln,
    payer_named_by_organization_id = asking
  WHERE o.id = paying.about_organization_id;
  after := jsonb_strip_nulls(jsonb_build_object('bill_to_organization', paying.organization_id,
    'withhold_billing', paying.withhold_billing, 'gln', paying.gln));
  UPDATE agreements a SET state = 'executed', executed_at = at WHERE a.id = wanted;
  RETURN NEXT;
END $$;

-- The payer takes its consent back: from now on the organization pays for itself.
CREATE FUNCTION end_payer(wanted uuid, at timestamptz)
RETURNS TABLE (before jsonb, after jsonb)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  UPDATE organizations o SET bill_to_organization = NULL, withhold_billing = NULL,
    payer_named_by_organization_id = NULL
  FROM agreements a
  WHERE a.id = wanted AND a.party = 'paying' AND o.id = a.about_organization_id
    AND o.bill_to_organization = a.organization_id
  RETURNING jsonb_build_object('bill_to_organization', a.organization_id), NULL::jsonb
    INTO before, after;
  UPDATE agreements a SET state = 'ended', closed_at = at WHERE a.id = wanted;
  RETURN NEXT;
END $$;

-- In the very statement that changes a payer its period ends and the next begins. A clock that went
-- back makes no period end before it began; of two changes at one moment the second counts.
CREATE FUNCTION keep_payer_periods()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  moment timestamptz := NEW.created_at;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    SELECT greatest(clock_timestamp(), max(p.starts_at)) INTO moment
      FROM payer_periods p WHERE p.organization_id = NEW.id;
    DELETE FROM payer_periods p WHERE p.organization_id = NEW.id AND p.starts_at = moment;
    UPDATE payer_periods p SET ends_at = moment
      WHERE p.organization_id = NEW.id AND p.ends_at IS NULL;
    IF OLD.bill_to_organization IS DISTINCT FROM NEW.bill_to_organization THEN
      UPDATE agreements a SET state = 'ended', closed_at = moment
        WHERE a.about_organization_id = NEW.id AND a.kind = 'payer' AND a.state = 'executed';
    END IF;
  END IF;
  INSERT INTO payer_periods VALUES (NEW.id, moment, NULL, NEW.bill_to_organization,
    NEW.withhold_billing, NEW.payer_named_by_organization_id);
  RETURN NULL;
END $$;

-- Payers are main organizations, so only they can pay in a circle, and only the change that would
-- close it has to be stopped. One at a time: two halves of a circle would not see each other.
CREATE FUNCTION refuse_payer_circle()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('tillkeeper.payers'));
  IF is_payer_circle(NEW.bill_to_organization, NEW.id) THEN
    RAISE check_violation USING CONSTRAINT = 'no_payer_circle', MESSAGE = 'a circle of payers';
  END IF;
  RETURN NEW;
END $$;
