-- How pass Culture lists bookings to an account, how far each venue's list was read, and what a venue cancelled itself.

-- Whether bookings are listed by venue, and when that was last found out.
CREATE TABLE listing_account (
    account  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    by_venue BOOLEAN NOT NULL,
    asked_at BIGINT NOT NULL
);

-- From which booking on a venue's list is read next, for each who reads it.
CREATE TABLE listing_mark (
    account  TEXT COLLATE "C" NOT NULL,
    venue_id BIGINT NOT NULL,
    reader   TEXT    NOT NULL,
    from_id  BIGINT NOT NULL,
    PRIMARY KEY (account, venue_id, reader)
);

-- A booking whose countermark its venue cancelled through us: it is told as the venue's doing.
CREATE TABLE own_cancellation (
    account   TEXT COLLATE "C" NOT NULL,
    stock_id  BIGINT NOT NULL,
    booked_at BIGINT NOT NULL,
    asked_at  BIGINT NOT NULL,
    PRIMARY KEY (account, stock_id, booked_at)
);
CREATE INDEX own_cancellation_old ON own_cancellation (asked_at);
