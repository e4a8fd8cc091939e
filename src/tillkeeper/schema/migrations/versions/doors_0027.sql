-- Which database this is, and in which of its lives. A dump that was restored has another table, a
-- copy made from a template another database, another cluster its own identifier, and after a
-- promotion or a recovery to a point in time the timeline is another. A crash changes nothing.
CREATE FUNCTION signing_home() RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN concat_ws('/', (SELECT system_identifier FROM pg_catalog.pg_control_system()),
    pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8),
    (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
    pg_catalog.to_regclass('public.tss')::oid);
END
$$;
