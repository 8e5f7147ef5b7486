-- What the guard remembers: the limits of a connection, what a held plan rests on, single values that are held, and why passes show
-- only a part. The same tables exist for SQLite.

-- As JSON: see `store::GuardLimits`, `store::PartialPasses`, `store::Released`, `store::Evidence`.
ALTER TABLE connection ADD COLUMN guard TEXT;
ALTER TABLE connection_state ADD COLUMN partial_passes TEXT;
ALTER TABLE connection_state ADD COLUMN released TEXT;
ALTER TABLE held_plan ADD COLUMN evidence TEXT;

-- A row that was kept, but not as written.
ALTER TABLE quarantine ADD COLUMN is_note BOOLEAN NOT NULL DEFAULT FALSE;
-- The row's cells as written, and the references it names besides its own, with blanks around each.
ALTER TABLE quarantine ADD COLUMN cells TEXT;
ALTER TABLE quarantine ADD COLUMN protects TEXT;

-- Prices and quantities that are held one by one, as JSON: see `store::HeldValue`. Bounded by `store::MOST_HELD_VALUES`.
CREATE TABLE held_value (
    connection TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES connection (id) ON DELETE CASCADE,
    document   TEXT NOT NULL
);
