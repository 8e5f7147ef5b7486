//! Bookings, their tickets and their history.

use passerelle_contract::{BoxFuture, Quantity};
use sqlx::Row as _;

use super::super::{numbers, texts};
use super::{Connection, Engine, Millis, Owner, Row, StoreError, millis, narrow, text, wide};
use crate::clock;
use crate::store::bookings::{
    BookingEvent, BookingFilter, BookingRow, BookingState, BookingStore, Intent, LONGEST_WAIT, MAX_ASKED, MAX_BOOKINGS,
    MAX_HISTORY, MAX_ORPHANS, Move, Moved, PlacesLeft, StoredBooking, TicketRow, TicketState,
};

impl BookingStore for Engine {
    fn intend<'a>(
        &'a self,
        row: &'a BookingRow,
        events: &'a [BookingEvent],
    ) -> BoxFuture<'a, Result<Intent, StoreError>> {
        write!(self, c => async {
            if insert(c, row).await? {
                add_history(c, &row.reference, events).await?;
                return Ok(Intent::New);
            }
            let known = one(c, "fingerprint", &row.fingerprint).await?;
            known.map(|known| Intent::Known(Box::new(known.row))).ok_or_else(|| {
                StoreError::Invalid(format!("the reference {} is taken", row.reference))
            })
        })
    }

    fn move_booking<'a>(&'a self, step: Move<'a>) -> BoxFuture<'a, Result<Moved, StoreError>> {
        Box::pin(async move { all_or_nothing(self, &[step]).await.map_err(|error| self.fail(error)) })
    }

    fn adopt<'a>(&'a self, from: Move<'a>, to: Move<'a>) -> BoxFuture<'a, Result<Moved, StoreError>> {
        Box::pin(async move {
            if from.row.account != to.row.account || from.row.wish != to.row.wish {
                return Err(StoreError::Invalid("only the same person's wish can take tickets over".to_owned()));
            }
            let barcodes: Vec<&str> = to.tickets.iter().map(|ticket| ticket.barcode.as_str()).collect();
            let answer = async {
                let mut transaction = self.begin().await?;
                give_away(&mut transaction, from.row, &barcodes, &to.row.reference).await?;
                for step in [&from, &to] {
                    let moved = apply(&mut transaction, step).await?;
                    if moved != Moved::Yes {
                        transaction.rollback().await?;
                        return Ok(moved);
                    }
                }
                self.commit(transaction).await?;
                self.committed();
                self.wake_delivery(!from.messages.is_empty() || !to.messages.is_empty());
                Ok(Moved::Yes)
            };
            answer.await.map_err(|error: StoreError| self.fail(error))
        })
    }

    fn booking<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Option<StoredBooking>, StoreError>> {
        read!(self, c => one(c, "reference", reference))
    }

    fn booking_by_fingerprint<'a>(
        &'a self,
        fingerprint: &'a str,
    ) -> BoxFuture<'a, Result<Option<StoredBooking>, StoreError>> {
        read!(self, c => one(c, "fingerprint", fingerprint))
    }

    fn orphans_of<'a>(&'a self, wish: &'a str) -> BoxFuture<'a, Result<Vec<StoredBooking>, StoreError>> {
        read!(self, c => async {
            let rows = sqlx::query(
                "SELECT * FROM booking WHERE wish = $1 AND state = 'releasing' ORDER BY created_at DESC, reference LIMIT $2",
            )
            .bind(wish)
            .bind(i64::from(MAX_ORPHANS))
            .fetch_all(&mut *c)
            .await?;
            with_tickets(c, &rows).await
        })
    }

    fn bookings_by_barcodes<'a>(
        &'a self,
        account: &'a str,
        barcodes: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<StoredBooking>, StoreError>> {
        read!(self, c => async {
            bounded(barcodes.len(), "barcodes")?;
            let rows = sqlx::query(concat!(
                "SELECT * FROM booking WHERE reference IN (SELECT booking FROM barcode WHERE account = $1 AND barcode ",
                one_of!("$2"),
                // A barcode of a pool is issued again: the booking that had it before may still be asked about.
                " UNION SELECT p.former FROM barcode b JOIN pool_barcode p ON p.connection = b.connection \
                 AND p.barcode = b.barcode WHERE p.former IS NOT NULL AND b.account = $1 AND b.barcode ",
                one_of!("$2"),
                ") ORDER BY created_at, reference"
            ))
            .bind(account)
            .bind(texts(barcodes.iter().map(String::as_str)))
            .fetch_all(&mut *c)
            .await?;
            with_tickets(c, &rows).await
        })
    }

    fn booking_history<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Vec<BookingEvent>, StoreError>> {
        read!(self, c => async {
            let rows = sqlx::query("SELECT at, code, told FROM booking_event WHERE booking = $1 ORDER BY id LIMIT $2")
                .bind(reference)
                .bind(i64::from(MAX_HISTORY))
                .fetch_all(c)
                .await?;
            let lines: Result<Vec<BookingEvent>, StoreError> = rows
                .iter()
                .map(|row| Ok(BookingEvent { at: row.try_get("at")?, code: row.try_get("code")?, text: row.try_get("told")? }))
                .collect();
            lines
        })
    }

    fn bookings<'a>(
        &'a self,
        filter: &'a BookingFilter,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<StoredBooking>, StoreError>> {
        read!(self, c => async {
            let before = filter.before.clone();
            let rows = sqlx::query(
                "SELECT * FROM booking WHERE ($1 = '' OR connection = $1) AND ($2 = '' OR state = $2) \
                 AND (NOT $3 OR needs_human) AND (created_at < $4 OR (created_at = $4 AND reference < $5)) \
                 ORDER BY created_at DESC, reference DESC LIMIT $6",
            )
            .bind(filter.connection.as_deref().unwrap_or_default())
            .bind(filter.state.map(BookingState::name).unwrap_or_default())
            .bind(filter.needs_human)
            .bind(before.as_ref().map_or(Millis::MAX, |(at, _)| *at))
            .bind(before.map(|(_, reference)| reference).unwrap_or_default())
            .bind(i64::from(limit.min(MAX_BOOKINGS)))
            .fetch_all(&mut *c)
            .await?;
            with_tickets(c, &rows).await
        })
    }

    fn due_bookings(&self, now: Millis, limit: u32) -> BoxFuture<'_, Result<Vec<StoredBooking>, StoreError>> {
        read!(self, c => async {
            let rows = sqlx::query(
                "SELECT * FROM booking WHERE due_at IS NOT NULL \
                 AND (due_at <= $1 OR due_at > $3 AND (due_at > $4 OR moved_at > $3)) ORDER BY due_at, reference LIMIT $2",
            )
            .bind(now)
            .bind(i64::from(limit.min(MAX_BOOKINGS)))
            .bind(now.saturating_add(clock::TOLERANCE))
            .bind(now.saturating_add(millis(LONGEST_WAIT)).saturating_add(clock::TOLERANCE))
            .fetch_all(&mut *c)
            .await?;
            with_tickets(c, &rows).await
        })
    }

    fn open_calls(&self, limit: u32) -> BoxFuture<'_, Result<Vec<StoredBooking>, StoreError>> {
        read!(self, c => async {
            let rows = sqlx::query(
                "SELECT * FROM booking WHERE state IN ('calling', 'abandoned') ORDER BY created_at, reference LIMIT $1",
            )
            .bind(i64::from(limit.min(MAX_BOOKINGS)))
            .fetch_all(&mut *c)
            .await?;
            with_tickets(c, &rows).await
        })
    }

    fn bookings_of_its_adapter<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<u64, StoreError>> {
        read!(self, c => async {
            // A booked row is due until its show begins.
            let open: i64 = sqlx::query_scalar(
                "SELECT COUNT(*) FROM booking WHERE connection = $1 \
                 AND (state IN ('calling', 'abandoned', 'unknown', 'releasing', 'operator') \
                 OR (state = 'booked' AND (due_at IS NOT NULL OR needs_human)))",
            )
            .bind(connection)
            .fetch_one(c)
            .await?;
            Ok(u64::try_from(open).unwrap_or(0))
        })
    }

    fn stocks_with_live_tickets<'a>(
        &'a self,
        account: &'a str,
        stocks: &'a [i64],
    ) -> BoxFuture<'a, Result<Vec<i64>, StoreError>> {
        read!(self, c => async {
            bounded(stocks.len(), "stocks")?;
            let found = sqlx::query_scalar(concat!(
                "SELECT DISTINCT stock_id FROM booking WHERE account = $1 \
                 AND (state IN ('calling', 'abandoned', 'unknown') \
                 OR EXISTS (SELECT 1 FROM ticket WHERE ticket.booking = booking.reference AND ticket.state <> 'void')) \
                 AND stock_id ",
                one_of!("$2"),
                " ORDER BY stock_id"
            ))
            .bind(account)
            .bind(numbers(stocks.iter().copied()))
            .fetch_all(c)
            .await?;
            Ok(found)
        })
    }

    fn look_again<'a>(
        &'a self,
        account: &'a str,
        stocks: &'a [i64],
        now: Millis,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        write!(self, c => async {
            bounded(stocks.len(), "stocks")?;
            let done = sqlx::query(concat!(
                "UPDATE booking SET due_at = $1, version = version + 1 \
                 WHERE account = $2 AND state = 'booked' AND (due_at IS NULL OR due_at > $1) AND stock_id ",
                one_of!("$3"),
            ))
            .bind(now)
            .bind(account)
            .bind(numbers(stocks.iter().copied()))
            .execute(c)
            .await?;
            Ok(done.rows_affected())
        })
    }
}

