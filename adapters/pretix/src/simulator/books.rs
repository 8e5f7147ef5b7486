//! What the simulated organizer has on sale and sold.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{ITEM, ITEM_WITH_KINDS, SERIES, SINGLE};
use crate::keys::Key;

pub(super) const OPEN: i64 = 101;
pub(super) const FIVE_LEFT: i64 = 102;
pub(super) const LAST_PLACE: i64 = 103;
pub(super) const SOLD_OUT: i64 = 104;
pub(super) const DEARER: i64 = 105;
pub(super) const STARTED: i64 = 106;
pub(super) const VANISHED: i64 = 199;

/// Orders kept at most: a simulator is not a data base.
const MAX_KEPT: usize = 100_000;
/// Letters and digits of a ticket's secret, without those that look alike.
const SECRET_SYMBOLS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimEvent {
    /// Its short name.
    pub slug: String,
    /// Its name, by language.
    pub name: BTreeMap<String, String>,
    /// The language that it is written in first.
    pub locale: String,
    /// Is it shown?
    pub live: bool,
    /// Has it dates, or a single one?
    pub series: bool,
    /// What it takes.
    pub currency: String,
    /// What it sells.
    pub items: Vec<SimItem>,
}

/// Something that is sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimItem {
    /// Its number.
    pub id: i64,
    /// Its French name.
    pub name: String,
    /// In cents.
    pub cents: u32,
    /// Is it sold?
    pub active: bool,
    /// Does it let people in?
    pub admission: bool,
    /// Is it for those with a voucher?
    pub require_voucher: bool,
    /// Kinds of it.
    pub variations: Vec<SimVariation>,
}

/// A kind of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimVariation {
    /// Its number.
    pub id: i64,
    /// Its French name.
    pub value: String,
    /// In cents; absent where the item's counts.
    pub cents: Option<u32>,
}

/// A date of a series, or the single one of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimShow {
    /// Its number; of an event with a single date, one that only the simulator knows.
    pub id: i64,
    /// Whose date it is.
    pub event: String,
    /// Its beginning, in seconds since 1970.
    pub starts_at: i64,
    /// Until when it is sold, in seconds since 1970.
    pub presale_end: Option<i64>,
    /// Is it shown?
    pub active: bool,
    /// Seats of the quota with all items, sold ones included; absent means without limit.
    pub seats: Option<u32>,
    /// Seats of a second quota, with the first item alone.
    pub tariff_seats: Option<u32>,
    /// What the first item costs on this date, in cents.
    pub special_cents: Option<u32>,
    /// Items that are not sold on this date.
    pub disabled: Vec<i64>,
    /// Its quotas are closed.
    pub closed: bool,
}

impl Default for SimEvent {
    fn default() -> Self {
        let name = BTreeMap::from([("fr".to_owned(), "La Mouette rieuse".to_owned())]);
        let (slug, locale, currency) = (SERIES.to_owned(), "fr".to_owned(), "EUR".to_owned());
        Self { slug, name, locale, live: true, series: true, currency, items: Vec::new() }
    }
}

impl Default for SimItem {
    fn default() -> Self {
        let name = "Tarif pass Culture".to_owned();
        Self {
            id: ITEM,
            name,
            cents: 1_200,
            active: true,
            admission: true,
            require_voucher: false,
            variations: Vec::new(),
        }
    }
}

impl Default for SimShow {
    fn default() -> Self {
        Self {
            id: 0,
            event: SERIES.to_owned(),
            starts_at: 0,
            presale_end: None,
            active: true,
            seats: Some(60),
            tariff_seats: None,
            special_cents: None,
            disabled: Vec::new(),
            closed: false,
        }
    }
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SimOrder {
    /// Its name.
    pub code: String,
    /// Whose order it is.
    pub event: String,
    /// Paid, or waiting for it.
    pub paid: bool,
    /// Cancelled whole.
    pub cancelled: bool,
    /// Which channel it came through.
    pub sales_channel: String,
    /// Its tickets.
    pub positions: Vec<SimPosition>,
}

/// A ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SimPosition {
    /// Its number.
    pub id: i64,
    /// What was bought.
    pub item: i64,
    /// Which kind of it.
    pub variation: Option<i64>,
    /// The show.
    pub show: i64,
    /// In cents.
    pub cents: u32,
    /// What is scanned.
    pub secret: String,
    /// Cancelled by itself.
    pub cancelled: bool,
    /// Somebody came in with it.
    pub scanned: bool,
}

