//! What the simulated cinema has and sold.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::seats::{self, Cell, Counting, Map};

pub(super) const OPEN: i64 = 90_417;
pub(super) const FIVE_LEFT: i64 = 90_418;
pub(super) const LAST_PLACE: i64 = 90_419;
pub(super) const SOLD_OUT: i64 = 90_420;
pub(super) const VANISHED: i64 = 90_999;
pub(super) const DEARER: i64 = 90_430;
pub(super) const STARTED: i64 = 90_440;

/// The room with numbered seats, the one with a table of labels, and the one without numbers.
pub(super) const NUMBERED: i64 = 31;
pub(super) const TABLED: i64 = 32;
pub(super) const FREE: i64 = 33;

/// pass Culture's two tariffs, with their vouchers and prices in cents.
pub(super) const TARIFFS: [(i64, i64, u32, &str); 2] =
    [(91, 66, 500, "Pass Culture 5€"), (92, 67, 650, "Pass Culture 6,50€")];
/// The payment type of vouchers.
pub(super) const PAYMENT: i64 = 10;
/// How room 31 counts.
pub(super) const COUNTING: Counting = Counting { front_to_back: true, left_to_right: false, skip_missing: false };

const MAX_KEPT: usize = 100_000;

/// A film.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimFilm {
    /// Its number.
    pub id: i64,
    /// In capitals.
    pub title: String,
    /// Digits, or empty.
    pub visa: String,
    /// Seconds; 0 when unknown.
    pub seconds: i64,
    /// What it is about; may be empty.
    pub storyline: String,
    /// Where its poster is; may be empty.
    pub poster: String,
}

impl Default for SimFilm {
    fn default() -> Self {
        Self {
            id: 512,
            title: "LE PHARE IMMOBILE".to_owned(),
            visa: "161299".to_owned(),
            seconds: 6_540,
            storyline: "Un gardien compte les vagues.\nElles mentent.".to_owned(),
            poster: String::new(),
        }
    }
}

/// A show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimShow {
    /// Its number.
    pub id: i64,
    /// What is shown.
    pub film: SimFilm,
    /// Its beginning, in seconds since 1970.
    pub starts_at: i64,
    /// The room: 31 numbered, 32 with a table of labels, 33 without numbers.
    pub screen: i64,
    /// Places left in the pool of internet sales, sold ones taken off.
    pub internet: u32,
    /// Places left at the till.
    pub till: u32,
    /// pass Culture's tariffs sold there: 91 at 5 €, 92 at 6.50 €.
    pub tariffs: Vec<i64>,
    /// `VF`, `VO` or empty.
    pub version: String,
    /// Three-dimensional?
    pub three_d: bool,
    /// Called off, but still in the list.
    pub canceled: bool,
    /// Live seats; made from the room when empty.
    pub seats: Map,
}

impl Default for SimShow {
    fn default() -> Self {
        Self {
            id: 0,
            film: SimFilm::default(),
            starts_at: 0,
            screen: FREE,
            internet: 40,
            till: 58,
            tariffs: vec![91],
            version: "VF".to_owned(),
            three_d: false,
            canceled: false,
            seats: Map::new(),
        }
    }
}

/// A ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SimTicket {
    /// Digits.
    pub barcode: String,
    /// The show.
    pub show: i64,
    /// Its seat in the map.
    pub cell: Option<Cell>,
    /// What is printed.
    pub label: Option<String>,
    /// Void.
    pub cancelled: bool,
}

/// Misbehaviour within the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// A successful cancellation answers `{}` instead of nothing.
    pub answers_empty_object: bool,
    /// The cinema has closed its books: nothing can be cancelled.
    pub day_closed: bool,
    /// A duo gives one ticket.
    pub one_ticket_short: bool,
    /// Shows do not say whether they have a map.
    pub unsaid_maps: bool,
    /// The list of shows is empty.
    pub no_shows: bool,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) shows: BTreeMap<i64, SimShow>,
    pub(super) tickets: BTreeMap<String, SimTicket>,
    pub(super) quirks: Quirks,
    pub(super) transactions: i64,
}

/// A room of five rows, with an aisle, a gap and two places for wheelchairs.
fn numbered_room() -> Map {
    vec![
        vec![0, 1, 1, 1, 1, 0, 1, 1],
        vec![0, 0, 0, 0, 0, 0, 0, 0],
        vec![1, 1, 1, 1, 1, 0, 11, 11],
        vec![1, 1, 1, 1, 1, 0, 1, 1],
        vec![1, 1, 1, 1, 1, 0, 1, 1],
    ]
}

