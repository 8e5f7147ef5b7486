-- Events with their dates, and bookings with their tickets. The same tables exist for PostgreSQL.
-- Events go with their connection; bookings, barcodes and tickets stay for ever.

CREATE TABLE event (
    connection   TEXT    NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    key          TEXT    NOT NULL,
    desired      TEXT,
    acknowledged TEXT,
    categories   TEXT    NOT NULL,
    offer_id     INTEGER,
    picture      TEXT,
    refused      TEXT,
    PRIMARY KEY (connection, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE event_date (
    connection            TEXT    NOT NULL,
    event                 TEXT    NOT NULL,
    key                   TEXT    NOT NULL,
    starts_at             INTEGER NOT NULL,
    desired               TEXT,
    acknowledged          TEXT,
    -- NULL is unlimited.
    desired_quantity      INTEGER,
    acknowledged_quantity INTEGER,
    touched_at            INTEGER NOT NULL,
    stock_id              INTEGER,
    absent                INTEGER NOT NULL,
    refused               TEXT,
    PRIMARY KEY (connection, event, key),
    FOREIGN KEY (connection, event) REFERENCES event (connection, key) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX event_date_stock ON event_date (stock_id) WHERE stock_id IS NOT NULL;
CREATE INDEX event_date_key ON event_date (key);

CREATE TABLE booking (
    connection  TEXT    NOT NULL,
    reference   TEXT    NOT NULL,
    account     TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    wish        TEXT    NOT NULL,
    stock_id    INTEGER NOT NULL,
    offer_id    INTEGER NOT NULL,
    quantity    INTEGER NOT NULL,
    ordered     TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    trace       TEXT,
    remaining   INTEGER,
    reason      TEXT,
    needs_human INTEGER NOT NULL,
    confirmed   INTEGER NOT NULL,
    owner_id    TEXT    NOT NULL,
    host        TEXT    NOT NULL,
    pid         INTEGER NOT NULL,
    started     INTEGER NOT NULL,
    purpose     TEXT    NOT NULL,
    due_at      INTEGER,
    attempts    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    moved_at    INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    PRIMARY KEY (connection, reference)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX booking_reference ON booking (reference);
CREATE UNIQUE INDEX booking_fingerprint ON booking (fingerprint);
CREATE INDEX booking_due ON booking (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX booking_orphan ON booking (wish) WHERE state = 'releasing';
CREATE INDEX booking_calling ON booking (state) WHERE state IN ('calling', 'abandoned');
CREATE INDEX booking_stock ON booking (account, stock_id);
CREATE INDEX booking_created ON booking (created_at, reference);

-- Whose a barcode is, for ever.
CREATE TABLE barcode (
    account TEXT NOT NULL,
    barcode TEXT NOT NULL,
    booking TEXT NOT NULL,
    PRIMARY KEY (account, barcode)
) STRICT, WITHOUT ROWID;

CREATE TABLE ticket (
    booking TEXT    NOT NULL,
    place   INTEGER NOT NULL,
    barcode TEXT    NOT NULL,
    seat    TEXT,
    vendor  TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    PRIMARY KEY (booking, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE booking_event (
    id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    booking TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    code    TEXT    NOT NULL,
    told    TEXT    NOT NULL
) STRICT;
CREATE INDEX booking_event_booking ON booking_event (booking, id);

CREATE TABLE notice (
    account     TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    action      TEXT    NOT NULL,
    offer_id    INTEGER NOT NULL,
    stock_id    INTEGER NOT NULL,
    venue_id    INTEGER NOT NULL,
    ean         TEXT,
    quantity    INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (account, fingerprint)
) STRICT, WITHOUT ROWID;
