-- Sessions at vendors that allow an account only one, shared by all processes. The same table exists for PostgreSQL.

CREATE TABLE vendor_session (
    -- A digest of vendor, server and user.
    account      TEXT    NOT NULL PRIMARY KEY,
    -- Sealed by the adapter with a key made of the account's own secret.
    sealed       TEXT,
    -- Rises each time that the lock is taken.
    fence        INTEGER NOT NULL,
    -- Somebody signs in until then; 0 when nobody does.
    locked_until INTEGER NOT NULL,
    taken_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