fn bounded(asked: usize, what: &str) -> Result<(), StoreError> {
    if asked > MAX_ASKED {
        return Err(StoreError::Invalid(format!("{asked} {what} were asked for; at most {MAX_ASKED}")));
    }
    Ok(())
}

async fn all_or_nothing(engine: &Engine, steps: &[Move<'_>]) -> Result<Moved, StoreError> {
    let mut transaction = engine.begin().await?;
    for step in steps {
        let moved = apply(&mut transaction, step).await?;
        if moved != Moved::Yes {
            transaction.rollback().await?;
            return Ok(moved);
        }
    }
    engine.commit(transaction).await?;
    engine.committed();
    engine.wake_delivery(steps.iter().any(|step| !step.messages.is_empty()));
    Ok(Moved::Yes)
}

/// Barcodes change hands before the moves; their tickets are taken away and come back with the other booking.
async fn give_away(c: &mut Connection, from: &BookingRow, barcodes: &[&str], to: &str) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "UPDATE barcode SET booking = $3 WHERE account = $1 AND booking = $2 AND barcode ",
        one_of!("$4")
    ))
    .bind(&from.account)
    .bind(&from.reference)
    .bind(to)
    .bind(texts(barcodes.iter().copied()))
    .execute(&mut *c)
    .await?;
    sqlx::query(concat!("DELETE FROM ticket WHERE booking = $1 AND barcode ", one_of!("$2")))
        .bind(&from.reference)
        .bind(texts(barcodes.iter().copied()))
        .execute(c)
        .await?;
    Ok(())
}

