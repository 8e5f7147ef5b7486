-- Each kind of traffic has a share of its account's budget: when that will be full again, in microseconds since 1970.
ALTER TABLE request_budget ADD COLUMN bookings_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE request_budget ADD COLUMN countermarks_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE request_budget ADD COLUMN passes_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE request_budget ADD COLUMN probes_us BIGINT NOT NULL DEFAULT 0;
