-- What venues' software is told, the shows that it states through our API, the tickets that we issue for it, bookings of
-- products, and countermarks. The same tables exist for SQLite.

-- A connection whose software is told of bookings.
CREATE TABLE endpoint (
    connection      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- Of its newest message: given out one by one, so that whoever reads on from a position misses nothing.
    position        BIGINT NOT NULL,
    -- Its software has said that it has everything up to here.
    acknowledged    BIGINT NOT NULL,
    -- The newest one that was forgotten.
    forgotten       BIGINT NOT NULL,
    state           TEXT    NOT NULL,
    -- Attempts that failed in a row, and when the first of them did.
    failures        BIGINT NOT NULL,
    failing_since   BIGINT,
    -- While it fails: when it is tried again.
    probe_at        BIGINT,
    last_success_at BIGINT,
    last_error      TEXT
);

-- A message to it: stored with what it tells, delivered after.
CREATE TABLE message (
    connection   TEXT COLLATE "C" NOT NULL,
    position     BIGINT NOT NULL,
    id           TEXT COLLATE "C" NOT NULL,
    booking      TEXT COLLATE "C" NOT NULL,
    sequence     BIGINT NOT NULL,
    kind         TEXT    NOT NULL,
    body         TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    attempts     BIGINT NOT NULL,
    -- NULL when it is not sent (any more).
    due_at       BIGINT,
    leased_until BIGINT NOT NULL,
    -- The process that has it: JSON.
    leased_by    TEXT,
    -- Of the show, where there is one.
    starts_at    BIGINT,
    -- It is forgotten then.
    keep_until   BIGINT NOT NULL,
    replay       BOOLEAN NOT NULL,
    created_at   BIGINT NOT NULL,
    ended_at     BIGINT,
    last_status  BIGINT,
    last_error   TEXT,
    PRIMARY KEY (connection, position)
);
CREATE UNIQUE INDEX message_id ON message (id);
CREATE UNIQUE INDEX message_sequence ON message (connection, booking, sequence);
CREATE INDEX message_due ON message (connection, due_at, position) WHERE due_at IS NOT NULL;
CREATE INDEX message_waiting ON message (connection, position) WHERE state = 'pending';
CREATE INDEX message_leased ON message (leased_until) WHERE leased_until > 0;
CREATE INDEX message_dead ON message (connection) WHERE state = 'dead';
CREATE INDEX message_keep ON message (keep_until);

CREATE TABLE delivery_attempt (
    connection TEXT COLLATE "C" NOT NULL,
    position   BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    status     BIGINT,
    latency_ms BIGINT NOT NULL,
    error      TEXT,
    PRIMARY KEY (connection, position, number)
);

-- Shows as their vendor stated them through our API: its documents, as JSON of `allotment`.
CREATE TABLE stated_event (
    connection TEXT COLLATE "C" NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    event      TEXT COLLATE "C" NOT NULL,
    document   TEXT    NOT NULL,
    stated_at  BIGINT NOT NULL,
    PRIMARY KEY (connection, event)
);

CREATE TABLE stated_stock (
    connection TEXT COLLATE "C" NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    stock      TEXT COLLATE "C" NOT NULL,
    event      TEXT COLLATE "C" NOT NULL,
    document   TEXT    NOT NULL,
    starts_at  BIGINT NOT NULL,
    -- Nothing is sold from then on: the beginning, or the end of booking before it.
    closes_at  BIGINT NOT NULL,
    price_cents BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    -- Places left as the vendor last said, and as they are now: less what it does not know of yet. NULL is unlimited.
    stated     BIGINT,
    remaining  BIGINT,
    -- The vendor took the date off.
    gone       BOOLEAN NOT NULL,
    stated_at  BIGINT NOT NULL,
    PRIMARY KEY (connection, stock)
);
CREATE INDEX stated_stock_event ON stated_stock (connection, event);

-- Barcodes that a venue imported, one for each seat.
CREATE TABLE pool_barcode (
    connection TEXT COLLATE "C" NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    stock      TEXT COLLATE "C" NOT NULL,
    barcode    TEXT COLLATE "C" NOT NULL,
    -- In the order of the import; barcodes that came back follow all others (from 2^52 on), in the order in which they did.
    ordinal    BIGINT NOT NULL,
    -- Reference of the booking that has it, and of the one that had it before the one that `barcode` names.
    booking    TEXT COLLATE "C",
    former     TEXT COLLATE "C",
    PRIMARY KEY (connection, barcode)
);
CREATE INDEX pool_barcode_stock ON pool_barcode (connection, stock, ordinal);
CREATE INDEX pool_barcode_free ON pool_barcode (connection, stock, ordinal) WHERE booking IS NULL;
CREATE INDEX pool_barcode_booking ON pool_barcode (connection, booking) WHERE booking IS NOT NULL;

-- What was issued for a booking, once.
CREATE TABLE issued (
    connection TEXT COLLATE "C" NOT NULL,
    booking    TEXT COLLATE "C" NOT NULL,
    stock      TEXT COLLATE "C" NOT NULL,
    -- One bit for each seat: taken back.
    freed      BIGINT NOT NULL,
    quantity   BIGINT NOT NULL,
    -- JSON: the barcodes by seat.
    barcodes   TEXT    NOT NULL,
    PRIMARY KEY (connection, booking)
);
CREATE INDEX issued_stock ON issued (connection, stock);

-- Answers to calls that carried an `Idempotency-Key`, for 24 hours.
CREATE TABLE answered_key (
    connection TEXT COLLATE "C" NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    key        TEXT COLLATE "C" NOT NULL,
    digest     TEXT    NOT NULL,
    status     BIGINT NOT NULL,
    body       TEXT    NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (connection, key)
);
CREATE INDEX answered_key_by_age ON answered_key (connection, at);

-- Bookings of products (and of shows without tickets), of which pass Culture tells once.
CREATE TABLE product_booking (
    account     TEXT COLLATE "C" NOT NULL,
    -- Of account, stock, person and creation date.
    fingerprint TEXT COLLATE "C" NOT NULL,
    booking     TEXT COLLATE "C" NOT NULL,
    offer_id    BIGINT NOT NULL,
    stock_id    BIGINT NOT NULL,
    venue_id    BIGINT NOT NULL,
    -- EAN, or another key of what is booked.
    item        TEXT    NOT NULL,
    quantity    BIGINT NOT NULL,
    price_cents BIGINT NOT NULL,
    state       TEXT    NOT NULL,
    booked_at   BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    moved_at    BIGINT NOT NULL,
    PRIMARY KEY (account, fingerprint)
);
CREATE INDEX product_booking_offer ON product_booking (account, offer_id);

-- Offers with recent activity: their bookings are compared with pass Culture's listing.
CREATE TABLE watched_offer (
    account   TEXT COLLATE "C" NOT NULL,
    offer_id  BIGINT NOT NULL,
    venue_id  BIGINT NOT NULL,
    item      TEXT    NOT NULL,
    active_at BIGINT NOT NULL,
    looked_at BIGINT,
    due_at    BIGINT NOT NULL,
    PRIMARY KEY (account, offer_id)
);
CREATE INDEX watched_offer_due ON watched_offer (due_at);

-- Countermarks that a venue looked at or moved: a fingerprint, whose it is, and what the venue last did with it.
CREATE TABLE countermark (
    account     TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    venue_id    BIGINT NOT NULL,
    -- What the venue last asked of pass Culture and whether it was answered.
    asked       TEXT,
    done        TEXT,
    moved_at    BIGINT NOT NULL,
    PRIMARY KEY (account, fingerprint)
);
