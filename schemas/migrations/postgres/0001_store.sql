-- The store as first released. Migrations only add; removal comes a release later. The same tables exist for SQLite.
-- Keys compare by byte (collation "C"), as SQLite does, so that lists have one order on both engines.
-- Times are milliseconds since 1970-01-01T00:00:00Z unless the name says otherwise. JSON is kept as text.

-- Lets a later release shut out readers that would misunderstand it; a release that only adds leaves it alone.
CREATE TABLE compatibility (
    id            BIGINT  NOT NULL PRIMARY KEY CHECK (id = 1),
    oldest_reader BIGINT  NOT NULL
);
INSERT INTO compatibility (id, oldest_reader) VALUES (1, 1);

-- One row that a health check may write.
CREATE TABLE heartbeat (
    id    BIGINT  NOT NULL PRIMARY KEY CHECK (id = 1),
    beats BIGINT  NOT NULL
);

CREATE TABLE connection (
    id                      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    adapter                 TEXT    NOT NULL,
    account                 TEXT COLLATE "C" NOT NULL,
    venue                   BIGINT,
    siret                   TEXT,
    every_seconds           BIGINT  NOT NULL,
    settings                TEXT    NOT NULL,
    base_dir                TEXT    NOT NULL,
    allow_private_addresses BOOLEAN NOT NULL,
    paused                  BOOLEAN NOT NULL,
    -- Rises when what was learnt so far (cursor, venue) no longer holds.
    revision                BIGINT  NOT NULL
);

CREATE TABLE connection_state (
    connection        TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES connection (id) ON DELETE CASCADE,
    venue_id          BIGINT,
    postal_code       TEXT,
    venue_checked_at  BIGINT,
    "cursor"          TEXT,
    last_success_at   BIGINT,
    last_snapshot_at  BIGINT,
    due_at            BIGINT  NOT NULL,
    failures          BIGINT  NOT NULL,
    last_error        TEXT,
    quarantine_digest BIGINT,
    refusals_checked_on BIGINT
);

CREATE TABLE connection_lease (
    connection   TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES connection (id) ON DELETE CASCADE,
    fence        BIGINT  NOT NULL,
    -- The connection's revision when the lease was taken.
    revision     BIGINT  NOT NULL,
    -- NULL when nobody holds it.
    owner_id     TEXT,
    host         TEXT    NOT NULL,
    pid          BIGINT  NOT NULL,
    started      BIGINT  NOT NULL,
    purpose      TEXT    NOT NULL,
    until        BIGINT  NOT NULL
);

-- The blob comes last, so that reading the counts of a page does not read the page.
CREATE TABLE stock_page (
    connection TEXT COLLATE "C" NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    first_ean  BIGINT  NOT NULL,
    entries    BIGINT  NOT NULL,
    pending    BIGINT  NOT NULL,
    unverified BIGINT  NOT NULL,
    live       BIGINT  NOT NULL,
    refused    BIGINT  NOT NULL,
    packed     BYTEA   NOT NULL,
    PRIMARY KEY (connection, first_ean)
);
CREATE INDEX stock_page_at_work ON stock_page (connection, first_ean) WHERE pending > 0 OR unverified > 0;

CREATE TABLE held_plan (
    connection TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES connection (id) ON DELETE CASCADE,
    since      BIGINT  NOT NULL,
    digest     BIGINT  NOT NULL,
    reasons    TEXT    NOT NULL,
    message    TEXT    NOT NULL,
    message_fr TEXT    NOT NULL,
    agreeing   BIGINT  NOT NULL,
    inbound    BIGINT
);

CREATE TABLE pass (
    connection TEXT COLLATE "C" NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    number     BIGINT  NOT NULL,
    started_at BIGINT  NOT NULL,
    ended_at   BIGINT  NOT NULL,
    outcome    TEXT    NOT NULL,
    summary    TEXT    NOT NULL,
    PRIMARY KEY (connection, number)
);

CREATE TABLE quarantine (
    connection TEXT COLLATE "C" NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    ordinal    BIGINT  NOT NULL,
    line       BIGINT,
    entry_page BIGINT,
    entry      BIGINT,
    vendor_key TEXT COLLATE "C",
    ean        BIGINT,
    code       TEXT    NOT NULL,
    message    TEXT    NOT NULL,
    message_fr TEXT    NOT NULL,
    PRIMARY KEY (connection, ordinal)
);
CREATE INDEX quarantine_by_key ON quarantine (vendor_key) WHERE vendor_key IS NOT NULL;
CREATE INDEX quarantine_by_ean ON quarantine (ean) WHERE ean IS NOT NULL;

CREATE TABLE inbound (
    id          BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection  TEXT COLLATE "C" NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    received_at BIGINT  NOT NULL,
    snapshot    BOOLEAN NOT NULL,
    body        BYTEA   NOT NULL
);
CREATE INDEX inbound_by_connection ON inbound (connection, id);

CREATE TABLE inbound_key (
    connection  TEXT COLLATE "C" NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    key         TEXT COLLATE "C" NOT NULL,
    inbound_id  BIGINT  NOT NULL,
    received_at BIGINT  NOT NULL,
    PRIMARY KEY (connection, key)
);
CREATE INDEX inbound_key_by_age ON inbound_key (connection, received_at);

-- A pass Culture account is what these two belong to: all its connections share them.
CREATE TABLE availability (
    account    TEXT COLLATE "C" NOT NULL,
    ean        BIGINT  NOT NULL,
    verdict    BIGINT  NOT NULL,
    checked_at BIGINT  NOT NULL,
    PRIMARY KEY (account, ean)
);

CREATE TABLE request_budget (
    account       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- Microseconds since 1970: the theoretical arrival time of the cell rate algorithm.
    arrival_us    BIGINT  NOT NULL,
    -- Microseconds since 1970: nobody sends before.
    blocked_us    BIGINT  NOT NULL
);

-- The subject is a connection or `passculture:ACCOUNT`.
CREATE TABLE probe_verdict (
    subject    TEXT COLLATE "C" NOT NULL,
    probe      TEXT COLLATE "C" NOT NULL,
    verdict    TEXT    NOT NULL,
    since      BIGINT  NOT NULL,
    checked_at BIGINT  NOT NULL,
    latency_ms BIGINT  NOT NULL,
    evidence   TEXT    NOT NULL,
    remedy     TEXT    NOT NULL,
    PRIMARY KEY (subject, probe)
);

CREATE TABLE probe_change (
    id         BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject    TEXT COLLATE "C" NOT NULL,
    probe      TEXT COLLATE "C" NOT NULL,
    verdict    TEXT    NOT NULL,
    since      BIGINT  NOT NULL,
    checked_at BIGINT  NOT NULL,
    latency_ms BIGINT  NOT NULL,
    evidence   TEXT    NOT NULL,
    remedy     TEXT    NOT NULL
);
CREATE INDEX probe_change_by_subject ON probe_change (subject, id);
