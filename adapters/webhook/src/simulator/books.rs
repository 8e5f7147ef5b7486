//! The books: shows with their places, bookings with their tickets, what was voided before it came, and what was received.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::signature::Key;

/// Answers, messages and tombstones kept; older ones go.
const MAX_KEPT: usize = 10_000;
/// Shows and bookings kept: more are refused.
pub(super) const MAX_BOOKED: usize = 100_000;

pub(super) const OPEN: &str = "mouette/1/A";
pub(super) const FIVE_LEFT: &str = "mouette/2/A";
pub(super) const LAST_PLACE: &str = "mouette/3/A";
pub(super) const SOLD_OUT: &str = "mouette/4/A";
/// Not among the shows.
pub(super) const VANISHED: &str = "mouette/5/A";
/// Costs more than the orders for it say.
pub(super) const DEARER: &str = "mouette/6/A";
/// Began an hour ago.
pub(super) const STARTED: &str = "mouette/7/A";
/// What the orders pay.
pub(super) const PRICE_CENTS: u32 = 1_200;

/// One date at one tariff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimShow {
    /// Its key.
    pub stock_id: String,
    /// Unix seconds.
    pub starts_at: i64,
    /// What a seat costs.
    pub price_cents: u32,
    /// Places left; null without limit.
    pub remaining: Option<u32>,
}

/// One seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SimTicket {
    /// What the scanner reads.
    pub barcode: String,
    /// Printed.
    pub seat: Option<String>,
    /// Cancelled?
    pub void: bool,
    /// Let in?
    pub used: bool,
}

/// One booking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SimBooking {
    /// The gateway's name for it.
    pub booking_id: String,
    /// The show.
    pub stock_id: String,
    /// Its seats.
    pub tickets: Vec<SimTicket>,
    /// Did this software make the barcodes? Otherwise the gateway did.
    pub own: bool,
}

/// One call that came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Received {
    /// Where.
    pub path: String,
    /// `type` of the document; empty when there was none.
    #[serde(rename = "type")]
    pub kind: String,
    /// `webhook-id`.
    pub id: String,
    /// `sequence`.
    pub sequence: u64,
    /// `data`.
    pub data: Value,
    /// Its headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The very text, for who checks signatures.
    pub body: String,
    /// What was answered.
    pub status: u16,
}

/// How it misbehaves besides the faults of every simulator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Not at all.
    #[default]
    Good,
    /// Takes calls and never answers.
    Hang,
    /// Wants no more messages: 410.
    Gone,
    /// Lives elsewhere now: 308.
    Moved,
    /// 500.
    Broken,
    /// 429, and `Retry-After: 7`.
    Slow,
    /// Sells, and answers 200 with what means nothing.
    Nonsense,
    /// Sells, and names one ticket more.
    WrongCount,
    /// Sells, and names the first barcode for every seat.
    SameBarcodes,
    /// Sells, and the first barcode has 101 characters.
    LongBarcode,
    /// Does not tell places left.
    NoCount,
}

/// A stored answer.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
}

pub(super) struct Books {
    pub(super) keys: Vec<Key>,
    pub(super) behaviour: Behaviour,
    pub(super) shows: BTreeMap<String, SimShow>,
    pub(super) bookings: BTreeMap<String, SimBooking>,
    pub(super) received: VecDeque<Received>,
    /// Bookings that were voided before they came.
    pub(super) tombstones: Remembered<()>,
    /// Answers by message.
    pub(super) answers: Remembered<Answered>,
    /// The last message of each booking, by its number.
    pub(super) sequences: Remembered<u64>,
    next_ticket: u32,
}

/// The last so many of something, by name.
pub(super) struct Remembered<T> {
    by_name: HashMap<String, T>,
    order: VecDeque<String>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self { by_name: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Remembered<T> {
    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.by_name.get(name)
    }

    pub(super) fn keep(&mut self, name: &str, what: T) {
        if self.by_name.insert(name.to_owned(), what).is_none() {
            self.order.push_back(name.to_owned());
        }
        if self.order.len() > MAX_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_name.remove(&oldest);
        }
    }
}

pub(super) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// When a sample show begins, in Unix seconds.
pub(super) fn starts_at(stock_id: &str) -> i64 {
    if stock_id == STARTED { unix_now() - 3_600 } else { unix_now() + 90_000 }
}

