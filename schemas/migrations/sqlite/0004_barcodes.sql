-- A barcode is one cinema's: two cinemas of an account may have the same. The same table exists for PostgreSQL.
-- Releases from before this one would not find their way in it.

CREATE TABLE barcode_of_connection (
    account    TEXT NOT NULL,
    barcode    TEXT NOT NULL,
    connection TEXT NOT NULL,
    booking    TEXT NOT NULL,
    PRIMARY KEY (account, barcode, connection)
) STRICT, WITHOUT ROWID;
INSERT INTO barcode_of_connection (account, barcode, connection, booking)
    SELECT barcode.account, barcode.barcode, booking.connection, barcode.booking
    FROM barcode JOIN booking ON booking.reference = barcode.booking;
DROP TABLE barcode;
ALTER TABLE barcode_of_connection RENAME TO barcode;
UPDATE compatibility SET oldest_reader = 2;
