-- Which run computes which key now. `who` is the process, as JSON; the clock of `until` is the server's.
CREATE TABLE flowrun.lease (
    key   bytea PRIMARY KEY,
    run   bigint NOT NULL,
    who   text NOT NULL,
    until timestamptz NOT NULL
);

-- Who may write the cache may take leases; who may read it sees them.
DO $$
DECLARE
    given record;
BEGIN
    FOR given IN
        SELECT privilege_type AS what, CASE grantee WHEN 'PUBLIC' THEN 'PUBLIC' ELSE quote_ident(grantee) END AS whom
        FROM information_schema.table_privileges
        WHERE table_schema = 'flowrun' AND table_name = 'cache'
            AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    LOOP
        EXECUTE format('GRANT %s ON flowrun.lease TO %s', given.what, given.whom);
    END LOOP;
END
$$;