/// Misbehaviour within its own rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// An order is made with one ticket less than asked for.
    pub one_ticket_short: bool,
    /// An order is made at the list price, whatever was asked for.
    pub list_price: bool,
    /// Tickets come without secret.
    pub no_secrets: bool,
    /// Whole orders cannot be cancelled.
    pub keeps_orders: bool,
    /// The last seats go to somebody else between the reading of the quotas and the order.
    pub sells_in_between: bool,
    /// Pages are of two entries.
    pub small_pages: bool,
    /// Quotas do not say what is left.
    pub silent_quotas: bool,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) events: BTreeMap<String, SimEvent>,
    pub(super) shows: BTreeMap<i64, SimShow>,
    pub(super) orders: Vec<SimOrder>,
    pub(super) quirks: Quirks,
    /// Bodies of orders, as they came.
    pub(super) bodies: Vec<String>,
    /// What the next order is answered with.
    pub(super) scripted: Option<(u16, String)>,
    /// Stored answers by idempotency key.
    pub(super) stored: BTreeMap<String, (u16, serde_json::Value)>,
}

/// A quota: its number, how many, and of which items (none means all).
pub(super) struct SimQuota {
    pub(super) id: i64,
    pub(super) size: Option<u32>,
    pub(super) only: Option<i64>,
}

pub(super) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

impl Books {
    /// A series with nine dates and an event with one, from tomorrow on.
    pub(super) fn sample() -> Self {
        let now = unix_now();
        let at = |hours: i64| now / 3_600 * 3_600 + hours * 3_600;
        let mut books = Self::default();
        let (with_kinds, [first, second]) = ITEM_WITH_KINDS;
        let kind = |id, value: &str, cents| SimVariation { id, value: value.to_owned(), cents };
        books.put_event(SimEvent {
            items: vec![
                SimItem::default(),
                SimItem {
                    id: with_kinds,
                    name: "Place numérotée".into(),
                    cents: 2_000,
                    variations: vec![kind(first, "Parterre", Some(2_500)), kind(second, "Balcon", None)],
                    ..SimItem::default()
                },
                SimItem {
                    id: 13,
                    name: "Programme imprimé".into(),
                    cents: 300,
                    admission: false,
                    ..SimItem::default()
                },
                SimItem { id: 14, name: "Invitation".into(), cents: 0, require_voucher: true, ..SimItem::default() },
            ],
            ..SimEvent::default()
        });
        books.put_event(SimEvent {
            slug: SINGLE.into(),
            name: BTreeMap::from([("en".to_owned(), "The Brass Band".to_owned())]),
            locale: "en".into(),
            series: false,
            items: vec![SimItem { id: 31, name: "Debout".into(), cents: 1_500, ..SimItem::default() }],
            ..SimEvent::default()
        });
        let show = |id: i64, hours: i64| SimShow { id, starts_at: at(hours), ..SimShow::default() };
        for show in [
            show(OPEN, 31),
            SimShow { tariff_seats: Some(5), ..show(FIVE_LEFT, 55) },
            SimShow { seats: Some(1), ..show(LAST_PLACE, 58) },
            SimShow { seats: Some(0), ..show(SOLD_OUT, 79) },
            SimShow { special_cents: Some(1_400), ..show(DEARER, 82) },
            show(STARTED, -1),
            SimShow { active: false, ..show(107, 103) },
            SimShow { seats: None, disabled: vec![with_kinds], ..show(108, 127) },
            SimShow { closed: true, ..show(109, 130) },
            SimShow { event: SINGLE.into(), seats: Some(200), ..show(1, 200) },
        ] {
            books.put_show(show);
        }
        books
    }

    pub(super) fn put_event(&mut self, event: SimEvent) {
        if self.events.len() < MAX_KEPT || self.events.contains_key(&event.slug) {
            self.events.insert(event.slug.clone(), event);
        }
    }