impl Books {
    pub(super) fn sample(keys: Vec<Key>) -> Self {
        let show = |stock_id: &str, price_cents, remaining| SimShow {
            stock_id: stock_id.to_owned(),
            starts_at: starts_at(stock_id),
            price_cents,
            remaining: Some(remaining),
        };
        let shows = [
            show(OPEN, PRICE_CENTS, 40),
            show(FIVE_LEFT, PRICE_CENTS, 5),
            show(LAST_PLACE, PRICE_CENTS, 1),
            show(SOLD_OUT, PRICE_CENTS, 0),
            show(DEARER, PRICE_CENTS + 300, 40),
            show(STARTED, PRICE_CENTS, 40),
        ];
        Self {
            keys,
            behaviour: Behaviour::Good,
            shows: shows.into_iter().map(|show| (show.stock_id.clone(), show)).collect(),
            bookings: BTreeMap::new(),
            received: VecDeque::new(),
            tombstones: Remembered::default(),
            answers: Remembered::default(),
            sequences: Remembered::default(),
            next_ticket: 1,
        }
    }

    pub(super) fn put_show(&mut self, show: SimShow) {
        if self.shows.len() < MAX_BOOKED || self.shows.contains_key(&show.stock_id) {
            self.shows.insert(show.stock_id.clone(), show);
        }
    }

    pub(super) fn receive(&mut self, one: Received) {
        if self.received.len() == MAX_KEPT {
            self.received.pop_front();
        }
        self.received.push_back(one);
    }

    /// Seats of a show that are sold and not cancelled.
    pub(super) fn sold(&self, stock_id: &str) -> u32 {
        let of_show = self.bookings.values().filter(|booking| booking.stock_id == stock_id);
        let live = of_show.flat_map(|booking| &booking.tickets).filter(|ticket| !ticket.void).count();
        u32::try_from(live).unwrap_or(u32::MAX)
    }

    pub(super) fn scan(&mut self, barcode: &str) -> bool {
        let mut all = self.bookings.values_mut().flat_map(|booking| &mut booking.tickets);
        match all.find(|ticket| ticket.barcode == barcode && !ticket.void) {
            Some(ticket) => {
                ticket.used = true;
                true
            }
            None => false,
        }
    }

    /// Tickets with numbers of its own.
    pub(super) fn make_tickets(&mut self, quantity: u32) -> Vec<SimTicket> {
        (0..quantity)
            .map(|_| {
                let number = self.next_ticket;
                self.next_ticket += 1;
                SimTicket {
                    barcode: format!("SIM-{number:06}"),
                    seat: Some(format!("A{number}")),
                    void: false,
                    used: false,
                }
            })
            .collect()
    }

    /// Voids tickets of a booking and frees their places; how many.
    pub(super) fn void(&mut self, booking_id: &str, meant: impl Fn(&SimTicket) -> bool) -> u32 {
        let Some(booking) = self.bookings.get_mut(booking_id) else { return 0 };
        let mut freed: u32 = 0;
        for ticket in booking.tickets.iter_mut().filter(|ticket| !ticket.void && meant(ticket)) {
            ticket.void = true;
            freed += 1;
        }
        if let Some(left) = self.shows.get_mut(&booking.stock_id).and_then(|show| show.remaining.as_mut()) {
            *left += freed;
        }
        freed
    }

    /// Barcodes that are in the books twice: none, as long as it is true to itself.
    #[cfg(test)]
    pub(super) fn doubles(&self) -> usize {
        let mut seen = std::collections::HashSet::new();
        self.bookings.values().flat_map(|booking| &booking.tickets).filter(|one| !seen.insert(&one.barcode)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn barcodes_are_given_once_and_the_last_names_are_remembered() {
        let mut books = Books::sample(Vec::new());
        for name in ["a", "b"] {
            let tickets = books.make_tickets(2);
            let booking = SimBooking { booking_id: name.into(), stock_id: OPEN.into(), tickets, own: true };
            books.bookings.insert(name.to_owned(), booking);
        }
        assert_eq!((books.doubles(), books.sold(OPEN)), (0, 4));
        let mut names = Remembered::default();
        for name in 0..=MAX_KEPT {
            names.keep(&name.to_string(), ());
        }
        assert!(names.get("0").is_none() && names.get("1").is_some());
    }
}
