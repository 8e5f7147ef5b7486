//! What the simulated account shows and sold.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::{EVENT, SINGLE_EVENT};

pub(super) const OPEN: i64 = 98_701;
pub(super) const FIVE_LEFT: i64 = 98_702;
pub(super) const LAST_PLACE: i64 = 98_703;
pub(super) const SOLD_OUT: i64 = 98_704;
pub(super) const STARTED: i64 = 98_705;
pub(super) const VANISHED: i64 = 98_799;
pub(super) const FULL: i64 = 55_501;

/// Orders kept at most: a simulator is not a data base.
const MAX_KEPT: usize = 100_000;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimEvent {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Some HTML.
    pub description: String,
    /// Has it sessions? If not, the show of its own number is its only one.
    pub multiple: bool,
    /// Its tariffs.
    pub tariffs: Vec<SimTariff>,
}

/// A tariff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimTariff {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// In cents.
    pub cents: u32,
    /// As the vendor writes dates; empty for none.
    pub opens: String,
    /// The same.
    pub closes: String,
}

/// A session, or an event without any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimShow {
    /// The session's number, or its event's.
    pub id: i64,
    /// The event.
    pub event: i64,
    /// In seconds since 1970; the vendor tells it as a clock in Paris shows it.
    pub starts_at: i64,
    /// Seats, sold ones included. None means nobody limits them.
    pub seats: Option<u32>,
    /// Closed by the organiser.
    pub disabled: bool,
    /// Tariffs that it names, if it names any.
    pub tariffs: Vec<i64>,
}

impl Default for SimShow {
    fn default() -> Self {
        Self { id: 0, event: number(EVENT), starts_at: 0, seats: Some(60), disabled: false, tariffs: Vec::new() }
    }
}

/// An order of one ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SimSale {
    /// Its number.
    pub id: i64,
    /// What the caller calls it.
    pub request_id: String,
    /// The event.
    pub event: i64,
    /// The show.
    pub show: i64,
    /// Its session as the list of attendees tells it.
    pub session: i64,
    /// The tariff.
    pub tariff: i64,
    /// Whom it was sold to.
    pub email: String,
    /// Thirteen digits.
    pub barcode: String,
    /// In cents.
    pub cents: u32,
    /// Somebody went in with it.
    pub scanned: bool,
    /// Deleted.
    pub cancelled: bool,
}

/// Things that nobody outside the vendor knows for certain, and misbehaviour within its rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// Orders are refused when nothing is left, each by itself.
    pub enforces_stock: bool,
    /// Sessions do not tell what was sold.
    pub hides_sales: bool,
    /// Tariffs have quotas and do not tell what was sold.
    pub uncounted_tariffs: bool,
    /// Of two orders one is made.
    pub one_order_short: bool,
    /// Orders are made for no session.
    pub ignores_session: bool,
    /// Attendees are listed whatever the address asked for.
    pub ignores_email: bool,
    /// The list of attendees is empty for so many more readings.
    pub late_attendees: u32,
    /// Deleted orders are no longer listed.
    pub purges_deleted: bool,
    /// A deletion says yes and does nothing.
    pub keeps_deleted: bool,
    /// Calls allowed within a minute; 0 means any number.
    pub calls_a_minute: u32,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) events: BTreeMap<i64, SimEvent>,
    pub(super) shows: BTreeMap<i64, SimShow>,
    pub(super) sales: Vec<SimSale>,
    pub(super) quirks: Quirks,
    /// Bodies of what changes something.
    pub(super) bodies: Vec<(String, String)>,
    /// When calls came in, for the limit.
    pub(super) calls: Vec<Instant>,
}

pub(super) fn number(id: &str) -> i64 {
    id.parse().unwrap_or(0)
}

pub(super) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