async fn apply(c: &mut Connection, step: &Move<'_>) -> Result<Moved, StoreError> {
    if !update(c, step.row).await? {
        return Ok(Moved::No);
    }
    for ticket in step.tickets {
        if !save_ticket(c, step.row, ticket).await? {
            return Ok(Moved::BarcodeTaken);
        }
    }
    add_history(c, &step.row.reference, step.events).await?;
    if let Some(PlacesLeft { event, date, remaining }) = step.places {
        super::events::touch(c, &step.row.connection, event, date, remaining, true, step.row.moved_at).await?;
    }
    super::messages::add(c, step.messages).await?;
    Ok(Moved::Yes)
}

async fn insert(c: &mut Connection, row: &BookingRow) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO booking (connection, reference, account, fingerprint, wish, stock_id, offer_id, quantity, ordered, \
         state, trace, remaining, reason, needs_human, confirmed, owner_id, host, pid, started, purpose, due_at, attempts, \
         created_at, moved_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
         $18, $19, $20, $21, $22, $23, $24, $25) ON CONFLICT DO NOTHING",
    )
    .bind(&row.connection)
    .bind(&row.reference)
    .bind(&row.account)
    .bind(&row.fingerprint)
    .bind(&row.wish)
    .bind(row.stock_id)
    .bind(row.offer_id)
    .bind(i64::from(row.quantity))
    .bind(text(&row.order))
    .bind(row.state.name())
    .bind(row.trace.as_deref().map(text))
    .bind(row.remaining.map(stored_places))
    .bind(row.reason.as_deref().map(text))
    .bind(row.needs_human)
    .bind(row.confirmed)
    .bind(&row.owner.id)
    .bind(&row.owner.host)
    .bind(i64::from(row.owner.pid))
    .bind(wide(row.owner.started, "start time")?)
    .bind(&row.owner.purpose)
    .bind(row.due_at)
    .bind(i64::from(row.attempts))
    .bind(row.created_at)
    .bind(row.moved_at)
    .bind(row.version)
    .execute(c)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Compare-and-swap: false when the stored version is another one.
