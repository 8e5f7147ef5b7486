//! Shows that vendors state, barcodes that they import, tickets issued in their place.
//!
//! ```text
//! shows   what a vendor states of its events and stocks
//! pool    imported barcodes: in, counted, withdrawn
//! issue   seats given out and taken back
//! door    bookings as the people at the door need them, and answers to repeated calls
//! ```
//!
//! Invariant: whoever reads in order to change locks the connection first, then a booking, then stocks and barcodes: one order
//! for all of them.

mod door;
mod issue;
mod pool;
mod shows;

use passerelle_contract::BoxFuture;
use sqlx::Row as _;

use super::super::texts;
use super::bookings::with_tickets;
use super::{Connection, Engine, Millis, Row, StoreError, connections, narrow, text};
use crate::store::allotments::{
    AllotmentStore, AnsweredKey, ForSale, Import, Issuance, IssueOrder, IssueTerms, IssuedTickets, Noted, PoolCount,
    Repriced, StatedEvent, StatedShows, StatedStock, Stating, TakenBack, TicketUse, UsesOf,
};
use crate::store::bookings::StoredBooking;

impl AllotmentStore for Engine {
    fn state_event<'a>(
        &'a self,
        connection: &'a str,
        event: &'a StatedEvent,
        repriced: &'a [Repriced],
    ) -> BoxFuture<'a, Result<Stating, StoreError>> {
        write!(self, c => shows::state_event(c, connection, event, repriced))
    }

    fn stated_event<'a>(
        &'a self,
        connection: &'a str,
        event: &'a str,
    ) -> BoxFuture<'a, Result<Option<StatedEvent>, StoreError>> {
        read!(self, c => shows::event(c, connection, event))
    }

    fn stated_stock<'a>(
        &'a self,
        connection: &'a str,
        stock: &'a str,
    ) -> BoxFuture<'a, Result<Option<StatedStock>, StoreError>> {
        read!(self, c => shows::stock(c, connection, stock))
    }

    fn stated_stocks<'a>(
        &'a self,
        connection: &'a str,
        event: &'a str,
    ) -> BoxFuture<'a, Result<Vec<StatedStock>, StoreError>> {
        read!(self, c => shows::stocks_of(c, connection, event))
    }

    fn state_stock<'a>(
        &'a self,
        connection: &'a str,
        stock: &'a StatedStock,
        version: Option<i64>,
    ) -> BoxFuture<'a, Result<Stating, StoreError>> {
        write!(self, c => shows::state_stock(c, connection, stock, version))
    }

    fn learn_places<'a>(
        &'a self,
        connection: &'a str,
        stock: &'a str,
        left: Option<u32>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => shows::learn_places(c, connection, stock, left))
    }

    fn state_places<'a>(
        &'a self,
        connection: &'a str,
        stock: &'a str,
        places: Option<u32>,
        version: Option<i64>,
        now: Millis,
    ) -> BoxFuture<'a, Result<Stating, StoreError>> {
        write!(self, c => shows::state_places(c, connection, stock, places, version, now))
    }

    fn take_off<'a>(
        &'a self,
        connection: &'a str,
        event: &'a str,
        stock: &'a str,
        now: Millis,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        write!(self, c => shows::take_off(c, connection, event, stock, now))
    }

    fn stated_shows<'a>(
        &'a self,
        connection: &'a str,
        after: Millis,
    ) -> BoxFuture<'a, Result<StatedShows, StoreError>> {
        read!(self, c => shows::all(c, connection, after))
    }

    fn untold_seats<'a>(&'a self, connection: &'a str, stock: &'a str) -> BoxFuture<'a, Result<u32, StoreError>> {
        read!(self, c => shows::untold(c, connection, stock))
    }

    fn make_due_again<'a>(&'a self, connection: &'a str, now: Millis) -> BoxFuture<'a, Result<bool, StoreError>> {
        write!(self, c => async {
            let found = shows::make_due_again(c, connection, now).await?;
            if found {
                self.wake(c, connection).await?;
            }
            Ok(found)
        })
    }

    fn import_barcodes<'a>(
        &'a self,
        connection: &'a str,
        rows: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<Vec<Import>, StoreError>> {
        write!(self, c => pool::import(c, connection, rows))
    }

    fn pool<'a>(
        &'a self,
        connection: &'a str,
        stock: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<PoolCount>, StoreError>> {
        read!(self, c => pool::counts(c, connection, stock))
    }

    fn withdraw_barcodes<'a>(&'a self, connection: &'a str, stock: &'a str) -> BoxFuture<'a, Result<u64, StoreError>> {
        write!(self, c => pool::withdraw(c, connection, stock))
    }

    fn issue<'a>(&'a self, order: IssueOrder<'a>, terms: IssueTerms) -> BoxFuture<'a, Result<Issuance, StoreError>> {
        write!(self, c => issue::issue(c, order, terms))
    }

    fn issued<'a>(
        &'a self,
        connection: &'a str,
        reference: &'a str,
    ) -> BoxFuture<'a, Result<Option<IssuedTickets>, StoreError>> {
        read!(self, c => issue::issued(c, connection, reference))
    }

    fn take_back<'a>(
        &'a self,
        connection: &'a str,
        reference: &'a str,
        places: &'a [u32],
    ) -> BoxFuture<'a, Result<Vec<TakenBack>, StoreError>> {
        write!(self, c => issue::take_back(c, connection, reference, places))
    }

    fn for_sale<'a>(&'a self, order: IssueOrder<'a>, terms: IssueTerms) -> BoxFuture<'a, Result<ForSale, StoreError>> {
        read!(self, c => issue::for_sale(c, order, terms))
    }

    fn booking_named<'a>(
        &'a self,
        connection: &'a str,
        booking_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<StoredBooking>, StoreError>> {
        read!(self, c => door::named(c, connection, booking_id))
    }

    fn door_list<'a>(
        &'a self,
        connection: &'a str,
        places_key: &'a str,
        after: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<StoredBooking>, StoreError>> {
        read!(self, c => door::list(c, connection, places_key, after, limit))
    }

    fn ticket_uses<'a>(&'a self, references: &'a [String]) -> BoxFuture<'a, Result<Vec<UsesOf>, StoreError>> {
        read!(self, c => door::uses(c, references))
    }

    fn note_uses<'a>(
        &'a self,
        reference: &'a str,
        uses: &'a [TicketUse],
        now: Millis,
    ) -> BoxFuture<'a, Result<Noted, StoreError>> {
        write!(self, c => door::note(c, reference, uses, now))
    }

    fn answered_key<'a>(
        &'a self,
        connection: &'a str,
        key: &'a str,
        now: Millis,
    ) -> BoxFuture<'a, Result<Option<AnsweredKey>, StoreError>> {
        read!(self, c => door::answered(c, connection, key, now))
    }

    fn remember_answer<'a>(
        &'a self,
        connection: &'a str,
        key: &'a str,
        answer: &'a AnsweredKey,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => door::remember(c, connection, key, answer))
    }
}

/// Locks the connection until the transaction ends, and answers its account.
async fn lock(c: &mut Connection, connection: &str) -> Result<String, StoreError> {
    connections::must_exist(c, connection).await?;
    account(c, connection).await
}

async fn account(c: &mut Connection, connection: &str) -> Result<String, StoreError> {
    let account =
        sqlx::query_scalar("SELECT account FROM connection WHERE id = $1").bind(connection).fetch_optional(c).await?;
    account.ok_or_else(|| StoreError::unknown(connection))
}

/// A number of places as stored; `None` is unlimited.
fn places(row: &Row, column: &str) -> Result<Option<u32>, StoreError> {
    row.try_get::<Option<i64>, _>(column)?.map(|value| narrow(value, column)).transpose()
}

/// A count of rows.
fn count(value: i64) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}