impl Books {
    /// Two events with their shows, and a voucher that nobody should publish.
    pub(super) fn sample() -> Self {
        let at = |hours: i64| unix_now() / 3_600 * 3_600 + hours * 3_600;
        let tariff = |id, name: &str, cents| SimTariff {
            id,
            name: name.to_owned(),
            cents,
            opens: String::new(),
            closes: "0000-00-00 00:00:00".to_owned(),
        };
        let event = |id: &str, name: &str, multiple, tariffs| SimEvent {
            id: number(id),
            name: name.to_owned(),
            description: "<p>Trois soirs au bord de l&#039;eau.</p>".to_owned(),
            multiple,
            tariffs,
        };
        let mut books = Self::default();
        for event in [
            event(EVENT, "Les Marées lentes", true, vec![tariff(FULL, "Plein", 1_250), tariff(55_502, "Réduit", 800)]),
            event(SINGLE_EVENT, "Bal de l'Équinoxe", false, vec![tariff(55_601, "Entrée", 500)]),
            event("120399", "Carte cadeau", false, vec![tariff(55_901, "Carte", 5_000)]),
        ] {
            books.events.insert(event.id, event);
        }
        let show = |id, hours| SimShow { id, starts_at: at(hours), ..SimShow::default() };
        let single = number(SINGLE_EVENT);
        for show in [
            show(OPEN, 31),
            SimShow { seats: Some(5), ..show(FIVE_LEFT, 34) },
            SimShow { seats: Some(1), ..show(LAST_PLACE, 55) },
            SimShow { seats: Some(0), ..show(SOLD_OUT, 58) },
            show(STARTED, -2),
            SimShow { disabled: true, ..show(98_706, 80) },
            SimShow { seats: None, ..show(98_707, 90) },
            SimShow { event: single, seats: Some(40), ..show(single, 60) },
            SimShow { event: 120_399, seats: None, ..show(120_399, 9_000) },
        ] {
            books.put_show(show);
        }
        // The vendor takes a quota of zero for none: what is sold out here was sold.
        books.shows.entry(SOLD_OUT).and_modify(|show| show.seats = Some(1));
        books.sell(SOLD_OUT, FULL, "caisse@theatre.example", "guichet", 1_250);
        books
    }

    pub(super) fn put_show(&mut self, show: SimShow) {
        if self.shows.len() < MAX_KEPT || self.shows.contains_key(&show.id) {
            self.shows.insert(show.id, show);
        }
    }

    fn live(&self) -> impl Iterator<Item = &SimSale> {
        self.sales.iter().filter(|sale| !sale.cancelled)
    }

    /// Those of a till are not beneficiaries'.
    pub(super) fn seats_sold(&self) -> u32 {
        count(self.live().filter(|sale| sale.request_id != "guichet"))
    }

    pub(super) fn taken(&self, show: i64) -> u32 {
        count(self.live().filter(|sale| sale.show == show))
    }

    pub(super) fn sold(&self, show: i64) -> u32 {
        count(self.live().filter(|sale| sale.show == show && sale.request_id != "guichet"))
    }

    pub(super) fn left(&self, show: &SimShow) -> u32 {
        if show.disabled || show.starts_at <= unix_now() {
            return 0;
        }
        show.seats.map_or(u32::MAX, |seats| seats.saturating_sub(self.taken(show.id)))
    }

    pub(super) fn scan(&mut self, barcode: &str) -> bool {
        let sale = self.sales.iter_mut().find(|sale| sale.barcode == barcode);
        sale.map(|sale| sale.scanned = true).is_some()
    }

    /// Sells what was checked; gives the order's number.
    pub(super) fn sell(&mut self, show: i64, tariff: i64, email: &str, request_id: &str, cents: u32) -> i64 {
        let nth = i64::try_from(self.sales.len()).unwrap_or(0);
        let event = self.shows.get(&show).map_or(0, |show| show.event);
        let session = if show == event || self.quirks.ignores_session { 0 } else { show };
        if self.sales.len() < MAX_KEPT {
            self.sales.push(SimSale {
                id: 7_000_001 + nth,
                request_id: request_id.to_owned(),
                event,
                show,
                session,
                tariff,
                email: email.to_owned(),
                barcode: format!("2031{:09}", 19 + nth * 7),
                cents,
                scanned: false,
                cancelled: false,
            });
        }
        7_000_001 + nth
    }
}

fn count<'a>(sales: impl Iterator<Item = &'a SimSale>) -> u32 {
    u32::try_from(sales.count()).unwrap_or(u32::MAX)
}
