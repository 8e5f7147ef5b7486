-- What venues' software is told, the shows that it states through our API, the tickets that we issue for it, bookings of
-- products, and countermarks. The same tables exist for PostgreSQL. Tables that are looked up in several ways keep their row ids:
-- a clustered key would be searched instead of the indexes, and read everything of a connection.

-- A connection whose software is told of bookings.
CREATE TABLE endpoint (
    connection      TEXT    NOT NULL PRIMARY KEY,
    -- Of its newest message: given out one by one, so that whoever reads on from a position misses nothing.
    position        INTEGER NOT NULL,
    -- Its software has said that it has everything up to here.
    acknowledged    INTEGER NOT NULL,
    -- The newest one that was forgotten.
    forgotten       INTEGER NOT NULL,
    state           TEXT    NOT NULL,
    -- Attempts that failed in a row, and when the first of them did.
    failures        INTEGER NOT NULL,
    failing_since   INTEGER,
    -- While it fails: when it is tried again.
    probe_at        INTEGER,
    last_success_at INTEGER,
    last_error      TEXT
) STRICT, WITHOUT ROWID;

-- A message to it: stored with what it tells, delivered after.
CREATE TABLE message (
    connection   TEXT    NOT NULL,
    position     INTEGER NOT NULL,
    id           TEXT    NOT NULL,
    booking      TEXT    NOT NULL,
    sequence     INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    body         TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    attempts     INTEGER NOT NULL,
    -- NULL when it is not sent (any more).
    due_at       INTEGER,
    leased_until INTEGER NOT NULL,
    -- The process that has it: JSON.
    leased_by    TEXT,
    -- Of the show, where there is one.
    starts_at    INTEGER,
    -- It is forgotten then.
    keep_until   INTEGER NOT NULL,
    replay       INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    last_status  INTEGER,
    last_error   TEXT,
    PRIMARY KEY (connection, position)
) STRICT;
CREATE UNIQUE INDEX message_id ON message (id);
CREATE UNIQUE INDEX message_sequence ON message (connection, booking, sequence);
CREATE INDEX message_due ON message (connection, due_at, position) WHERE due_at IS NOT NULL;
CREATE INDEX message_waiting ON message (connection, position) WHERE state = 'pending';
CREATE INDEX message_leased ON message (leased_until) WHERE leased_until > 0;
CREATE INDEX message_dead ON message (connection) WHERE state = 'dead';
CREATE INDEX message_keep ON message (keep_until);

CREATE TABLE delivery_attempt (
    connection TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    status     INTEGER,
    latency_ms INTEGER NOT NULL,
    error      TEXT,
    PRIMARY KEY (connection, position, number)
) STRICT, WITHOUT ROWID;

-- Shows as their vendor stated them through our API: its documents, as JSON of `allotment`.
CREATE TABLE stated_event (
    connection TEXT    NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    event      TEXT    NOT NULL,
    document   TEXT    NOT NULL,
    stated_at  INTEGER NOT NULL,
    PRIMARY KEY (connection, event)
) STRICT, WITHOUT ROWID;

CREATE TABLE stated_stock (
    connection TEXT    NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    stock      TEXT    NOT NULL,
    event      TEXT    NOT NULL,
    document   TEXT    NOT NULL,
    starts_at  INTEGER NOT NULL,
    -- Nothing is sold from then on: the beginning, or the end of booking before it.
    closes_at  INTEGER NOT NULL,
    price_cents INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    -- Places left as the vendor last said, and as they are now: less what it does not know of yet. NULL is unlimited.
    stated     INTEGER,
    remaining  INTEGER,
    -- The vendor took the date off.
    gone       INTEGER NOT NULL,
    stated_at  INTEGER NOT NULL,
    PRIMARY KEY (connection, stock)
) STRICT;
CREATE INDEX stated_stock_event ON stated_stock (connection, event);

-- Barcodes that a venue imported, one for each seat.
CREATE TABLE pool_barcode (
    connection TEXT    NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    stock      TEXT    NOT NULL,
    barcode    TEXT    NOT NULL,
    -- In the order of the import; barcodes that came back follow all others (from 2^52 on), in the order in which they did.
    ordinal    INTEGER NOT NULL,
    -- Reference of the booking that has it, and of the one that had it before the one that `barcode` names.
    booking    TEXT,
    former     TEXT,
    PRIMARY KEY (connection, barcode)
) STRICT;
CREATE INDEX pool_barcode_stock ON pool_barcode (connection, stock, ordinal);
CREATE INDEX pool_barcode_free ON pool_barcode (connection, stock, ordinal) WHERE booking IS NULL;
CREATE INDEX pool_barcode_booking ON pool_barcode (connection, booking) WHERE booking IS NOT NULL;

-- What was issued for a booking, once.
CREATE TABLE issued (
    connection TEXT    NOT NULL,
    booking    TEXT    NOT NULL,
    stock      TEXT    NOT NULL,
    -- One bit for each seat: taken back.
    freed      INTEGER NOT NULL,
    quantity   INTEGER NOT NULL,
    -- JSON: the barcodes by seat.
    barcodes   TEXT    NOT NULL,
    PRIMARY KEY (connection, booking)
) STRICT;
CREATE INDEX issued_stock ON issued (connection, stock);

-- Answers to calls that carried an `Idempotency-Key`, for 24 hours.
CREATE TABLE answered_key (
    connection TEXT    NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    key        TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    status     INTEGER NOT NULL,
    body       TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (connection, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX answered_key_by_age ON answered_key (connection, at);

-- Bookings of products (and of shows without tickets), of which pass Culture tells once.
CREATE TABLE product_booking (
    account     TEXT    NOT NULL,
    -- Of account, stock, person and creation date.
    fingerprint TEXT    NOT NULL,
    booking     TEXT    NOT NULL,
    offer_id    INTEGER NOT NULL,
    stock_id    INTEGER NOT NULL,
    venue_id    INTEGER NOT NULL,
    -- EAN, or another key of what is booked.
    item        TEXT    NOT NULL,
    quantity    INTEGER NOT NULL,
    price_cents INTEGER NOT NULL,
    state       TEXT    NOT NULL,
    booked_at   INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    moved_at    INTEGER NOT NULL,
    PRIMARY KEY (account, fingerprint)
) STRICT;
CREATE INDEX product_booking_offer ON product_booking (account, offer_id);

-- Offers with recent activity: their bookings are compared with pass Culture's listing.
CREATE TABLE watched_offer (
    account   TEXT    NOT NULL,
    offer_id  INTEGER NOT NULL,
    venue_id  INTEGER NOT NULL,
    item      TEXT    NOT NULL,
    active_at INTEGER NOT NULL,
    looked_at INTEGER,
    due_at    INTEGER NOT NULL,
    PRIMARY KEY (account, offer_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX watched_offer_due ON watched_offer (due_at);

-- Countermarks that a venue looked at or moved: a fingerprint, whose it is, and what the venue last did with it.
CREATE TABLE countermark (
    account     TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    venue_id    INTEGER NOT NULL,
    -- What the venue last asked of pass Culture and whether it was answered.
    asked       TEXT,
    done        TEXT,
    moved_at    INTEGER NOT NULL,
    PRIMARY KEY (account, fingerprint)
) STRICT, WITHOUT ROWID;
