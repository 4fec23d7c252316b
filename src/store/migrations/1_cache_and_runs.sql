-- Which flowrun brought the store to which version.
CREATE TABLE migration (
    version INTEGER PRIMARY KEY,
    flowrun TEXT NOT NULL
) STRICT;

-- The index of runs; their truth is their journal. AUTOINCREMENT: a number is never given twice.
CREATE TABLE run (
    run      INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline TEXT NOT NULL,
    file     TEXT NOT NULL,
    identity BLOB NOT NULL,
    began    INTEGER NOT NULL,
    ended    INTEGER,
    state    TEXT,
    counts   TEXT NOT NULL
) STRICT;
CREATE INDEX run_of_file ON run (file, run);

CREATE TABLE node (
    id       INTEGER PRIMARY KEY,
    pipeline TEXT NOT NULL,
    path     TEXT NOT NULL,
    UNIQUE (pipeline, path)
) STRICT;

-- The components that all instances of a node share, once for each content: [["name", "text", "digest"], ...].
CREATE TABLE parts (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,
    components TEXT NOT NULL
) STRICT;

-- Where and by whom results were made.
CREATE TABLE origin (
    id      INTEGER PRIMARY KEY,
    run     INTEGER NOT NULL,
    host    TEXT NOT NULL,
    user    TEXT NOT NULL,
    version TEXT NOT NULL,
    UNIQUE (run, host, user, version)
) STRICT;

-- Clustered by instance: a rerun reads neighbours. Of an instance's entries the one with the highest turn is the newest.
-- One key may stand under several instances; their results are then the same.
CREATE TABLE cache (
    node     INTEGER NOT NULL,
    instance TEXT NOT NULL,
    key      BLOB NOT NULL,
    turn     INTEGER NOT NULL,
    parts    INTEGER NOT NULL,
    own      TEXT NOT NULL,
    results  TEXT NOT NULL,
    origin   INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    wall_us  INTEGER NOT NULL,
    PRIMARY KEY (node, instance, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX cache_by_key ON cache (key);
