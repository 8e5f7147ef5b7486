-- What was seen of pass Culture's queue at each venue, and what the last pass read. The same tables exist for SQLite.
-- Entries of the stock ledger now say when they were sent, which releases from before this one would take for damage.

CREATE TABLE venue_queue (
    account  TEXT COLLATE "C" NOT NULL,
    venue    BIGINT NOT NULL,
    -- As JSON: see `store::queue`.
    document TEXT NOT NULL,
    PRIMARY KEY (account, venue)
);
ALTER TABLE connection_state ADD COLUMN last_read TEXT;
UPDATE compatibility SET oldest_reader = 3;
