-- Grants a process some of what a cell has left, at most an eighth of it, and one where that is
-- less than one (docs/decisions/0016). What the process did not spend of its last lease comes back
-- first, while that one lasts: later it has refilled by itself. What others hold counts as gone until they have spent it or their time is over: so all
-- that can be spent at any moment, here and by everybody, is never more than the burst.
--
-- `room` is what is left afterwards, `wait_ns` the time until one is free again where nothing was
-- granted, `full_in_ns` the time until all is. The first refusal of a minute says that it is one.
CREATE FUNCTION lease_cell(
  wanted bytea, holder text, given_back integer, most integer, burst integer, interval_ns bigint,
  life_ns bigint)
RETURNS TABLE (
  granted integer, room integer, wait_ns bigint, full_in_ns bigint, is_first_refusal boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  cell record;
  now_ns bigint;
  held bigint;
  returned bigint := 0;
  others jsonb;
  arrival bigint;
BEGIN
  LOOP
    SELECT c.tat, c.leases, c.leases_end, c.told_at INTO cell
      FROM rate_cells c WHERE c.id = wanted FOR UPDATE;
    EXIT WHEN FOUND;
    INSERT INTO rate_cells (id, tat, leases, leases_end) VALUES (wanted, 0, '{}', 0)
      ON CONFLICT DO NOTHING;
  END LOOP;
  -- Read once the row is ours: whoever waited for it must not come from the past.
  now_ns := (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint;
  SELECT coalesce(sum((l.value ->> 0)::bigint), 0), coalesce(jsonb_object_agg(l.key, l.value), '{}')
    INTO held, others
    FROM jsonb_each(cell.leases) l WHERE l.key <> holder AND (l.value ->> 1)::bigint > now_ns;
  IF (cell.leases -> holder ->> 1)::bigint > now_ns THEN
    returned := least(given_back, (cell.leases -> holder ->> 0)::bigint);
  END IF;
  arrival := greatest(cell.tat - returned * interval_ns, now_ns + held * interval_ns);
  room := greatest((burst * interval_ns - (arrival - now_ns)) / interval_ns, 0);
  granted := CASE WHEN room > 0 THEN greatest(least(room / 8, most), 1) ELSE 0 END;
  wait_ns := CASE WHEN room > 0 THEN 0 ELSE arrival - now_ns - (burst - 1) * interval_ns END;
  room := room - granted;
  arrival := arrival + granted * interval_ns;
  full_in_ns := arrival - now_ns;
  is_first_refusal := granted = 0 AND cell.told_at < now_ns - 60000000000;
  UPDATE rate_cells c SET
      tat = arrival,
      leases = CASE WHEN granted = 0 THEN others
        ELSE others || jsonb_build_object(holder, jsonb_build_array(granted, now_ns + life_ns)) END,
      leases_end = CASE WHEN granted = 0 THEN cell.leases_end
        ELSE greatest(cell.leases_end, now_ns + life_ns) END,
      told_at = CASE WHEN is_first_refusal THEN now_ns ELSE cell.told_at END
    WHERE c.id = wanted;
  RETURN NEXT;
END $$;

-- A cell that is whole and of which nobody holds anything says as much as none.
CREATE FUNCTION sweep_rate_cells(most integer)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  WITH swept AS (
    DELETE FROM rate_cells c
    USING (SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint AS ns) n
    WHERE c.id IN (SELECT e.id FROM rate_cells e WHERE e.tat <= n.ns AND e.leases_end <= n.ns
        LIMIT most)
      AND c.tat <= n.ns AND c.leases_end <= n.ns
    RETURNING 1)
  SELECT count(*) FROM swept
$$;
