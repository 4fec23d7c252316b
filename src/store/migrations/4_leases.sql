-- Which run computes which key now. `who` is the process, as JSON; `until` in milliseconds since the epoch, by the clock
-- of the machine on which the file is.
CREATE TABLE lease (
    key   BLOB PRIMARY KEY,
    run   INTEGER NOT NULL,
    who   TEXT NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
