-- The store as first released. Migrations only add; removal comes a release later. The same tables exist for PostgreSQL.
-- Times are milliseconds since 1970-01-01T00:00:00Z unless the name says otherwise. JSON is kept as text.

-- Lets a later release shut out readers that would misunderstand it; a release that only adds leaves it alone.
CREATE TABLE compatibility (
    id            INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    oldest_reader INTEGER NOT NULL
) STRICT;
INSERT INTO compatibility (id, oldest_reader) VALUES (1, 1);

-- One row that a health check may write.
CREATE TABLE heartbeat (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    beats INTEGER NOT NULL
) STRICT;

CREATE TABLE connection (
    id                      TEXT    NOT NULL PRIMARY KEY,
    adapter                 TEXT    NOT NULL,
    account                 TEXT    NOT NULL,
    venue                   INTEGER,
    siret                   TEXT,
    every_seconds           INTEGER NOT NULL,
    settings                TEXT    NOT NULL,
    base_dir                TEXT    NOT NULL,
    allow_private_addresses INTEGER NOT NULL,
    paused                  INTEGER NOT NULL,
    -- Rises when what was learnt so far (cursor, venue) no longer holds.
    revision                INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE connection_state (
    connection        TEXT    NOT NULL PRIMARY KEY REFERENCES connection (id) ON DELETE CASCADE,
    venue_id          INTEGER,
    postal_code       TEXT,
    venue_checked_at  INTEGER,
    "cursor"          TEXT,
    last_success_at   INTEGER,
    last_snapshot_at  INTEGER,
    due_at            INTEGER NOT NULL,
    failures          INTEGER NOT NULL,
    last_error        TEXT,
    quarantine_digest INTEGER,
    refusals_checked_on INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE connection_lease (
    connection   TEXT    NOT NULL PRIMARY KEY REFERENCES connection (id) ON DELETE CASCADE,
    fence        INTEGER NOT NULL,
    -- The connection's revision when the lease was taken.
    revision     INTEGER NOT NULL,
    -- NULL when nobody holds it.
    owner_id     TEXT,
    host         TEXT    NOT NULL,
    pid          INTEGER NOT NULL,
    started      INTEGER NOT NULL,
    purpose      TEXT    NOT NULL,
    until        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The blob comes last, so that reading the counts of a page does not read the page.
CREATE TABLE stock_page (
    connection TEXT    NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    first_ean  INTEGER NOT NULL,
    entries    INTEGER NOT NULL,
    pending    INTEGER NOT NULL,
    unverified INTEGER NOT NULL,
    live       INTEGER NOT NULL,
    refused    INTEGER NOT NULL,
    packed     BLOB    NOT NULL,
    PRIMARY KEY (connection, first_ean)
) STRICT;
CREATE INDEX stock_page_at_work ON stock_page (connection, first_ean) WHERE pending > 0 OR unverified > 0;

CREATE TABLE held_plan (
    connection TEXT    NOT NULL PRIMARY KEY REFERENCES connection (id) ON DELETE CASCADE,
    since      INTEGER NOT NULL,
    digest     INTEGER NOT NULL,
    reasons    TEXT    NOT NULL,
    message    TEXT    NOT NULL,
    message_fr TEXT    NOT NULL,
    agreeing   INTEGER NOT NULL,
    inbound    INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE pass (
    connection TEXT    NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    outcome    TEXT    NOT NULL,
    summary    TEXT    NOT NULL,
    PRIMARY KEY (connection, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (
    connection TEXT    NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    ordinal    INTEGER NOT NULL,
    line       INTEGER,
    entry_page INTEGER,
    entry      INTEGER,
    vendor_key TEXT,
    ean        INTEGER,
    code       TEXT    NOT NULL,
    message    TEXT    NOT NULL,
    message_fr TEXT    NOT NULL,
    PRIMARY KEY (connection, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX quarantine_by_key ON quarantine (vendor_key) WHERE vendor_key IS NOT NULL;
CREATE INDEX quarantine_by_ean ON quarantine (ean) WHERE ean IS NOT NULL;

CREATE TABLE inbound (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    connection  TEXT    NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    received_at INTEGER NOT NULL,
    snapshot    INTEGER NOT NULL,
    body        BLOB    NOT NULL
) STRICT;
CREATE INDEX inbound_by_connection ON inbound (connection, id);

CREATE TABLE inbound_key (
    connection  TEXT    NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    key         TEXT    NOT NULL,
    inbound_id  INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (connection, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbound_key_by_age ON inbound_key (connection, received_at);

-- A pass Culture account is what these two belong to: all its connections share them.
CREATE TABLE availability (
    account    TEXT    NOT NULL,
    ean        INTEGER NOT NULL,
    verdict    INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    PRIMARY KEY (account, ean)
) STRICT, WITHOUT ROWID;

CREATE TABLE request_budget (
    account       TEXT    NOT NULL PRIMARY KEY,
    -- Microseconds since 1970: the theoretical arrival time of the cell rate algorithm.
    arrival_us    INTEGER NOT NULL,
    -- Microseconds since 1970: nobody sends before.
    blocked_us    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The subject is a connection or `passculture:ACCOUNT`.
CREATE TABLE probe_verdict (
    subject    TEXT    NOT NULL,
    probe      TEXT    NOT NULL,
    verdict    TEXT    NOT NULL,
    since      INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    latency_ms INTEGER NOT NULL,
    evidence   TEXT    NOT NULL,
    remedy     TEXT    NOT NULL,
    PRIMARY KEY (subject, probe)
) STRICT, WITHOUT ROWID;

CREATE TABLE probe_change (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    subject    TEXT    NOT NULL,
    probe      TEXT    NOT NULL,
    verdict    TEXT    NOT NULL,
    since      INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    latency_ms INTEGER NOT NULL,
    evidence   TEXT    NOT NULL,
    remedy     TEXT    NOT NULL
) STRICT;
CREATE INDEX probe_change_by_subject ON probe_change (subject, id);
