-- A barcode is one cinema's: two cinemas of an account may have the same. The same table exists for SQLite.
-- Releases from before this one would not find their way in it.

CREATE TABLE barcode_of_connection (
    account    TEXT COLLATE "C" NOT NULL,
    barcode    TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    booking    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account, barcode, connection)
);
INSERT INTO barcode_of_connection (account, barcode, connection, booking)
    SELECT barcode.account, barcode.barcode, booking.connection, barcode.booking
    FROM barcode JOIN booking ON booking.reference = barcode.booking;
DROP TABLE barcode;
ALTER TABLE barcode_of_connection RENAME TO barcode;
ALTER TABLE barcode RENAME CONSTRAINT barcode_of_connection_pkey TO barcode_pkey;
UPDATE compatibility SET oldest_reader = 2;