    pub(super) fn put_show(&mut self, show: SimShow) {
        if self.shows.len() < MAX_KEPT || self.shows.contains_key(&show.id) {
            self.shows.insert(show.id, show);
        }
    }

    /// The show of an event that the API knows by this number, or by none.
    pub(super) fn show(&self, event: &str, date: Option<i64>) -> Option<&SimShow> {
        let series = self.events.get(event)?.series;
        self.shows.values().find(|show| show.event == event && (if series { Some(show.id) } else { None }) == date)
    }

    pub(super) fn show_of(&self, key: &Key) -> Option<&SimShow> {
        self.show(&key.event, key.date)
    }

    fn live(&self) -> impl Iterator<Item = &SimPosition> {
        let orders = self.orders.iter().filter(|order| !order.cancelled);
        orders.flat_map(|order| &order.positions).filter(|position| !position.cancelled)
    }

    pub(super) fn sold(&self, show: i64) -> u32 {
        count(self.live().filter(|position| position.show == show))
    }

    pub(super) fn seats_sold(&self) -> u32 {
        count(self.live())
    }

    /// The quotas of a show.
    pub(super) fn quotas(show: &SimShow, first_item: i64) -> Vec<SimQuota> {
        let room = SimQuota { id: show.id * 10, size: show.seats, only: None };
        let tariff =
            show.tariff_seats.map(|size| SimQuota { id: show.id * 10 + 1, size: Some(size), only: Some(first_item) });
        std::iter::once(room).chain(tariff).collect()
    }

    /// What a quota has left; absent means without limit.
    pub(super) fn left_of(&self, show: &SimShow, quota: &SimQuota) -> Option<u32> {
        let of_it =
            |position: &&SimPosition| position.show == show.id && quota.only.is_none_or(|only| only == position.item);
        let taken = count(self.live().filter(of_it));
        if show.closed { Some(0) } else { quota.size.map(|size| size.saturating_sub(taken)) }
    }

    /// The least of all quotas with this item; absent means without limit.
    pub(super) fn quota_left(&self, show: &SimShow, item: i64) -> Option<u32> {
        let first = self.events.get(&show.event).and_then(|event| event.items.first()).map_or(0, |item| item.id);
        let quotas = Self::quotas(show, first);
        let with_it = quotas.iter().filter(|quota| quota.only.is_none_or(|only| only == item));
        with_it.filter_map(|quota| self.left_of(show, quota)).min()
    }

    /// What beneficiaries can still buy.
    pub(super) fn left(&self, key: &Key) -> u32 {
        let open = |show: &&SimShow| {
            let live = self.events.get(&show.event).is_some_and(|event| event.live);
            let end = show.presale_end.unwrap_or(show.starts_at).min(show.starts_at);
            live && show.active && end > unix_now()
        };
        self.show_of(key).filter(open).map_or(0, |show| self.quota_left(show, key.item).unwrap_or(u32::MAX))
    }

    pub(super) fn scan(&mut self, barcode: &str) -> bool {
        let mut all = self.orders.iter_mut().flat_map(|order| &mut order.positions);
        all.find(|position| position.secret == barcode).map(|position| position.scanned = true).is_some()
    }

    /// Takes an order that was checked; gives its place in the books.
    pub(super) fn take(&mut self, mut order: SimOrder) -> usize {
        let known = self.orders.iter().map(|order| order.positions.len()).sum::<usize>();
        for (position, number) in order.positions.iter_mut().zip(known + 1..) {
            position.id = i64::try_from(5_000 + number).unwrap_or(i64::MAX);
            position.secret = secret(number as u64);
        }
        if self.orders.len() < MAX_KEPT {
            self.orders.push(order);
        }
        self.orders.len().saturating_sub(1)
    }
}

fn count<'a>(positions: impl Iterator<Item = &'a SimPosition>) -> u32 {
    u32::try_from(positions.count()).unwrap_or(u32::MAX)
}

/// 32 letters and digits, never the same.
fn secret(number: u64) -> String {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let symbol = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(state >> 33).unwrap_or(0) % SECRET_SYMBOLS.len();
        char::from(*SECRET_SYMBOLS.get(at).unwrap_or(&b'a'))
    };
    (0..32).map(symbol).collect()
}
