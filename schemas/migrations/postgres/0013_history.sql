-- What happened to each EAN of a connection, newest last: for a person who asks. Bounded; the ledger never reads it.
CREATE TABLE ean_history (
    connection  TEXT COLLATE "C" NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    ordinal     BIGINT NOT NULL,
    -- None: so many EANs at once that they are told as a whole.
    ean         BIGINT,
    at          BIGINT NOT NULL,
    event       TEXT   NOT NULL,
    price_cents BIGINT,
    -- -1: unlimited.
    quantity    BIGINT,
    -- When the call was made that this is about.
    call_at     BIGINT,
    -- Of a refusal.
    code        TEXT,
    -- The export or the posted body that said it.
    evidence    TEXT,
    line        BIGINT,
    -- EANs of a row that tells many.
    items       BIGINT,
    PRIMARY KEY (connection, ordinal)
);
CREATE INDEX ean_history_by_ean ON ean_history (connection, ean, ordinal);
CREATE INDEX product_booking_item ON product_booking (account, venue_id, item, booked_at);