/// The labels of room 32: one seat has none.
pub(super) fn table() -> Value {
    json!([["D_7", "D_5", 0, "D_3"], ["C_7", "C_5", "C_3", "C_1"]])
}

impl Books {
    /// A cinema with three films, whose shows begin tomorrow and later.
    pub(super) fn sample(now: SystemTime) -> Self {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let at = |hours: i64| now / 3_600 * 3_600 + hours * 3_600;
        let concert = SimFilm {
            id: 513,
            title: "CINE CONCERT DE QUARTIER".into(),
            visa: String::new(),
            seconds: 0,
            storyline: String::new(),
            ..SimFilm::default()
        };
        let night = SimFilm { id: 514, title: "NUIT DE VERRE".into(), visa: "150901".into(), ..SimFilm::default() };
        let mut books = Self::default();
        for show in [
            SimShow {
                id: OPEN,
                starts_at: at(31),
                screen: NUMBERED,
                internet: 24,
                till: 0,
                version: "VO".into(),
                three_d: true,
                ..SimShow::default()
            },
            SimShow { id: FIVE_LEFT, starts_at: at(34), screen: NUMBERED, internet: 5, ..SimShow::default() },
            SimShow { id: LAST_PLACE, starts_at: at(55), internet: 1, ..SimShow::default() },
            SimShow { id: SOLD_OUT, starts_at: at(58), internet: 0, ..SimShow::default() },
            SimShow { id: DEARER, starts_at: at(79), tariffs: vec![92], ..SimShow::default() },
            SimShow { id: STARTED, starts_at: at(-1), ..SimShow::default() },
            SimShow {
                id: 90_450,
                starts_at: at(103),
                film: concert,
                tariffs: vec![92, 91],
                version: String::new(),
                ..SimShow::default()
            },
            SimShow {
                id: 90_451,
                starts_at: at(35),
                film: night.clone(),
                screen: TABLED,
                internet: 7,
                ..SimShow::default()
            },
            SimShow { id: 90_452, starts_at: at(59), film: night, tariffs: Vec::new(), ..SimShow::default() },
        ] {
            books.put_show(show);
        }
        books
    }

    pub(super) fn put_show(&mut self, mut show: SimShow) {
        if show.seats.is_empty() {
            show.seats = match show.screen {
                NUMBERED => numbered_room(),
                TABLED => vec![vec![1; 4]; 2],
                _ => Map::new(),
            };
        }
        if self.shows.len() < MAX_KEPT || self.shows.contains_key(&show.id) {
            self.shows.insert(show.id, show);
        }
    }

    pub(super) fn sold(&self, show: i64) -> u32 {
        if !self.shows.contains_key(&show) {
            return 0;
        }
        let live = self.tickets.values().filter(|ticket| ticket.show == show && !ticket.cancelled);
        u32::try_from(live.count()).unwrap_or(u32::MAX)
    }

    pub(super) fn left(&self, show: i64) -> u32 {
        self.shows.get(&show).filter(|show| !show.canceled).map_or(0, |show| show.internet)
    }

    /// Sells a ticket that was checked.
    pub(super) fn sell(&mut self, show: i64, cell: Option<Cell>, label: Option<String>) -> String {
        let barcode = format!("88{:010}", 12_345_671 + self.tickets.len());
        if let Some(show) = self.shows.get_mut(&show) {
            show.internet = show.internet.saturating_sub(1);
            mark(&mut show.seats, cell, 3);
        }
        let ticket = SimTicket { barcode: barcode.clone(), show, cell, label, cancelled: false };
        self.tickets.insert(barcode.clone(), ticket);
        barcode
    }

    /// Voids a ticket that may be voided.
    pub(super) fn void(&mut self, barcode: &str) {
        let Some(ticket) = self.tickets.get_mut(barcode) else { return };
        ticket.cancelled = true;
        if let Some(show) = self.shows.get_mut(&ticket.show) {
            show.internet += 1;
            mark(&mut show.seats, ticket.cell, 1);
        }
    }
}

fn mark(seats: &mut Map, cell: Option<Cell>, value: i64) {
    let found = cell.and_then(|(row, column)| seats.get_mut(row)?.get_mut(column));
    if let Some(found) = found {
        *found = value;
    }
}

/// The label that a client must send for a seat of a room.
pub(super) fn label_of(show: &SimShow, cell: Cell) -> Option<String> {
    let table = table();
    seats::label(&show.seats, cell, COUNTING, (show.screen == TABLED).then_some(&table))
}
