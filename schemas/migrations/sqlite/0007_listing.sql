-- How pass Culture lists bookings to an account, how far each venue's list was read, and what a venue cancelled itself.

-- Whether bookings are listed by venue, and when that was last found out.
CREATE TABLE listing_account (
    account  TEXT    NOT NULL PRIMARY KEY,
    by_venue INTEGER NOT NULL,
    asked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- From which booking on a venue's list is read next, for each who reads it.
CREATE TABLE listing_mark (
    account  TEXT    NOT NULL,
    venue_id INTEGER NOT NULL,
    reader   TEXT    NOT NULL,
    from_id  INTEGER NOT NULL,
    PRIMARY KEY (account, venue_id, reader)
) STRICT, WITHOUT ROWID;

-- A booking whose countermark its venue cancelled through us: it is told as the venue's doing.
CREATE TABLE own_cancellation (
    account   TEXT    NOT NULL,
    stock_id  INTEGER NOT NULL,
    booked_at INTEGER NOT NULL,
    asked_at  INTEGER NOT NULL,
    PRIMARY KEY (account, stock_id, booked_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX own_cancellation_old ON own_cancellation (asked_at);
