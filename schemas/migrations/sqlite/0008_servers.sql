-- Servers that use this store: where each listens, and when it last wrote. The same table exists for PostgreSQL.
CREATE TABLE server (
    id      TEXT NOT NULL PRIMARY KEY,
    -- Whose process it is, as in connection_lease.
    host    TEXT    NOT NULL,
    pid     INTEGER  NOT NULL,
    started INTEGER  NOT NULL,
    address TEXT    NOT NULL,
    -- Milliseconds since 1970.
    since   INTEGER  NOT NULL,
    beat_at INTEGER  NOT NULL
) STRICT;