async fn update(c: &mut Connection, row: &BookingRow) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE booking SET state = $4, trace = $5, remaining = $6, reason = $7, needs_human = $8, confirmed = $9, \
         owner_id = $10, host = $11, pid = $12, started = $13, purpose = $14, due_at = $15, attempts = $16, moved_at = $17, \
         version = version + 1 WHERE connection = $1 AND reference = $2 AND version = $3",
    )
    .bind(&row.connection)
    .bind(&row.reference)
    .bind(row.version)
    .bind(row.state.name())
    .bind(row.trace.as_deref().map(text))
    .bind(row.remaining.map(stored_places))
    .bind(row.reason.as_deref().map(text))
    .bind(row.needs_human)
    .bind(row.confirmed)
    .bind(&row.owner.id)
    .bind(&row.owner.host)
    .bind(i64::from(row.owner.pid))
    .bind(wide(row.owner.started, "start time")?)
    .bind(&row.owner.purpose)
    .bind(row.due_at)
    .bind(i64::from(row.attempts))
    .bind(row.moved_at)
    .execute(c)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// False when the barcode is another booking's.
async fn save_ticket(c: &mut Connection, row: &BookingRow, ticket: &TicketRow) -> Result<bool, StoreError> {
    let barcode = text(&ticket.barcode);
    // The update changes nothing; it makes "ours already" count as a row and "another's" not.
    let ours = sqlx::query(
        "INSERT INTO barcode (account, barcode, connection, booking) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (account, barcode, connection) DO UPDATE \
         SET booking = excluded.booking WHERE barcode.booking = excluded.booking",
    )
    .bind(&row.account)
    .bind(&barcode)
    .bind(&row.connection)
    .bind(&ticket.booking)
    .execute(&mut *c)
    .await?;
    if ours.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO ticket (booking, place, barcode, seat, vendor, state) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (booking, place) DO UPDATE SET barcode = excluded.barcode, seat = excluded.seat, \
         vendor = excluded.vendor, state = excluded.state",
    )
    .bind(&ticket.booking)
    .bind(i64::from(ticket.place))
    .bind(&barcode)
    .bind(ticket.seat.as_deref().map(text))
    .bind(text(&ticket.vendor))
    .bind(ticket.state.name())
    .execute(c)
    .await?;
    Ok(true)
}

async fn add_history(c: &mut Connection, reference: &str, events: &[BookingEvent]) -> Result<(), StoreError> {
    for event in events {
        sqlx::query(
            "INSERT INTO booking_event (booking, at, code, told) SELECT $1, $2, $3, $4 \
             WHERE (SELECT count(*) FROM booking_event WHERE booking = $1) < $5",
        )
        .bind(reference)
        .bind(event.at)
        .bind(text(&event.code))
        .bind(text(&event.text))
        .bind(i64::from(MAX_HISTORY))
        .execute(&mut *c)
        .await?;
    }
    Ok(())
}

