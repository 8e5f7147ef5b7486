-- Events with their dates, and bookings with their tickets. The same tables exist for SQLite.
-- Events go with their connection; bookings, barcodes and tickets stay for ever.

CREATE TABLE event (
    connection   TEXT COLLATE "C" NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    key          TEXT COLLATE "C" NOT NULL,
    desired      TEXT,
    acknowledged TEXT,
    categories   TEXT    NOT NULL,
    offer_id     BIGINT,
    picture      TEXT,
    refused      TEXT,
    PRIMARY KEY (connection, key)
);

CREATE TABLE event_date (
    connection            TEXT COLLATE "C" NOT NULL,
    event                 TEXT COLLATE "C" NOT NULL,
    key                   TEXT COLLATE "C" NOT NULL,
    starts_at             BIGINT NOT NULL,
    desired               TEXT,
    acknowledged          TEXT,
    -- NULL is unlimited.
    desired_quantity      BIGINT,
    acknowledged_quantity BIGINT,
    touched_at            BIGINT NOT NULL,
    stock_id              BIGINT,
    absent                BIGINT NOT NULL,
    refused               TEXT,
    PRIMARY KEY (connection, event, key),
    FOREIGN KEY (connection, event) REFERENCES event (connection, key) ON DELETE CASCADE
);
CREATE INDEX event_date_stock ON event_date (stock_id) WHERE stock_id IS NOT NULL;
CREATE INDEX event_date_key ON event_date (key);

CREATE TABLE booking (
    connection  TEXT COLLATE "C" NOT NULL,
    reference   TEXT COLLATE "C" NOT NULL,
    account     TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    wish        TEXT COLLATE "C" NOT NULL,
    stock_id    BIGINT NOT NULL,
    offer_id    BIGINT NOT NULL,
    quantity    BIGINT NOT NULL,
    ordered     TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    trace       TEXT,
    remaining   BIGINT,
    reason      TEXT,
    needs_human BOOLEAN NOT NULL,
    confirmed   BOOLEAN NOT NULL,
    owner_id    TEXT    NOT NULL,
    host        TEXT    NOT NULL,
    pid         BIGINT NOT NULL,
    started     BIGINT NOT NULL,
    purpose     TEXT    NOT NULL,
    due_at      BIGINT,
    attempts    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    moved_at    BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    PRIMARY KEY (connection, reference)
);
CREATE UNIQUE INDEX booking_reference ON booking (reference);
CREATE UNIQUE INDEX booking_fingerprint ON booking (fingerprint);
CREATE INDEX booking_due ON booking (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX booking_orphan ON booking (wish) WHERE state = 'releasing';
CREATE INDEX booking_calling ON booking (state) WHERE state IN ('calling', 'abandoned');
CREATE INDEX booking_stock ON booking (account, stock_id);
CREATE INDEX booking_created ON booking (created_at, reference);

-- Whose a barcode is, for ever.
CREATE TABLE barcode (
    account TEXT COLLATE "C" NOT NULL,
    barcode TEXT COLLATE "C" NOT NULL,
    booking TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account, barcode)
);

CREATE TABLE ticket (
    booking TEXT COLLATE "C" NOT NULL,
    place   BIGINT NOT NULL,
    barcode TEXT COLLATE "C" NOT NULL,
    seat    TEXT,
    vendor  TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    PRIMARY KEY (booking, place)
);

CREATE TABLE booking_event (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    booking TEXT COLLATE "C" NOT NULL,
    at      BIGINT NOT NULL,
    code    TEXT    NOT NULL,
    told    TEXT    NOT NULL
);
CREATE INDEX booking_event_booking ON booking_event (booking, id);

CREATE TABLE notice (
    account     TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    action      TEXT    NOT NULL,
    offer_id    BIGINT NOT NULL,
    stock_id    BIGINT NOT NULL,
    venue_id    BIGINT NOT NULL,
    ean         TEXT,
    quantity    BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (account, fingerprint)
);
