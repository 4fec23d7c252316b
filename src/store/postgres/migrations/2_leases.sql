-- Which run computes which key now. `who` is the process, as JSON; the clock of `until` is the server's.
CREATE TABLE flowrun.lease (
    key   bytea PRIMARY KEY,
    run   bigint NOT NULL,
    who   text NOT NULL,
    until timestamptz NOT NULL
);
