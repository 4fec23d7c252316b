-- The digests of files, as long as their stat is the same. Times in nanoseconds; size and inode as the 64 bits they are.
CREATE TABLE file (
    path   BLOB PRIMARY KEY,
    size   INTEGER NOT NULL,
    mtime  INTEGER NOT NULL,
    ctime  INTEGER NOT NULL,
    inode  INTEGER NOT NULL,
    digest BLOB NOT NULL
) STRICT, WITHOUT ROWID;
