-- Servers that use this store: where each listens, and when it last wrote. The same table exists for SQLite.
CREATE TABLE server (
    id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- Whose process it is, as in connection_lease.
    host    TEXT    NOT NULL,
    pid     BIGINT  NOT NULL,
    started BIGINT  NOT NULL,
    address TEXT    NOT NULL,
    -- Milliseconds since 1970.
    since   BIGINT  NOT NULL,
    beat_at BIGINT  NOT NULL
);
