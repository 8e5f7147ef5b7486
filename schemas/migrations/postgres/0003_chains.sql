-- A connection may be one site of a chain. The same column exists for SQLite.
ALTER TABLE connection ADD COLUMN chain TEXT;
