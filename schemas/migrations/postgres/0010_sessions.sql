-- Sessions at vendors that allow an account only one, shared by all processes. The same table exists for SQLite.

CREATE TABLE vendor_session (
    -- A digest of vendor, server and user.
    account      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- Sealed by the adapter with a key made of the account's own secret.
    sealed       TEXT,
    -- Rises each time that the lock is taken.
    fence        BIGINT NOT NULL,
    -- Somebody signs in until then; 0 when nobody does.
    locked_until BIGINT NOT NULL,
    taken_at     BIGINT NOT NULL
);