async fn one(c: &mut Connection, column: &str, value: &str) -> Result<Option<StoredBooking>, StoreError> {
    let statement = match column {
        "reference" => "SELECT * FROM booking WHERE reference = $1",
        _ => "SELECT * FROM booking WHERE fingerprint = $1",
    };
    let rows = sqlx::query(statement).bind(value).fetch_all(&mut *c).await?;
    Ok(with_tickets(c, &rows).await?.pop())
}

/// Bookings of rows, in their order, each with its tickets.
pub(super) async fn with_tickets(c: &mut Connection, rows: &[Row]) -> Result<Vec<StoredBooking>, StoreError> {
    let mut found: Vec<StoredBooking> = rows
        .iter()
        .map(|row| Ok(StoredBooking { row: booking(row)?, tickets: Vec::new() }))
        .collect::<Result<_, StoreError>>()?;
    if found.is_empty() {
        return Ok(found);
    }
    let tickets =
        sqlx::query(concat!("SELECT * FROM ticket WHERE booking ", one_of!("$1"), " ORDER BY booking, place"))
            .bind(texts(found.iter().map(|booking| booking.row.reference.as_str())))
            .fetch_all(c)
            .await?;
    let at: std::collections::HashMap<String, usize> =
        found.iter().enumerate().map(|(index, booking)| (booking.row.reference.clone(), index)).collect();
    for row in &tickets {
        let ticket = ticket(row)?;
        if let Some(booking) = at.get(&ticket.booking).and_then(|index| found.get_mut(*index)) {
            booking.tickets.push(ticket);
        }
    }
    Ok(found)
}

/// How a number without limit is stored: an absent one means that nobody knows.
const NO_LIMIT: i64 = -1;

fn stored_places(remaining: Quantity) -> i64 {
    remaining.number().map_or(NO_LIMIT, i64::from)
}

fn read_places(stored: i64) -> Result<Quantity, StoreError> {
    if stored == NO_LIMIT { Ok(Quantity::Unlimited) } else { narrow(stored, "remaining").map(Quantity::Exactly) }
}

fn booking(row: &Row) -> Result<BookingRow, StoreError> {
    let state: String = row.try_get("state")?;
    Ok(BookingRow {
        reference: row.try_get("reference")?,
        connection: row.try_get("connection")?,
        account: row.try_get("account")?,
        fingerprint: row.try_get("fingerprint")?,
        wish: row.try_get("wish")?,
        stock_id: row.try_get("stock_id")?,
        offer_id: row.try_get("offer_id")?,
        quantity: narrow(row.try_get("quantity")?, "quantity")?,
        order: row.try_get("ordered")?,
        state: BookingState::named(&state)
            .ok_or_else(|| StoreError::Corrupt(format!("`{state}` is not a state of bookings")))?,
        trace: row.try_get("trace")?,
        remaining: row.try_get::<Option<i64>, _>("remaining")?.map(read_places).transpose()?,
        reason: row.try_get("reason")?,
        needs_human: row.try_get("needs_human")?,
        confirmed: row.try_get("confirmed")?,
        owner: Owner {
            id: row.try_get("owner_id")?,
            host: row.try_get("host")?,
            pid: narrow(row.try_get("pid")?, "pid")?,
            started: narrow(row.try_get("started")?, "start time")?,
            purpose: row.try_get("purpose")?,
        },
        due_at: row.try_get("due_at")?,
        attempts: narrow(row.try_get("attempts")?, "attempts")?,
        created_at: row.try_get("created_at")?,
        moved_at: row.try_get("moved_at")?,
        version: row.try_get("version")?,
    })
}

fn ticket(row: &Row) -> Result<TicketRow, StoreError> {
    let state: String = row.try_get("state")?;
    Ok(TicketRow {
        barcode: row.try_get("barcode")?,
        place: narrow(row.try_get("place")?, "place")?,
        booking: row.try_get("booking")?,
        seat: row.try_get("seat")?,
        vendor: row.try_get("vendor")?,
        state: TicketState::named(&state)
            .ok_or_else(|| StoreError::Corrupt(format!("`{state}` is not a state of tickets")))?,
    })
}
